"""What searches ask of branches: looking ahead, given tokens, going back, prompts of their own."""

import numpy as np
import pytest
import torch

from persona_engine.errors import InvalidInputError
from persona_engine.generation.chat_format import ChatFormat
from persona_engine.generation.local import LocalGenerator
from persona_engine.generation.model import LocalModel
from persona_engine.generation.prompts import PromptReader
from persona_engine.types import Prompt, Reading, Sampling

ASK = [{"role": "user", "content": "How do I make a good cup of coffee?"}]
SHORT = [{"role": "system", "content": "A reply should be short."}, *ASK]
PLAIN = Sampling(temperature=1.0, top_p=0.95, max_tokens=16)


@pytest.fixture
def generator(tiny_folder):
    return LocalGenerator(LocalModel(tiny_folder, dtype="float32"))


@pytest.fixture
def llama(tiny_llama):
    return LocalGenerator(LocalModel(tiny_llama, dtype="float32"))


@torch.inference_mode()
def in_one_pass(generator, conversation, tokens):
    """Mean feature-layer state of a reply, and log-probabilities of what follows it."""
    loaded = generator._model.load()
    prompt = ChatFormat(loaded.tokenizer).prompt_ids(conversation, room=120)
    output = loaded.network(torch.tensor([prompt + tokens]), output_hidden_states=True)
    hidden = output.hidden_states[generator.feature_encoder.layer][0, len(prompt) :]
    return hidden.mean(0).numpy(), output.logits[0, -1].log_softmax(-1).numpy()


def grown(generator, *, branches=3, steps=4, seed=1):
    made = generator.prefill(ASK, branches=branches, seed=seed)
    for _ in range(steps):
        made.step(PLAIN)
    return made


def tokens_of(branches):
    return [list(reply.tokens) for reply in branches._replies]


def test_next_log_probs_are_those_of_one_pass(generator):
    branches = grown(generator)
    found = branches.next_log_probs()
    np.testing.assert_allclose(np.exp(found).sum(1), 1.0, atol=1e-4)
    for row, tokens in zip(found, tokens_of(branches), strict=True):
        np.testing.assert_allclose(row, in_one_pass(generator, ASK, tokens)[1], atol=2e-3)


def test_looking_ahead_gives_the_features_that_each_token_would_give(generator):
    branches = grown(generator)
    asked = np.array([[5, 9, 30, 2], [7, 7, 8, 300], [4, 3, 2, 40]])
    found = branches.look_ahead(asked)
    assert found.shape == (3, 4, generator.feature_encoder.width)
    for row, tokens in enumerate(tokens_of(branches)):
        for column, token in enumerate(asked[row]):
            mean, _ = in_one_pass(generator, ASK, [*tokens, int(token)])
            np.testing.assert_allclose(found[row, column, :-1], mean, atol=3e-4)
            assert found[row, column, -1] == pytest.approx(np.log1p(len(tokens) + 1))


def test_a_token_that_was_looked_ahead_at_is_not_read_again(generator):
    branches = grown(generator)
    loaded, read = generator._model.load(), []
    embed = loaded.network.get_input_embeddings()
    handle = embed.register_forward_hook(lambda _m, args, _o: read.append(args[0].numel()))
    likeliest = np.argsort(-branches.next_log_probs(), axis=1)[:, 1:6]
    read.clear()
    for _ in range(3):
        branches.look_ahead(likeliest)
        branches.append(likeliest[:, 2], PLAIN)
        following = branches.next_log_probs()
        likeliest = np.argsort(-following, axis=1)[:, 1:6]
    handle.remove()
    assert read == [15, 15, 15]
    features = branches.features()
    for row, tokens in enumerate(tokens_of(branches)):
        mean, expected = in_one_pass(generator, ASK, tokens)
        np.testing.assert_allclose(following[row], expected, atol=2e-3)
        np.testing.assert_allclose(features[row, :-1], mean, atol=3e-4)


def test_another_token_than_those_looked_ahead_at_may_be_appended(generator):
    branches, twin = grown(generator), grown(generator)
    branches.look_ahead(np.full((3, 4), 12))
    for each in (branches, twin):
        each.append([20, 21, 22], PLAIN)
    np.testing.assert_allclose(branches.next_log_probs(), twin.next_log_probs(), atol=1e-4)
    np.testing.assert_allclose(branches.features(), twin.features(), atol=1e-5)


