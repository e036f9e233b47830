"""What became of one cluster's adapter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from persona_engine.adapters.figures import AdapterFigures


@dataclass(frozen=True, slots=True)
class AdapterReport:
    """What became of one cluster's adapter, and why.

    Args:
        cluster: Whose it is.
        loss: Trainer.
        version: In the registry; None where nothing was trained.
        published: Whether it serves the cluster now.
        reason: Why it does or does not.
        users: Users that it learned from.
        pairs: Pairs that it was trained on; equal judgements of several users are one.
        figures: What it was found to be on held-out users and prompts; None where nothing was
            trained.
        training: What the trainer told at the end, such as its loss.
        seconds: Wall time of ``training`` and of ``judging``; of training that was broken off, what
            came after that.
        data: Fingerprint of what it was trained on.
    """

    cluster: str
    loss: str
    version: str | None
    published: bool
    reason: str
    users: int = 0
    pairs: int = 0
    figures: AdapterFigures | None = None
    training: Mapping[str, float] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    data: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return plain values by name."""
        return {
            "cluster": self.cluster,
            "loss": self.loss,
            "version": self.version,
            "published": self.published,
            "reason": self.reason,
            "users": self.users,
            "pairs": self.pairs,
            "figures": None if self.figures is None else self.figures.as_json(),
            "training": dict(self.training),
            "seconds": dict(self.seconds),
            "data": self.data,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> AdapterReport:
        """Return what `as_json` gave."""
        figures = values["figures"]
        found = None if figures is None else AdapterFigures.from_json(figures)
        return cls(**{**values, "figures": found})
