"""Ways of saying things: {L} service, {T} thing, {n} slot, {v} value, {i} and {s} words for it."""

from __future__ import annotations

# A standing wish about one slot of a service.
WISHES = (
    "If I ask for {L}, my preferred {n} is {v}",
    "When I request {L}, I prefer {v} as the {n}.",
    "My preferred {n} for {L} is {v}.",
    "When I'm looking for {T}, {i}.",
    "If I'm looking for {T}, {i}.",
    "For {T}, {i}.",
    "I prefer {v} when I ask for {L}.",
    "Request {L} with {v} as the {n}.",
    "Request {L} {s}.",
    "Whenever I need {T}, go with {v}.",
    "Set {v} as my {n} for {L}.",
    "{v} is my usual {n} when it comes to {L}.",
    "If it's about {T}, {i}.",
    "I usually choose {v} for {T}.",
    "I want {T} {s}.",
    "My go-to {n} for {T} is {v}.",
    "My {n} is {v} when I ask for {L}.",
    "When it comes to {L}, my favourite {n} is {v}.",
    "If I want {T}, {i}.",
    "I'd like {v} if I request {L}.",
    "Look for {T} {s}.",
    "Specify {v} as the {n} when I ask for {T}.",
    "I tend to pick {v} when I'm after {T}.",
    "When requesting {L}, my chosen {n} is {v}.",
    "Request {v} when I'm looking for {T}.",
    "{T}: {v}, please.",
    "My favourite {n} when I want {T} is {v}.",
    "If I need {T}, it's {v} for me.",
    "Request {v} for {L}.",
    "Request {v} {L}.",
    "Go for {v} when looking for {L}.",
    "Name {v} as my {n} when I request {L}.",
    "I prefer {v} if I ask for {T}.",
    "I would like {T} {s}.",
    "When I request {L}, {i}.",
    "My top choice of {n} when I ask for {L} is {v}.",
    "If I'm after {T}, my usual {n} is {v}.",
    "{L}: the {n} should be {v}.",
    "When it comes to {T}, {i}.",
    "If I ask for {L}, {i}.",
)
# The first slot decides the second.
CHAINS = (
    "If {n} is {v} then look for {m} as {w}",
    "If the {n} is {v}, the {m} should be {w}.",
    "Search for {w} if the {n} is {v}.",
    "When I choose {v}, I want {w}.",
    "With {v}, go for {w} as the {m}.",
    "If you're looking for {v}, try {w}.",
    "In case it's {v}, pick {w} as {m}.",
    "Look for the {m} {w} when the {n} is {v}.",
    "If it is going to be {v}, make the {m} {w}.",
    "Check {w} if you want {v}.",
    "When the {n} is {v}, search for {w}.",
    "If you're going for {v}, {w} is the {m} to take.",
    "If {v} is the {n}, then {m} {w}.",
    "When searching for {v}, the {m} should be {w}.",
    "For {v}, take {w}.",
    "If it's {v}, see whether the {m} can be {w}.",
    "If you want {v}, the {m} is {w}.",
    "Look for {w} if you're looking for {v}.",
    "Choose {w} as the {m} if {v} is wanted.",
    "{w} is the {m} to search for when it is {v}.",
)
# The same, with the service named.
SERVICE_CHAINS = (
    "If I ask for {L} and the {n} is {v}, then {m} {w}",
    "If I ask for {L} and {n} is {v} then look for {m} as {w}",
    "When I request {L}, if the {n} is {v}, use {w} as the {m}.",
    "If I'm looking for {T} and it's {v}, I want {w}.",
    "Request {L} with {v}, and then {m} {w}.",
    "I want {w} when I'm looking for {T} with {v}.",
    "Whenever I need {T} and the {n} is {v}, take {w}.",
    "If I ask for {L}, with {n} as {v}, then {m} as {w}",
)
# Something else to look up besides.
ALSO = (
    "If I ask for {L}, also look at {M}",
    "If I ask for {L}, then also look at {M}",
    "Whenever I need {T}, check {M} as well.",
    "When I look for {L}, also search {M}.",
    "I want to see {M} as well when I ask for {L}.",
    "If I'm looking for {T}, I'd also like to look into {M}.",
    "When I request {L}, show me {M} in addition.",
    "Look into both {L} and {M} for me.",
)
# A request that names the thing.
REQUESTS = (
    "I'm looking for {T}.",
    "Find me {T}.",
    "I need {T}",
    "Can you help me find {T}?",
    "Do you know of any good {t}?",
    "Could you look up {T} for me?",
    "I'd like {T}, please.",
    "I gotta find {T}.",
    "Please search for {T}.",
    "What about {T}?",
    "Hey, can you get me {T}?",
    "I want {T}",
    "I'm on the hunt for {T}.",
    "Is there {T} that you can recommend?",
    "I was wondering about {t}.",
    "Help me out with {T}, will you?",
)
# How a request goes on to state something: {r} is the request without its full stop.
STATED = (
    "{r} {s}.",
    "{r} {s}",
    "{r}, {s}.",
    "{r}. Make sure it's {s}.",
    "{r}. Oh, and {s}!",
    "{r}, and it has to be {s}.",
    "{r}. Besides that, {s}.",
    "{r} - {s}, that's important.",
    "{r}. Specifically {s}.",
    "{r}. Keep in mind: {s}.",
    "{r}. I want it {s}.",
    "{r}, preferably {s}.",
)
# Details that are no slot of any wish.
DETAILS = (
    *("for two people", "for three of us", "with my wife", "for my brother and me", "this week"),
    *("soon", "if possible", "for a friend", "as quickly as you can", "on the 12th", "next Friday"),
    *("from the 3rd to the 5th", "tomorrow", "for the weekend", "on March 8th"),
)
# What an assistant asks in between.
QUESTIONS = (
    *("Sure, anything in particular?", "Where should I look?", "For when, and how many people?"),
    *("Do you have something special in mind?", "Of course. What matters to you?", "Which one?"),
)
# A last turn that only answers the assistant's question.
ANSWERS = (
    *("{s}, please.", "It should be {s}.", "I'd say {s}.", "{s} would be good.", "I want it {s}."),
)
BARE_ANSWERS = (
    *("Whatever you think.", "It's for two people.", "On the 10th, please.", "No, that's all."),
    *("We are three adults.", "Just tell me what there is.", "For next Saturday."),
)
AVERSE = (
    *(
        "I can't stand {x}.",
        "I avoid {x} because {y}.",
        "I strongly dislike {x}.",
        "No {x} for me.",
    ),
    *(
        "I have a strong aversion to {x}; {y}.",
        "I don't like {x}.",
        "I'd rather not have {x}, {y}.",
    ),
    *("I really hate {x}, since {y}.", "Please, never {x}: {y}.", "I stay away from {x}."),
)
FOND = (
    *("I prefer {x}.", "I love {x} because {y}.", "I much prefer {x}, since {y}.", "Give me {x}."),
    *("I'm really fond of {x}.", "I only go for {x}; {y}.", "I have a strong preference for {x}."),
    *("What I like is {x}, as {y}.", "I always choose {x}.", "{x} are my thing: {y}."),
)
PLAIN = ("{x}", "{x} It matters: {y}.", "Remember: {x}")


def halves(templates: tuple[str, ...], held_out: bool) -> tuple[str, ...]:
    """Return three quarters of the templates, or the quarter that is held out."""
    return tuple(each for at, each in enumerate(templates) if (at % 4 == 3) == held_out)