def test_rows_read_side_by_side_get_bit_for_bit_what_a_step_gives(tiny_folder):
    generator = LocalGenerator(LocalModel(tiny_folder, dtype="bfloat16"))
    stepped, searched = grown(generator), grown(generator)
    for _ in range(5):
        drawn = searched.draw(PLAIN)
        others = np.random.default_rng(3).integers(2, 300, (3, 6))
        searched.look_ahead(np.concatenate([others, drawn[:, None]], axis=1))
        assert searched.append(drawn, PLAIN) == stepped.step(PLAIN)
        np.testing.assert_array_equal(searched.next_log_probs(), stepped.next_log_probs())
        np.testing.assert_array_equal(searched.features(), stepped.features())


@pytest.fixture
def blank_memory():
    """Fills memory that nobody has written to with what is not a number."""
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.usefixtures("blank_memory")
def test_a_token_that_ends_changes_no_feature_and_ends_the_reply(llama):
    branches = grown(llama)
    before = branches.features()
    ahead = branches.look_ahead(np.array([[1, 5], [1, 6], [1, 7]]))
    np.testing.assert_array_equal(ahead[:, 0], before)
    result = branches.append([1, 6, 1], PLAIN)
    assert result.finished == (True, False, True)
    np.testing.assert_allclose(branches.features()[1], ahead[1, 1], atol=1e-5)
    branches.append([9, 9, 9], PLAIN)
    following = in_one_pass(llama, ASK, tokens_of(branches)[1])[1]
    np.testing.assert_allclose(branches.next_log_probs()[1], following, atol=2e-3)
    assert not branches.next_log_probs()[[0, 2]].any()
    np.testing.assert_array_equal(branches.look_ahead(np.full((3, 2), 9))[0, 0], before[0])


def test_drawing_and_appending_is_a_step(generator):
    drawn, stepped = grown(generator, steps=1), grown(generator, steps=1)
    for _ in range(5):
        result = drawn.append(drawn.draw(PLAIN), PLAIN)
        assert result == stepped.step(PLAIN)


def test_going_back_takes_the_same_way_again(generator):
    branches, twin = grown(generator), grown(generator)
    saved = branches.save()
    for _ in range(3):
        branches.fork([2, 2, 0, 1])
        for _ in range(5):
            branches.step(PLAIN)
        branches.look_ahead(np.full((4, 3), 8))
        branches.restore(saved)
        assert branches.size == 3
        np.testing.assert_allclose(branches.features(), twin.features(), atol=1e-5)
    for _ in range(8):
        assert branches.step(PLAIN) == twin.step(PLAIN)
    np.testing.assert_allclose(branches.features(), twin.features(), atol=1e-5)
    with pytest.raises(InvalidInputError, match="saved"):
        branches.restore("yesterday")


def test_each_branch_continues_the_prompt_that_it_is_given(generator):
    prompts = [Prompt((Reading(each),)) for each in (ASK, SHORT, ASK, SHORT)]
    together = generator.prefill_each(prompts, seed=3)
    plain, short = (generator.prefill(each, branches=4, seed=3) for each in (ASK, SHORT))
    for _ in range(10):
        texts = together.step(PLAIN).texts
        first, second = plain.step(PLAIN).texts, short.step(PLAIN).texts
        assert texts == (first[0], second[1], first[2], second[3])
    together.fork([3, 0, 3])
    features = together.features()
    np.testing.assert_allclose(features[0], short.features()[3], atol=1e-4)
    np.testing.assert_allclose(features[1], plain.features()[0], atol=1e-4)


