"""Log-probabilities of replies: all tokens of a batch in one forward."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import torch

from persona_engine.interfaces import Progress
from persona_lora.batches import IGNORED, Batch, Collator, Row, length
from persona_lora.reading import Reader

_TOKENS_AT_ONCE = 2048


def reply_logits(network: Any, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:  # noqa: ANN401
    """Return logits ``(N, K, V)`` of the last positions, and the tokens that follow ``(N, K)``.

    ``K`` reaches back to the first token of any reply; what is no reply's token is `IGNORED`.
    """
    labels = batch["labels"]
    first = int((labels != IGNORED).long().argmax(1).min()) - 1
    logits = network(
        input_ids=batch["input_ids"],
        attention_mask=batch["attention_mask"],
        logits_to_keep=labels.shape[1] - first,  # the head is a quarter of a small model's cost
        use_cache=False,
    ).logits
    return logits[:, :-1].float(), labels[:, first + 1 :]


def log_probs(logits: torch.Tensor, following: torch.Tensor) -> torch.Tensor:
    """Return the log-probability of each token that follows ``(N, K)``; 0 where none does."""
    flat = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), following.flatten(), ignore_index=IGNORED, reduction="none"
    )
    return -flat.view(following.shape)


def as_read(scored: torch.Tensor) -> Callable[..., SimpleNamespace]:
    """Return a model that has read already, as TRL's losses ask it: by tokens ``(N, K)``.

    What TRL only logs is left at 0.
    """
    nothing = torch.zeros_like(scored)
    read = SimpleNamespace(
        log_probs=scored,
        label_mask=scored != 0,
        entropy=nothing,
        mean_logits=nothing,
        is_top1=nothing.bool(),
        aux_loss=None,
    )
    return lambda **_: read


@contextlib.contextmanager
def base_model(network: Any) -> Iterator[None]:  # noqa: ANN401
    """Read without the adapter, and without gradients."""
    training = network.training
    network.eval()
    try:
        with torch.no_grad(), network.disable_adapter():
            yield
    finally:
        network.train(training)


def autocast(network: Any) -> torch.autocast:  # noqa: ANN401
    """Multiply in bfloat16, add up in float32."""
    return torch.autocast(network.device.type, torch.bfloat16)


def references(
    reader: Reader, rows: Sequence[Row], *, progress: Progress
) -> list[list[list[float]]]:
    """Return the base model's log-probability of every token of every reply, by row."""
    network, collate = reader.network, Collator(reader.tokenizer.pad_token_id)
    found: dict[int, list[list[float]]] = {}
    with base_model(network), autocast(network):
        for places in _together(rows):
            progress("reading what the base model expects", len(found), len(rows))
            batch = {k: v.to(network.device) for k, v in collate([rows[n] for n in places]).items()}
            logits, following = reply_logits(network, batch)
            scored = iter(zip(log_probs(logits, following), following != IGNORED, strict=True))
            for place in places:
                of_replies = [next(scored) for _ in rows[place]["replies"]]
                found[place] = [values[mask].tolist() for values, mask in of_replies]
    progress("reading what the base model expects", len(rows), len(rows))
    return [found[place] for place in range(len(rows))]


def _together(rows: Sequence[Row]) -> Iterator[list[int]]:
    """Return places of rows of about one length, as many as may be read at once."""
    held: list[int] = []
    tokens = 0
    for place in sorted(range(len(rows)), key=lambda n: length(rows[n])):
        size = length(rows[place]) * len(rows[place]["replies"])
        if held and tokens + size > _TOKENS_AT_ONCE:
            yield held
            held, tokens = [], 0
        held.append(place)
        tokens += size
    if held:
        yield held
