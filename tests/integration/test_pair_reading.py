"""Two texts read together by the real sentence encoder."""

from __future__ import annotations

import numpy as np
import pytest

from persona_engine.encoders import sentence_encoder
from persona_engine.errors import InvalidInputError
from persona_engine.interfaces import ReadsPairs
from persona_engine.types import PairAdapter
from persona_engine.weights import resolve

LOWER, LAYERS, WIDTH, WIDE, RANK = 3, 6, 384, 1536, 2
TEXTS = (["Use emoji", "I live in Rome, near the river"], ["No emoji please", "I moved"])


@pytest.fixture(scope="module")
def encoder():
    made = sentence_encoder(weights=resolve("all-minilm-l6-v2"))
    assert isinstance(made, ReadsPairs)
    return made


def adapter(seed=None):
    """Return changes drawn from a seed; none without one."""
    from persona_engine.encoders.joint import PARTS

    rng = np.random.default_rng(seed)
    tensors = {"sides": np.zeros((2, WIDTH), np.float32)}
    for layer in range(LAYERS - LOWER):
        for part in PARTS:
            inputs = WIDE if part == "output.dense" else WIDTH
            outputs = WIDE if part == "intermediate.dense" else WIDTH
            down, up = rng.normal(size=(RANK, inputs)), rng.normal(size=(outputs, RANK))
            tensors[f"{layer}.{part}.down"] = 0.02 * down.astype(np.float32)
            tensors[f"{layer}.{part}.up"] = (0.0 if seed is None else 0.02) * up.astype(np.float32)
    return PairAdapter(LOWER, tensors)


def test_each_side_depends_on_the_other(encoder):
    alone = adapter()
    one = encoder.read_pairs(["Use emoji"], ["No emoji please"], adapter=alone)
    other = encoder.read_pairs(["Use emoji"], ["I moved"], adapter=alone)
    assert one.shape == (1, 2, WIDTH)
    assert np.abs(one[0, 0] - other[0, 0]).max() > 0.01


def test_sides_are_alike_until_an_adapter_tells_them_apart(encoder):
    first, second = TEXTS
    there = encoder.read_pairs(first, second, adapter=adapter())
    back = encoder.read_pairs(second, first, adapter=adapter())
    np.testing.assert_allclose(there, back[:, ::-1], atol=1e-4)


def test_batches_make_no_difference_and_adapters_do(encoder):
    first, second = TEXTS
    changed = adapter(1)
    together = encoder.read_pairs(first, second, adapter=changed)
    for row in range(2):
        alone = encoder.read_pairs(first[row : row + 1], second[row : row + 1], adapter=changed)
        np.testing.assert_allclose(together[row : row + 1], alone, atol=1e-4)
    assert np.abs(together - encoder.read_pairs(first, second, adapter=adapter())).max() > 0.01


def test_merged_and_unmerged_changes_give_the_same(encoder):
    import torch

    from persona_engine.encoders.joint import lower_states, mean_pair_states, upper_layers
    from persona_engine.generation.model import LocalModel

    model = LocalModel(resolve("all-minilm-l6-v2"), dtype="float32", kind="bidirectional").load()
    tensors = {name: torch.tensor(value) for name, value in adapter(2).tensors.items()}
    pairs = [([101, 2224, 102], [101, 2053, 2005, 102])]
    apart = upper_layers(model.network, tensors, LOWER, merged=False)
    merged = upper_layers(model.network, tensors, LOWER)
    with torch.no_grad():
        found = mean_pair_states(model, merged, LOWER, pairs)
        np.testing.assert_allclose(found, mean_pair_states(model, apart, LOWER, pairs), atol=1e-4)
    hidden, mask = lower_states(model, LOWER, [pairs[0][0], pairs[0][1]])
    assert hidden.shape == (2, 4, WIDTH)
    assert mask.tolist() == [[1, 1, 1, 0], [1, 1, 1, 1]]


def test_bad_input_is_named(encoder):
    with pytest.raises(InvalidInputError, match="2 first and 1 second"):
        encoder.read_pairs(["a", "b"], ["c"], adapter=adapter())
    with pytest.raises(InvalidInputError, match="not blank"):
        encoder.read_pairs(["a"], [" "], adapter=adapter())