def test_readings_are_mixed_by_their_weights(generator):
    mixed = Prompt((Reading(ASK, 0.5), Reading(SHORT, 1.5)), plausible=0.01)
    branches = generator.prefill_each([Prompt((Reading(ASK),)), mixed], seed=2)
    for _ in range(3):
        branches.append([9, 11], PLAIN)
    tokens = tokens_of(branches)
    plain, steered = branches.next_log_probs()
    one, other = (in_one_pass(generator, each, tokens[1])[1] for each in (ASK, SHORT))
    expected = 0.5 * one + 1.5 * other
    kept = one >= one.max() + np.log(0.01)
    expected -= np.logaddexp.reduce(expected[kept])
    np.testing.assert_allclose(steered[kept], expected[kept], atol=5e-3)
    assert np.all(np.isneginf(steered[~kept]))
    np.testing.assert_allclose(plain, in_one_pass(generator, ASK, tokens[0])[1], atol=2e-3)
    # features and log-probability are those of the first reading
    mean, _ = in_one_pass(generator, ASK, tokens[1])
    np.testing.assert_allclose(branches.features()[1, :-1], mean, atol=3e-4)
    for _ in range(4):
        branches.step(PLAIN)
    ahead = branches.look_ahead(np.array([[4, 6], [8, 10]]))
    mean, _ = in_one_pass(generator, ASK, [*tokens_of(branches)[1], 10])
    np.testing.assert_allclose(ahead[1, 1, :-1], mean, atol=3e-4)


def test_a_plain_branch_is_the_same_beside_mixed_ones(llama):
    mixed = Prompt((Reading(ASK, 2.0), Reading(SHORT, -1.0)))
    beside = llama.prefill_each([Prompt((Reading(ASK),)), mixed, mixed], seed=4)
    alone = llama.prefill(ASK, branches=1, seed=4)
    for _ in range(10):
        assert beside.step(PLAIN).texts[0] == alone.step(PLAIN).texts[0]


@pytest.mark.parametrize(
    ("ask", "tokens"),
    [
        ("append", [1, 2]),
        ("append", [1, 2, 100_000]),
        ("append", [0.5, 1, 2]),
        ("look_ahead", [[1], [2]]),
        ("look_ahead", [[-1], [2], [3]]),
        ("look_ahead", [1, 2, 3]),
    ],
)
def test_tokens_that_cannot_be_are_refused_and_change_nothing(llama, ask, tokens):
    branches, twin = grown(llama), grown(llama)
    further = (PLAIN,) if ask == "append" else ()
    with pytest.raises(InvalidInputError, match="tokens are"):
        getattr(branches, ask)(np.array(tokens), *further)
    assert branches.step(PLAIN) == twin.step(PLAIN)


def test_there_must_be_a_prompt(llama):
    with pytest.raises(InvalidInputError, match="no prompt"):
        llama.prefill_each([], seed=0)


def test_known_architectures_share_their_prompt(tiny_folder):
    loaded = LocalModel(tiny_folder, dtype="float32").load()
    assert loaded.shares_prompts == ("gemma2" not in str(tiny_folder))


def test_a_prompt_that_begins_like_an_earlier_one_is_read_from_there(llama):
    longer = [{"role": "user", "content": "The quick brown fox jumps over a dog. " * 5}]
    other = [{"role": "user", "content": longer[0]["content"] + "And then it sleeps."}]
    loaded, read = llama._model.load(), []
    assert loaded.shares_prompts
    embed = loaded.network.get_input_embeddings()
    handle = embed.register_forward_hook(lambda _m, args, _o: read.append(args[0].numel()))
    llama.prefill(longer, branches=1, seed=0)
    warm = llama.prefill(other, branches=2, seed=0)
    llama.forget_prompts()
    cold = llama.prefill(other, branches=2, seed=0)
    handle.remove()
    assert read[0] > 64
    assert read[1] == read[2] - 64  # whole blocks only
    np.testing.assert_array_equal(warm.next_log_probs(), cold.next_log_probs())
    for _ in range(8):
        assert warm.step(PLAIN) == cold.step(PLAIN)


def test_remembered_prompts_take_limited_room(llama):
    loaded = llama._model.load()
    prompts = [list(range(2, 80 + n)) for n in range(6)]
    size = PromptReader(loaded).read(prompts[0]).bytes
    reader = PromptReader(loaded, most_bytes=3 * size)
    with torch.inference_mode():
        for prompt in prompts:
            reader.read(prompt)
    assert sum(each.bytes for each in reader._remembered) <= 3 * size
    assert reader._remembered[-1].tokens == tuple(prompts[-1])
