"""Rows or columns of input tiles, tabled by the tile and the instances side by side."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dataflows.nest import window
from mappers.nest.proof.lattice import Lattice

__all__ = ["Direction"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Direction:
    """Rows (of P and R) or columns (of Q and S) of input tiles; see `dataflows.nest.window`.

    Parameters
    ----------
    lattice : Lattice
    out, tap : int
        Numbers of the two dimensions.
    stride, dilation : int
    box : bool
        Whether a tile is everything from its first to its last row.

    Attributes
    ----------
    size : ndarray, float64, (outputs, taps)
        Rows of a tile, by the positions of its extents.
    """

    def __init__(self, lattice: Lattice, out: int, tap: int, stride: int, dilation: int, box: bool) -> None:
        self.out, self.tap = out, tap
        self._lattice, self._stride, self._dilation, self._box = lattice, stride, dilation, box
        shape = (lattice.shape[out], lattice.shape[tap])
        self.size = np.array([[self._count(i, j) for j in range(shape[1])] for i in range(shape[0])], dtype=np.float64)
        self._spread: dict[bool, Floats] = {}

    def spread(self, linked: bool) -> Floats:
        """Return a table of rows by (outputs, taps, instances along outputs, along taps, what).

        What: rows of one tile that a step over outputs keeps, that a step over taps keeps; rows of all instances together,
        of these kept over outputs, and over taps; and instances along both. A step goes as far as all instances reach. Where
        neighbours are not linked, all together have the sum of their rows. NaN where extents do not divide the sizes.
        """
        if linked not in self._spread:
            outs, taps = self._lattice.shape[self.out], self._lattice.shape[self.tap]
            table = np.full((outs, taps, outs, taps, 6), np.nan)
            for i, j, si, sj in np.ndindex(outs, taps, outs, taps):
                if self._lattice.times[self.out][i, si] >= 0 and self._lattice.times[self.tap][j, sj] >= 0:
                    table[i, j, si, sj] = self._kept(i, j, si, sj, linked)
            self._spread[linked] = table
        return self._spread[linked]

    @cached_property
    def most(self) -> Floats:
        """Return a table of the rows of one tile that a step keeps at most, by (outputs, taps, whether it is over taps).

        A step goes as far as instances reach that are not known yet. Where rows have gaps a longer one can keep more.
        """
        return np.nanmax(self.spread(False)[..., :2], axis=(2, 3))

    def union(self, i: int, j: int, si: int, sj: int) -> float:
        """Return the rows that linked multipliers need in one step, over the sum of their rows: each needs one."""
        (a, b), (na, nb) = self._extents(i, j), self._extents(si, sj)
        together = window.spread((), ((na, a * self._stride), (nb, b * self._dilation)))
        return window.words(together, ()) / (na * nb)

    def _extents(self, i: int, j: int) -> tuple[int, int]:
        return int(self._lattice.divs[self.out][i]), int(self._lattice.divs[self.tap][j])

    def _rows(self, i: int, j: int) -> window.Rows:
        return window.touched(*self._extents(i, j), self._stride, self._dilation, self._box)

    def _count(self, i: int, j: int) -> int:
        return window.words(self._rows(i, j), ())

    def _kept(self, i: int, j: int, si: int, sj: int, linked: bool) -> tuple[float, ...]:
        rows, (a, b), (na, nb) = self._rows(i, j), self._extents(i, j), self._extents(si, sj)
        down, right = a * na * self._stride, b * nb * self._dilation
        own = window.kept(rows, down), window.kept(rows, right)
        if not linked:
            return *own, na * nb * window.words(rows, ()), na * nb * own[0], na * nb * own[1], na * nb
        together = window.spread(rows, ((na, a * self._stride), (nb, b * self._dilation)))
        return *own, window.words(together, ()), window.kept(together, down), window.kept(together, right), na * nb
