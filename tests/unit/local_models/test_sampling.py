import numpy as np
import pytest
import torch

from persona_engine.generation.sampling import draw_tokens, end_bias


def logits_of(rows, vocabulary, scale, seed=0):
    return torch.randn((rows, vocabulary), generator=torch.Generator().manual_seed(seed)) * scale


def reference(logits, uniform, temperature, top_p):
    """One row, by sorting everything, in float64."""
    probabilities = (logits.double() / temperature).softmax(-1).numpy()
    order = np.argsort(-probabilities, kind="stable")
    cumulative = np.cumsum(probabilities[order])
    size = int(np.searchsorted(cumulative, top_p)) + 1
    return int(order[np.searchsorted(cumulative[:size], uniform * cumulative[size - 1], "right")])


@pytest.mark.parametrize("top_p", [0.1, 0.5, 0.95, 0.999])
@pytest.mark.parametrize("scale", [0.1, 3.0])  # flat: the nucleus is wider than the head
def test_the_nucleus_is_that_of_a_full_sort(scale, top_p):
    logits = logits_of(64, 3000, scale)
    uniforms = torch.rand(64, generator=torch.Generator().manual_seed(1))
    tokens = draw_tokens(logits, uniforms, temperature=0.8, top_p=top_p)
    expected = [reference(logits[i], float(uniforms[i]), 0.8, top_p) for i in range(64)]
    # float32 sums may put a draw on the other side of a boundary, hardly ever
    assert np.mean(tokens.numpy() == expected) > 0.96


def test_frequencies_follow_the_distribution():
    logits = torch.tensor([[2.0, 1.0, 0.0, -1.0, -9.0]]).expand(20_000, -1)
    uniforms = torch.rand(20_000, generator=torch.Generator().manual_seed(2))
    tokens = draw_tokens(logits, uniforms, temperature=1.0, top_p=1.0)
    seen = np.bincount(tokens.numpy(), minlength=5) / 20_000
    np.testing.assert_allclose(seen, logits[0].softmax(-1).numpy(), atol=0.01)
    tokens = draw_tokens(logits, uniforms, temperature=1.0, top_p=0.8)
    assert set(tokens.tolist()) == {0, 1}


def test_temperature_zero_takes_the_likeliest():
    logits = logits_of(5, 50, 1.0)
    tokens = draw_tokens(logits, torch.zeros(5), temperature=0.0, top_p=0.1)
    assert tokens.tolist() == logits.argmax(-1).tolist()


def test_a_bias_on_ending_grows_with_the_reply():
    logits = logits_of(3, 6, 1.0)
    added = end_bias([2.0, 2.0, -1.0], [10, 64, 96], [1, 4], like=logits)
    assert added[:, [1, 4]].tolist() == [[0.0, 0.0], [2.0, 2.0], [-2.0, -2.0]]
    assert not added[:, [0, 2, 3, 5]].any()


@pytest.mark.parametrize("uniform", [0.0, float(np.nextafter(np.float32(1), np.float32(0)))])
@pytest.mark.parametrize("top_p", [1e-6, 0.9, 1.0])
def test_extreme_draws_stay_inside(uniform, top_p):
    logits = torch.full((1, 1000), -torch.inf)
    logits[0, 10:13] = 0.0
    tokens = draw_tokens(logits, torch.tensor([uniform]), temperature=1.0, top_p=top_p)
    assert 10 <= int(tokens) <= 12


def test_a_row_does_not_depend_on_the_others():
    logits, uniforms = logits_of(8, 3000, 0.5), torch.rand(8)
    together = draw_tokens(logits, uniforms, temperature=0.9, top_p=0.97)
    apart = [
        int(draw_tokens(logits[[i]], uniforms[[i]], temperature=0.9, top_p=0.97)) for i in range(8)
    ]
    assert together.tolist() == apart
