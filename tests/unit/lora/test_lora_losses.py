"""Losses are the formulas', and TRL's where TRL has them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from lora_pairs import PAIRS, asked
from torch.nn.functional import logsigmoid
from trl import DPOTrainer

from persona_engine.types import RatedReply
from persona_lora import Dpo, Ipo, Kto, Listwise, NextQuill, Raft, RobustDpo, Sppo, Tdpo
from persona_lora.batches import IGNORED
from persona_lora.groups import GroupWeights
from persona_lora.own_losses import lambda_loss


def loss_of(trainer, batch):
    return trainer.compute_loss(trainer.model, batch)


def trl_loss(trainer, batch):
    """Return what TRL's own trainer says of the batch, by its own forward."""
    order = [*range(0, len(batch["input_ids"]), 2), *range(1, len(batch["input_ids"]), 2)]
    inputs = {
        "input_ids": batch["input_ids"][order],
        "attention_mask": batch["attention_mask"][order],
        "completion_mask": (batch["labels"][order] != IGNORED).long(),
        "ref_chosen_logps": batch["reference"][0::2],
        "ref_rejected_logps": batch["reference"][1::2],
    }
    return DPOTrainer._compute_loss(trainer, trainer.model, inputs, False)


def token_log_probs(trainer, batch, *, adapter=True):
    """Return the log-probabilities of all tokens ``(L, V)`` that follow, one row at a time."""
    found = []
    for ids, mask in zip(batch["input_ids"], batch["attention_mask"], strict=True):
        alone = ids[mask.bool()][None]
        if adapter:
            logits = trainer.model(alone).logits
        else:
            with trainer.model.disable_adapter():
                logits = trainer.model(alone).logits
        found.append(torch.log_softmax(logits[0, :-1].detach().float(), -1))
    return found


def reply_tokens(batch, n):
    labels = batch["labels"][n][batch["attention_mask"][n].bool()][1:]
    return labels, labels != IGNORED


def sequence(trainer, batch, *, adapter=True):
    sums = []
    for n, of_row in enumerate(token_log_probs(trainer, batch, adapter=adapter)):
        labels, mask = reply_tokens(batch, n)
        sums.append(of_row[mask].gather(1, labels[mask][:, None]).sum())
    return torch.stack(sums)


@pytest.mark.parametrize(
    "method",
    [
        Dpo(sft=0.0),
        Ipo(sft=0.0),
        RobustDpo(sft=0.0, noise=0.3, correction="backward"),
        Sppo(sft=0.0, soft=False),
    ],
    ids=lambda method: method.name,
)
def test_equal_weights_give_trl_s_loss(method, task, at_first_step) -> None:
    trainer, batch = at_first_step(method, task())
    assert loss_of(trainer, batch).item() == pytest.approx(
        trl_loss(trainer, batch).item(), rel=1e-4
    )


def test_weights_weigh_and_opposed_comparisons_are_turned_round(task, at_first_step) -> None:
    first, second, third = PAIRS
    opposed = replace(first, chosen=first.rejected, rejected=first.chosen, weight=1.0)
    pairs = (replace(first, weight=3.0), opposed, second, replace(third, weight=0.5))
    trainer, batch = at_first_step(Dpo(sft=0.0), task(pairs))
    reward = 0.1 * (sequence(trainer, batch) - batch["reference"]).view(-1, 2)
    margin = reward[:, 0] - reward[:, 1]
    own = -(
        3.0 * logsigmoid(margin[0])
        + 1.0 * logsigmoid(-margin[0])
        + logsigmoid(margin[1])
        + 0.5 * logsigmoid(margin[2])
    )
    assert loss_of(trainer, batch).item() == pytest.approx(own.item() / 5.5, rel=1e-3)


def test_the_sft_term_is_the_likelihood_of_a_token(task, at_first_step) -> None:
    trainer, batch = at_first_step(Dpo(sft=0.4), task())
    plain, _ = at_first_step(Dpo(sft=0.0), task(folder="plain"))
    lengths = torch.stack([reply_tokens(batch, n)[1].sum() for n in (0, 2, 4)])
    own = -(sequence(trainer, batch)[0::2] / lengths).mean()
    gap = loss_of(trainer, batch) - loss_of(plain, batch)
    assert gap.item() == pytest.approx(0.4 * own.item(), rel=1e-3)


