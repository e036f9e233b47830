"""What a reply is steered by: instructions placed in its prompt, and tastes in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from persona_engine.decoding.styles import with_style
from persona_engine.types import DecodingRequest, Prompt
from persona_logit_arithmetic.arithmetic import Contrast, combined_readings


@dataclass(frozen=True, slots=True)
class Rung:
    """How one candidate is steered.

    Args:
        strength: λ.
        styles: Wishes that are added to its prompt, averaged over; none for what stands there.
    """

    strength: float
    styles: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"λ = {self.strength:g}" + "".join(f", {each!r}" for each in self.styles)


def steerable(request: DecodingRequest) -> bool:
    """Return whether anything is known in words that a reply can be steered by."""
    bare = request.bare
    placed = bare is not None and list(bare) != list(request.conversation)
    return placed or bool(request.styles)


def ladder(
    request: DecodingRequest, strengths: Sequence[float], *, styles: int, count: int
) -> list[Rung]:
    """Return how each of the steered candidates is steered: strengths and tastes take turns.

    At temperature 0, where two that are steered alike are equal, each way occurs once.

    Args:
        request: Its styles, best first, are taken from the first on.
        strengths: λ, in turn.
        styles: How many of them one candidate is steered by.
        count: Candidates to steer.
    """
    known = request.styles
    rungs = [
        Rung(
            strengths[place % len(strengths)],
            tuple(known[(place + n) % len(known)] for n in range(min(styles, len(known)))),
        )
        for place in range(count)
    ]
    return rungs if request.sampling.temperature > 0.0 else list(dict.fromkeys(rungs))


def steered_prompt(
    request: DecodingRequest,
    rung: Rung,
    *,
    plausible: float,
    adapters: Mapping[str, float] | None = None,
) -> Prompt:
    """Return log p = log p_told + λ (log p_told − log p_bare + Σ_k w_k Δ_k) as a prompt.

    Told has the placed instructions and the rung's wishes in the prompt, bare has neither; several
    wishes are averaged over, log p_told = Σ_i log p_i / m. The first reading stays the plain
    one, with the instructions and without the wishes. Δ_k = log p_k − log p_base is what adapter
    k changes in the model as it is. All but Δ_k is read with the request's adapter, if it has one.
    """
    plain = request.reading
    base = replace(plain, adapter=None)
    bare = plain if request.bare is None else replace(plain, conversation=request.bare)
    told = [replace(plain, conversation=with_style(plain.conversation, s)) for s in rung.styles]
    told = told or [plain]
    share = 1.0 / len(told)
    contrasts = [
        *(Contrast(share, each, plain) for each in told),
        *(Contrast(share * rung.strength, each, bare) for each in told),
        *(
            Contrast(weight * rung.strength, replace(base, adapter=name), base)
            for name, weight in (adapters or {}).items()
        ),
    ]
    return Prompt(combined_readings(plain, contrasts), plausible)
