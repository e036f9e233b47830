import numpy as np
import pytest
import torch

from persona_engine.errors import GenerationError, InvalidInputError
from persona_engine.generation.chat_format import ChatFormat
from persona_engine.generation.local import LocalGenerator
from persona_engine.generation.model import LocalModel
from persona_engine.types import Sampling

ASK = [{"role": "user", "content": "How do I make a good cup of coffee?"}]
PLAIN = Sampling(temperature=1.0, top_p=0.95, max_tokens=16)


@pytest.fixture
def generator(tiny_folder):
    return LocalGenerator(LocalModel(tiny_folder, dtype="float32"))


@pytest.fixture
def llama(tiny_llama):
    return LocalGenerator(LocalModel(tiny_llama, dtype="float32"))


def run(branches, sampling=PLAIN, steps=None):
    result = branches.step(sampling)
    taken = 1
    while not all(result.finished) and (steps is None or taken < steps):
        result = branches.step(sampling)
        taken += 1
    return result


def replies_of(branches):
    return [list(reply.tokens) for reply in branches._replies]


@torch.inference_mode()
def teacher_forced(generator, tokens):
    """Mean feature-layer state and summed log-probability of a reply, in one plain pass."""
    loaded = generator._model.load()
    prompt = ChatFormat(loaded.tokenizer).prompt_ids(ASK, room=100)
    output = loaded.network(torch.tensor([prompt + tokens]), output_hidden_states=True)
    hidden = output.hidden_states[generator.feature_encoder.layer][0, len(prompt) :]
    logits = output.logits[0, len(prompt) - 1 : -1].clone()
    logits[0, 1] = -torch.inf  # a reply does not end before it began
    chosen = logits.log_softmax(-1)[torch.arange(len(tokens)), torch.tensor(tokens)]
    return hidden.mean(0).numpy(), float(chosen.sum())


def test_features_and_log_probs_are_those_of_one_pass_over_the_reply(generator):
    branches = generator.prefill(ASK, branches=4, seed=1)
    run(branches)
    features, log_probs = branches.features(), branches.log_probs
    assert features.shape == (4, generator.feature_encoder.width)
    assert features.dtype == np.float32
    for i, tokens in enumerate(replies_of(branches)):
        mean, log_prob = teacher_forced(generator, tokens)
        np.testing.assert_allclose(features[i, :-1], mean, atol=2e-4)
        assert features[i, -1] == pytest.approx(np.log1p(len(tokens)))
        assert log_probs[i] == pytest.approx(log_prob, abs=1e-3)


def test_reading_features_on_the_way_changes_nothing(generator):
    looked, left = (generator.prefill(ASK, branches=3, seed=5) for _ in range(2))
    for _ in range(6):
        first, second = looked.step(PLAIN), left.step(PLAIN)
        for i, tokens in enumerate(replies_of(looked)):
            np.testing.assert_allclose(
                looked.features()[i, :-1], teacher_forced(generator, tokens)[0], atol=2e-4
            )
        assert first == second


@pytest.mark.parametrize("seed", range(4))
def test_a_branch_is_the_same_however_many_run_beside_it(generator, seed):
    alone, few, many = (generator.prefill(ASK, branches=n, seed=seed) for n in (1, 2, 7))
    texts = [run(each).texts for each in (alone, few, many)]
    assert texts[0][0] == texts[1][0] == texts[2][0]
    assert texts[1][1] == texts[2][1]
    assert len(set(texts[2])) > 1


def test_seeds_decide_the_text(llama):
    texts = {
        seed: run(llama.prefill(ASK, branches=1, seed=seed)).texts for seed in (0, 1, -1, 2**70)
    }
    assert run(llama.prefill(ASK, branches=1, seed=1)).texts == texts[1]
    assert len(set(texts.values())) > 2


def test_temperature_zero_gives_the_likeliest_text_on_every_branch(llama):
    greedy = Sampling(temperature=0.0, max_tokens=8)
    texts = run(llama.prefill(ASK, branches=3, seed=9), greedy).texts
    assert len(set(texts)) == 1
    assert texts == run(llama.prefill(ASK, branches=3, seed=4), greedy).texts


