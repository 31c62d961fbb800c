"""The mappings of one layer on one architecture that mappers choose from: counted, drawn at random, listed.

docs/mapping-space.md says in words which mappings these are.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from dataflows.nest.architecture import Architecture
from dataflows.nest.batch_window import distinct
from dataflows.nest.points import Points, directions
from dataflows.nest.rules import TENSORS
from dataflows.workload import DIMS, Layer, only_macs
from mappers.nest.base import Options
from mappers.nest.chains import Chains, Ints, pick

__all__ = ["NestSpace", "orders", "permutations"]

Room = tuple[int, ...]
"""Instances that are left on every axis."""
LISTED = 1 << 15
"""Mappings that `NestSpace.all` yields at a time, at most."""
_ROOMS = 4096
"""Partial tilings whose next dimension is looked at together."""


@dataclass(frozen=True, slots=True)
class _Unrolled:
    """Ways to unroll one dimension: extents along every axis, what they leave to loops over time, and in how many ways."""

    extents: Ints
    left: Ints
    ways: NDArray[np.float64]


class NestSpace:
    """Mappings of a layer on an architecture; whether tiles fit their levels is not looked at.

    A mapping's extents are kept as *factors*, (n, 8, places): the places are the axes from the innermost outward, then the
    levels from the innermost outward.

    Parameters
    ----------
    layer, arch : Layer, Architecture
        What is mapped, and where.
    options : Options, optional
        Which mappings count.

    Raises
    ------
    SpecError
        If the layer cannot be mapped on a loop nest.
    """

    def __init__(self, layer: Layer, arch: Architecture, options: Options | None = None) -> None:
        only_macs(layer, "a loop nest on an architecture")
        self.layer, self.arch, self.options = layer, arch, options or Options()
        self.depth = len(arch.levels)
        self.axes = directions(arch)[::-1]
        self.chains = Chains(self.options.padded)
        self.sizes = [getattr(layer, dim) for dim in DIMS]
        limits = {(at, axis.name): axis for at, level in enumerate(arch.levels) for axis in level.fanout.axes}
        self.room: Room = tuple(limits[where].size for where in self.axes)
        self.allowed = [tuple(dim in limits[where].dims for where in self.axes) for dim in DIMS]
        """By dimension and axis: whether it may be unrolled there."""
        self.places = len(self.axes) + self.depth
        self._ways: dict[tuple[int, Room], tuple[Ints, NDArray[np.float64], float]] = {}

    @cached_property
    def can_hold(self) -> NDArray[np.bool_]:
        """Whether a tensor can stay at a level: (levels, 3), outermost first."""
        return np.array([[tensor in level.holds for tensor in TENSORS] for level in self.arch.levels])

    @cached_property
    def free(self) -> Ints:
        """(level, tensor) of all that may stay or pass by, (choices, 2); levels from the outermost."""
        found = self.can_hold & self.options.bypass
        found[0] = False
        return np.argwhere(found)

    @cached_property
    def residencies(self) -> NDArray[np.bool_]:
        """All choices of what stays where, (choices, levels, 3); what the levels can hold is the first."""
        found = np.repeat(self.can_hold[None], 1 << len(self.free), axis=0)
        for bit, (level, tensor) in enumerate(self.free):
            found[:, level, tensor] = (np.arange(len(found)) >> bit) & 1 == 0
        return found

    @cached_property
    def unrolled(self) -> list[_Unrolled]:
        """Ways to unroll every dimension, each alone."""
        found = []
        for size, allowed in zip(self.sizes, self.allowed, strict=True):
            rows: list[tuple[Room, int]] = [((), size)]
            for axis, room in enumerate(self.room):
                grown = []
                for extents, left in rows:
                    for extent, rest in zip(*self.chains.splits(left), strict=True) if allowed[axis] else ((1, left),):
                        if extent <= room:
                            grown.append(((*extents, int(extent)), int(rest)))
                rows = grown
            extents = np.array([each for each, _ in rows], dtype=np.int64).reshape(len(rows), len(self.room))
            left = np.array([rest for _, rest in rows], dtype=np.int64)
            ways = np.array([float(self.chains.count(rest, self.depth)) for _, rest in rows])
            found.append(_Unrolled(extents, left, ways))
        return found

    def _of(self, dim: int, room: Room) -> tuple[Ints, NDArray[np.float64], float]:
        """Return ways to unroll a dimension in the room there is, how many mappings go on from each, and from all."""
        if (dim, room) not in self._ways:
            unrolled = self.unrolled[dim]
            legal = np.flatnonzero((unrolled.extents <= room).all(axis=1))
            ways = unrolled.ways[legal]
            if dim + 1 < len(DIMS):
                rooms = np.array(room, dtype=np.int64) // unrolled.extents[legal]
                ways = ways * [self._of(dim + 1, tuple(each))[2] for each in rooms.tolist()]
            self._ways[dim, room] = legal, ways, float(ways.sum())
        return self._ways[dim, room]

    @property
    def tilings(self) -> float:
        """Choices of all extents."""
        return self._of(0, self.room)[2]

    @cached_property
    def size(self) -> int | float:
        """Mappings in the space, as `all` yields them: exact up to a million million, beyond it to twelve digits.

        Loops that are longer than 1 at a level come in every order, but at the innermost one. With n of them that is n!, the
        integral of t**n exp(-t), which m nodes of Gauss and Laguerre give exactly for n < 2m: at each set of nodes, one per
        level, the sum over all mappings is a product over dimensions.
        """
        nodes, weights = np.polynomial.laguerre.laggauss(sum(size > 1 for size in self.sizes) // 2 + 1)
        grid = np.meshgrid(*[nodes] * (self.depth - 1), indexing="ij")
        total_weights = np.ones(len(nodes) ** (self.depth - 1))
        for each in np.meshgrid(*[weights] * (self.depth - 1), indexing="ij"):
            total_weights *= each.ravel()
        places = [np.ones_like(total_weights), *(each.ravel() for each in grid)]
        known: dict[tuple[int, Room], NDArray[np.float64]] = {}

        def orders(dim: int, room: Room) -> NDArray[np.float64]:
            if dim == len(DIMS):
                return np.ones_like(places[0])
            if (dim, room) not in known:
                found, unrolled = np.zeros_like(places[0]), self.unrolled[dim]
                ways = np.flatnonzero((unrolled.extents <= room).all(axis=1))
                by_left = {int(left): self.chains.by_places(int(left), places) for left in np.unique(unrolled.left[ways])}
                for way in ways:
                    rest = tuple((np.array(room, dtype=np.int64) // unrolled.extents[way]).tolist())
                    found += by_left[int(unrolled.left[way])] * orders(dim + 1, rest)
                known[dim, room] = found
            return known[dim, room]

        found = float((orders(0, self.room) * total_weights).sum()) * len(self.residencies)
        return round(found) if found < 1e12 else found

    def points(self, factors: Ints, order: NDArray[np.int8], holds: NDArray[np.bool_]) -> Points:
        """Return mappings by their factors."""
        beside = len(self.axes)
        time = np.ascontiguousarray(factors[:, :, beside:].transpose(0, 2, 1)[:, ::-1])
        space = np.ascontiguousarray(factors[:, :, :beside].transpose(0, 2, 1)[:, ::-1])
        return Points(time, space, order, holds)

    def factors(self, points: Points) -> Ints:
        """Return the factors of mappings."""
        return np.concatenate([points.space[:, ::-1], points.time[:, ::-1]], axis=1).transpose(0, 2, 1)

    def smallest(self) -> Points:
        """Return the mapping with all loops at the outermost level and the least that may stay elsewhere: it fits if any does."""
        factors = np.ones((1, len(DIMS), self.places), dtype=np.int64)
        factors[0, :, -1] = self.sizes
        return self.points(factors, np.tile(np.arange(8, dtype=np.int8), (1, self.depth, 1)), self.residencies[-1:].copy())

    def draw(self, count: int, rng: np.random.Generator) -> Points:
        """Draw mappings: every choice of extents equally likely, then every order and every residency."""
        factors = np.ones((count, len(DIMS), self.places), dtype=np.int64)
        room, beside = np.tile(np.array(self.room, dtype=np.int64), (count, 1)), len(self.axes)
        for dim, size in enumerate(self.sizes):
            if size == 1:
                continue
            unrolled, chance = self.unrolled[dim], rng.random(count)
            chosen = np.zeros(count, dtype=np.int64)
            firsts, which = distinct(list(room.T)) if beside else (np.zeros(1, dtype=np.intp), np.zeros(count, dtype=np.intp))
            for number, first in enumerate(firsts):
                here = np.flatnonzero(which == number)
                legal, ways, _ = self._of(dim, tuple(room[first].tolist()))
                chosen[here] = legal[pick(ways, chance[here])]
            factors[:, dim, :beside] = unrolled.extents[chosen]
            room //= unrolled.extents[chosen]
            factors[:, dim, beside:] = self.chains.draw(unrolled.left[chosen], self.depth, rng)
        order = permutations()[rng.integers(0, math.factorial(8), (count, self.depth))]
        return self.points(factors, order, self.residencies[rng.integers(0, len(self.residencies), count)])

    def all(self) -> Iterator[Points]:
        """Yield every mapping once, but one only of those that are equal for sure.

        These differ in the order of loops of extent 1, or of the loops of the innermost level: they decide neither what is
        fetched nor how often.
        """
        tables = [self._table(dim) for dim in range(len(DIMS))]
        for rows in self._tilings(tables):
            factors = np.stack([table[row] for table, row in zip(tables, rows.T, strict=True)], axis=1)
            longer = (factors[:, :, len(self.axes) + 1 :] > 1).transpose(0, 2, 1)[:, ::-1]  # outermost level first
            bits = (longer << np.arange(8)).sum(axis=2)
            patterns, which = np.unique(bits, axis=0, return_inverse=True)
            for number, pattern in enumerate(patterns):
                order = orders(pattern.tolist())
                yield from self._spelled(factors[which.ravel() == number], order)

    def _table(self, dim: int) -> Ints:
        """Return all chains of one dimension, over axes and levels."""
        unrolled = self.unrolled[dim]
        found = []
        for extents, left in zip(unrolled.extents, unrolled.left, strict=True):
            loops = self.chains.all(int(left), self.depth)
            found.append(np.concatenate([np.repeat(extents[None], len(loops), axis=0), loops], axis=1))
        return np.concatenate(found)

    def _tilings(self, tables: list[Ints]) -> Iterator[NDArray[np.int32]]:
        """Yield choices of a row of every dimension's table that the axes have room for, (n, 8)."""
        room = np.array([self.room], dtype=np.int64).reshape(1, len(self.axes))
        for rows in self._grown(tables, np.empty((1, 0), dtype=np.int32), room):
            for start in range(0, len(rows), LISTED):
                yield rows[start : start + LISTED]

    def _grown(self, tables: list[Ints], rows: NDArray[np.int32], room: Ints) -> Iterator[NDArray[np.int32]]:
        """Choose rows of the tables that are left, for some choices at a time: all of them need not be in memory together."""
        if not tables:
            yield rows
            return
        table, *others = tables
        beside = table[:, : len(self.axes)]
        for start in range(0, len(rows), _ROOMS):
            part = slice(start, start + _ROOMS)
            before, chosen = np.nonzero((beside[None] <= room[part, None]).all(axis=2))
            grown = np.concatenate([rows[part][before], chosen[:, None].astype(np.int32)], axis=1)
            yield from self._grown(others, grown, room[part][before] // beside[chosen])

    def _spelled(self, factors: Ints, order: NDArray[np.int8]) -> Iterator[Points]:
        """Yield the mappings of these factors with every order and every residency."""
        holds = self.residencies
        each = len(order) * len(holds)
        total = len(factors) * each
        for start in range(0, total, LISTED):
            at = np.arange(start, min(start + LISTED, total))
            yield self.points(factors[at // each], order[at % each // len(holds)], holds[at % len(holds)])


@lru_cache(maxsize=1)
def permutations() -> NDArray[np.int8]:
    """Return the permutations of eight dimensions, (40320, 8)."""
    return np.array(list(itertools.permutations(range(8))), dtype=np.int8)


def orders(patterns: list[int]) -> NDArray[np.int8]:
    """Return all orders of loops, (orders, levels, 8); bit d of a level's pattern says whether dimension d has a loop.

    The last of the levels returned is the innermost, whose order is always that of the dimensions.
    """
    levels = []
    for pattern in patterns:
        loops = [dim for dim in range(8) if pattern >> dim & 1]
        rest = [dim for dim in range(8) if dim not in loops]
        levels.append([[*rest, *some] for some in itertools.permutations(loops)])
    found = [[*orders, list(range(8))] for orders in itertools.product(*levels)]
    return np.array(found, dtype=np.int8)
