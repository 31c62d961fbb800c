"""Tile extents as positions in lists of divisors."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

__all__ = ["Lattice", "divisors"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def divisors(number: int) -> list[int]:
    """Return the divisors of a number, rising."""
    low = [part for part in range(1, math.isqrt(number) + 1) if number % part == 0]
    return low + [number // part for part in reversed(low) if part * part != number]


class Lattice:
    """The tiles of a problem: every extent divides the size of its dimension.

    A tile is a row of eight positions, one per dimension; `flat` numbers all tiles as NumPy numbers the elements of an
    array of shape `shape`.

    Attributes
    ----------
    sizes : tuple of int
        Sizes of the dimensions, in the order of `DIMS`.
    divs : list of ndarray
        Divisors of every size, rising.
    shape : tuple of int
        How many there are.
    times : list of ndarray
        ``times[d][i, j]``: position of the product of the divisors i and j, -1 where it does not divide the size.
    """

    def __init__(self, sizes: Sequence[int]) -> None:
        self.sizes = tuple(sizes)
        self.divs = [np.array(divisors(size), dtype=np.int64) for size in sizes]
        self.shape = tuple(len(each) for each in self.divs)
        self.times = [self._products(each, size) for each, size in zip(self.divs, self.sizes, strict=True)]

    @staticmethod
    def _products(divs: Ints, size: int) -> Ints:
        product = np.multiply.outer(divs, divs)
        at = np.searchsorted(divs, product)
        return np.where(size % product == 0, np.minimum(at, len(divs) - 1), -1)

    def __len__(self) -> int:
        return math.prod(self.shape)

    @cached_property
    def all(self) -> Ints:
        """Positions of all tiles, (tiles, 8)."""
        return np.stack(np.unravel_index(np.arange(len(self)), self.shape), axis=1).astype(np.int64)

    def flat(self, tiles: Ints) -> Ints:
        """Return the number of each tile."""
        return np.asarray(np.ravel_multi_index(tuple(tiles.T), self.shape), dtype=np.int64)

    def extents(self, tiles: Ints) -> Ints:
        """Return extents, (n, 8), of positions."""
        return np.stack([divs[column] for divs, column in zip(self.divs, tiles.T, strict=True)], axis=1)

    def multiples(self, dim: int, at: int) -> Ints:
        """Return the positions of a dimension whose divisors are multiples of that at position `at`."""
        return np.nonzero(self.divs[dim] % self.divs[dim][at] == 0)[0]

    def least(self, table: Floats, dims: Iterable[int]) -> Floats:
        """Return the least value over all tiles that are multiples of each tile in `dims`, and equal to it in the others.

        Parameters
        ----------
        table : ndarray, float64, shape
        dims : iterable of int
        """
        for dim in dims:
            moved = np.moveaxis(table, dim, 0)
            found = [moved[self.multiples(dim, at)].min(axis=0) for at in range(self.shape[dim])]
            table = np.moveaxis(np.stack(found), 0, dim)
        return table
