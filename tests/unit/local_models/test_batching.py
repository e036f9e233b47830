import pytest
from hypothesis import given
from hypothesis import strategies as st

from persona_engine.encoders.batching import batches_by_length
from persona_engine.errors import ConfigError


@given(lengths=st.lists(st.integers(1, 300), max_size=60), budget=st.integers(1, 900))
def test_everything_is_in_one_batch_within_the_budget(lengths, budget):
    batches = list(batches_by_length(lengths, max_tokens=budget))
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        padded = max(lengths[i] for i in batch) * len(batch)
        assert padded <= budget or len(batch) == 1


def test_a_budget_of_nothing_is_refused():
    with pytest.raises(ConfigError, match="max_batch_tokens"):
        list(batches_by_length([1], max_tokens=0))
