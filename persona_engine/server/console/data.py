"""What the console's pages show that no REST route has in their shape."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from persona_engine.engine import PersonaEngine, User
from persona_engine.server import names

_FURTHER = 4


@dataclass(frozen=True, slots=True)
class Further:
    """A question that may be asked next.

    Args:
        id: Of the question.
        prompt: The request.
        styles: In which the replies differ.
        gain: Nats that the answer is expected to say about the person.
    """

    id: str
    prompt: str
    styles: tuple[str, ...]
    gain: float


@dataclass(frozen=True, slots=True)
class Teaching:
    """What further questions would teach.

    Args:
        questions: Best first; each after those before it.
        confidence: Share of the pool's answers that the engine expects to predict rightly now.
    """

    questions: tuple[Further, ...]
    confidence: float


@dataclass(frozen=True, slots=True)
class Talk:
    """What a conversation may ask for.

    Args:
        model: The generator, or None where there is none.
        decoders: Ways to search for a reply.
        decoder: The configured one.
    """

    model: str | None
    decoders: tuple[str, ...]
    decoder: str


def teaching(user: User) -> Teaching:
    """Return what further questions would teach about somebody.

    Raises:
        NoPopulationError: There is no population to choose by.
    """
    interview = user.onboard(questions=_FURTHER)
    found = tuple(
        Further(each.id, each.prompt, tuple(each.poles), interview.gain or 0.0)
        for each in islice(interview, _FURTHER)
    )
    return Teaching(found, interview.confidence)


def talk(engine: PersonaEngine) -> Talk:
    """Return what a conversation may ask for."""
    decoders = ("auto", *engine.plugins.names("decoder"))
    return Talk(names.generator_name(engine), decoders, engine.config.decoder)
