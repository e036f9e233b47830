"""The conformance kit: what every plugin of a kind must do, as small checks with one idea each.

In one call, in a script or a notebook::

    from persona_engine.testing import check_reward_model

    check_reward_model(MyModel)

or one test for each check, under pytest::

    from persona_engine.testing import reward_model_checks

    @pytest.mark.parametrize("check", reward_model_checks(MyModel))
    def test_my_model_conforms(check):
        check()

`CHECKS` lists the checks of each kind by name; the docstring of a check says what it demands. A
failure is a `ConformanceError` that names plugin, check, what was found and what to do. The kit
itself is tested on the wrong models of `persona_engine.testing.mutants`. Importing it needs numpy
and nothing heavier.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from persona_engine.testing.adapter_trainers import (
    ADAPTER_TRAINER_CHECKS,
    adapter_trainer_checks,
    check_adapter_trainer,
)
from persona_engine.testing.bigram import BigramGenerator
from persona_engine.testing.clusterers import (
    CLUSTERER_CHECKS,
    check_clusterer,
    clusterer_checks,
)
from persona_engine.testing.decoders import DECODER_CHECKS, check_decoder, decoder_checks
from persona_engine.testing.encoders import ENCODER_CHECKS, check_encoder, encoder_checks
from persona_engine.testing.inducers import (
    INDUCER_CHECKS,
    check_principle_inducer,
    principle_inducer_checks,
)
from persona_engine.testing.kit import BoundCheck, Check
from persona_engine.testing.miners import (
    MINER_CHECKS,
    check_instruction_miner,
    instruction_miner_checks,
)
from persona_engine.testing.planted import Planted, plant
from persona_engine.testing.redactors import REDACTOR_CHECKS, check_redactor, redactor_checks
from persona_engine.testing.reward_models import (
    REWARD_MODEL_CHECKS,
    check_reward_model,
    reward_model_checks,
)
from persona_engine.testing.selectors import (
    SELECTOR_CHECKS,
    check_instruction_selector,
    instruction_selector_checks,
)
from persona_engine.testing.verifiers import (
    VERIFIER_CHECKS,
    check_instruction_verifier,
    instruction_verifier_checks,
)

__all__ = [
    "CHECKS",
    "BigramGenerator",
    "BoundCheck",
    "Check",
    "Planted",
    "adapter_trainer_checks",
    "check_adapter_trainer",
    "check_clusterer",
    "check_decoder",
    "check_encoder",
    "check_instruction_miner",
    "check_instruction_selector",
    "check_instruction_verifier",
    "check_principle_inducer",
    "check_redactor",
    "check_reward_model",
    "clusterer_checks",
    "decoder_checks",
    "encoder_checks",
    "instruction_miner_checks",
    "instruction_selector_checks",
    "instruction_verifier_checks",
    "plant",
    "principle_inducer_checks",
    "redactor_checks",
    "reward_model_checks",
]

CHECKS: Mapping[str, Mapping[str, Check[Any]]] = MappingProxyType(
    {
        "reward_model": REWARD_MODEL_CHECKS,
        "encoder": ENCODER_CHECKS,
        "decoder": DECODER_CHECKS,
        "instruction_selector": SELECTOR_CHECKS,
        "instruction_verifier": VERIFIER_CHECKS,
        "instruction_miner": MINER_CHECKS,
        "principle_inducer": INDUCER_CHECKS,
        "adapter_trainer": ADAPTER_TRAINER_CHECKS,
        "redactor": REDACTOR_CHECKS,
        "clusterer": CLUSTERER_CHECKS,
    }
)
