"""How adapters are trained and judged, as one value that a command line can set field by field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Self

from persona_engine.adapters.examples import Selection
from persona_engine.adapters.figures import Limits
from persona_engine.adapters.judging import Trial
from persona_engine.adapters.members import Division
from persona_engine.errors import InvalidInputError


@dataclass(frozen=True, slots=True)
class AdapterPlan:
    """How adapters are trained and judged, whatever the objective.

    Args:
        division: Who trains and who judges.
        selection: What is trained on.
        trial: How adapters are tried.
        limits: What they must reach to be published.
        judge: Reward model that is fitted to the held-out users, as the independent judge.

    Examples:
        >>> AdapterPlan().changed({"limits.kl": 2.0}).limits.kl
        2.0
    """

    division: Division = field(default_factory=Division)
    selection: Selection = field(default_factory=Selection)
    trial: Trial = field(default_factory=Trial)
    limits: Limits = field(default_factory=Limits)
    judge: str = "hierarchical"

    def changed(self, settings: Mapping[str, Any]) -> Self:
        """Return the plan with fields set by ``part.field``, such as ``trial.tokens``.

        Raises:
            InvalidInputError: There is no such field, or a value is out of range.
        """
        plan = self
        for name, value in settings.items():
            part, _, key = name.partition(".")
            if part == "judge" and not key:
                plan = replace(plan, judge=str(value))
                continue
            held = getattr(plan, part, None)
            if isinstance(held, str | None) or key not in {each.name for each in fields(held)}:
                raise InvalidInputError(
                    f"{name!r} is no setting of the plan, expected one of {', '.join(_known())}"
                )
            try:
                plan = replace(plan, **{part: replace(held, **{key: value})})
            except TypeError as error:
                raise InvalidInputError(f"{name} is {value!r}: {error}") from error
        return plan

    def as_json(self) -> dict[str, Any]:
        """Return plain values by name."""
        return asdict(self)


def _known() -> list[str]:
    parts = (each for each in asdict(AdapterPlan()).items() if isinstance(each[1], dict))
    return ["judge", *(f"{part}.{key}" for part, values in parts for key in values)]
