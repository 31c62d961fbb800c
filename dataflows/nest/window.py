"""Rows or columns of the input that a tile touches, exactly, whatever the stride, the dilation and the gaps between instances."""

from __future__ import annotations

from functools import lru_cache

from dataflows.progressions import Sum, shared, size, summed

Rows = Sum
"""Row i of the tile is a member i."""


@lru_cache(maxsize=65536)
def touched(outputs: int, taps: int, stride: int, dilation: int, box: bool) -> Rows:
    """Rows that `outputs` output rows and `taps` filter rows need.

    With `box` there are no gaps: ``(outputs - 1) stride + (taps - 1) dilation + 1`` rows (codesign reference, 4.1).
    """
    if box:
        return summed((((outputs - 1) * stride + (taps - 1) * dilation + 1, 1),))
    return summed(((outputs, stride), (taps, dilation)))


@lru_cache(maxsize=4096)
def spread(rows: Rows, offsets: tuple[tuple[int, int], ...]) -> Rows:
    """Union of the rows of neighbouring instances; `offsets` are (instances, rows apart)."""
    return summed((*rows, *offsets))


@lru_cache(maxsize=65536)
def words(rows: Rows, cols: Rows) -> int:
    """Pixels in these rows and columns."""
    return size(rows) * size(cols)


kept = shared
"""Rows that a tile shares with itself so many rows further."""
