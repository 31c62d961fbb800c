"""The outermost step: what every tile of the second level from outside costs in traffic with the outermost one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mappers.nest.proof.front import WINDOW_DIMS
from mappers.nest.proof.problem import FREE, INPUTS, OUT, Label, Problem

__all__ = ["Outer", "free_of"]

Floats = NDArray[np.float64]


def free_of(problem: Problem, tensor: int) -> tuple[int, ...]:
    """Return the dimensions of the layer, longer than 1, that do not select among the words of a tensor."""
    return tuple(dim for dim in FREE[tensor] if problem.lattice.sizes[dim] > 1)


@dataclass(slots=True)
class Outer:
    """Price of the flows between the outermost level and the one inside it, for every tile of that one.

    Attributes
    ----------
    problem : Problem
    holds : frozenset of int
        Tensors that stay at the inner one.
    tables : list of ndarray, float64, (prices, *shape)
        By label of the outermost level; infinite where a tile does not fit.
    least : ndarray
        The least of all labels.
    """

    problem: Problem
    holds: frozenset[int]
    tables: list[Floats] = field(init=False)
    least: Floats = field(init=False)
    _mins: dict[tuple[int, ...], Floats] = field(default_factory=dict)

    def __post_init__(self) -> None:
        fits = self.problem.fits(self.problem.depth - 2, self.holds)
        self.tables = [
            np.where(fits, self._table(label), np.inf).reshape(-1, *self.problem.lattice.shape) for label in self.problem.labels
        ]
        self.least = np.minimum.reduce(self.tables)

    def _table(self, label: Label) -> Floats:
        problem = self.problem
        lattice, top = problem.lattice, problem.depth - 1
        trips = np.array(lattice.sizes) / lattice.extents(lattice.all)
        found = np.zeros((len(problem.prices), len(lattice)))
        for tensor in self.holds:
            words = problem.per_mac(tensor)
            if label[0] == tensor:
                words = words / trips[:, FREE[tensor]].prod(axis=1)
            if tensor == INPUTS and label[1] in WINDOW_DIMS and not problem.keeps_nothing:
                stays = self._stays(label[1])
                words = words * (1 - stays + stays / trips[:, label[1]])
            for number, price in enumerate(problem.prices):
                each = price.flow(tensor, top, top - 1)
                found[number] += words * (each.parent + each.child) - (problem.outputs * each.first if tensor == OUT else 0)
        return found

    def _stays(self, dim: int) -> Floats:
        """Return the share of every tile of inputs that stays when the window moves on along a dimension."""
        side = self.problem.rows if dim in (self.problem.rows.out, self.problem.rows.tap) else self.problem.cols
        own = side.spread(False)[:, :, 0, 0, int(dim == side.tap)] / side.size
        tiles = self.problem.lattice.all
        return own[tiles[:, side.out], tiles[:, side.tap]]

    def beyond(self, dims: Iterable[int]) -> Floats:
        """Return the least price over all tiles that are multiples of each in these dimensions, (prices, *shape)."""
        key = tuple(sorted(dims))
        if key not in self._mins:
            self._mins[key] = np.stack([self.problem.lattice.least(table, key) for table in self.least])
        return self._mins[key]

    def of_tensor(self, tensor: int) -> Floats:
        """Return the least price over the labels of one tensor."""
        chosen = [table for label, table in zip(self.problem.labels, self.tables, strict=True) if label[0] == tensor]
        return np.minimum.reduce(chosen) if chosen else self.least
