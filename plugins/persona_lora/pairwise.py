"""Methods that learn from pairs, with losses that TRL has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from persona_engine.errors import ConfigError
from persona_engine.interfaces import Progress
from persona_engine.types import TrainingTask
from persona_lora.examples import Example, merged_pairs
from persona_lora.stepping import SteppingTrainer

if TYPE_CHECKING:
    from persona_lora.batches import Row
    from persona_lora.reading import Reader


@dataclass(frozen=True, kw_only=True)
class PairTrainer(SteppingTrainer):
    """What methods that learn from pairs have in common.

    Args:
        beta: How dearly a distance from the base model is bought, β.
        sft: Weight of the negative log-likelihood of preferred replies, a token (RPO, Pang et al.
            2024, arXiv 2404.19733); it keeps samples from drifting where only their odds count.
        worst_group: Weigh the groups of the task's pairs by how badly they are served.
        group_rate: How fast those weights move, η.
    """

    beta: float = 0.1
    sft: float = 0.3
    worst_group: bool = False
    group_rate: float = 0.5

    loss = "sigmoid"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._above("beta", 0.0)
        self._above("group_rate", 0.0)
        self._between("sft", 0.0, float("inf"))
        if not isinstance(self.worst_group, bool):
            raise ConfigError(f"worst_group is {self.worst_group!r}, expected true or false")

    def examples(self, task: TrainingTask, reader: Reader, progress: Progress) -> list[Example]:
        """Return each pair of replies once."""
        return merged_pairs(task, by_group=self.worst_group)

    def trainer(self, rows: list[Row], arguments: dict[str, Any], **given: Any) -> Any:  # noqa: ANN401
        """Return TRL's DPO trainer with weights."""
        from trl import DPOConfig

        from persona_lora.groups import GroupWeights

        losses = {self.loss: 1.0} | ({"sft": self.sft} if self.sft else {})
        configuration = DPOConfig(
            **arguments,
            **self.configuration,
            beta=self.beta,
            loss_type=list(losses),
            loss_weights=list(losses.values()),
            precompute_ref_log_probs=True,
            router_aux_loss_coef=0.0,
            max_length=None,
        )
        groups = GroupWeights(rows, rate=self.group_rate) if self.worst_group else None
        return self.kind(args=configuration, groups=groups, **given)

    @property
    def configuration(self) -> dict[str, Any]:
        """What else TRL is told."""
        return {}

    @property
    def kind(self) -> Callable[..., Any]:
        """The trainer's class."""
        from persona_lora.preference import PreferenceTrainer

        return PreferenceTrainer


@dataclass(frozen=True, kw_only=True)
class Dpo(PairTrainer):
    """Direct preference optimisation: −log σ(β Δ).

    Δ = log π(y_w|x)/π₀(y_w|x) − log π(y_l|x)/π₀(y_l|x), with y_w preferred to y_l, π the model with
    the adapter and π₀ without (Rafailov et al. 2023, arXiv 2305.18290).

    When to use it: comparisons with few errors, the usual case. Where one answer in ten and more is
    wrong, ``robust_dpo`` or ``ipo``.
    """

    name = "dpo"
    loss = "sigmoid"


@dataclass(frozen=True, kw_only=True)
class Ipo(PairTrainer):
    """Identity preference optimisation: (Δ̄ − 1/(2β))².

    Δ̄ is the difference of log-ratios as in ``dpo``, each a token. The loss asks for a margin and
    no more, so that a pair that everybody decides alike does not drive the model without end
    (Azar et al. 2023, arXiv 2310.12036).

    When to use it: few comparisons that all agree, where ``dpo`` would overfit.
    """

    beta: float = 0.5

    name = "ipo"
    loss = "ipo"


@dataclass(frozen=True, kw_only=True)
class RobustDpo(PairTrainer):
    """DPO that knows some labels are turned round, at a rate ε.

    ``forward``: −log[(1−2ε) σ(βΔ) + ε], the likelihood of an answer that is wrong at rate ε, with Δ
    as in ``dpo`` (forward correction, Patrini et al. 2017, arXiv 1609.03683). A pair that
    contradicts what all others teach soon pulls no more.

    ``backward``: [−(1−ε) log σ(βΔ) + ε log σ(−βΔ)] / (1−2ε), the loss whose mean over wrong labels
    is that of ``dpo`` over right ones (Ray Chowdhury et al. 2024, arXiv 2403.00409). It is nearly
    linear in Δ: no pair is ever content, so that few and short steps suit it.

    When to use it: people who answer in haste, comparisons that were guessed from behaviour.

    Args:
        noise: ε, the share of comparisons that is expected to be wrong.
        correction: Of the likelihood, or of the loss.
    """

    noise: float = 0.2
    correction: Literal["forward", "backward"] = "forward"

    name = "robust_dpo"
    loss = "robust"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._between("noise", 0.0, 0.5)
        if self.correction not in ("forward", "backward"):
            raise ConfigError(
                f"correction is {self.correction!r}, expected 'forward' or 'backward'"
            )

    @property
    def configuration(self) -> dict[str, Any]:
        """The rate of wrong labels."""
        return {"label_smoothing": self.noise}

    @property
    def kind(self) -> Callable[..., Any]:
        """TRL's loss, or the one that TRL has not."""
        if self.correction == "backward":
            return super().kind
        from persona_lora.own_losses import ForwardRobustTrainer

        return partial(ForwardRobustTrainer, noise=self.noise)


@dataclass(frozen=True, kw_only=True)
class Sppo(PairTrainer):
    """Self-play preference optimisation, on given comparisons: each reply has a log-ratio to reach.

    ½ [(log π(y_w|x)/π₀(y_w|x) − (P − ½)/β)² + (log π(y_l|x)/π₀(y_l|x) − (½ − P)/β)²], with
    P = P(y_w preferred) by the users' reward model and the users' own disagreement, and the rest as
    in ``dpo`` (Wu et al. 2024, arXiv 2405.00675). Where ``soft`` is false P is 1, TRL's
    ``sppo_hard``.

    When to use it: comparisons with probabilities. What is nearly a tie moves nothing, and a
    preferred reply must become more likely, where ``dpo`` is content if the other gets less likely.

    Args:
        soft: Whether P is read from the task.
    """

    soft: bool = True

    name = "sppo"
    loss = "sppo_hard"

    @property
    def kind(self) -> Callable[..., Any]:
        """TRL's loss, or the soft one that TRL has not."""
        if not self.soft:
            return super().kind
        from persona_lora.own_losses import SoftSppoTrainer

        return SoftSppoTrainer
