"""Replies that grow in one batch are those that they are alone, whoever joins and leaves.

In bfloat16 no kernel depends on how many rows there are, so the numbers are compared bit for bit:
a row that saw anything of another's would differ.
"""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from persona_engine.errors import InvalidInputError
from persona_engine.generation.local import LocalGenerator
from persona_engine.generation.model import LocalModel
from persona_engine.generation.shared_steps import SharedSteps, _Step
from persona_engine.testing.tiny_model import write_tiny_model
from persona_engine.types import Prompt, Reading, Sampling

ADAPTERS = (None, "warm", "dry", "odd")
PLAIN = Sampling(temperature=1.0, top_p=0.95, max_tokens=24)
DEADLINE = 120.0


def _write_adapter(folder, network, *, rank, seed):
    """A LoRA adapter in PEFT's layout whose effect nobody can overlook."""
    folder.mkdir()
    draw, tensors = torch.Generator().manual_seed(seed), {}
    for name, each in network.state_dict().items():
        if "_proj" in name:
            path, (out, width) = name.removesuffix(".weight"), each.shape
            for part, shape in (("A", (rank, width)), ("B", (out, rank))):
                key = f"base_model.model.{path}.lora_{part}.weight"
                tensors[key] = 0.3 * torch.randn(shape, generator=draw)
    save_file(tensors, folder / "adapter_model.safetensors")
    told = f'{{"peft_type": "LORA", "r": {rank}, "lora_alpha": {rank}, "bias": "none"}}'
    (folder / "adapter_config.json").write_text(told)
    return folder


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    from transformers import AutoModelForCausalLM

    root = tmp_path_factory.mktemp("shared")
    folder = write_tiny_model(root / "model")
    network = AutoModelForCausalLM.from_pretrained(folder)
    for seed, name in enumerate(ADAPTERS[1:]):
        _write_adapter(root / name, network, rank=2 + 2 * seed, seed=seed)

    def make(*, most_rows=0):
        made = LocalGenerator(LocalModel(folder, dtype="bfloat16"))
        if most_rows:
            made.share_batches(most_rows)
        for name in ADAPTERS[1:]:
            made.load_adapter(name, root / name)
        return made

    return make


@pytest.fixture(scope="module")
def alone(tiny):
    return tiny()


def ask(number, *, length=3):
    return [{"role": "user", "content": f"Secret {number}: " + f"word{number} " * length}]


def prompts(number, *, branches=1, adapter=None, length=3):
    return [Prompt((Reading(ask(number, length=length), adapter=adapter),))] * branches


def reply(generator, number, sampling=PLAIN, **asked):
    """A whole reply's texts, features and log-probabilities; features are asked on the way, too."""
    grown = generator.prefill_each(prompts(number, **asked), seed=number)
    steps = 0
    while not all((result := grown.step(sampling)).finished):
        steps += 1
        if steps % 5 == number % 5:
            grown.features()
        if steps == 7 and grown.size > 2:
            grown.drop([1])
    return result.texts, grown.features().tolist(), grown.log_probs.tolist()


def in_threads(works):
    """Do some work in a thread each, all begun at once; their results, or what they raised."""
    begin = threading.Barrier(len(works), timeout=DEADLINE)

    def run(work):
        begin.wait()
        try:
            return work()
        except Exception as error:
            return error

    with ThreadPoolExecutor(len(works)) as threads:
        return list(threads.map(run, works, timeout=DEADLINE))


def passes_of(generator):
    """Shapes of the tokens that the network reads from now on."""
    read = []
    embed = generator._model.load().network.get_input_embeddings()
    embed.register_forward_hook(lambda _m, args, _o: read.append(tuple(args[0].shape)))
    return read


MEMBERS = st.lists(
    st.tuples(
        st.integers(1, 3),  # branches
        st.sampled_from(ADAPTERS),
        st.integers(1, 40),  # words
        st.integers(0, 4),  # joins at
        st.integers(1, 5),  # stays for
    ),
    min_size=2,
    max_size=5,
)


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(members=MEMBERS, seed=st.integers(0, 2**16))
def test_rows_never_see_anothers_keys_whoever_joins_and_leaves(alone, members, seed):
    draw = np.random.default_rng(seed)
    setup = alone._setup
    steps = SharedSteps(setup.model, setup.tap, most_rows=64)
    pairs = {}
    with torch.inference_mode():
        for now in range(9):
            for number, (branches, adapter, length, joins, _) in enumerate(members):
                if joins == now:
                    asked = prompts(number, branches=branches, adapter=adapter, length=length)
                    both = [alone.prefill_each(asked, seed=0) for _ in range(2)]
                    pairs[number] = [each._reader._rows for each in both]
            for number, (_, _, _, joins, stays) in enumerate(members):
                if joins + stays == now:
                    pairs.pop(number, None)
            present = list(pairs.values())
            tokens = [
                draw.integers(2, 250, (len(own.cache.of_row), 1)).tolist() for own, _ in present
            ]
            together = [
                _Step(shared, each) for (_, shared), each in zip(present, tokens, strict=True)
            ]
            found = steps._read_together(together) if together else []
            for (own, _), each, (logits, hidden) in zip(present, tokens, found, strict=True):
                expected_logits, expected_hidden = own.read(each)
                assert torch.equal(logits, expected_logits)
                assert torch.equal(hidden, expected_hidden)


