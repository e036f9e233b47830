"""Reads standing wishes, satisfaction and weak comparisons from what a person says in passing."""

from collections.abc import Callable, Mapping

from persona_engine.hookspecs import hookimpl
from persona_engine.interfaces import InstructionMiner
from persona_signals.follow_up import follow_up_rewards
from persona_signals.miner import SignalMiner

__all__ = ["SignalMiner", "follow_up_rewards"]


@hookimpl
def persona_instruction_miners() -> Mapping[str, Callable[..., InstructionMiner]]:
    """Register ``signals``."""
    return {SignalMiner.name: SignalMiner}
