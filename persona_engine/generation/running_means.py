"""The features of replies that grow: running means of the feature layer's hidden states."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
import torch

from persona_engine.types import FloatArray, IntArray


class RunningMeans:
    """For each branch, the mean over its tokens of a layer's hidden state, as the tokens are read.

    Args:
        branches: How many, ``B``.
        width: Of a hidden state, ``H``.
        device: Where the sums are kept.
        length_feature: Whether features end with log(1 + number of tokens).
    """

    def __init__(
        self, branches: int, *, width: int, device: torch.device, length_feature: bool
    ) -> None:
        self._length_feature = length_feature
        self._sums = torch.zeros((branches, width), device=device)  # (B, H)
        self._read = np.zeros(branches, np.int64)  # tokens whose hidden states are in the sums
        self._recent: list[list[torch.Tensor]] = [[] for _ in range(branches)]

    def add(self, branches: Sequence[int], hidden: torch.Tensor) -> None:
        """Count one more token of each of some branches, ``(b, H)``."""
        newest = hidden.float()
        self._sums.index_add_(0, torch.tensor(branches, device=newest.device), newest)
        for place, branch in enumerate(branches):
            self._read[branch] += 1
            self._recent[branch].append(newest[place])

    def take_back(self, branch: int, tokens: int) -> None:
        """Give up a branch's newest tokens; no more of them than are still remembered."""
        for hidden in self._recent[branch][len(self._recent[branch]) - tokens :]:
            self._sums[branch] -= hidden
        self._read[branch] -= tokens

    def remembered(self, branch: int) -> int:
        """Return how many of a branch's newest tokens may be taken back."""
        return len(self._recent[branch])

    def remember(self, branch: int, tokens: int) -> None:
        """Remember no more than so many of a branch's newest tokens."""
        recent = self._recent[branch]
        del recent[: max(0, len(recent) - tokens)]

    def features(self) -> FloatArray:
        """Return the features ``(B, D)``; zeros of a branch without any token."""
        return self._means(self._sums, self._read)

    def ahead(self, branches: Sequence[int], hidden: torch.Tensor) -> FloatArray:
        """Return what the features ``(b, k, D)`` would be with one of k tokens more.

        Args:
            branches: Some of the branches.
            hidden: The hidden states of those tokens, ``(b, k, H)``.
        """
        sums = self._sums[list(branches)][:, None] + hidden.float()
        read = np.repeat(self._read[list(branches)][:, None] + 1, hidden.shape[1], axis=1)
        return self._means(sums, read)

    def fork(self, indices: Sequence[int]) -> None:
        """Go on with these branches, in this order; one may occur often."""
        self._sums = self._sums[list(indices)]
        self._read = self._read[list(indices)]
        self._recent = [list(self._recent[index]) for index in indices]

    def copy(self) -> Self:
        """Return independent means like these."""
        twin = type(self)(
            0,
            width=self._sums.shape[1],
            device=self._sums.device,
            length_feature=self._length_feature,
        )
        twin._sums, twin._read = self._sums.clone(), self._read.copy()
        twin._recent = [list(each) for each in self._recent]
        return twin

    def _means(self, sums: torch.Tensor, read: IntArray) -> FloatArray:
        counts = torch.from_numpy(np.maximum(read, 1)).to(sums.device)[..., None]
        means: FloatArray = (sums / counts).cpu().numpy()
        if not self._length_feature:
            return means
        lengths = np.log1p(read.astype(np.float32))[..., None]
        return np.concatenate([means, lengths], axis=-1)
