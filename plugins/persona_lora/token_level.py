"""Methods that look at single tokens: TDPO and NextQuill."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from persona_engine.interfaces import Needs, Progress
from persona_engine.types import TrainingTask
from persona_lora.examples import Example, merged_pairs, singles
from persona_lora.pairwise import PairTrainer
from persona_lora.stepping import SteppingTrainer

if TYPE_CHECKING:
    from persona_lora.batches import Row
    from persona_lora.reading import Reader

_WITH_CONTRASTS: frozenset[Needs] = frozenset({"pairs", "contrasts"})


@dataclass(frozen=True, kw_only=True)
class Tdpo(PairTrainer):
    """Token-level DPO (TDPO₂): −log σ(β (Δ − a (D_l − sg D_w))).

    Δ is as in ``dpo``, D = Σ_t KL(π₀(·|x,y_<t) ‖ π(·|x,y_<t)) over a reply's tokens, and sg stops
    the gradient (Zeng et al. 2024, arXiv 2404.11999). The divergence is held down token by token,
    on both replies.

    When to use it: where ``dpo`` moves the model too far for what it gains. Each step reads the
    base model as well, half as much again.

    Args:
        divergence: a, what the divergences count.
    """

    divergence: float = 0.5

    name = "tdpo"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._above("divergence", 0.0)

    @property
    def kind(self) -> Callable[..., Any]:
        """The trainer's class."""
        from persona_lora.own_losses import TdpoTrainer

        return partial(TdpoTrainer, alpha=self.divergence)


@dataclass(frozen=True, kw_only=True)
class NextQuill(SteppingTrainer):
    """Likelihood of preferred replies, above all of the tokens that a preference brought about.

    Σ_t w_t (−log π(y_t|x,y_<t)) / Σ_t w_t + a · CE(softmax(ℓ − ℓ₀), y), with w_t = .9 where
    π₀(y_t|x with what the users like, y_<t) − π₀(y_t|x, y_<t) > τ and .1 elsewhere, π with the
    adapter and π₀ without, ℓ and ℓ₀ their logits: what the adapter adds must predict the token by
    itself (NextQuill, Zhao et al. 2025, arXiv 2506.02368; there the added is a history in the
    prompt, here it is the adapter, which stands for it).

    When to use it: where prompts can be told what the users like (the task's contrasts) and replies
    shall be imitated, not only told apart. It reads preferred replies only.

    Args:
        effect: τ, the least difference of probabilities that counts.
        telling: w of tokens that the preference brought about.
        other: w of the others.
        difference: a, weight of the loss of the added logits.
    """

    effect: float = 0.05
    telling: float = 0.9
    other: float = 0.1
    difference: float = 0.05

    name = "nextquill"
    needs = _WITH_CONTRASTS

    def __post_init__(self) -> None:
        super().__post_init__()
        self._between("effect", 0.0, 1.0)
        self._above("telling", 0.0)
        self._above("other", 0.0)
        self._between("difference", 0.0, float("inf"))

    def examples(self, task: TrainingTask, reader: Reader, progress: Progress) -> list[Example]:
        """Return preferred replies, each with what is told of the users."""
        return singles(merged_pairs(task, by_contrast=True))

    def rows(self, task: TrainingTask, reader: Reader, progress: Progress) -> list[Row]:
        """Return them with a weight for each token."""
        from persona_lora.causal import token_weights

        examples = self.examples(task, reader, progress)
        weigh = partial(token_weights, effect=self.effect, telling=self.telling, other=self.other)
        return weigh(examples, reader, progress=progress)

    def trainer(self, rows: list[Row], arguments: dict[str, Any], **given: Any) -> Any:  # noqa: ANN401
        """Return TRL's SFT trainer with this loss."""
        from trl import SFTConfig

        from persona_lora.causal import NextQuillTrainer

        configuration = SFTConfig(**arguments, max_length=None)
        return NextQuillTrainer(args=configuration, difference=self.difference, **given)
