"""A batch of replies that grow together over one key-value cache."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from persona_engine.errors import GenerationError, InvalidInputError
from persona_engine.generation.detokenize import TextStream
from persona_engine.generation.layer_tap import LayerTap
from persona_engine.generation.loading import LoadedModel
from persona_engine.generation.reply import GrowingReply
from persona_engine.generation.sampling import draw_tokens, ending_ramp
from persona_engine.types import FloatArray, Sampling, StepResult

# Matrix kernels for a single row add up in another order than those for several rows, which agree
# with one another. With two rows at least, a branch's text is the same however many run beside it.
_FEWEST_ROWS = 2


@dataclass(frozen=True, slots=True)
class DecodingSetup:
    """What all branches of one model share.

    Args:
        model: The network and its tokenizer.
        tap: Reads the feature layer.
        hidden_size: Width ``H`` of a hidden state.
        end_tokens: Tokens that end a reply.
        context: Most tokens that the model reads.
        length_feature: Whether features end with log(1 + number of tokens).
    """

    model: LoadedModel
    tap: LayerTap
    hidden_size: int
    end_tokens: tuple[int, ...]
    context: int
    length_feature: bool


class CachedBranches:
    """`persona_engine.interfaces.Branches` on a transformers key-value cache.

    The prompt is read once, for all branches. Branches that still grow have always read equally
    many tokens, so that the batch needs no padding and no mask. A branch that has ended leaves the
    cache at the next step: the copy costs as much as one step's growth of the cache, and every
    later step is cheaper.

    The feature layer's hidden states are summed as they are computed. A branch draws from its own
    random numbers, so that its text does not depend on how many branches run beside it.

    Args:
        setup: Model and settings.
        prompt: Tokens of the prompt.
        branches: How many replies to grow.
        seed: Decides every draw.
    """

    def __init__(
        self, setup: DecodingSetup, prompt: Sequence[int], *, branches: int, seed: int
    ) -> None:
        if branches < 1:
            raise InvalidInputError(f"branches is {branches!r}, expected at least 1")
        self._setup = setup
        self._seed = seed % 2**64
        self._streams = 0
        self._read = len(prompt)  # tokens in the cache, the same for every row
        self._replies = [
            GrowingReply(TextStream(setup.model.tokenizer), self._new_rng())
            for _ in range(branches)
        ]
        self._rows = list(range(branches))  # the branch that each row of the cache belongs to
        self._fed = np.zeros(branches, np.int64)  # tokens whose hidden states are in the sums
        self._recent: list[list[torch.Tensor]] = [[] for _ in range(branches)]
        device = setup.model.device
        self._sums = torch.zeros((branches, setup.hidden_size), device=device)  # (B, H)
        self._cache, self._logits = self._prefill(prompt)

    @property
    def size(self) -> int:
        """Number of branches, ``B``, ended ones included."""
        return len(self._replies)

    @property
    def token_counts(self) -> tuple[int, ...]:
        """Tokens that each branch has generated."""
        return tuple(len(reply.tokens) for reply in self._replies)

    @property
    def log_probs(self) -> FloatArray:
        """Summed log-probability of each branch under the model, ``(B,)``."""
        return np.array([sum(reply.log_probs) for reply in self._replies], np.float32)

    @torch.inference_mode()
    def step(self, sampling: Sampling) -> StepResult:
        """Append one token to each branch that has not ended.

        Raises:
            GenerationError: The model's output is not a number.
            InvalidInputError: ``sampling.end_bias`` has not one value for each branch.
        """
        growing = [b for b, reply in enumerate(self._replies) if not reply.finished]
        if growing:
            for branch, token, log_prob in self._draw(growing, sampling):
                self._append(branch, token, log_prob, sampling)
        return StepResult(
            tuple(reply.settled_text(sampling.stop) for reply in self._replies),
            tuple(reply.finished for reply in self._replies),
        )

    @torch.inference_mode()
    def features(self) -> FloatArray:
        """Return the features ``(B, D)`` of the text so far.

        They are the encoder's: the mean over the reply's tokens of the feature layer, and the
        logarithm of their number. The newest token is read for it now; the next step then need
        not. A branch without any token has zeros.
        """
        self._read_pending()
        fed = torch.from_numpy(np.maximum(self._fed, 1)[:, None]).to(self._sums.device)
        means: FloatArray = (self._sums / fed).float().cpu().numpy()  # (B, H)
        if not self._setup.length_feature:
            return means
        lengths = np.log1p(np.array(self.token_counts, np.float32))
        return np.concatenate([means, lengths[:, None]], axis=1)

    @torch.inference_mode()
    def fork(self, indices: Sequence[int]) -> None:
        """Continue with these branches, in this order; an index may occur often.

        The first occurrence goes on exactly as it would have; each further one draws from random
        numbers of its own.

        Raises:
            InvalidInputError: No index, or one that is out of range.
        """
        if not indices or not all(0 <= index < self.size for index in indices):
            raise InvalidInputError(
                f"indices are {list(indices)}, expected one or more from 0 to {self.size - 1}"
            )
        row_of = {branch: row for row, branch in enumerate(self._rows)}
        self._keep_rows([row_of[index] for index in indices if index in row_of])
        self._rows = [new for new, index in enumerate(indices) if index in row_of]
        seen: set[int] = set()
        replies = []
        for index in indices:
            reply = self._replies[index]
            replies.append(reply.twin(self._new_rng()) if index in seen else reply)
            seen.add(index)
        self._replies = replies
        self._recent = [list(self._recent[index]) for index in indices]
        self._fed = self._fed[list(indices)]
        self._sums = self._sums[list(indices)]

    def drop(self, indices: Sequence[int]) -> None:
        """Give up these branches.

        Raises:
            InvalidInputError: An index is out of range, or no branch would be left.
        """
        if not all(0 <= index < self.size for index in indices):
            raise InvalidInputError(
                f"indices are {list(indices)}, expected numbers from 0 to {self.size - 1}"
            )
        self.fork([index for index in range(self.size) if index not in set(indices)])

    @torch.inference_mode()
    def _prefill(self, prompt: Sequence[int]) -> tuple[Any, torch.Tensor]:
        """Read the prompt once; return the cache of all rows and the logits ``(rows, V)``."""
        from transformers import DynamicCache

        network = self._setup.model.network
        tokens = torch.tensor([prompt], device=self._setup.model.device)  # (1, T)
        cache: Any = DynamicCache(config=network.config)
        output = network(tokens, past_key_values=cache, use_cache=True, logits_to_keep=1)
        cache.batch_repeat_interleave(max(self.size, _FEWEST_ROWS))
        first = output.logits[:, -1].clone()
        first[:, list(self._setup.end_tokens)] = -torch.inf  # a reply has at least one token
        return cache, first.expand(self.size, -1)

    def _draw(self, growing: list[int], sampling: Sampling) -> list[tuple[int, int, float]]:
        """Draw the next token of each growing branch: branch, token, log-probability."""
        self._read_pending()
        rows = [row for row, branch in enumerate(self._rows) if branch in set(growing)]
        logits = self._logits if len(rows) == len(self._rows) else self._logits[rows]
        uniforms = torch.tensor([self._replies[b].rng.random(dtype=np.float32) for b in growing])
        tokens, log_probs = draw_tokens(
            logits.float(),
            uniforms.to(logits.device),
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            bias=self._end_bias(growing, sampling.end_bias, logits),
        )
        values = log_probs.tolist()
        if not np.isfinite(values).all():
            raise GenerationError(
                f"the model's logits are not finite after {self._read} tokens",
                remedy="use dtype bfloat16 or float32, and check the weights with `persona doctor`",
            )
        return list(zip(growing, tokens.tolist(), values, strict=True))

    def _end_bias(
        self, growing: list[int], biases: Sequence[float], logits: torch.Tensor
    ) -> torch.Tensor | None:
        """Return what is added to the growing branches' logits ``(rows, V)``, or None."""
        if not biases:
            return None
        if len(biases) != self.size:
            raise InvalidInputError(
                f"end_bias has {len(biases)} values for {self.size} branches, expected as many"
            )
        bias = torch.zeros(logits.shape, device=logits.device)
        of_branch = torch.tensor(
            [biases[each] * ending_ramp(len(self._replies[each].tokens)) for each in growing],
            device=logits.device,
        )
        bias[:, list(self._setup.end_tokens)] = of_branch[:, None]
        return bias

    def _append(self, branch: int, token: int, log_prob: float, sampling: Sampling) -> None:
        reply = self._replies[branch]
        reply.pending = None
        if token in self._setup.end_tokens:
            reply.end()
            return
        reply.append(token, log_prob)
        stop = reply.find_stop(sampling.stop)
        if stop is not None:
            # The newest token has not been read, so its hidden states are not in the sums.
            self._take_back(branch, reply.end_at_stop(stop) - 1)
        elif len(reply.tokens) >= sampling.max_tokens or self._read + 1 >= self._setup.context:
            reply.end()
        self._forget_settled(branch, sampling.stop)

    def _take_back(self, branch: int, tokens: int) -> None:
        for hidden in self._recent[branch][len(self._recent[branch]) - tokens :]:
            self._sums[branch] -= hidden
        self._fed[branch] -= tokens

    def _forget_settled(self, branch: int, stops: Sequence[str]) -> None:
        """Forget hidden states of tokens that no stop text can reach back to any more."""
        reply, recent = self._replies[branch], self._recent[branch]
        reach = len(reply.stream.text) - max(map(len, stops), default=0)
        unsettled = (
            sum(start >= reach for start in reply.starts[-len(recent) - 1 :]) if stops else 0
        )
        del recent[: max(0, len(recent) - unsettled)]

    def _read_pending(self) -> None:
        """Let the network read each branch's newest token; keeps the logits that follow it."""
        waiting = [row for row, b in enumerate(self._rows) if self._replies[b].pending is not None]
        if not waiting:
            return
        if len(waiting) < len(self._rows):
            self._keep_rows(waiting)
            self._rows = [self._rows[row] for row in waiting]
        device, count = self._setup.model.device, len(self._rows)
        pending = [[self._replies[branch].pending] for branch in self._rows]
        tokens = torch.tensor(pending * _copies(count), device=device)  # (rows, 1)
        output, hidden = self._setup.tap.run(
            self._setup.model.network, input_ids=tokens, past_key_values=self._cache, use_cache=True
        )
        self._read += 1
        self._logits = output.logits[:count, -1]  # (rows, V)
        newest = hidden[:count, -1].float()  # (rows, H)
        self._sums.index_add_(0, torch.tensor(self._rows, device=device), newest)
        for row, branch in enumerate(self._rows):
            self._replies[branch].pending = None
            self._fed[branch] += 1
            self._recent[branch].append(newest[row])

    def _keep_rows(self, rows: list[int]) -> None:
        if rows == list(range(len(self._rows))):
            return
        device = self._setup.model.device
        self._logits = self._logits[torch.tensor(rows, dtype=torch.long, device=device)]
        kept = torch.tensor(rows * _copies(len(rows)), dtype=torch.long, device=device)
        self._cache.batch_select_indices(kept)

    def _new_rng(self) -> np.random.Generator:
        self._streams += 1
        return np.random.default_rng([self._seed, self._streams])


def _copies(rows: int) -> int:
    """Return how often to repeat so few rows that there are enough of them."""
    return _FEWEST_ROWS if rows == 1 else 1
