"""A chunk of mappings as arrays of their own for every number: tiles, trips, and how often tiles are fetched.

Levels are numbered from the innermost, as in `dataflows.nest.nest`. Whole numbers are float64, which NumPy multiplies several
times quicker than int64 and which are exact below 2**53.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dataflows.nest.architecture import Architecture
from dataflows.nest.batch_window import Floats, Mask, Num
from dataflows.nest.points import Points, directions
from dataflows.nest.rules import RELEVANT, TENSORS, WINDOW, Rules
from dataflows.workload import DIMS, Layer

NUMBER = {dim: at for at, dim in enumerate(DIMS)}


@dataclass(frozen=True, slots=True)
class Plan:
    """What no mapping changes.

    Attributes
    ----------
    layer, arch, rules : Layer, Architecture, Rules
        What is mapped, on what, counted how.
    dims : tuple of str
        Dimensions that have loops at all; the others are left out of every array.
    """

    layer: Layer
    arch: Architecture
    rules: Rules
    dims: tuple[str, ...]

    @classmethod
    def of(cls, layer: Layer, arch: Architecture, rules: Rules, points: Points) -> Plan:
        """Return the plan for these points: dimensions of size 1 that none of them pads are left out, but for one."""
        used = [
            dim for at, dim in enumerate(DIMS)
            if getattr(layer, dim) > 1 or (points.time[:, :, at] > 1).any() or (points.space[:, :, at] > 1).any()
        ]  # fmt: skip
        return cls(layer, arch, rules, tuple(used or DIMS[:1]))


class Chunk:
    """Numbers of up to a few thousand mappings.

    Attributes
    ----------
    time : ndarray, float64, (levels, dims, n)
        Extents over time.
    below : list of ndarray, float64, (dims, n), or None
        Extents over space below each level; None where it has one instance.
    tiles : list of ndarray, float64, (dims, n)
        Extents of the tile of one instance of each level.
    steps : ndarray, float64, (n,)
        Cycles that the multipliers take.
    instances : list
        Instances in use of each level.
    pes : ndarray or 1.0
        Multipliers in use.
    suspects : ndarray, bool, (n,)
        Mappings to be costed by the scalar model.
    """

    def __init__(self, plan: Plan, points: Points) -> None:
        self.plan, self.size = plan, len(points)
        self.levels = plan.arch.levels[::-1]
        self.depth = len(self.levels)
        self.row = {dim: at for at, dim in enumerate(plan.dims)}
        numbers = [NUMBER[dim] for dim in plan.dims]
        self.time = _columns(points.time, numbers)[::-1]
        self._order = points.order
        self.axes = _columns(points.space, numbers)
        self.suspects = np.zeros(self.size, dtype=bool)
        self.below: list[Floats | None] = [None] * self.depth
        for at, (level, _) in enumerate(directions(plan.arch)):
            inner = self.depth - 1 - level
            before = self.below[inner]
            self.below[inner] = self.axes[at] if before is None else before * self.axes[at]
        self.holds = [
            [_mask(points.holds[:, self.depth - 1 - level, at]) for at in range(len(TENSORS))] for level in range(self.depth)
        ]
        self._tile()
        self._walk()

    def rows(self, dims: Iterable[str]) -> list[int]:
        """Return where dimensions are in the arrays, those left out not."""
        return [self.row[dim] for dim in DIMS if dim in dims and dim in self.row]

    def extent(self, level: int, dim: str) -> Num:
        """Extent of a dimension of the tile of a level; 1 at the multipliers."""
        return self.tiles[level][self.row[dim]] if level >= 0 and dim in self.row else 1.0

    def spread(self, level: int, dims: Iterable[str]) -> Num:
        """Instances below a level along some dimensions."""
        below = self.below[level]
        return 1.0 if below is None else product(below, self.rows(dims))

    def step(self, level: int, dim: str) -> Num:
        """Elements between two iterations of the loop over time at a level."""
        return self.extent(level - 1, dim) * self.spread(level, dim)

    def _tile(self) -> None:
        self.tiles: list[Floats] = []
        for level in range(self.depth):
            below, tile = self.below[level], self.time[level]
            tile = tile if below is None else tile * below
            self.tiles.append(self.tiles[-1] * tile if self.tiles else tile)
        every = range(len(self.row))
        self.trips = [product(self.time[level], every) for level in range(self.depth)]
        used = [1.0 if below is None else product(below, every) for below in self.below]
        self.instances: list[Num] = [1.0] * self.depth
        self.above: list[Num] = [1.0] * self.depth
        for level in range(self.depth - 2, -1, -1):
            self.instances[level] = self.instances[level + 1] * used[level + 1]
            self.above[level] = self.above[level + 1] * self.trips[level + 1]
        self.steps = self.above[0] * self.trips[0]
        self.pes = self.instances[0] * used[0]
        self.used = used

    def _walk(self) -> None:
        """Find how often the tiles of every level are fetched, and which loop above them is the innermost.

        Loops that do not select words of a tensor leave its tile where it is, until the first one that does (codesign
        reference, 4.2).
        """
        self.fetches: list[list[Num]] = [[1.0] * self.depth for _ in TENSORS]
        self.first = [FirstLoop(False, 1.0, 0.0, 0.0)] * self.depth
        sides = [(self.rows(RELEVANT[tensor]), self.rows(set(DIMS) - RELEVANT[tensor])) for tensor in TENSORS]
        lowest = [min(at for at, level in enumerate(self.levels) if tensor in level.holds) for tensor in TENSORS]
        for level in range(self.depth - 1, min(lowest), -1):
            trips, ranks = self.time[level], self.ranks(level)
            for at, (relevant, others) in enumerate(sides):
                if not relevant or level <= lowest[at]:
                    continue
                moving = largest(ranks, relevant)
                stays = np.ones(self.size)
                for row in others:
                    stays *= np.where(ranks[row] > moving, trips[row], 1.0)
                times = self.above[level - 1] / stays
                if level < self.depth - 1:
                    times = np.where(moving > 0, times, self.fetches[at][level])
                self.fetches[at][level - 1] = times
            if level > lowest[TENSORS.index("inputs")]:
                self.first[level - 1] = self._first(level, ranks)

    def ranks(self, level: int) -> NDArray[np.int8]:
        """Return the position of every dimension's loop at a level, the innermost has the largest; 0 for extents of 1."""
        order = np.ascontiguousarray(self._order[:, self.depth - 1 - level].T)
        ranks = np.empty((len(self.row), self.size), dtype=np.int8)
        for dim, row in self.row.items():
            np.add.reduce((order == NUMBER[dim]).view(np.int8) * _PLACES, axis=0, dtype=np.int8, out=ranks[row])
        ranks *= (self.time[level] > 1).view(np.int8)
        return ranks

    def _first(self, level: int, ranks: NDArray[np.int8]) -> FirstLoop:
        """Return what the innermost loop above the level below does; what that of the next level does where there is none."""
        outer = self.first[level]
        inner = largest(ranks, range(len(self.row)))
        moves: Mask | bool = False
        extent, down, right = outer.extent, outer.down, outer.right
        some = inner > 0
        if level < self.depth - 1:
            moves = outer.moves & ~some
        for dim, row in self.row.items():
            if dim not in WINDOW:
                continue
            this = some & (ranks[row] == inner)
            moves = moves | this
            extent = np.where(this, self.time[level, row], extent)
            shift = self.step(level, dim) * scale(self.plan.layer, dim)
            down = np.where(this, 0.0 if dim in "QS" else shift, down)
            right = np.where(this, shift if dim in "QS" else 0.0, right)
        return FirstLoop(moves, extent, down, right)