def test_noise_in_the_likelihood_lets_contradicting_pairs_go(task, at_first_step) -> None:
    first, second, third = PAIRS
    opposed = replace(first, chosen=first.rejected, rejected=first.chosen, weight=1.0)
    method = RobustDpo(sft=0.0, noise=0.3, beta=1.0)
    trainer, batch = at_first_step(
        method, task((replace(first, weight=2.0), opposed, second, third))
    )
    reward = (sequence(trainer, batch) - batch["reference"]).view(-1, 2)
    chance = torch.sigmoid(reward[:, 0] - reward[:, 1])
    right = torch.log(0.4 * chance + 0.3)
    own = -(right.sum() + right[0] + torch.log(0.4 * (1 - chance[0]) + 0.3))
    assert loss_of(trainer, batch).item() == pytest.approx(own.item() / 5, rel=1e-3)


def test_without_noise_it_is_dpo(task, at_first_step) -> None:
    trainer, batch = at_first_step(RobustDpo(noise=0.0), task())
    plain, _ = at_first_step(Dpo(), task(folder="plain"))
    assert loss_of(trainer, batch).item() == pytest.approx(loss_of(plain, batch).item(), rel=1e-4)


def test_soft_sppo_is_trl_s_hard_one_where_all_is_certain(task, at_first_step) -> None:
    trainer, batch = at_first_step(Sppo(sft=0.0), task())
    hard, _ = at_first_step(Sppo(sft=0.0, soft=False), task(folder="hard"))
    assert 2 * loss_of(trainer, batch).item() == pytest.approx(
        loss_of(hard, batch).item(), rel=1e-4
    )


def test_soft_sppo_wants_no_change_of_a_tie(task, at_first_step) -> None:
    pairs = [replace(each, probability=0.5) for each in PAIRS]
    trainer, batch = at_first_step(Sppo(sft=0.0), task(pairs))
    ratio = sequence(trainer, batch) - batch["reference"]
    assert loss_of(trainer, batch).item() == pytest.approx(
        0.5 * (ratio**2).sum().item() / 3, rel=1e-3
    )


def test_tdpo_adds_the_divergence_of_every_token(task, at_first_step) -> None:
    trainer, batch = at_first_step(Tdpo(sft=0.0, divergence=0.7), task())
    after, before = (token_log_probs(trainer, batch, adapter=on) for on in (True, False))
    apart = torch.stack(
        [
            (b.exp() * (b - a)).sum(-1)[reply_tokens(batch, n)[1]].sum()
            for n, (a, b) in enumerate(zip(after, before, strict=True))
        ]
    ).view(-1, 2)
    reward = (sequence(trainer, batch) - batch["reference"]).view(-1, 2)
    margin = reward[:, 0] - reward[:, 1] - 0.7 * (apart[:, 1] - apart[:, 0])
    assert loss_of(trainer, batch).item() == pytest.approx(
        -logsigmoid(0.1 * margin).mean().item(), rel=1e-3
    )


def test_a_list_is_weighed_by_what_exchanging_two_would_change() -> None:
    # Ranked c, a, b by reward; gains 1, 0, 0.5 of a, b, c.
    rewards, gains = torch.tensor([0.2, -1.0, 0.9]), torch.tensor([1.0, 0.0, 0.5])
    discount = [1 / torch.log2(torch.tensor(1.0 + rank)) for rank in (2, 3, 1)]

    def term(i, j):
        delta = abs(2 ** gains[i] - 2 ** gains[j]) * abs(discount[i] - discount[j])
        return -delta * logsigmoid(rewards[i] - rewards[j])

    own = term(0, 1) + term(0, 2) + term(2, 1)
    assert lambda_loss(rewards, gains).item() == pytest.approx(own.item(), rel=1e-5)


def test_lists_of_different_length_stand_in_one_batch(task, at_first_step) -> None:
    first, second, third = PAIRS
    pairs = (first, replace(first, chosen="Ask a cook.", rejected=first.chosen), second, third)
    trainer, batch = at_first_step(Listwise(), task(pairs))
    assert batch["size"].tolist() == [3, 2, 2]
    reward = 0.1 * (sequence(trainer, batch) - batch["reference"])
    own = sum(
        weight * lambda_loss(r, g)
        for weight, r, g in zip(
            batch["weight"],
            torch.split(reward, [3, 2, 2]),
            torch.split(batch["gains"], [3, 2, 2]),
            strict=True,
        )
    )
    assert loss_of(trainer, batch).item() == pytest.approx(own.item() / 3, rel=1e-3)