def test_replies_of_many_threads_are_those_that_each_would_be_alone(tiny, alone):
    asked = [
        {"branches": 1 + n % 3, "adapter": ADAPTERS[n % 4], "length": 1 + 5 * (n % 3)}
        for n in range(8)
    ]
    expected = [reply(alone, n, **each) for n, each in enumerate(asked)]
    shared = tiny(most_rows=32)
    shared.prefill_each(prompts(0), seed=0)
    read = passes_of(shared)
    found = in_threads(
        [lambda n=n, each=each: reply(shared, n, **each) for n, each in enumerate(asked)]
    )
    assert found == expected
    assert max(rows for rows, new in read if new == 1) > 3  # more than one request has
    gathering = shared._setup.steps._gathering
    assert not gathering._taken
    assert not gathering._expected


def test_greedy_replies_in_float32_are_the_same_texts(tiny_llama):
    greedy = Sampling(temperature=0.0, max_tokens=12)
    alone, shared = (LocalGenerator(LocalModel(tiny_llama, dtype="float32")) for _ in range(2))
    shared.share_batches(16)
    shared.prefill_each(prompts(0), seed=0)
    expected = [reply(alone, n, greedy) for n in range(4)]
    found = in_threads([lambda n=n: reply(shared, n, greedy) for n in range(4)])
    assert [texts for texts, _, _ in found] == [texts for texts, _, _ in expected]
    for (_, features, _), (_, own, _) in zip(found, expected, strict=True):
        np.testing.assert_allclose(features, own, atol=1e-4)


def test_a_reply_that_is_given_up_leaves_the_others_as_they_are(tiny, alone):
    shared = tiny(most_rows=32)
    shared.prefill_each(prompts(0), seed=0)

    def give_up():
        grown = shared.prefill_each(prompts(9, branches=2), seed=9)
        for _ in range(4):
            grown.step(PLAIN)
        raise KeyError("the reader has left")

    found = in_threads([lambda n=n: reply(shared, n) for n in range(3)] + [give_up])
    assert found[:3] == [reply(alone, n) for n in range(3)]
    assert isinstance(found[3], KeyError)


def test_what_one_request_breaks_fails_for_it_alone(tiny, alone):
    shared = tiny(most_rows=32)
    shared.prefill_each(prompts(0), seed=0)

    def break_it():
        grown = shared.prefill_each(prompts(9), seed=9)
        for _ in range(3):
            grown.step(PLAIN)
        # The second layer cannot be written, when the first has been, everybody's.
        grown._reader._rows._rows.cache.layers[1].own_keys = torch.zeros(7, 7, 7, 7)
        grown.step(PLAIN)

    found = in_threads([lambda n=n: reply(shared, n) for n in range(3)] + [break_it])
    assert found[:3] == [reply(alone, n) for n in range(3)]
    assert isinstance(found[3], RuntimeError)


def test_a_look_ahead_stands_for_itself_beside_others(tiny, alone):
    def search(generator):
        grown, seen = generator.prefill_each(prompts(5, branches=2), seed=5), []
        for n in range(5):
            tokens = np.array([[7 + n, 50 + n, 90], [8, 60 + n, 91]])
            seen.append(grown.look_ahead(tokens).tolist())
            grown.append(tokens[:, n % 3], PLAIN)
        return seen, grown.features().tolist()

    shared = tiny(most_rows=32)
    shared.prefill_each(prompts(0), seed=0)
    found = in_threads(
        [lambda: search(shared), *(lambda n=n: reply(shared, n, branches=2) for n in range(3))]
    )
    assert found == [search(alone), *(reply(alone, n, branches=2) for n in range(3))]


def test_no_more_rows_than_asked_for_are_read_at_once(tiny, alone):
    shared = tiny(most_rows=4)
    shared.prefill_each(prompts(0), seed=0)
    read = passes_of(shared)
    found = in_threads([lambda n=n: reply(shared, n, branches=2) for n in range(5)])
    assert found == [reply(alone, n, branches=2) for n in range(5)]
    assert max(rows for rows, new in read if new == 1) == 4
    five = shared.prefill_each(prompts(1, branches=5), seed=1)  # more than that: by themselves
    five.step(PLAIN)
    five.step(PLAIN)
    assert read[-1] == (5, 1)


def test_a_long_prompt_is_read_in_parts_between_which_others_go_on(tiny, alone):
    shared = tiny(most_rows=8)
    read = passes_of(shared)
    long = shared.prefill_each(prompts(3, length=40), seed=3)
    whole = alone.prefill_each(prompts(3, length=40), seed=3)
    parts = [new for _, new in read if new > 8]
    assert len(parts) > 2
    assert max(parts) == 128
    np.testing.assert_array_equal(long.next_log_probs(), whole.next_log_probs())


def test_other_architectures_read_alone(tiny_folder):
    alone, shared = (LocalGenerator(LocalModel(tiny_folder, dtype="float32")) for _ in range(2))
    shared.share_batches(8)
    greedy = Sampling(temperature=0.0, max_tokens=6)
    expected = [reply(alone, n, greedy)[0] for n in range(2)]
    found = in_threads([lambda n=n: reply(shared, n, greedy) for n in range(2)])
    assert [texts for texts, _, _ in found] == expected


def test_sharing_is_decided_before_the_first_reply(tiny):
    with pytest.raises(InvalidInputError, match="most_rows is 0"):
        tiny().share_batches(0)
    begun = tiny()
    begun.prefill_each(prompts(0), seed=0)
    with pytest.raises(InvalidInputError, match="a reply has been begun"):
        begun.share_batches(8)
