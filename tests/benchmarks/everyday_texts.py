"""Requests, replies and instructions of every day, as many as a benchmark needs."""

from __future__ import annotations

INSTRUCTIONS = (
    "Answer in British English.",
    "Never use bullet points.",
    "I am vegetarian.",
    "Give temperatures in Celsius.",
    "Call me Sam.",
    "Explain technical words when you use them.",
    "When I ask for code, write Python.",
    "Do not use emoji.",
    "Keep recipes under thirty minutes.",
    "I live in Leeds.",
    "Prices in pounds, please.",
    "Tell me when you are not sure.",
    "For travel, I prefer trains to planes.",
    "I have a nut allergy.",
    "Put the answer in the first sentence.",
    "Use metric units.",
    "When I write in French, answer in French.",
    "Never suggest alcohol.",
    "I teach eight-year-olds.",
    "Mention the source of numbers.",
)
SUBJECTS = ("my garden", "a first marathon", "the office move", "an old bicycle", "my thesis")
TASKS = (
    "What should I think of first when I plan {0}, and what can wait until {1} weeks later?",
    "Could you explain in simple words how to get started with {0} if I have {1} hours a week?",
    "I have {1} days and little money: what would you do about {0}, and in which order?",
)
SENTENCES = (
    "Start with the part of {0} that you can finish within {1} days.",
    "Write down what it costs, and keep {1} percent in reserve for what you did not foresee.",
    "Ask somebody who has done it before, because {0} is easier to judge from outside.",
    "Then do a little every day rather than everything on one weekend.",
    "If it goes wrong, go back one step and try the simpler way.",
)
MATTERS = (
    *("cooking", "flights", "taxes", "gardening", "running", "hotels", "homework", "music"),
    *("letters", "software"),
)


def request(number: int) -> str:
    """Return an everyday request that no other number gives."""
    return TASKS[number % 3].format(SUBJECTS[number % 5], number)


def reply(number: int) -> str:
    """Return a reply of some 60 words that no other number gives."""
    return " ".join(SENTENCES).format(SUBJECTS[number % 5], number)


def many(style: str, number: int) -> str:
    """Return one of many instructions: a style by itself, or for one matter only."""
    matter = MATTERS[number // len(INSTRUCTIONS) % len(MATTERS)]
    plain = number < len(INSTRUCTIONS)
    return style if plain else f"If I ask about {matter}: {style[0].lower()}{style[1:]}"
