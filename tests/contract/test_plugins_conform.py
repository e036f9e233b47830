"""Every discovered plugin passes every check of its kind."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from persona_engine.interfaces import Generator
from persona_engine.plugins import PluginKind, discover
from persona_engine.testing import (
    CHECKS,
    check_instruction_miner,
    check_instruction_selector,
    check_instruction_verifier,
    clusterer_checks,
    decoder_checks,
    encoder_checks,
    principle_inducer_checks,
    reward_model_checks,
)
from persona_engine.weights import resolve

PLUGINS = discover()
FIRST_PARTY: dict[PluginKind, set[str]] = {
    "reward_model": {
        *("bradley_terry", "hierarchical", "attributes", "mixture", "micro", "lore", "pref", "gpo"),
        *("vpl", "pal", "gpm"),
        "fspo",
    },
    "encoder": {"hidden-state", "sentence"},
    "generator": {"local", "openai_compatible"},
    "decoder": {"best_of_n", "blockwise", "logit_arithmetic", "token_search"},
    "instruction_verifier": {"constraints", "adherence"},
    "instruction_selector": {"embedding_selector", "applicability", "likelihood_selector"},
    "principle_inducer": {"principles"},
    "clusterer": {"gaussian_mixture", "kmeans"},
    "instruction_miner": {"signals"},
    "redactor": {"personal_data"},
    "adapter_trainer": {
        *("dpo", "ipo", "robust_dpo", "sppo", "kto", "listwise", "tdpo", "nextquill"),
        *("raft", "directional", "tangent", "steering"),
    },
}
WEIGHTS = {"hidden-state": "smollm2-135m-instruct", "sentence": "all-minilm-l6-v2"}


def factory_of(kind: PluginKind, name: str) -> Callable[[], object]:
    def make() -> object:
        settings = {"weights": resolve(WEIGHTS[name])} if kind == "encoder" else {}
        return PLUGINS.create(kind, name, **settings)

    make.__name__ = name
    return make


def suite(kind: PluginKind, checks: Callable[..., tuple[Callable[[], None], ...]]) -> list:
    return [check for name in PLUGINS.names(kind) for check in checks(factory_of(kind, name))]


@pytest.mark.parametrize("kind", FIRST_PARTY)
def test_first_party_plugins_are_discovered(kind: PluginKind) -> None:
    assert set(PLUGINS.names(kind)) >= FIRST_PARTY[kind], "install first: pip install -e '.[dev]'"


def test_no_plugin_failed() -> None:
    assert [record for record in PLUGINS.records if record.status == "failed"] == []


def test_discovery_loads_nothing_heavy() -> None:
    code = (
        "import sys; from persona_engine.plugins import discover; discover(strict=True); "
        "print({'torch', 'transformers', 'faiss', 'sqlalchemy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize("check", suite("reward_model", reward_model_checks))
def test_reward_models_conform(check: Callable[[], None]) -> None:
    check()


@pytest.mark.parametrize("check", suite("decoder", decoder_checks))
def test_decoders_conform(check: Callable[[], None]) -> None:
    check()


@pytest.mark.parametrize("check", suite("principle_inducer", principle_inducer_checks))
def test_principle_inducers_conform(check: Callable[[], None]) -> None:
    check()


@pytest.mark.parametrize("check", suite("clusterer", clusterer_checks))
def test_clusterers_conform(check: Callable[[], None]) -> None:
    check()


@pytest.fixture(scope="module")
def language_model(smollm2: Path) -> Generator:
    return PLUGINS.create("generator", "local", weights=smollm2)


@pytest.mark.model
@pytest.mark.parametrize("name", PLUGINS.names("instruction_miner"))
@pytest.mark.parametrize("check", CHECKS["instruction_miner"])
def test_instruction_miners_conform(name: str, check: str, minilm: Path) -> None:
    encoder = PLUGINS.create("encoder", "sentence", weights=minilm)
    check_instruction_miner(factory_of("instruction_miner", name), encoder=encoder, checks=[check])


@pytest.mark.model
@pytest.mark.parametrize("name", PLUGINS.names("instruction_selector"))
@pytest.mark.parametrize("check", CHECKS["instruction_selector"])
def test_instruction_selectors_conform(
    name: str, check: str, minilm: Path, language_model: Generator
) -> None:
    encoder = PLUGINS.create("encoder", "sentence", weights=minilm)
    check_instruction_selector(
        factory_of("instruction_selector", name),
        encoder=encoder,
        log_likelihood=language_model.log_likelihood,
        checks=[check],
    )


@pytest.mark.model
@pytest.mark.parametrize("name", PLUGINS.names("instruction_verifier"))
@pytest.mark.parametrize("check", CHECKS["instruction_verifier"])
def test_instruction_verifiers_conform(name: str, check: str, minilm: Path) -> None:
    encoder = PLUGINS.create("encoder", "sentence", weights=minilm)
    factory = factory_of("instruction_verifier", name)
    check_instruction_verifier(factory, encoder=encoder, checks=[check])


@pytest.mark.model
@pytest.mark.parametrize("check", suite("encoder", encoder_checks))
def test_encoders_conform(check: Callable[[], None]) -> None:
    check()
