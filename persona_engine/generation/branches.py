"""A batch of replies that grow together over one cache of keys and values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from persona_engine.errors import GenerationError, InvalidInputError
from persona_engine.generation.branch_checks import as_tokens, check_indices
from persona_engine.generation.branch_reader import BranchReader
from persona_engine.generation.branch_state import SavedBranches
from persona_engine.generation.decoding_setup import DecodingSetup
from persona_engine.generation.detokenize import TextStream
from persona_engine.generation.reply import GrowingReply
from persona_engine.generation.sampling import draw_tokens, end_bias
from persona_engine.generation.seats import Seats
from persona_engine.types import FloatArray, IntArray, Sampling, StepResult


class CachedBranches:
    """`persona_engine.interfaces.Branches` on a transformers model.

    A prompt is read once, for all branches that continue it. A branch that has ended leaves the
    batch at the next step, and every later step is cheaper. A branch of several readings is a row
    of the batch for each.

    A branch draws from its own random numbers, and no kernel depends on how many rows there are, so
    that its text does not depend on how many branches run beside it; on CUDA that holds but for the
    rounding of sums.

    Args:
        setup: Model and settings.
        seats: What each branch continues.
        seed: Decides every draw.
    """

    def __init__(self, setup: DecodingSetup, seats: Seats, *, seed: int) -> None:
        self._setup = setup
        self._seed = seed % 2**64
        self._streams = 0
        self._replies = [
            GrowingReply(TextStream(setup.model.tokenizer), self._new_rng())
            for _ in range(seats.branches)
        ]
        with torch.inference_mode():
            self._reader = BranchReader(setup, seats)

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
        """Summed log-probability of each branch under its first reading, ``(B,)``."""
        return np.array([sum(reply.log_probs) for reply in self._replies], np.float32)

    def step(self, sampling: Sampling) -> StepResult:
        """Append one token to each branch that has not ended.

        Raises:
            GenerationError: The model's output is not a number.
            InvalidInputError: ``sampling.end_bias`` has not one value for each branch.
        """
        return self.append(self.draw(sampling), sampling)

    @torch.inference_mode()
    def draw(self, sampling: Sampling) -> IntArray:
        """Return the tokens ``(B,)`` that `step` would append, and use up their random numbers.

        Raises:
            GenerationError: The model's output is not a number.
            InvalidInputError: ``sampling.end_bias`` has not one value for each branch.
        """
        drawn = np.full(self.size, self._setup.end_tokens[0], np.int64)
        growing = self._growing()
        if growing:
            logits, mixing = self._next(growing)
            ending = self._end_bias(growing, sampling, logits)
            biases = [each for each in (mixing, ending) if each is not None]
            uniforms = [self._replies[b].rng.random(dtype=np.float32) for b in growing]
            drawn[growing] = draw_tokens(
                logits + sum(biases) if biases else logits,
                torch.tensor(uniforms, device=logits.device),
                temperature=sampling.temperature,
                top_p=sampling.top_p,
            ).cpu()
        return drawn

    @torch.inference_mode()
    def next_log_probs(self) -> FloatArray:
        """Return the next token's log-probabilities, ``(B, V)``; zeros for a branch that ended.

        Raises:
            GenerationError: The model's output is not a number.
        """
        found = np.zeros((self.size, self._setup.vocabulary), np.float32)
        growing = self._growing()
        if growing:
            logits, mixing = self._next(growing)
            mixed = logits if mixing is None else logits + mixing
            found[growing] = mixed.log_softmax(-1).cpu().numpy()
        return found

    @torch.inference_mode()
    def append(self, tokens: Sequence[int] | IntArray, sampling: Sampling) -> StepResult:
        """Append these tokens, one for each branch that has not ended.

        Raises:
            GenerationError: The model's output is not a number.
            InvalidInputError: There is not one token of the vocabulary for each branch.
        """
        given = self._checked(tokens, (self.size,))
        growing = self._growing()
        if growing:
            logits, _ = self._next(growing)
            chosen = torch.from_numpy(given[growing]).to(logits.device)[:, None]
            log_probs = logits.gather(-1, chosen)[:, 0] - logits.logsumexp(-1)
            for branch, log_prob in zip(growing, log_probs.tolist(), strict=True):
                self._append(branch, int(given[branch]), log_prob, sampling)
            self._rest_at_end()
        return StepResult(
            tuple(reply.settled_text(sampling.stop) for reply in self._replies),
            tuple(reply.finished for reply in self._replies),
        )

    @torch.inference_mode()
    def look_ahead(self, tokens: IntArray) -> FloatArray:
        """Return the features ``(B, k, D)`` that each branch would have with each of k tokens.

        Raises:
            InvalidInputError: They are not ``(B, k)`` tokens of the vocabulary.
        """
        given = self._checked(tokens, (self.size, np.shape(tokens)[-1] if np.ndim(tokens) else 0))
        features = np.repeat(self.features()[:, None], given.shape[1], axis=1)  # (B, k, D)
        growing = self._growing()
        if growing:
            new = self._reader.look_ahead(growing, given)
            ends = np.isin(given[growing], self._setup.end_tokens)[..., None]
            features[growing] = np.where(ends, features[growing], new)
        return features

    @torch.inference_mode()
    def features(self) -> FloatArray:
        """Return the features ``(B, D)`` of the text so far.

        They are the encoder's: the mean over the reply's tokens of the feature layer, and the
        logarithm of their number. The newest token is read for it now; the next step then need
        not. A branch without any token has zeros.
        """
        self._read_pending()
        return self._reader.means.features()

    @torch.inference_mode()
    def fork(self, indices: Sequence[int]) -> None:
        """Continue with these branches, in this order; an index may occur often.

        The first occurrence goes on exactly as it would have; each further one draws from random
        numbers of its own.

        Raises:
            InvalidInputError: No index, or one that is out of range.
        """
        check_indices(indices, self.size)
        self._settle_look_ahead()
        self._reader.fork(indices)
        seen: set[int] = set()
        replies = []
        for index in indices:
            reply = self._replies[index]
            replies.append(reply.twin(self._new_rng()) if index in seen else reply)
            seen.add(index)
        self._replies = replies

    def drop(self, indices: Sequence[int]) -> None:
        """Give up these branches.

        Raises:
            InvalidInputError: An index is out of range, or no branch would be left.
        """
        gone = set(indices)
        if gone:
            check_indices(indices, self.size)
        self.fork([index for index in range(self.size) if index not in gone])

    @torch.inference_mode()
    def save(self) -> SavedBranches:
        """Return the present state, to which `restore` returns."""
        self._settle_look_ahead()
        return SavedBranches(
            reading=self._reader.save(),
            replies=tuple(reply.exact_copy() for reply in self._replies),
            streams=self._streams,
        )

    @torch.inference_mode()
    def restore(self, saved: object) -> None:
        """Return to a saved state of these branches, random numbers included.

        Raises:
            InvalidInputError: It is not such a state.
        """
        if not isinstance(saved, SavedBranches):
            raise InvalidInputError(f"saved is {saved!r}, expected what `save` returned")
        self._reader.restore(saved.reading)
        self._replies = [reply.exact_copy() for reply in saved.replies]
        self._streams = saved.streams

    def _growing(self) -> list[int]:
        return [branch for branch, reply in enumerate(self._replies) if not reply.finished]

    def _next(self, growing: list[int]) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return the growing branches' next logits ``(b, V)``, and what mixing adds to them."""
        self._read_pending()
        logits, mixing = self._reader.logits(growing)
        if not bool(torch.isfinite(logits.amax(-1)).all()):
            raise GenerationError(
                f"the model's logits are not finite after {max(self.token_counts)} tokens",
                remedy="use dtype bfloat16 or float32, and check the weights with `persona doctor`",
            )
        empty = [place for place, branch in enumerate(growing) if not self._replies[branch].tokens]
        if empty:  # a reply has at least one token
            logits = logits.clone()
            for token in self._setup.end_tokens:
                logits[empty, token] = -torch.inf
        return logits, mixing

    def _end_bias(
        self, growing: list[int], sampling: Sampling, logits: torch.Tensor
    ) -> torch.Tensor | None:
        """Return what is added to the growing branches' logits ``(b, V)``, or None."""
        biases = sampling.end_bias
        if not biases:
            return None
        if len(biases) != self.size:
            raise InvalidInputError(
                f"end_bias has {len(biases)} values for {self.size} branches, expected as many"
            )
        lengths = [len(self._replies[branch].tokens) for branch in growing]
        return end_bias(
            [biases[branch] for branch in growing], lengths, self._setup.end_tokens, like=logits
        )

    def _append(self, branch: int, token: int, log_prob: float, sampling: Sampling) -> None:
        reply, means = self._replies[branch], self._reader.means
        reply.pending = None
        if token in self._setup.end_tokens:
            reply.end()
            return
        reply.append(token, log_prob)
        stop = reply.find_stop(sampling.stop)
        length = self._reader.seats.longest(branch) + len(reply.tokens)
        if stop is not None:
            # The newest token has not been read, so its hidden states are not in the sums.
            means.take_back(branch, reply.end_at_stop(stop) - 1)
        elif len(reply.tokens) >= sampling.max_tokens or length >= self._setup.context:
            reply.end()
        unsettled = reply.unsettled(sampling.stop, among=means.remembered(branch) + 1)
        means.remember(branch, unsettled)

    def _read_pending(self) -> None:
        """Let the network read each branch's newest token; keeps the logits that follow it."""
        pending = {b: r.pending for b, r in enumerate(self._replies) if r.pending is not None}
        if not pending:
            return
        self._reader.read(pending)
        for branch in pending:
            self._replies[branch].pending = None
        self._rest_at_end()

    def _rest_at_end(self) -> None:
        if not self._growing():
            self._reader.rest()

    def _settle_look_ahead(self) -> None:
        """Use or forget what was looked ahead at, before the rows change."""
        if self._reader.looks_ahead:
            self._read_pending()
            self._reader.forget_look_ahead()

    def _checked(self, tokens: Sequence[int] | IntArray, shape: tuple[int, ...]) -> IntArray:
        return as_tokens(tokens, shape, vocabulary=self._setup.vocabulary)

    def _new_rng(self) -> np.random.Generator:
        self._streams += 1
        return np.random.default_rng([self._seed, self._streams])
