"""Gradient training for reward models that have no closed form: numpy in, numpy out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from persona_engine.errors import InvalidInputError
from persona_engine.types import FloatArray, IntArray

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import AdamW

Tensors = Mapping[str, "Tensor"]
Loss = Callable[[Tensors, IntArray], "Tensor"]


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how fast to train.

    Args:
        steps: Most steps of Adam (Kingma & Ba 2015, arXiv:1412.6980).
        learning_rate: Its step size; a cosine takes it to zero at the last step.
        decay: Decoupled weight decay (Loshchilov & Hutter 2019, arXiv:1711.05101).
        batch: Items (users, or rows: whatever the loss indexes) a step; 0 takes all of them.
        every: Steps between two looks at the held-out loss.
        patience: Looks without gain after which training stops.
        rates: Factors on the learning rate of single parameters, by name.
        until: Step to end at, while the learning rate falls as for ``steps``: repeats on all data
            what stopped early on a part of it; 0 for the last step.
    """

    steps: int
    learning_rate: float
    decay: float = 0.0
    batch: int = 0
    every: int = 25
    patience: int = 6
    rates: Mapping[str, float] | None = None
    until: int = 0

    def __post_init__(self) -> None:
        if self.steps < 1 or self.every < 1 or self.patience < 1 or self.batch < 0:
            raise InvalidInputError(
                f"steps {self.steps}, every {self.every}, patience {self.patience} and batch "
                f"{self.batch}, expected at least 1, 1, 1 and 0"
            )


@dataclass(frozen=True, slots=True)
class Trained:
    """What training found.

    Args:
        parameters: The arrays with the least held-out loss, or the last ones without held-out data.
        steps: The step at which they were taken.
        held_out_loss: Their held-out loss; NaN without held-out data.
    """

    parameters: dict[str, FloatArray]
    steps: int
    held_out_loss: float


def train(
    start: Mapping[str, FloatArray],
    loss: Loss,
    *,
    items: int,
    schedule: Schedule,
    rng: np.random.Generator,
    held_out_loss: Callable[[Tensors], float] | None = None,
    report: Callable[[int, int], None] | None = None,
) -> Trained:
    """Minimise a loss by Adam, keeping the parameters that do best on held-out data.

    Losses draw no random numbers of torch's global generator unless they seed their own from
    ``rng``: equal arguments give equal results.

    Args:
        start: First value of each parameter.
        loss: Given the parameters as tensors and the drawn items ``(batch,)``, returns a scalar
            tensor.
        items: Number of items that batches are drawn from, without replacement in each epoch.
        schedule: How long and how fast.
        rng: Draws the batches.
        held_out_loss: Given the parameters, returns the loss of data that ``loss`` does not see.
        report: Called with the number of steps done and of all.

    Raises:
        InvalidInputError: There are no items.

    Examples:
        >>> trained = train(
        ...     {"x": np.zeros(2, np.float32)},
        ...     lambda at, rows: ((at["x"] - 3.0) ** 2).sum(),
        ...     items=1, schedule=Schedule(300, 0.1), rng=np.random.default_rng(0),
        ... )
        >>> bool(np.allclose(trained.parameters["x"], 3.0, atol=0.01))
        True
    """
    import torch

    if items < 1:
        raise InvalidInputError("there is nothing to train on, expected at least one comparison")
    tensors = _tensors(start)
    optimiser = _optimiser(tensors, schedule)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, schedule.steps)
    batches = _Batches(items, schedule.batch, rng)
    best = _Best(tensors, held_out_loss)
    last = min(schedule.until or schedule.steps, schedule.steps)
    for step in range(1, last + 1):
        optimiser.zero_grad()
        loss(tensors, batches.draw()).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        falling.step()
        if step % schedule.every == 0 or step == last:
            if report is not None:
                report(step, last)
            if best.look(step) > schedule.patience:
                break
    return best.trained(step)


def _tensors(start: Mapping[str, FloatArray]) -> dict[str, Tensor]:
    import torch

    return {
        name: torch.tensor(np.asarray(value, np.float32), requires_grad=True)
        for name, value in start.items()
    }


def _optimiser(tensors: Tensors, schedule: Schedule) -> AdamW:
    import torch

    rates = schedule.rates or {}
    groups = [
        {"params": [value], "lr": schedule.learning_rate * rates.get(name, 1.0)}
        for name, value in tensors.items()
    ]
    return torch.optim.AdamW(groups, weight_decay=schedule.decay)


class _Batches:
    """Draws items without replacement, epoch by epoch."""

    def __init__(self, items: int, size: int, rng: np.random.Generator) -> None:
        self._items = items
        self._size = min(size, items) or items
        self._rng = rng
        self._left = np.zeros(0, np.int64)

    def draw(self) -> IntArray:
        """Return the next batch."""
        if self._size == self._items:
            return np.arange(self._items)
        if len(self._left) < self._size:
            self._left = np.concatenate([self._left, self._rng.permutation(self._items)])
        batch, self._left = self._left[: self._size], self._left[self._size :]
        return batch


class _Best:
    """Remembers the parameters with the least held-out loss."""

    def __init__(
        self, tensors: dict[str, Tensor], held_out_loss: Callable[[Tensors], float] | None
    ) -> None:
        self._tensors = tensors
        self._held_out_loss = held_out_loss
        self._parameters: dict[str, FloatArray] = {}
        self._loss, self._step, self._looks = np.inf, 0, 0
        self.look(0)

    def look(self, step: int) -> int:
        """Return how many looks have passed since the last gain."""
        if self._held_out_loss is None:
            return 0
        import torch

        with torch.no_grad():
            found = self._held_out_loss(self._tensors)
        self._looks += 1
        if found < self._loss - 1e-5:
            self._loss, self._step, self._looks = found, step, 0
            self._parameters = self._arrays()
        return self._looks

    def trained(self, last_step: int) -> Trained:
        """Return what was best."""
        if self._held_out_loss is None or not self._parameters:
            return Trained(self._arrays(), last_step, float("nan"))
        return Trained(self._parameters, self._step, float(self._loss))

    def _arrays(self) -> dict[str, FloatArray]:
        return {name: value.detach().numpy().copy() for name, value in self._tensors.items()}
