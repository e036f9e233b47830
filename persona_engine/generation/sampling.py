"""Draws the next token of many branches at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch

# Wide enough to hold the nucleus nearly always; rows where it does not are sorted in full.
_HEAD = 256

# A bias on ending starts after this many tokens and grows by itself every so many: a constant one
# ends a reply at once or never, a growing one at the next good place to end.
_RAMP = 32


def draw_tokens(
    logits: torch.Tensor,
    uniforms: torch.Tensor,
    *,
    temperature: float,
    top_p: float,
) -> torch.Tensor:
    """Draw one token for each branch, ``(B,)``.

    Each row is drawn by inverting its cumulative distribution at its own uniform number, so that
    a branch's token depends on nothing but its row. Nucleus sampling as in Holtzman et al. 2019
    ("The Curious Case of Neural Text Degeneration", arXiv 1904.09751).

    Args:
        logits: ``(B, V)`` float32.
        uniforms: ``(B,)`` in [0, 1).
        temperature: 0 takes the likeliest token.
        top_p: Probability of the set of likeliest tokens that is drawn from.
    """
    if temperature == 0.0:
        return logits.argmax(-1)
    if top_p < 1.0:
        return _draw_nucleus(logits / temperature, uniforms, top_p)
    return _invert((logits / temperature).softmax(-1).cumsum(-1), uniforms)


def _draw_nucleus(scaled: torch.Tensor, uniforms: torch.Tensor, top_p: float) -> torch.Tensor:
    head, order = scaled.topk(min(_HEAD, scaled.shape[-1]))  # (B, K), likeliest first
    probabilities = (head - scaled.logsumexp(-1, keepdim=True)).exp()
    tokens = _pick(probabilities, order, uniforms, top_p)
    for row in (probabilities.sum(-1) < top_p).nonzero()[:, 0].tolist():
        whole, order_of_row = scaled[row].softmax(-1).sort(descending=True, stable=True)
        tokens[row] = _pick(whole[None], order_of_row[None], uniforms[row, None], top_p)[0]
    return tokens


def _pick(
    probabilities: torch.Tensor, order: torch.Tensor, uniforms: torch.Tensor, top_p: float
) -> torch.Tensor:
    """Draw from the shortest prefix of sorted ``(B, K)`` probabilities that reaches ``top_p``."""
    before = probabilities.cumsum(-1) - probabilities
    nucleus = probabilities.where(before < top_p, 0.0)
    nucleus[:, 0] = probabilities[:, 0]  # rounding must not empty it
    return order.gather(-1, _invert(nucleus.cumsum(-1), uniforms)[:, None])[:, 0]


def _invert(cumulative: torch.Tensor, uniforms: torch.Tensor) -> torch.Tensor:
    """Return the first index whose cumulative mass exceeds that share of the total, ``(B,)``."""
    total = cumulative[:, -1:].contiguous()
    index = torch.searchsorted(cumulative, uniforms[:, None] * total, right=True)
    # The last token with any mass: a product that rounds up to the total must not go past it.
    last = torch.searchsorted(cumulative, total)
    # What is not a number sorts last; the caller reports it, an index out of range would crash.
    return index.minimum(last).clamp(max=cumulative.shape[-1] - 1)[:, 0]


def end_bias(
    biases: Sequence[float],
    lengths: Sequence[int],
    end_tokens: Sequence[int],
    *,
    like: torch.Tensor,
) -> torch.Tensor:
    """Return what is added to logits ``(B, V)`` so that replies end sooner or later.

    Args:
        biases: Of each branch, for every 32 tokens after the first 32.
        lengths: Tokens that each has.
        end_tokens: What ends a reply.
        like: The logits.
    """
    added = torch.zeros_like(like)
    ramps = [bias * ending_ramp(length) for bias, length in zip(biases, lengths, strict=True)]
    added[:, list(end_tokens)] = torch.tensor(ramps, device=like.device)[:, None]
    return added


def ending_ramp(tokens: int) -> float:
    """Return the factor on the bias of ending a reply after some tokens.

    Examples:
        >>> [ending_ramp(tokens) for tokens in (0, 32, 48, 96)]
        [0.0, 0.0, 0.5, 2.0]
    """
    return max(0.0, tokens / _RAMP - 1.0)
