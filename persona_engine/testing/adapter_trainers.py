"""The conformance suite of adapter trainers."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from persona_engine.errors import InvalidInputError
from persona_engine.testing.kit import BoundCheck, Check, bind, name_of, require, require_close
from persona_engine.testing.source_checks import require_light_import
from persona_engine.testing.trainer_subject import (
    ADAPTER,
    CONFIG,
    TrainerFactory,
    TrainerSubject,
    tensors,
)
from persona_engine.types import TrainedAdapter, TrainingTask

_NOTHING: Mapping[str, Any] = {
    "pairs": (),
    "rated": (),
    "prompts": (),
    "reward": None,
    "contrasts": (),
}


def the_layout_is_pefts(subject: TrainerSubject) -> None:
    """Write adapter_config.json and adapter_model.safetensors, and the base's name only."""
    folder = subject.trained.folder
    files = sorted(path.name for path in folder.iterdir())
    require(
        {ADAPTER, CONFIG} <= set(files),
        f"the folder holds {files}, expected {CONFIG} and {ADAPTER}",
        remedy="write the adapter as PEFT's `save_pretrained` does",
    )
    pickled = [name for name in files if name.endswith((".bin", ".pt", ".pth", ".pkl"))]
    require(not pickled, f"{pickled} may run code when read", remedy="write safetensors and JSON")
    base = str(json.loads((folder / CONFIG).read_bytes()).get("base_model_name_or_path"))
    require(
        base == subject.weights.name,
        f"the base model is named {base!r}, expected {subject.weights.name!r}",
        remedy="name the folder of the weights, without the folders above it",
    )


def the_preference_is_learned(subject: TrainerSubject) -> None:
    """Make liked replies likelier than disliked ones, beside the base model."""
    margin = subject.margin(subject.trained)
    require(
        margin > 0.05,
        f"liked replies gain {margin:.3f} nats on disliked ones, expected more than 0.05",
        remedy="give the factory settings that learn from a dozen comparisons; check signs",
    )


def the_other_taste_is_learned(subject: TrainerSubject) -> None:
    """Learn the opposite from users who like the opposite."""
    margin = subject.margin(subject.train(subject.task(liked=False)))
    # Whoever imitates the model's own replies may make both sides likelier, but not alike.
    limit = subject.margin(subject.trained) - 0.1 if subject.samples else -0.05
    require(
        margin < limit,
        f"for users of the opposite taste liked replies gain {margin:.3f} nats on disliked ones, "
        f"expected less than {limit:.3f}",
        remedy="learn from what the task says, and keep nothing of an earlier task",
    )


def weights_count(subject: TrainerSubject) -> None:
    """Follow what has great weight where what has next to none says the opposite."""
    if subject.samples:
        return
    for weights, sign in (((1.0, 1e-4), 1.0), ((1e-4, 1.0), -1.0)):
        margin = sign * subject.margin(subject.train(subject.task(weights=weights)))
        require(
            margin > 0.05,
            f"pairs of weights {weights} for and against move the margin by {margin:.3f} nats "
            "the heavier way, expected more than 0.05",
            remedy="multiply each example's loss by its weight",
        )


def training_is_deterministic(subject: TrainerSubject) -> None:
    """Train the same adapter again, in another folder and instance; another with another seed."""
    again = subject.train(subject.elsewhere(subject.first), trainer=subject.factory())
    _require_same(again, subject.trained, "trained again")
    other = tensors(subject.train(subject.elsewhere(subject.first, seed=4)))
    same = all(np.array_equal(other[name], value) for name, value in tensors(again).items())
    require(not same, "seeds 3 and 4 give one adapter", remedy="draw from the task's seed")


