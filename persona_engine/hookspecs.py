"""Every hook. Hooks register factories; nothing here runs while a reply is made.

A plugin is a module with `hookimpl` functions, named by an entry point of the group
``persona_engine``. Each hook returns a mapping from the plugin's name to a factory. Factories are
called with the settings that the host configured under that name, as keyword arguments, and must
not do heavy work at import.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pluggy

from persona_engine.interfaces import (
    AdapterTrainer,
    Clusterer,
    Decoder,
    Encoder,
    Generator,
    InstructionMiner,
    InstructionSelector,
    InstructionVerifier,
    PrincipleInducer,
    Redactor,
    RewardModel,
)

PROJECT = "persona_engine"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def persona_reward_models() -> Mapping[str, Callable[..., RewardModel]]:
    """Register reward models, which learn what users prefer.

    Called once, when an engine starts. Return ``{name: factory}``; the factory is called with the
    plugin's settings and returns a `RewardModel`.
    """
    raise AssertionError("a hook specification is never called")


@hookspec
def persona_encoders() -> Mapping[str, Callable[..., Encoder]]:
    """Register encoders, which turn replies or sentences into features.

    Called once, when an engine starts. The factory is called with ``weights`` (path of the local
    model folder) and the plugin's settings, and returns an `Encoder`.
    """
    raise AssertionError("a hook specification is never called")


@hookspec
def persona_generators() -> Mapping[str, Callable[..., Generator]]:
    """Register generators, which are language models that continue conversations.

    Called once, when an engine starts. The factory is called with ``weights`` (path of the local
    model folder) and the plugin's settings, and returns a `Generator`. That of one elsewhere is
    called with ``address`` and ``encoder``; see `persona_engine.interfaces.DrawsWholeReplies`.
    """
    raise AssertionError("a hook specification is never called")


@hookspec
def persona_decoders() -> Mapping[str, Callable[..., Decoder]]:
    """Register decoders, which produce one reply guided by a reward.

    Called once, when an engine starts. The factory is called with the plugin's settings and
    returns a `Decoder`.
    """
    raise AssertionError("a hook specification is never called")


@hookspec
def persona_instruction_selectors() -> Mapping[str, Callable[..., InstructionSelector]]:
    """Register selectors, which judge the standing instructions that apply to a conversation.

    Called once, when an engine starts. The factory is called with the plugin's settings and
    returns an `InstructionSelector`.
    """
    raise AssertionError("a hook specification is never called")


@hookspec
def persona_instruction_verifiers() -> Mapping[str, Callable[..., InstructionVerifier]]:
    """Register verifiers, which judge whether replies keep instructions.

    Called once, when an engine starts. The factory is called with the plugin's settings and
    returns an `InstructionVerifier`.
    """
    raise AssertionError("a hook specification is never called")


@hookspec
def persona_instruction_miners() -> Mapping[str, Callable[..., InstructionMiner]]:
    """Register miners, which read wishes and reactions from conversations.

    Called once, when an engine starts. The factory is called with the plugin's settings and
    returns an `InstructionMiner`.
    """
    raise AssertionError("a hook specification is never called")


@hookspec
def persona_principle_inducers() -> Mapping[str, Callable[..., PrincipleInducer]]:
    """Register inducers, which find rules that explain a person's choices.

    Called once, when an engine starts. The factory is called with the plugin's settings and
    returns a `PrincipleInducer`.
    """
    raise AssertionError("a hook specification is never called")


@hookspec
def persona_clusterers() -> Mapping[str, Callable[..., Clusterer]]:
    """Register clusterers, which find groups of users with shared taste.

    Called once, when an engine starts. The factory is called with the plugin's settings and
    returns a `Clusterer`.
    """
    raise AssertionError("a hook specification is never called")


@hookspec
def persona_adapter_trainers() -> Mapping[str, Callable[..., AdapterTrainer]]:
    """Register trainers, each of which trains a cluster's adapter by one objective.

    Called once, when an engine starts. The factory is called with the plugin's settings and
    returns an `AdapterTrainer`.
    """
    raise AssertionError("a hook specification is never called")


@hookspec
def persona_redactors() -> Mapping[str, Callable[..., Redactor]]:
    """Register redactors, which take personal data out of texts before they are stored.

    Called once, when an engine starts. The factory is called with the plugin's settings and
    returns a `Redactor`.
    """
    raise AssertionError("a hook specification is never called")
