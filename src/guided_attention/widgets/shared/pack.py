"""Arrays and settings on their way to the browser: as the messages of a kernel, or within a page."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import numpy as np

from guided_attention.errors import SettingsError

__all__ = ["encode", "pack", "pack_pictures", "pack_rows", "unpack"]

_TYPES = ("uint8", "float16", "float32")


def pack(array: np.ndarray, dtype: str) -> dict[str, Any]:
    """Return an array as a dictionary that a widget's ``data`` can hold; ``floats`` of arrays.js reads it.

    Parameters
    ----------
    array : ndarray
        Any shape, row by row.
    dtype : {"uint8", "float16", "float32"}
        The numbers that are sent, little-endian.

    Raises
    ------
    SettingsError
        If ``dtype`` is another, or cannot hold the array's values.
    """
    if dtype not in _TYPES:
        raise SettingsError(f"dtype={dtype!r} is unknown to the browser; choose one of {', '.join(_TYPES)}.")
    array = np.asarray(array)
    limits = np.iinfo(dtype) if dtype == "uint8" else np.finfo(dtype)
    if array.size and not (limits.min <= array.min() and array.max() <= limits.max):
        raise SettingsError(f"values from {array.min()} to {array.max()} do not fit into {dtype}.")
    sent = np.ascontiguousarray(array, dtype=np.dtype(dtype).newbyteorder("<"))
    return {"dtype": dtype, "shape": list(array.shape), "data": sent.tobytes()}


def pack_rows(array: np.ndarray) -> dict[str, Any]:
    """Return an array (d, N) in 16 bits of fixed point, each of its rows with a step of its own.

    As small as half precision, and more exact where it matters for products: the largest values of a row are rounded
    by the same 1/65534 of the largest as all others, not by 1/2048 of themselves.
    """
    array = np.asarray(array, dtype=np.float64)
    steps = np.abs(array).max(1) / 32767
    steps[steps == 0] = 1.0
    sent = np.round(array / steps[:, None]).astype("<i2")
    return {"dtype": "int16", "shape": list(array.shape), "steps": steps.tolist(), "data": sent.tobytes()}


def pack_pictures(array: np.ndarray) -> dict[str, Any]:
    """Return pictures, uint8 (..., h, w), as differences, which gzip makes a third smaller where they are smooth.

    Of each value, what its neighbours above and to the left let expect (their sum less the one between them) is
    subtracted, modulo 256: exact.
    """
    packed = pack(array, "uint8")
    differences = np.diff(
        np.diff(np.asarray(array, np.uint8), axis=-1, prepend=np.uint8(0)), axis=-2, prepend=np.uint8(0)
    )
    return {**packed, "data": differences.tobytes(), "differences": True}


def unpack(packed: dict[str, Any]) -> np.ndarray:
    """Return the array that `pack` or one of its likes was given, with the precision that it was sent in."""
    dtype = np.dtype(packed["dtype"]).newbyteorder("<")
    array = np.frombuffer(packed["data"], dtype).reshape(packed["shape"]).astype(packed["dtype"])
    if "differences" in packed:
        return array.cumsum(-2, dtype=np.uint8).cumsum(-1, dtype=np.uint8)
    return array * np.array(packed["steps"])[:, None] if "steps" in packed else array


def encode(state: dict[str, Any]) -> str:
    """Return a widget's state as text for a page: base64 of gzip of (JSON, then all bytes); mount.js reads it.

    The file starts with the length of the JSON (uint32, little-endian). In it, bytes are replaced by ``{"$bytes":
    [offset, length]}``, counted from the end of the JSON, which is padded to a multiple of 8.
    """
    chunks: list[bytes] = []
    size = 0

    def replace(value: Any) -> Any:
        nonlocal size
        if isinstance(value, bytes):
            place = [size, len(value)]
            chunks.append(value + bytes(-len(value) % 8))
            size += len(chunks[-1])
            return {"$bytes": place}
        if isinstance(value, dict):
            return {key: replace(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [replace(item) for item in value]
        return value

    header = json.dumps(replace(state), separators=(",", ":"), allow_nan=False).encode()
    header += b" " * (-(4 + len(header)) % 8)
    whole = len(header).to_bytes(4, "little") + header + b"".join(chunks)
    return base64.b64encode(gzip.compress(whole, compresslevel=9, mtime=0)).decode()
