import pytest
import torch
from transformers import AutoModelForCausalLM, DynamicCache

from persona_engine.generation.model import LocalModel


def decode(network, prompt, new):
    cache = DynamicCache(config=network.config)
    network(prompt, past_key_values=cache, use_cache=True)
    return [
        network(new[:, [i]], past_key_values=cache, use_cache=True).logits
        for i in range(new.shape[1])
    ]


@torch.inference_mode()
def test_packed_heads_attend_as_the_plain_kernel_does(tiny_folder):
    plain = AutoModelForCausalLM.from_pretrained(tiny_folder, dtype=torch.float32).eval()
    packed = LocalModel(tiny_folder, dtype="float32", device="cpu").load().network
    tokens = torch.randint(2, 300, (3, 20), generator=torch.Generator().manual_seed(0))
    prompt, new = tokens[:, :14], tokens[:, 14:]
    for one, other in zip(decode(plain, prompt, new), decode(packed, prompt, new), strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


@torch.inference_mode()
@pytest.mark.parametrize("padded", [False, True])
def test_whole_sequences_go_through_the_plain_kernel(tiny_llama, padded):
    plain = AutoModelForCausalLM.from_pretrained(tiny_llama, dtype=torch.float32).eval()
    packed = LocalModel(tiny_llama, dtype="float32", device="cpu").load().network
    tokens = torch.randint(2, 300, (2, 9), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(tokens)
    if padded:
        mask[1, 6:] = 0
    one, other = (each(tokens, attention_mask=mask).logits for each in (plain, packed))
    torch.testing.assert_close(one[mask.bool()], other[mask.bool()])
