"""What the engine calls: one Protocol per kind of plugin, numpy at the boundary.

Hooks (`persona_engine.hookspecs`) register factories of these; the hot path calls them directly.
"""

from persona_engine.interfaces.adapters import AdapterTrainer, Clusterer, Needs, lacking
from persona_engine.interfaces.decoding import (
    Branches,
    Decoder,
    DrawsWholeReplies,
    Generator,
    ReadsPrecisely,
    RemembersPrompts,
    Reward,
    SharesBatches,
    TakesAdapters,
    TextReward,
    WeighsAdapters,
)
from persona_engine.interfaces.instructions import (
    Embed,
    InstructionMiner,
    InstructionSelector,
    InstructionVerifier,
    LanguageTools,
    MendsReplies,
    PrincipleInducer,
    ReadPairs,
)
from persona_engine.interfaces.joint import JudgesJointly
from persona_engine.interfaces.progress import Progress, no_progress
from persona_engine.interfaces.redaction import Redactor
from persona_engine.interfaces.reward_models import (
    AsksLanguageModel,
    ComparesHistories,
    RewardModel,
    given,
)
from persona_engine.interfaces.unlearning import Unlearns
from persona_engine.interfaces.vectors import Encoder, ReadsPairs, VectorIndex

__all__ = [
    "AdapterTrainer",
    "AsksLanguageModel",
    "Branches",
    "Clusterer",
    "ComparesHistories",
    "Decoder",
    "DrawsWholeReplies",
    "Embed",
    "Encoder",
    "Generator",
    "InstructionMiner",
    "InstructionSelector",
    "InstructionVerifier",
    "JudgesJointly",
    "LanguageTools",
    "MendsReplies",
    "Needs",
    "PrincipleInducer",
    "Progress",
    "ReadPairs",
    "ReadsPairs",
    "ReadsPrecisely",
    "Redactor",
    "RemembersPrompts",
    "Reward",
    "RewardModel",
    "SharesBatches",
    "TakesAdapters",
    "TextReward",
    "Unlearns",
    "VectorIndex",
    "WeighsAdapters",
    "given",
    "lacking",
    "no_progress",
]