@dataclass(frozen=True, slots=True)
class FirstLoop:
    """The innermost loop above a level: whether it moves the window of inputs, how often, and by how many rows and columns."""

    moves: Mask | bool
    extent: Num
    down: Num
    right: Num


def scale(layer: Layer, dim: str) -> int:
    """Return the rows or columns of the input between neighbours along P, Q, R or S."""
    return (layer.stride if dim in "PQ" else layer.dilation)[dim in "QS"]


def product(of: Floats, rows: Iterable[int]) -> Num:
    """Return the product of some rows of an array; 1.0 of none."""
    found: Num = 1.0
    for row in rows:
        found = of[row] if isinstance(found, float) else found * of[row]
    return found


def largest(ranks: NDArray[np.int8], rows: Iterable[int]) -> NDArray[np.int8]:
    """Return the largest of some rows, of which there must be one."""
    return np.maximum.reduce([ranks[row] for row in rows])


_PLACES = np.arange(1, 9, dtype=np.int8)[:, None]


def _columns(of: NDArray[np.int64], dims: list[int]) -> Floats:
    """Turn (n, places, 8) into contiguous (places, dims, n)."""
    return np.ascontiguousarray(of.transpose(1, 2, 0)[:, dims], dtype=np.float64)


def _mask(held: Mask) -> Mask | bool:
    """Return one truth for all mappings where they agree."""
    if held.all():
        return True
    return np.ascontiguousarray(held) if held.any() else False