def test_each_token_is_read_once_and_the_prompt_once_for_all(llama):
    loaded, read = llama._model.load(), []
    assert loaded.shares_prompts  # tried once, when first asked
    embed = loaded.network.get_input_embeddings()
    handle = embed.register_forward_hook(lambda _m, args, _o: read.append(tuple(args[0].shape)))
    branches = llama.prefill(ASK, branches=4, seed=1)
    run(branches, steps=5)
    branches.features()
    branches.fork([0, 0, 2])
    run(branches, steps=2)
    branches.drop([1, 2])
    branches.step(PLAIN)
    handle.remove()
    assert read[0][0] == 1
    # five steps: the fifth token is read for the features, and then not again
    assert read[1:6] == [(4, 1)] * 5
    assert read[6:] == [(3, 1), (1, 1)]


def test_forks_share_the_past_and_part_ways(generator):
    branches, twin = (generator.prefill(ASK, branches=3, seed=2) for _ in range(2))
    run(branches, steps=4)
    run(twin, steps=4)
    before = replies_of(branches)
    branches.fork([1, 1, 0])
    assert replies_of(branches) == [before[1], before[1], before[0]]
    assert branches.token_counts == (4, 4, 4)
    continued, untouched = run(branches), run(twin)
    assert continued.texts[0] == untouched.texts[1]
    assert continued.texts[2] == untouched.texts[0]
    assert continued.texts[1] != continued.texts[0]
    for i, tokens in enumerate(replies_of(branches)):
        np.testing.assert_allclose(
            branches.features()[i, :-1], teacher_forced(generator, tokens)[0], atol=2e-4
        )


def test_dropping_leaves_the_others_as_they_were(generator):
    branches, whole = (generator.prefill(ASK, branches=4, seed=3) for _ in range(2))
    run(branches, steps=3)
    branches.drop([0, 2])
    assert branches.size == 2
    kept, everything = run(branches).texts, run(whole).texts
    assert kept == (everything[1], everything[3])


def test_branches_that_end_leave_the_batch(llama):
    branches = llama.prefill(ASK, branches=6, seed=0)
    first = branches.step(PLAIN).texts
    stop = first[0]
    assert stop
    assert not all(stop in text for text in first)
    branches = llama.prefill(ASK, branches=6, seed=0)
    sampling = Sampling(temperature=1.0, top_p=0.95, max_tokens=12, stop=(stop,))
    result = branches.step(sampling)
    assert result.finished[0]
    assert result.texts[0] == ""
    run(branches, sampling)
    assert branches._reader.row_count < 6
    assert all(stop not in text for text in run(branches, sampling).texts)


def test_a_stop_text_takes_its_tokens_and_features_with_it(llama):
    free = llama.prefill(ASK, branches=1, seed=11)
    text = run(free).texts[0]
    cut = len(text) // 2
    stop = text[cut : cut + 4]
    branches = llama.prefill(ASK, branches=1, seed=11)
    sampling = Sampling(temperature=1.0, top_p=0.95, max_tokens=16, stop=(stop,))
    seen = ""
    while True:
        result = branches.step(sampling)
        assert result.texts[0].startswith(seen)
        seen = result.texts[0]
        if all(result.finished):
            break
    assert seen == text[: text.find(stop)]
    tokens = replies_of(branches)[0]
    assert 0 < len(tokens) < 16
    mean, log_prob = teacher_forced(llama, tokens)
    fed = branches._reader.means._read[0]
    assert fed in (len(tokens), len(tokens) - 1)  # the last may hold the stop's first character
    if fed == len(tokens):
        np.testing.assert_allclose(branches.features()[0, :-1], mean, atol=2e-4)
    assert branches.log_probs[0] == pytest.approx(log_prob, abs=1e-3)


