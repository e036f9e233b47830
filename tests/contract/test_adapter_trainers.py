"""The suite of adapter trainers passes right ones and catches wrong ones."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from persona_engine.errors import ConformanceError, InvalidInputError
from persona_engine.interfaces import lacking, no_progress
from persona_engine.testing import CHECKS, adapter_trainer_checks, check_adapter_trainer
from persona_engine.types import TrainedAdapter
from persona_lora import Directional, Dpo, Kto, Raft, Tangent, persona_adapter_trainers
from persona_steering import Steering

STEPS = 12


class Plain:
    """Gradient steps on log σ(chosen − rejected), by hand, with nothing but PyTorch."""

    name = "plain"
    needs = frozenset({"pairs"})

    def train(self, task, *, progress=no_progress):
        self.refuse(task)
        task.folder.mkdir(exist_ok=True)
        mark, saved = task.folder / "task", task.folder / "saved.safetensors"
        if not self.is_mine(mark, self.fingerprint(task)):
            mark.write_text(self.fingerprint(task))
            saved.unlink(missing_ok=True)
        network, layers = self.adapted(task)
        first = self.take(saved, layers)
        for step in range(first, STEPS):
            progress("training", step, STEPS)
            self.step(network, layers, task)
            tensors = {name: value.data for name, value in layers.items()}
            save_file(tensors | {"step": torch.tensor(step + 1)}, saved)
        self.tell_the_end(progress)
        return TrainedAdapter(self.write(task, layers), {}, {})

    def refuse(self, task):
        if lacking(self, task):
            raise InvalidInputError("there is nothing to train on")

    def fingerprint(self, task):
        told = repr((task.pairs, task.seed))
        return hashlib.sha256(told.encode()).hexdigest()

    def is_mine(self, mark, fingerprint):
        return mark.is_file() and mark.read_text() == fingerprint

    def seed(self, task):
        return task.seed

    def adapted(self, task):
        from transformers import AutoModelForCausalLM, AutoTokenizer
        from transformers.utils import logging

        logging.disable_progress_bar()
        network = AutoModelForCausalLM.from_pretrained(task.weights, dtype=torch.float32)
        network.requires_grad_(False)
        self.tokenizer = AutoTokenizer.from_pretrained(task.weights)
        draw = torch.Generator().manual_seed(self.seed(task))
        layers = {}
        for path, layer in network.named_modules():
            if path.endswith(("o_proj", "down_proj")):
                down = 0.3 * torch.randn(4, layer.in_features, generator=draw)
                layers[f"{path}.lora_A"] = down.requires_grad_()
                layers[f"{path}.lora_B"] = torch.zeros(layer.out_features, 4, requires_grad=True)
                layer.register_forward_hook(self.hook(layers, path))
        return network, layers

    def hook(self, layers, path):
        def added(layer, inputs, output):
            return output + inputs[0] @ layers[f"{path}.lora_A"].T @ layers[f"{path}.lora_B"].T

        return added

    def take(self, saved, layers):
        if not saved.is_file():
            return 0
        held = load_file(saved)
        for name, value in layers.items():
            value.data = held[name]
        return int(held["step"])

    def step(self, network, layers, task):
        loss = sum(self.weight(pair) * self.loss(network, pair) for pair in task.pairs)
        names = sorted(layers)
        for name, grad in zip(
            names, torch.autograd.grad(loss, [layers[n] for n in names]), strict=True
        ):
            layers[name].data -= 0.01 * grad

    def weight(self, pair):
        return pair.weight

    def loss(self, network, pair):
        chosen, rejected = (self.likelihood(network, pair, t) for t in self.ordered(pair))
        return -torch.nn.functional.logsigmoid(0.1 * (chosen - rejected))

    def ordered(self, pair):
        return pair.chosen, pair.rejected

    def likelihood(self, network, pair, text):
        asked = self.tokenizer.apply_chat_template(
            list(pair.prompt), add_generation_prompt=True, tokenize=False
        )
        start = self.tokenizer(asked, return_tensors="pt").input_ids
        ids = torch.cat([start, self.tokenizer(text, return_tensors="pt").input_ids], 1)
        logits = network(ids, use_cache=False).logits[0, start.shape[1] - 1 : -1]
        return -torch.nn.functional.cross_entropy(logits, ids[0, start.shape[1] :], reduction="sum")

    def tell_the_end(self, progress):
        progress("training", STEPS, STEPS)

    def write(self, task, layers):
        folder = task.folder / "adapter"
        folder.mkdir(exist_ok=True)
        tensors = {f"base_model.model.{n}.weight": v.data for n, v in layers.items()}
        save_file(tensors, folder / "adapter_model.safetensors")
        config = {"peft_type": "LORA", "r": 4, "lora_alpha": 4, "bias": "none"}
        config["base_model_name_or_path"] = task.weights.name
        (folder / "adapter_config.json").write_text(json.dumps(config))
        return folder


class NamesThePlace(Plain):
    def write(self, task, layers):
        folder = super().write(task, layers)
        config = json.loads((folder / "adapter_config.json").read_text())
        config["base_model_name_or_path"] = str(task.weights)
        (folder / "adapter_config.json").write_text(json.dumps(config))
        return folder


class PicklesIt(Plain):
    def write(self, task, layers):
        folder = super().write(task, layers)
        torch.save(layers, folder / "adapter_model.bin")
        return folder


class UpsideDown(Plain):
    def ordered(self, pair):
        return pair.rejected, pair.chosen


class AlwaysTheFirst(Plain):
    def ordered(self, pair):
        return sorted((pair.chosen, pair.rejected))


class Unweighted(Plain):
    def weight(self, pair):
        return 1.0


class SeededByClock(Plain):
    def seed(self, task):
        return time.monotonic_ns()


class IgnoresTheSeed(Plain):
    def seed(self, task):
        return 0


class ForgetsTheStep(Plain):
    def take(self, saved, layers):
        return 0 * super().take(saved, layers)


class TakesAnyCheckpoint(Plain):
    def is_mine(self, mark, fingerprint):
        return mark.is_file()


class RefinesForEver(Plain):
    def take(self, saved, layers):
        return min(super().take(saved, layers), STEPS - 2)


class TakesAnything(Plain):
    def refuse(self, task):
        pass

    def step(self, network, layers, task):
        if task.pairs:
            super().step(network, layers, task)


class LeavesAFolder(Plain):
    def refuse(self, task):
        task.folder.mkdir()
        (task.folder / "log").touch()
        super().refuse(task)


class LogsBeside(Plain):
    def write(self, task, layers):
        (task.folder.parent / "training.log").write_text(task.folder.name)
        return super().write(task, layers)


class SeedsTheWorld(Plain):
    def adapted(self, task):
        torch.manual_seed(task.seed)
        np.random.seed(task.seed)
        return super().adapted(task)


class PrintsTheLoss(Plain):
    def step(self, network, layers, task):
        super().step(network, layers, task)
        print("loss: 0.69")


class SaysNothing(Plain):
    def train(self, task, *, progress=no_progress):
        return super().train(task)


class StopsSaying(Plain):
    def tell_the_end(self, progress):
        pass


WRONG = {
    NamesThePlace: "the_layout_is_pefts",
    PicklesIt: "the_layout_is_pefts",
    UpsideDown: "the_preference_is_learned",
    AlwaysTheFirst: "the_other_taste_is_learned",
    Unweighted: "weights_count",
    SeededByClock: "training_is_deterministic",
    IgnoresTheSeed: "training_is_deterministic",
    ForgetsTheStep: "what_is_broken_off_goes_on",
    TakesAnyCheckpoint: "another_task_starts_afresh",
    RefinesForEver: "what_is_finished_is_found",
    TakesAnything: "what_is_needed_is_demanded",
    LeavesAFolder: "what_is_needed_is_demanded",
    LogsBeside: "only_the_folder_is_written",
    SeedsTheWorld: "the_process_is_left_alone",
    PrintsTheLoss: "the_process_is_left_alone",
    SaysNothing: "progress_is_told",
    StopsSaying: "progress_is_told",
}
BY_A_MODULE = "import_is_light"
ALL_BUT_IMPORT = [name for name in CHECKS["adapter_trainer"] if name != BY_A_MODULE]


@pytest.mark.parametrize("check", adapter_trainer_checks(Plain, checks=ALL_BUT_IMPORT))
def test_the_right_trainer_passes(check: Callable[[], None]) -> None:
    check()


@pytest.mark.parametrize(("mutant", "check"), WRONG.items())
def test_the_wrong_trainer_is_caught(mutant: type, check: str) -> None:
    with pytest.raises(ConformanceError, match=f"does not pass '{check}'") as caught:
        check_adapter_trainer(mutant, checks=[check])
    assert "it raised" not in str(caught.value)


def test_a_heavy_import_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "heavy_trainer.py").write_text("import torch")
    monkeypatch.syspath_prepend(tmp_path)
    heavy = type("Heavy", (Plain,), {"__module__": "heavy_trainer"})
    with pytest.raises(ConformanceError, match="importing it loads torch"):
        check_adapter_trainer(heavy, checks=[BY_A_MODULE])


def test_every_check_catches_something() -> None:
    assert set(WRONG.values()) | {BY_A_MODULE} == set(CHECKS["adapter_trainer"])


def quick(kind, **settings):
    steps = {"learning_rate": 1e-2, "epochs": 3, "batch": 4, "save_every": 2}

    def make():
        return kind(**{**({} if kind is Tangent else steps), **settings})

    make.name = kind.name
    return make


def boldly_steering() -> Steering:
    """In a network that never learned anything, what is liked may lie either way."""
    return Steering(strengths=(-16.0, -4.0, 4.0, 16.0), most_drift=10.0)


SAMPLING = {"tokens": 16, "margin": 0.05}
ALIKE = ("the_layout_is_pefts", "the_preference_is_learned", "what_is_broken_off_goes_on")


@pytest.mark.parametrize(
    "check",
    [
        *adapter_trainer_checks(quick(Dpo)),
        *adapter_trainer_checks(quick(Kto)),
        *adapter_trainer_checks(quick(Tangent)),
        *adapter_trainer_checks(quick(Raft, samples=16, tokens=24, steps=10)),
        *(
            check
            for kind in persona_adapter_trainers().values()
            if kind not in (Dpo, Kto, Raft, Tangent)
            for check in adapter_trainer_checks(
                quick(kind, **(SAMPLING if kind is Directional else {})),
                checks=ALIKE,
            )
        ),
    ],
)
def test_first_party_trainers_of_lora_conform(check: Callable[[], None]) -> None:
    check()


# Its seed draws only which prompts choose the strength, and that may make no difference.
SEEDED = "training_is_deterministic"


@pytest.mark.parametrize(
    "check",
    adapter_trainer_checks(
        boldly_steering, checks=[name for name in CHECKS["adapter_trainer"] if name != SEEDED]
    ),
)
def test_steering_conforms(check: Callable[[], None]) -> None:
    check()