def test_kto_compares_with_what_other_replies_gained(task, at_first_step) -> None:
    ratings = [
        RatedReply(asked("Is it late?"), "No.", True, "u", 2.0),
        RatedReply(asked("Is it far?"), "Who knows.", False, "u", 1.0),
        RatedReply(asked("Is it dear?"), "Not very.", True, "u", 1.0),
    ]
    trainer, batch = at_first_step(Kto(), task((), rated=tuple(ratings)))
    moved = sequence(trainer, batch) - batch["reference"]
    reference = moved[1::2].mean().clamp(min=0)
    sign = torch.tensor([1.0, -1.0, 1.0])
    own = 1 - torch.sigmoid(0.1 * sign * (moved[0::2] - reference))
    # Good and bad count alike in all: 2 to 1 among the good, as much as both for the bad.
    assert batch["weight"].tolist() == pytest.approx([1.0, 1.5, 0.5])
    assert loss_of(trainer, batch).item() == pytest.approx(
        (batch["weight"] * own).mean().item(), rel=1e-3
    )


def test_nextquill_weighs_what_the_users_taste_brought_about(task, at_first_step) -> None:
    contrasts = tuple(
        ({"role": "system", "content": "They like it short."}, *each.prompt) for each in PAIRS
    )
    method = NextQuill(effect=0.001, difference=0.3)
    trainer, batch = at_first_step(method, task(contrasts=contrasts))
    after, before = (token_log_probs(trainer, batch, adapter=on) for on in (True, False))
    own = []
    for n, (a, b) in enumerate(zip(after, before, strict=True)):
        labels, mask = reply_tokens(batch, n)
        weight = batch["token_weights"][n][batch["attention_mask"][n].bool()][1:][mask]
        here = labels[mask][:, None]
        likelihood = a[mask].gather(1, here)[:, 0]
        added = torch.log_softmax(a[mask] - b[mask], -1).gather(1, here)[:, 0]
        own.append(-(weight * likelihood).sum() / weight.sum() - 0.3 * added.mean())
    assert {round(each, 3) for each in batch["token_weights"].unique().tolist()} == {0.0, 0.1, 0.9}
    assert loss_of(trainer, batch).item() == pytest.approx(torch.stack(own).mean().item(), rel=1e-3)


def test_nextquill_reads_each_token_with_and_without_the_taste(task, at_first_step) -> None:
    from persona_lora.causal import _gained

    assert _gained([-1.0, -2.0], [-0.5], 3) == pytest.approx([2.718**-0.5 - 2.718**-1, 0, 0], 1e-3)
    same = tuple(each.prompt for each in PAIRS)
    _, batch = at_first_step(NextQuill(), task(contrasts=same))
    assert batch["token_weights"].unique().tolist() == pytest.approx([0.0, 0.1])


def test_raft_imitates_the_best_sample(task, at_first_step) -> None:
    prompts = tuple(each.prompt for each in PAIRS)
    shortest = lambda _, texts: np.array([-len(each) for each in texts], np.float32)  # noqa: E731
    given = task((), prompts=prompts, reward=shortest)
    trainer, batch = at_first_step(Raft(samples=3, tokens=8), given)
    assert len(batch["input_ids"]) == 3
    lengths = torch.stack([reply_tokens(batch, n)[1].sum() for n in range(3)])
    own = -(sequence(trainer, batch) / lengths).mean()
    assert loss_of(trainer, batch).item() == pytest.approx(own.item(), rel=1e-3)


def test_groups_that_lose_count_more() -> None:
    rows = [{"group": 0, "weight": 9.0, "opposed": 0.0}, {"group": 1, "weight": 1.0, "opposed": 0}]
    groups = GroupWeights(rows, rate=1.0)
    batch = {
        "group": torch.tensor([0, 1]),
        "weight": torch.tensor([1.0, 1.0]),
        "opposed": torch.zeros(2),
    }
    first = groups.reweighted(torch.tensor([1.0, 1.0]), batch)
    assert first.tolist() == pytest.approx([0.5 / 0.9, 0.5 / 0.1])
    groups.reweighted(torch.tensor([0.1, 1.1]), batch)
    assert groups.weights.tolist() == pytest.approx(
        torch.softmax(torch.tensor([1.1, 2.1]), 0).tolist()
    )
    again = GroupWeights(rows, rate=1.0)
    again.take(groups.state())
    assert again.weights.tolist() == groups.weights.tolist()
