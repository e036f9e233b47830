"""The network of `persona_gpo.network` in torch, many users at once, to be trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from persona_gpo.network import count_layers, count_linear

if TYPE_CHECKING:
    from torch import Tensor

Tensors = Mapping[str, "Tensor"]


def predict_many(
    parameters: Tensors, context: Tensor, bias: Tensor, targets: Tensor, heads: int
) -> Tensor:
    """Return the rewards ``(U, T)`` that `persona_gpo.network.predict` gives each user's targets.

    Args:
        parameters: The network.
        context: ``(U, C, I + 1)`` tokens, padded.
        bias: ``(U, C)`` log-weight of each token.
        targets: ``(U, T, I + 1)`` tokens.
        heads: Number of attention heads.
    """
    import torch
    from torch.nn.functional import relu

    known, asked = _embed(parameters, context), _embed(parameters, targets)
    layers = count_layers(parameters)
    for layer in range(layers):
        query, key, value = _split(parameters, layer, known, heads)
        wanted, own, mine = _split(parameters, layer, asked, heads)
        scale, shift = query.shape[-1] ** -0.5, bias[:, None, None]
        seen = wanted @ key.mT * scale + shift  # (U, H, T, C)
        self_seen = (wanted * own).sum(-1, keepdim=True) * scale
        share = torch.softmax(torch.cat([seen, self_seen], -1), -1)
        attended = share[..., :-1] @ value + share[..., -1:] * mine
        if layer < layers - 1:
            among = torch.softmax(query @ key.mT * scale + shift, -1) @ value
            known = _rest(parameters, layer, known, among)
        asked = _rest(parameters, layer, asked, attended)
    hidden = relu(_linear(parameters, "head.0", asked))
    return _linear(parameters, "head.1", hidden)[..., 0]


def _embed(parameters: Tensors, tokens: Tensor) -> Tensor:
    from torch.nn.functional import relu

    hidden, last = tokens, count_linear(parameters, "embedder") - 1
    for layer in range(last):
        hidden = relu(_linear(parameters, f"embedder.{layer}", hidden))
    return _linear(parameters, f"embedder.{last}", hidden)


def _split(parameters: Tensors, layer: int, hidden: Tensor, heads: int) -> Tensor:
    users, count, width = hidden.shape
    projected = _linear(parameters, f"layer.{layer}.attend", hidden)
    return projected.view(users, count, 3, heads, width // heads).permute(2, 0, 3, 1, 4)


def _rest(parameters: Tensors, layer: int, hidden: Tensor, attended: Tensor) -> Tensor:
    from torch.nn.functional import relu

    name = f"layer.{layer}"
    joined = _linear(parameters, f"{name}.join", attended.transpose(1, 2).reshape(hidden.shape))
    hidden = _norm(parameters, f"{name}.norm.0", hidden + joined)
    inner = relu(_linear(parameters, f"{name}.inner", hidden))
    return _norm(parameters, f"{name}.norm.1", hidden + _linear(parameters, f"{name}.outer", inner))


def _linear(parameters: Tensors, name: str, hidden: Tensor) -> Tensor:
    from torch.nn.functional import linear

    return linear(hidden, parameters[f"{name}.weight"], parameters[f"{name}.bias"])


def _norm(parameters: Tensors, name: str, hidden: Tensor) -> Tensor:
    from torch.nn.functional import layer_norm

    weight, bias = parameters[f"{name}.weight"], parameters[f"{name}.bias"]
    return layer_norm(hidden, (hidden.shape[-1],), weight, bias)
