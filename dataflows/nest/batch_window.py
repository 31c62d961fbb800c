"""Rows of input windows for many mappings at a time; `dataflows.nest.window` has them one by one.

A set of rows is a sum of progressions, one (count, step) each. Sets without gaps, and those of one progression, are counted in
closed form. Of the others each different one is counted once by `dataflows.progressions`: there are few.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataflows import progressions
from dataflows.errors import SpecError

Floats = NDArray[np.floating[Any]]
Num = Floats | float
"""One number per mapping, float64, or one for all; whole numbers below 2**53."""
Mask = NDArray[np.bool_]
Term = tuple[Num, Num]
MOST_KEYS = 2.0**62


class RowSets:
    """Rows (or columns) of one set per mapping.

    Parameters
    ----------
    terms : sequence of (count, step)
        Progressions that are added up.
    refused : ndarray, bool, (n,)
        Where sets that cannot be counted are noted.
    """

    __slots__ = ("left", "refused", "run", "solid", "terms")

    def __init__(self, terms: Sequence[Term], refused: Mask) -> None:
        self.terms, self.refused = tuple(terms), refused
        self.run: Num = 1.0
        """Members without a gap between them, from 0."""
        self.solid: Mask | None = None
        """Where these are all; None means everywhere."""
        self.left: list[tuple[Mask, Num]] = []
        """Where a term was not absorbed, and its count."""
        first, *others = self.terms
        if _is(first[1], 1):
            self.run = first[0]
        else:
            others = [first, *others]
        if others:
            self._grow(others)

    def _grow(self, terms: list[Term]) -> None:
        """Let the run absorb every term whose step is no longer than the run."""
        pending: dict[int, Mask] = {}
        for at, (count, step) in enumerate(terms):
            apart = np.asarray(step > self.run) & (np.asarray(count) > 1)
            if apart.any():
                pending[at] = np.broadcast_to(apart, self.refused.shape)
                self.run = np.where(apart, self.run, self.run + (count - 1) * step)
            else:
                self.run = self.run + (count - 1) * step
        for at in [*pending] * (len(pending) - 1 if len(terms) == len(pending) else len(pending)):
            count, step = terms[at]
            joins = pending[at] & np.asarray(step <= self.run)
            if joins.any():
                self.run = np.where(joins, self.run + (count - 1) * step, self.run)
                pending[at] = pending[at] & ~joins
        self.left = [(pending[at], terms[at][0]) for at in pending if pending[at].any()]
        if self.left:
            self.solid = ~np.logical_or.reduce([each for each, _ in self.left])

    def size(self) -> Num:
        """Members."""
        if self.solid is None:
            return self.run
        found = np.array(np.broadcast_to(self.run, self.refused.shape))
        # Of one progression that is left, the steps are longer than the run: runs with gaps between them.
        single = np.add.reduce([each.view(np.int8) for each, _ in self.left]) == 1
        for left, count in self.left:
            found = np.where(single & left, found * count, found)
        rest = ~(self.solid | single)
        if rest.any():
            self._listed(rest, (), lambda terms: progressions.size(progressions.summed(terms)), found)
        return found

    def kept(self, shift: Num) -> Num:
        """Members that the set shares with itself moved by `shift`."""
        moved = abs(shift)
        found = np.maximum(np.asarray(self.run) - moved, 0)
        if self.solid is None:
            return found
        found = np.array(np.broadcast_to(found, self.refused.shape))

        def shared(terms: list[tuple[int, int]]) -> int:
            *rows, (_, by) = terms
            return progressions.shared(progressions.summed(rows), by)

        self._listed(~self.solid, ((1.0, moved),), shared, found)
        return found

    def _listed(self, where: Mask, more: tuple[Term, ...], count: Callable[[list[tuple[int, int]]], int], out: Floats) -> None:
        """Count each different set once."""
        at = np.flatnonzero(where)
        columns = [np.broadcast_to(np.asarray(part), where.shape)[at] for term in (*self.terms, *more) for part in term]
        firsts, which = distinct(columns)
        values = np.empty(len(firsts))
        bad = np.zeros(len(firsts), dtype=bool)
        for number, first in enumerate(firsts):
            row = [int(column[first]) for column in columns]
            try:
                values[number] = count(list(zip(row[::2], row[1::2], strict=True)))
            except SpecError:
                values[number], bad[number] = 0, True
        out[at] = values[which]
        self.refused[at[bad[which]]] = True


def distinct(columns: Sequence[NDArray[Any]]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return where every different row of columns of whole numbers >= 0 occurs first, and for every row which one it is."""
    keys, span = np.zeros(len(columns[0]), dtype=np.int64), 1.0
    for column in columns:
        seen = column
        most = float(column.max()) + 1 if len(column) else 1.0
        if span * most >= MOST_KEYS:  # number what was seen so far anew
            keys = np.unique(keys, return_inverse=True)[1].astype(np.int64)
            span = float(keys.max()) + 1
            seen = np.unique(column, return_inverse=True)[1]
            most = float(seen.max()) + 1
        keys = keys * int(most) + seen.astype(np.int64)
        span *= most
    _, firsts, which = np.unique(keys, return_index=True, return_inverse=True)
    return firsts, which


def _is(value: Num, number: int) -> bool:
    """Whether a value is one number for all mappings, this one."""
    return isinstance(value, float | int) and value == number
