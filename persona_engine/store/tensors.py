"""Small arrays as safetensors, in a third of the time that the library takes.

A posterior is read and written with every answer; the library parses its header without giving
what it says of the file, and asks each array for its address by way of ctypes.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from persona_engine.types import Arrays

_LENGTH = struct.Struct("<Q")
_ALIGNED = 8
_JSON = json.JSONEncoder(separators=(",", ":"))
_NAMES = {
    "<f8": "F64",
    "<f4": "F32",
    "<f2": "F16",
    "<i8": "I64",
    "<i4": "I32",
    "<i2": "I16",
    "|i1": "I8",
    "<u8": "U64",
    "<u4": "U32",
    "<u2": "U16",
    "|u1": "U8",
    "|b1": "BOOL",
}
_DTYPES = {name: np.dtype(kind) for kind, name in _NAMES.items()}
_ABOUT = "__metadata__"


def pack(arrays: Arrays, about: Mapping[str, str]) -> bytes:
    """Return arrays, and what is said of them, as the bytes of a safetensors file.

    Raises:
        ValueError: An array is not of numbers, or has the name that the format keeps for itself.
    """
    header: dict[str, Any] = {_ABOUT: about}
    parts: list[bytes] = []
    end = 0
    # The widest come first, so that all of them are aligned.
    for name, value in sorted(arrays.items(), key=lambda entry: -entry[1].itemsize):
        little = value if value.dtype.str in _NAMES else value.astype(_little(name, value.dtype))
        begin, end = end, end + little.nbytes
        header[name] = {
            "dtype": _NAMES[little.dtype.str],
            "shape": little.shape,
            "data_offsets": (begin, end),
        }
        parts.append(little.tobytes())
    if header[_ABOUT] is not about:
        raise ValueError(f"an array is called {_ABOUT}")
    told = _JSON.encode(header).encode()
    told += b" " * (-len(told) % _ALIGNED)
    return b"".join((_LENGTH.pack(len(told)), told, *parts))


def unpack(blob: bytes) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Return the arrays of a safetensors file's bytes, read-only, and what is said of them.

    Raises:
        ValueError: The bytes are no such file, or a part of one.
    """
    try:
        start = _LENGTH.size + _LENGTH.unpack_from(blob)[0]
        header = json.loads(blob[_LENGTH.size : start].decode())
        about = dict(header.pop(_ABOUT, {}))
        arrays = _placed(blob, start, header)
    except (struct.error, LookupError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"no safetensors: {error}") from error
    return arrays, about


def _placed(blob: bytes, end: int, header: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """Return the arrays, which lie one after the other from ``end`` to the last byte."""
    arrays: dict[str, NDArray[Any]] = {}
    start = end
    entries = [(*told["data_offsets"], name, told) for name, told in header.items()]
    for begin, after, name, told in sorted(entries, key=itemgetter(0, 1)):
        array: NDArray[Any] = np.ndarray(told["shape"], _DTYPES[told["dtype"]], blob, end)
        told_of = (start + begin, after - begin, tuple(told["shape"]))
        if told_of != (end, array.nbytes, array.shape):
            raise ValueError(f"{name!r} lies at {begin} to {after}, which is not its place")
        arrays[name] = array
        end += array.nbytes
    if end != len(blob):
        raise ValueError(f"the arrays end at byte {end} of {len(blob)}")
    return arrays


def _little(name: str, dtype: np.dtype[Any]) -> np.dtype[Any]:
    little = dtype.newbyteorder("<")
    if little.str not in _NAMES:
        raise ValueError(f"{name!r} is of {dtype}, expected numbers")
    return little
