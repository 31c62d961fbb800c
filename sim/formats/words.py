"""Packing of integer lanes into words and memory beats: little-endian, lane 0 in the low bits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def pack_lanes(values: NDArray[np.int64], bits: int) -> NDArray[np.uint8]:
    """Pack lanes of `bits` bits side by side.

    Parameters
    ----------
    values : ndarray, shape (words, lanes), integers
        Two's complement; higher bits are dropped.
    bits : int
        Width of a lane.

    Returns
    -------
    ndarray, shape (words, ceil(lanes * bits / 8)), uint8
    """
    words, lanes = values.shape
    if bits % 8 == 0:
        raw = np.ascontiguousarray(values, "<i8").view(np.uint8).reshape(words, lanes, 8)
        if bits <= 64:
            return np.ascontiguousarray(raw[:, :, : bits // 8]).reshape(words, lanes * bits // 8)
    flat = (values[:, :, None] >> np.arange(bits)) & 1
    return np.packbits(flat.reshape(words, lanes * bits).astype(np.uint8), axis=1, bitorder="little")


def unpack_lanes(raw: NDArray[np.uint8], lanes: int, bits: int) -> NDArray[np.int64]:
    """Inverse of `pack_lanes` for signed lanes: (words, bytes) uint8 to (words, lanes) int64."""
    words = raw.shape[0]
    flat = np.unpackbits(raw, axis=1, bitorder="little")[:, : lanes * bits].reshape(words, lanes, bits).astype(np.int64)
    value = (flat << np.arange(bits)).sum(axis=2)
    return np.where(value >> (bits - 1), value - (1 << bits), value)


def to_beats(packed: NDArray[np.uint8], bus_bytes: int) -> NDArray[np.uint8]:
    """Pad each word to whole beats: (words, bytes) to (words * beats, bus_bytes)."""
    words, size = packed.shape
    beats = -(-size // bus_bytes)
    padded = np.zeros((words, beats * bus_bytes), dtype=np.uint8)
    padded[:, :size] = packed
    return padded.reshape(words * beats, bus_bytes)