def what_is_broken_off_goes_on(subject: TrainerSubject) -> None:
    """End in the same adapter when training is interrupted at any moment and started again."""
    total = len(subject.steps)
    for moment in sorted({1, total // 2, total - 1}):
        task = subject.elsewhere(subject.first)
        _break_off(subject, task, after=moment)
        _require_same(
            subject.train(task, trainer=subject.factory()),
            subject.trained,
            f"broken off after {moment} of {total} reports and started again",
        )


def another_task_starts_afresh(subject: TrainerSubject) -> None:
    """Continue no checkpoint of another task that was left in the folder."""
    opposite = subject.task(liked=False)
    _break_off(subject, opposite, after=max(1, len(subject.steps) - 1))
    found = subject.train(replace(subject.first, folder=opposite.folder))
    _require_same(found, subject.trained, "after a broken run of another task in its folder")


def what_is_finished_is_found(subject: TrainerSubject) -> None:
    """Return what is finished, unchanged, when asked again."""
    before = tensors(subject.trained)
    again = subject.train(subject.first)
    require(
        all(np.array_equal(value, before[name]) for name, value in tensors(again).items()),
        "training a task that was finished changes its adapter",
        remedy="return the adapter that the folder holds, if the task is the same",
    )


def what_is_needed_is_demanded(subject: TrainerSubject) -> None:
    """Refuse a task that lacks what `needs` names, or everything, and leave nothing behind."""
    one: list[list[str]] = [[need] for need in sorted(subject.trainer.needs)]
    lacking = [*one, list(_NOTHING)]
    for names in lacking:
        task = subject.elsewhere(subject.first, **{name: _NOTHING[name] for name in names})
        try:
            subject.train(task)
        except InvalidInputError:
            pass
        else:
            require(False, f"a task without {names} is trained", remedy="raise InvalidInputError")
        left = sorted(path.name for path in task.folder.glob("**/*"))
        require(not left, f"a refused task leaves {left}", remedy="check before you write")


def only_the_folder_is_written(subject: TrainerSubject) -> None:
    """Write into the task's folder only, and leave the base model's files as they are."""
    task = subject.elsewhere(subject.first)
    before = _files(subject.root), _names_here()
    subject.train(task)
    after = _files(subject.root), _names_here()
    mine = str(task.folder)
    changed = {
        path
        for path in before[0].keys() | after[0].keys()
        if not path.startswith(mine) and before[0].get(path) != after[0].get(path)
    }
    require(
        not changed and before[1] == after[1],
        f"training changed {sorted(changed) or sorted(set(after[1]) ^ set(before[1]))}",
        remedy="write into `task.folder` only",
    )


def the_process_is_left_alone(subject: TrainerSubject) -> None:
    """Print nothing, and leave the global generators and the environment as they were."""
    import torch

    def state() -> tuple[object, ...]:
        drawn = np.random.get_state()[1].tolist()  # type: ignore[index]
        return random.getstate(), drawn, torch.get_rng_state().tolist(), dict(os.environ)

    before, said = state(), io.StringIO()
    with contextlib.redirect_stdout(said):
        subject.train(subject.elsewhere(subject.first))
    names = ("random's", "NumPy's", "torch's", "the environment")
    changed = [name for name, a, b in zip(names, before, state(), strict=True) if a != b]
    require(
        not changed,
        f"training changes {' and '.join(changed)} state",
        remedy="seed inside `torch.random.fork_rng` and put back what you change",
    )
    require(
        not said.getvalue(),
        f"training prints {said.getvalue()[:80]!r}",
        remedy="tell how far it is by `progress`, and silence the libraries",
    )


def progress_is_told(subject: TrainerSubject) -> None:
    """Tell how far training is, up to the end."""
    steps = subject.steps
    require(
        bool(steps) and all(0 <= done <= total for _, done, total in steps),
        f"progress was told {steps[:4]}, expected steps from 0 to their number",
        remedy="call `progress(what, done, total)` at each step",
    )
    require(
        steps[-1][1] == steps[-1][2],
        f"the last that was told is {steps[-1]}, expected the end",
        remedy="tell the last step too",
    )


def import_is_light(subject: TrainerSubject) -> None:
    """Import no torch and the like with the module: training libraries are an extra."""
    require_light_import(type(subject.trainer))


def _break_off(subject: TrainerSubject, task: TrainingTask, *, after: int) -> None:
    """Interrupt training at one of its reports."""
    told = 0

    def stop(*_: object) -> None:
        nonlocal told
        told += 1
        if told >= after:
            raise KeyboardInterrupt

    with contextlib.suppress(KeyboardInterrupt):
        subject.train(task, progress=stop)


def _require_same(found: TrainedAdapter, expected: TrainedAdapter, what: str) -> None:
    left, right = tensors(found), tensors(expected)
    require(
        left.keys() == right.keys(),
        f"{what} it adapts {sorted(left)[:2]} …, else {sorted(right)[:2]} …",
        remedy="adapt the same layers in every run",
    )
    for name in sorted(right):
        require_close(
            left[name],
            right[name],
            f"{what}, {name}",
            remedy="decide order and initial values by the task's seed; keep the optimizer's state",
        )


def _names_here() -> list[str]:
    return sorted(path.name for path in Path.cwd().iterdir())


def _files(root: Path) -> dict[str, str]:
    return {str(path): _hash(path) for path in root.glob("**/*") if path.is_file()}


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _in_order() -> Iterator[Check[TrainerSubject]]:
    yield the_layout_is_pefts
    yield the_preference_is_learned
    yield the_other_taste_is_learned
    yield weights_count
    yield training_is_deterministic
    yield what_is_broken_off_goes_on
    yield another_task_starts_afresh
    yield what_is_finished_is_found
    yield what_is_needed_is_demanded
    yield only_the_folder_is_written
    yield the_process_is_left_alone
    yield progress_is_told
    yield import_is_light


ADAPTER_TRAINER_CHECKS: Mapping[str, Check[TrainerSubject]] = MappingProxyType(
    {check.__name__: check for check in _in_order()}
)


def adapter_trainer_checks(
    factory: TrainerFactory, *, checks: Iterable[str] | None = None
) -> tuple[BoundCheck[TrainerSubject], ...]:
    """Return the checks of a trainer, each to be called.

    Args:
        factory: Makes an instance, with settings under which it learns from a dozen comparisons;
            called without arguments.
        checks: Names of `ADAPTER_TRAINER_CHECKS`; all of them if omitted.
    """
    return bind(ADAPTER_TRAINER_CHECKS, TrainerSubject(factory), name_of(factory), checks)


def check_adapter_trainer(factory: TrainerFactory, *, checks: Iterable[str] | None = None) -> None:
    """Run the checks of a trainer, in order, up to the first that it does not pass.

    Raises:
        ConformanceError: A check failed; the message names it, the plugin, and what to do.
    """
    for check in adapter_trainer_checks(factory, checks=checks):
        check()
