"""The transformer of group preference optimisation, in numpy: what a new user costs.

Tokens are ``(features, label)`` of responses whose label is known, the context, and
``(features, 0)`` of responses to predict, the targets. A target sees the context and itself, never
another target, so that its prediction does not depend on what else is asked (Nguyen & Grover 2022,
"Transformer neural processes", arXiv:2207.04179).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from persona_engine.modelling import softmax
from persona_engine.types import FloatArray

Parameters = Mapping[str, FloatArray]

_EPSILON = 1e-5  # of layer normalisation


@dataclass(frozen=True, slots=True)
class Context:
    """What targets read of a user: keys and values of each layer, ``(H, C, d)``, and a bias.

    Args:
        keys: One array a layer.
        values: One array a layer.
        bias: ``(C,)`` log-weight of each token, added to its attention logits.
    """

    keys: tuple[FloatArray, ...]
    values: tuple[FloatArray, ...]
    bias: FloatArray


def read_context(
    parameters: Parameters, tokens: FloatArray, weight: FloatArray, *, heads: int
) -> Context:
    """Let the context's tokens ``(C, I)`` see one another, and keep what targets will read.

    Args:
        parameters: The network.
        tokens: ``(C, I)`` features and label of each token.
        weight: ``(C,)`` positive strengths: a token of weight 2 is attended to like two of it.
        heads: Number of attention heads, ``H``.
    """
    hidden = embed_tokens(parameters, tokens)
    bias = np.log(weight)
    keys, values = [], []
    for layer in range(count_layers(parameters)):
        query, key, value = _queries_keys_values(parameters, layer, hidden, heads)
        keys.append(key)
        values.append(value)
        logits = query @ key.transpose(0, 2, 1) * query.shape[-1] ** -0.5 + bias  # (H, C, C)
        hidden = _rest_of_layer(parameters, layer, hidden, softmax(logits) @ value)
    return Context(tuple(keys), tuple(values), bias.astype(np.float32))


def predict(
    parameters: Parameters,
    context: Context,
    tokens: FloatArray,
    *,
    heads: int,
    sees_itself: bool = True,
) -> FloatArray:
    """Return the head's output ``(T, O)`` for target tokens ``(T, I)``, labels 0.

    Args:
        parameters: The network.
        context: What is known of the user; without any, a target sees only itself.
        tokens: ``(T, I)`` features of each response, and a label of 0.
        heads: Number of attention heads.
        sees_itself: Whether a target's own key stands among those that it attends to. The paper
            says so; its published code leaves it out, and is undefined without context.
    """
    hidden = embed_tokens(parameters, tokens)
    for layer in range(count_layers(parameters)):
        query, key, value = _queries_keys_values(parameters, layer, hidden, heads)
        scale = query.shape[-1] ** -0.5
        seen = query @ context.keys[layer].transpose(0, 2, 1) * scale + context.bias  # (H, T, C)
        if not sees_itself:
            attended = softmax(seen) @ context.values[layer]
        else:
            own = (query * key).sum(-1, keepdims=True) * scale  # (H, T, 1)
            share = softmax(np.concatenate([seen, own], axis=-1))
            attended = share[..., :-1] @ context.values[layer] + share[..., -1:] * value
        hidden = _rest_of_layer(parameters, layer, hidden, attended)
    hidden = np.maximum(_linear(parameters, "head.0", hidden), 0.0)
    return _linear(parameters, "head.1", hidden)


def gate(evidence: Any) -> Any:  # noqa: ANN401  # a number, an array or a tensor
    """Return the share ``w / (1 + w)`` of the network's rewards that a context of weight w earns.

    Without any evidence nothing personal is added to what all users want.
    """
    return evidence / (1.0 + evidence)


def embed_tokens(parameters: Parameters, tokens: FloatArray) -> FloatArray:
    """Return the embedder's output ``(T, d)`` for tokens ``(T, I)``."""
    hidden, last = tokens, count_linear(parameters, "embedder") - 1
    for layer in range(last):
        hidden = np.maximum(_linear(parameters, f"embedder.{layer}", hidden), 0.0)
    return _linear(parameters, f"embedder.{last}", hidden)


def _queries_keys_values(
    parameters: Parameters, layer: int, hidden: FloatArray, heads: int
) -> FloatArray:
    """Return queries, keys and values, ``(3, H, T, d / H)``."""
    projected = _linear(parameters, f"layer.{layer}.attend", hidden)
    return projected.reshape(len(hidden), 3, heads, hidden.shape[1] // heads).transpose(1, 2, 0, 3)


def _rest_of_layer(
    parameters: Parameters, layer: int, hidden: FloatArray, attended: FloatArray
) -> FloatArray:
    """Return the layer's output ``(T, d)`` from what its heads attended to, ``(H, T, d / H)``."""
    name = f"layer.{layer}"
    together = attended.transpose(1, 0, 2).reshape(hidden.shape)
    hidden = _normalise(
        parameters, f"{name}.norm.0", hidden + _linear(parameters, f"{name}.join", together)
    )
    inner = np.maximum(_linear(parameters, f"{name}.inner", hidden), 0.0)
    return _normalise(
        parameters, f"{name}.norm.1", hidden + _linear(parameters, f"{name}.outer", inner)
    )


def _linear(parameters: Parameters, name: str, hidden: FloatArray) -> FloatArray:
    result: FloatArray = hidden @ parameters[f"{name}.weight"].T + parameters[f"{name}.bias"]
    return result


def _normalise(parameters: Parameters, name: str, hidden: FloatArray) -> FloatArray:
    centred = hidden - hidden.mean(-1, keepdims=True)
    variance = np.square(centred).mean(-1, keepdims=True)
    scaled = centred / np.sqrt(variance + np.float32(_EPSILON))
    result: FloatArray = scaled * parameters[f"{name}.weight"] + parameters[f"{name}.bias"]
    return result


def count_layers(parameters: Mapping[str, object]) -> int:
    """Return the number of transformer layers."""
    return sum(name.startswith("layer.") and name.endswith(".join.bias") for name in parameters)


def count_linear(parameters: Mapping[str, object], prefix: str) -> int:
    """Return the number of linear maps of a perceptron."""
    return sum(name.startswith(f"{prefix}.") and name.endswith(".bias") for name in parameters)
