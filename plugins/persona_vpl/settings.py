"""What a variational preference model can be told, and whether it makes sense."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from persona_engine.errors import InvalidInputError
from persona_engine.modelling import require_share

Aggregation = Literal["product", "mean"]
Decoder = Literal["modulated", "concatenated"]
Scaling = Literal["none", "win_rate"]


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of ``vpl``; its class says what each is for.

    Raises:
        InvalidInputError: A setting is out of range.
    """

    latent: int
    hidden: int
    aggregation: Aggregation
    decoder: Decoder
    scaling: Scaling
    learning_rate: float
    decay: float
    divergence_weight: float
    guidance: float
    flows: int
    steps: int
    context: int
    keep: float

    def __post_init__(self) -> None:
        _require_choice("aggregation", self.aggregation, get_args(Aggregation))
        _require_choice("decoder", self.decoder, get_args(Decoder))
        _require_choice("scaling", self.scaling, get_args(Scaling))
        if self.latent not in (4, 8, 16, 32, 64, 128):
            raise InvalidInputError(
                f"latent is {self.latent}, expected a power of two from 4 to 128",
                remedy="the points that rewards are averaged over exist for powers of two",
            )
        for name, least, most in (
            ("hidden", 1, 4096),
            ("flows", 0, 8),
            ("steps", 1, 1_000_000),
            ("context", 1, 512),
            ("learning_rate", 0.0, 1.0),
            ("decay", 0.0, 10.0),
            ("divergence_weight", 0.0, 10.0),
            ("guidance", 0.0, 10.0),
        ):
            value = getattr(self, name)
            if not least <= value <= most:
                raise InvalidInputError(f"{name} is {value}, expected {least} to {most}")
        require_share(keep=self.keep)


def _require_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise InvalidInputError(f"{name} is {value!r}, expected one of {', '.join(choices)}")
