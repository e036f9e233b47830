"""Training leaves the process as it was: nothing printed, nothing drawn, nothing asked of a net."""

from __future__ import annotations

import contextlib
import os
import random
import warnings
from collections.abc import Iterator
from typing import Any

import datasets
import numpy as np
import torch
from transformers import TrainerCallback
from transformers.utils import logging

from persona_engine.interfaces import Progress


@contextlib.contextmanager
def undisturbed(seed: int) -> Iterator[None]:
    """Silence the libraries and seed all generators; put everything back at the end."""
    environment = dict(os.environ)
    drawn = random.getstate(), np.random.get_state()  # the libraries draw from it
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    of_datasets = datasets.utils.are_progress_bars_disabled()
    try:
        with torch.random.fork_rng(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            logging.set_verbosity_error()
            logging.disable_progress_bar()
            datasets.disable_progress_bars()
            torch.manual_seed(seed)
            yield
    finally:
        random.setstate(drawn[0])
        np.random.set_state(drawn[1])
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
        if not of_datasets:
            datasets.enable_progress_bars()
        os.environ.clear()
        os.environ.update(environment)


class Tell(TrainerCallback):  # type: ignore[misc]  # transformers is untyped
    """Reports each step to whoever waits."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ANN401, D102
        self._progress("training", state.global_step, state.max_steps)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ANN401, D102
        self._progress("training", state.global_step, state.max_steps)