def test_a_finished_batch_stays_as_it_is(llama):
    branches = llama.prefill(ASK, branches=2, seed=1)
    result = run(branches)
    features = branches.features()
    assert branches.step(PLAIN) == result
    np.testing.assert_array_equal(branches.features(), features)
    branches.fork([1])
    assert branches.step(PLAIN).texts == (result.texts[1],)
    np.testing.assert_array_equal(branches.features(), features[[1]])


def test_the_context_ends_a_reply(llama):
    endless = Sampling(temperature=1.0, top_p=1.0, max_tokens=30_000)
    long = [{"role": "user", "content": "The quick brown fox. " * 60}]
    branches = llama.prefill(long, branches=16, seed=1)
    assert all(run(branches, endless).finished)
    branches.features()
    longest = branches._reader.seats.longest(0) + max(branches.token_counts)
    assert longest == llama._model.context
    assert max(branches.token_counts) >= 30


def test_a_reply_has_at_least_one_token(llama):
    for seed in range(20):
        branches = llama.prefill(ASK, branches=4, seed=seed)
        branches.step(PLAIN)
        assert min(branches.token_counts) == 1


def test_features_before_the_first_token_are_zero(llama):
    branches = llama.prefill(ASK, branches=2, seed=1)
    np.testing.assert_array_equal(branches.features(), 0.0)


def test_without_the_length_the_width_is_the_hidden_size(tiny_llama):
    model = LocalModel(tiny_llama, dtype="float32")
    generator = LocalGenerator(model, length_feature=False)
    branches = generator.prefill(ASK, branches=2, seed=1)
    branches.step(PLAIN)
    assert branches.features().shape == (2, 32) == (2, generator.feature_encoder.width)


@pytest.mark.parametrize("indices", [[], [3], [-1], [0, 9]])
def test_forks_out_of_range_are_refused_and_change_nothing(llama, indices):
    branches, twin = (llama.prefill(ASK, branches=3, seed=2) for _ in range(2))
    with pytest.raises(InvalidInputError, match="indices"):
        branches.fork(indices)
    assert run(branches) == run(twin)


def test_dropping_everything_is_refused(llama):
    with pytest.raises(InvalidInputError, match="indices"):
        llama.prefill(ASK, branches=2, seed=2).drop([0, 1])


@pytest.mark.parametrize(("conversation", "branches"), [([], 1), (ASK, 0), (ASK, -2)])
def test_nothing_to_answer_is_refused(llama, conversation, branches):
    with pytest.raises(InvalidInputError):
        llama.prefill(conversation, branches=branches, seed=0)


def test_logits_that_are_not_numbers_are_an_error(tiny_llama):
    model = LocalModel(tiny_llama, dtype="float32")
    model.load().network.get_input_embeddings().weight.fill_(torch.nan)
    with pytest.raises(GenerationError, match="not finite"):
        LocalGenerator(model).prefill(ASK, branches=2, seed=0).step(PLAIN)


def test_tokens_are_counted(llama):
    assert llama.count_tokens("coffee") < llama.count_tokens("a good cup of coffee")


def test_a_bias_on_ending_makes_replies_shorter_and_longer_but_leaves_the_plain_one(
    generator: LocalGenerator,
) -> None:
    def lengths(bias: tuple[float, ...]) -> tuple[int, ...]:
        branches = generator.prefill(ASK, branches=3, seed=3)
        sampling = Sampling(max_tokens=60, end_bias=bias)
        while not all(branches.step(sampling).finished):
            pass
        return branches.token_counts

    plain, biased = lengths(()), lengths((0.0, 500.0, -500.0))
    assert biased[0] == plain[0]
    assert biased[1] <= 34
    assert biased[2] == 60


def test_a_bias_for_another_number_of_branches_is_refused(generator: LocalGenerator) -> None:
    branches = generator.prefill(ASK, branches=2, seed=0)
    with pytest.raises(InvalidInputError, match="end_bias has 3 values for 2 branches"):
        branches.step(Sampling(end_bias=(0.0, 1.0, 2.0)))
