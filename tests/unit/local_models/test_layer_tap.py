from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from persona_engine.generation.model import LocalModel


@pytest.fixture
def loaded(tiny_folder):
    return LocalModel(tiny_folder, dtype="float32").load()


def tokens_of(seed, length=7):
    return torch.randint(2, 300, (2, length), generator=torch.Generator().manual_seed(seed))


@torch.inference_mode()
def test_it_reads_the_layers_hidden_states(loaded):
    tokens = tokens_of(0)
    expected = loaded.network(tokens, output_hidden_states=True).hidden_states[4]
    output, hidden = loaded.tap(4).run(loaded.network, input_ids=tokens)
    torch.testing.assert_close(hidden, expected)
    torch.testing.assert_close(output.logits, loaded.network(tokens).logits)
    torch.testing.assert_close(
        loaded.tap(4).run_up_to_layer(loaded.network, input_ids=tokens), expected
    )


@torch.inference_mode()
def test_nothing_above_the_layer_runs(loaded):
    ran = []
    above, head = loaded._layers[4], loaded.network.get_output_embeddings()
    handles = [
        module.register_forward_hook(lambda module, *_: ran.append(module))
        for module in (above, head)
    ]
    loaded.tap(4).run_up_to_layer(loaded.network, input_ids=tokens_of(0))
    assert ran == []
    loaded.tap(4).run(loaded.network, input_ids=tokens_of(0))
    assert ran == [above, head]
    for handle in handles:
        handle.remove()


def test_threads_read_their_own_hidden_states(loaded):
    @torch.inference_mode()
    def read(seed):
        hidden = loaded.tap(3).run_up_to_layer(loaded.network, input_ids=tokens_of(seed, 5 + seed))
        return hidden.clone()

    alone = [read(seed) for seed in range(8)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(read, range(8)))
    for one, other in zip(alone, together, strict=True):
        torch.testing.assert_close(one, other)


def test_an_untapped_run_goes_through(loaded):
    loaded.tap(2)
    with torch.inference_mode():
        assert loaded.network(tokens_of(0)).logits.shape[:2] == (2, 7)
