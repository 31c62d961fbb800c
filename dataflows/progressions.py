"""Sums of arithmetic progressions, counted without listing them.

Rows of an input that outputs and filter taps touch are ``p stride + r dilation``; neighbours that share them add a term each. A
sum is written as a tuple of (count, step): the numbers ``i_1 step_1 + i_2 step_2 + ...`` with ``0 <= i < count``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache

from dataflows.errors import SpecError

Sum = tuple[tuple[int, int], ...]
"""(count, step) of every term, by step; no count is 1, and no term could be merged with another."""
MOST_MEMBERS = 100_000
"""Members that are listed one by one where there is no closed form, a fraction of a second."""


def summed(terms: Iterable[tuple[int, int]]) -> Sum:
    """Return the sum of terms in its shortest form.

    A term whose step is m times that of another continues it without gaps where the other has m members or more.
    """
    found: list[tuple[int, int]] = []
    left = sorted((step, count) for count, step in terms if count > 1 and step)
    while left:
        step, count = left.pop(0)
        for at, (members, finer) in enumerate(found):
            times, rest = divmod(step, finer)
            if not rest and members >= times:
                # The longer term may continue others in turn.
                del found[at]
                left = sorted([(finer, members + times * (count - 1)), *left, *((each[1], each[0]) for each in found)])
                found = []
                break
        else:
            found.append((count, step))
    return tuple(found)


def reach(rows: Sum) -> int:
    """Return the largest member; the smallest is 0."""
    return sum((count - 1) * step for count, step in rows)


@lru_cache(maxsize=65536)
def size(rows: Sum) -> int:
    """Return the number of members.

    Raises
    ------
    SpecError
        For three or more terms that overlap, if all but the longest have more than `MOST_MEMBERS` members.
    """
    if len(rows) < 2:
        return rows[0][0] if rows else 1
    if len(rows) == 2:
        (some, step), (others, other) = rows
        # i step + j other is also (i - other/g) step + (j + step/g) other: count it where it cannot be written so.
        common = math.gcd(step, other)
        return some * others - max(0, some - other // common) * max(0, others - step // common)
    for at in range(1, len(rows)):
        if math.gcd(*(step for _, step in rows[at:])) > reach(rows[:at]):
            return size(rows[:at]) * size(rows[at:])
    return _below(rows, reach(rows) + 1)


@lru_cache(maxsize=65536)
def shared(rows: Sum, shift: int) -> int:
    """Return the members that a sum shares with itself moved by `shift`, in either direction; `SpecError` as `size`."""
    if len(rows) == 1:
        count, step = rows[0]
        return 0 if shift % step else max(0, count - abs(shift) // step)
    return 2 * size(rows) - size(summed((*rows, (2, abs(shift)))))


def within(rows: Sum, low: int, high: int) -> int:
    """Return the members from `low` to below `high`; `SpecError` as `size`."""
    last = reach(rows)
    if max(low, 0) >= min(high, last + 1):
        return 0
    found = size(rows)
    if low > 0:
        found -= _below(rows, low)
    if high <= last:
        found -= _below(rows, last + 1 - high)  # the same read from its other end
    return found


def _below(rows: Sum, limit: int) -> int:
    """Count the members below a positive limit: those of all terms but the longest are listed."""
    terms = sorted((min(count, -(-limit // step)), step) for count, step in rows)
    *others, (longest, stride) = terms
    listed = math.prod(count for count, _ in others)
    if listed > MOST_MEMBERS:
        allowed = f"at most {MOST_MEMBERS:,} that are listed one by one"
        fix = "use a smaller filter or dilation, smaller tiles, or window=box"
        raise SpecError("rows of the input", f"{listed:,} that overlap irregularly", allowed, fix)
    starts = {0}
    for count, step in others:
        starts = {start + i * step for start in starts for i in range(count)}
    found, at, end = 0, -1, 0
    for residue, first in sorted((start % stride, start // stride) for start in starts if start < limit):
        if residue != at:
            at, end = residue, 0
        # Of one residue, each start is a run of neighbours.
        last = min(first + longest, -(-(limit - residue) // stride))
        found += max(0, last - max(first, end))
        end = max(end, last)
    return found
