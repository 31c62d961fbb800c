"""Rows or columns of the input that a tile touches, as bit masks: bit i is row i of the tile.

A mask counts words and overlaps exactly whatever the stride, the dilation and the gaps between neighbouring instances.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache


@lru_cache(maxsize=65536)
def touched(outputs: int, taps: int, stride: int, dilation: int, *, box: bool) -> int:
    """Mask of the rows that `outputs` output rows and `taps` filter rows need.

    With `box` it has no gaps: ``(outputs - 1) stride + (taps - 1) dilation + 1`` rows (codesign reference, 4.1).
    """
    if box:
        return (1 << ((outputs - 1) * stride + (taps - 1) * dilation + 1)) - 1
    filter_rows = sum(1 << tap * dilation for tap in range(taps))
    mask = 0
    for row in range(outputs):
        mask |= filter_rows << row * stride
    return mask


def spread(mask: int, offsets: Iterable[tuple[int, int]]) -> int:
    """Union of the masks of neighbouring instances; `offsets` are (instances, rows apart)."""
    for count, apart in offsets:
        mask = sum_of(mask, count, apart)
    return mask


@lru_cache(maxsize=4096)
def sum_of(mask: int, count: int, apart: int) -> int:
    """Union of `count` copies of a mask, `apart` rows from each other."""
    union = 0
    for i in range(count):
        union |= mask << i * apart
    return union


def kept(mask: int, shift: int) -> int:
    """Rows that a mask shares with itself `shift` rows further, in either direction."""
    return (mask & mask >> abs(shift)).bit_count()
