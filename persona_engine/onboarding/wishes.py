"""What to ask of a language model so that its reply moves towards a pole of a style."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

WISHES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "bottom_line": (
            "Give the reasons first and the conclusion last.",
            "Begin with the conclusion, then say why.",
        ),
        "directness": (
            "Put everything gently and diplomatically.",
            "Be blunt: say it straight, without softening.",
        ),
        "emoji": ("Use no emoji.", "Use emoji."),
        "examples": (
            "Explain the general principles, without examples.",
            "Give concrete examples.",
        ),
        "figurative": (
            "Say everything literally, without comparisons.",
            "Explain with analogies and comparisons.",
        ),
        "formality": ("Write casually, as to a friend.", "Write formally."),
        "hedging": (
            "Be definite: no maybe, no caveats.",
            "Be cautious: say what is uncertain and what it depends on.",
        ),
        "humour": ("Be serious.", "Be funny."),
        "initiative": ("Answer only what was asked.", "End with suggestions of what to do next."),
        "length": ("Answer in one or two short sentences.", "Answer in detail and at length."),
        "narrative": ("State plain facts.", "Tell it as a story."),
        "perspective": ("Say what to do, not why.", "Explain why it is so."),
        "questions": ("Ask nothing back.", "Ask a question back."),
        "structure": ("Write flowing prose, without lists.", "Write numbered steps and lists."),
        "technical_depth": (
            "Use simple words and short sentences.",
            "Use technical terms and exact detail.",
        ),
        "warmth": ("Be matter-of-fact.", "Be warm and encouraging."),
    }
)
"""By style: the wish for its low pole and for its high one."""
