"""How many rows are read together within a stated memory."""

from __future__ import annotations

from collections.abc import Sequence

from persona_lora.batches import Row, length
from persona_lora.reading import Reader

_MOST_TOKENS = 1024  # more at once is no faster on a CPU


def rows_at_once(reader: Reader, rows: Sequence[Row], *, batch: int, memory_mb: int) -> int:
    """Return the largest divisor of a batch whose rows fit, at least 1.

    What training keeps for the backward pass grows with the tokens of a part: about 34 values of
    the hidden width, 8 of the MLP's and the attention's weights in each layer, and the logits in
    two precisions with their gradient. The network itself is there all the time.
    """
    longest = max(rows, key=lambda row: length(row) * len(row["replies"]))
    tokens = length(longest) * len(longest["replies"])
    of_token = _bytes_of_token(reader, length(longest))
    weights = sum(each.numel() * each.element_size() for each in reader.network.parameters())
    room = memory_mb * 2**20 - weights
    on_cpu = reader.network.device.type == "cpu"
    fitting = [
        part
        for part in range(1, batch + 1)
        if batch % part == 0
        and part * tokens * of_token <= room
        and not (on_cpu and part * tokens > _MOST_TOKENS)
    ]
    return max(fitting, default=1)


def _bytes_of_token(reader: Reader, length: int) -> int:
    config = reader.network.config.get_text_config()
    layer = 34 * config.hidden_size + 8 * config.intermediate_size
    attention = 3 * config.num_attention_heads * length
    return int(2 * config.num_hidden_layers * (layer + attention) + 14 * config.vocab_size)
