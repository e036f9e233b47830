"""Arrays as safetensors: what the library reads and writes, and nothing that is damaged."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of
from safetensors import safe_open
from safetensors.numpy import load, save

from persona_engine.store.tensors import pack, unpack

KINDS = ("<f8", "<f4", "<f2", "<i8", "<i4", "<i2", "|i1", "<u8", "<u4", "<u2", "|u1", "|b1")
VALUES = st.dictionaries(
    st.text("abcé .", min_size=1, max_size=5),
    st.sampled_from(KINDS).flatmap(
        lambda kind: arrays_of.arrays(kind, arrays_of.array_shapes(min_dims=0, min_side=0))
    ),
    max_size=4,
)
ABOUT = {"format": "1", "fingerprint": 'a "space" é'}
SOME = {"mean": np.arange(3, dtype=np.float32), "state.sum": np.arange(4, dtype=np.float64)}


def same(left, right) -> None:
    assert left.keys() == right.keys()
    for name, value in left.items():
        np.testing.assert_array_equal(value, right[name])
        assert (value.dtype, value.shape) == (right[name].dtype, right[name].shape)


@given(VALUES)
@settings(max_examples=60, deadline=None)
def test_the_library_reads_what_is_packed_and_back(values) -> None:
    blob = pack(values, ABOUT)
    same(load(blob), values)
    for each in (blob, save(values, ABOUT)):
        arrays, about = unpack(each)
        same(arrays, values)
        assert about == ABOUT
        assert all(array.flags.aligned and not array.flags.writeable for array in arrays.values())


def test_what_is_said_of_the_arrays_is_read_by_the_library(tmp_path) -> None:
    (tmp_path / "a.safetensors").write_bytes(pack(SOME, ABOUT))
    with safe_open(tmp_path / "a.safetensors", "numpy") as opened:
        assert opened.metadata() == ABOUT


def test_order_in_memory_and_order_of_bytes_make_no_difference() -> None:
    plain = np.arange(6, dtype=np.float32).reshape(2, 3)
    for other in (np.asfortranarray(plain), plain.astype(">f4"), plain[::1, ::-1][:, ::-1]):
        assert pack({"a": other}, {}) == pack({"a": plain}, {})


@pytest.mark.parametrize(
    "wrong", [np.array(["a"]), np.array([{}], object), np.zeros(2, np.complex64)]
)
def test_what_is_no_number_is_refused(wrong) -> None:
    with pytest.raises(ValueError, match=r"'a' is of .*, expected numbers"):
        pack({"a": wrong}, {})
    with pytest.raises(ValueError, match="an array is called __metadata__"):
        pack({"__metadata__": np.zeros(1)}, {})


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_damaged_bytes_are_refused_or_read_without_harm(data) -> None:
    blob = bytearray(pack(SOME, ABOUT))
    for _ in range(data.draw(st.integers(1, 3))):
        blob[data.draw(st.integers(0, len(blob) - 1))] = data.draw(st.integers(0, 255))
    try:
        arrays, _ = unpack(bytes(blob))
    except ValueError:
        return
    assert sum(array.nbytes for array in arrays.values()) == 44


@pytest.mark.parametrize("length", [0, 7, 8, 60, -1])
def test_a_part_is_no_whole(length: int) -> None:
    with pytest.raises(ValueError, match="no safetensors"):
        unpack(pack(SOME, ABOUT)[:length])


@pytest.mark.parametrize(
    "told",
    [
        [],
        {"a": {"dtype": "F32", "shape": [1], "data_offsets": [-4, 0]}},
        {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32", "shape": ["1"], "data_offsets": [0, 4]}},
        {"a": {"dtype": "Q4", "shape": [1], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32", "shape": [1]}},
        {"a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}},
        {name: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]} for name in "ab"},
    ],
)
def test_headers_that_lie_are_refused(told) -> None:
    header = json.dumps(told).encode()
    with pytest.raises(ValueError, match="no safetensors"):
        unpack(struct.pack("<Q", len(header)) + header + bytes(4))
