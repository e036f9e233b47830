"""Activation steering: one vector a group of users instead of an adapter's matrices."""

from collections.abc import Callable, Mapping

from persona_engine.hookspecs import hookimpl
from persona_engine.interfaces import AdapterTrainer
from persona_steering.trainer import Steering

__all__ = ["Steering"]


@hookimpl
def persona_adapter_trainers() -> Mapping[str, Callable[..., AdapterTrainer]]:
    """Register ``steering``."""
    return {"steering": Steering}
