"""Branch and bound: residencies by their bounds, partial mappings from the inside out, whole ones by the model itself."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dataflows.nest.batch import evaluate_points
from dataflows.nest.points import Points
from dataflows.nest.rules import TENSORS
from mappers.nest.proof.finish import Ends, finish
from mappers.nest.proof.front import Front, Held, beside, pairs, priced, start
from mappers.nest.proof.lower import Lower
from mappers.nest.proof.orders import few_orders, order_of, reordered
from mappers.nest.proof.outer import Outer, free_of
from mappers.nest.proof.problem import Problem
from mappers.nest.proof.spatial import Spread, spreads
from mappers.nest.proof.walk import last, walk

__all__ = ["Search", "Stopped"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
BAND = 0.75
"""Mappings that use at least this share of the multipliers of those before are looked at together."""
LEAVES, FEW = 4096, 64
"""Whole mappings evaluated at a time, best bounds first, and how many of each pile at first."""
BEAMS, WIDTH = 128, 64
"""Parts of the space that are first searched with so many partial mappings only, to have something good early."""
STATES, BLOCK = 20_000, 100_000
"""Partial mappings whose ways to unroll are listed together, and pairs of both that are completed together."""
COARSE = 0.01
"""A proof of this gap comes first: it takes a fraction of the time, and counts if time runs out."""
EASY, HARD = 100_000, 30_000_000
Stop = Callable[[int], bool]


class _Part(NamedTuple):
    """A residency and a range of multipliers in use."""

    bound: float
    held: Held
    least: int
    most: int


class Stopped(Exception):
    """The search was told to stop before it was done."""


@dataclass(slots=True)
class Search:
    """State of a search.

    Attributes
    ----------
    problem : Problem
    bypass : bool
        Whether tensors may pass by levels.
    tolerance : float
        Gap at which to stop.
    best : float
        Least value found.
    point : Points or None
        Its mapping.
    bound : float
        No mapping has a smaller value, whenever the search ends, but for those that `open` is about.
    open : float
        Least bound of mappings whose orders were not all tried: one of these could be as good as that.
    evaluated, looked_at : int
        Whole mappings evaluated by the model; partial ones whose bound was computed.
    history : list of (int, float)
        Evaluations and best value, whenever it improved.
    """

    problem: Problem
    bypass: bool = True
    tolerance: float = 0.0
    best: float = math.inf
    point: Points | None = None
    bound: float = 0.0
    open: float = math.inf
    evaluated: int = 0
    looked_at: int = 0
    history: list[tuple[int, float]] = field(default_factory=list)
    ways: tuple[Spread, ...] = field(init=False)
    _stop: Stop = field(init=False)
    _slack: float = 0.0
    _outers: dict[frozenset[int], Outer] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ways = tuple(spreads(self.problem.lattice, level.fanout) for level in self.problem.storage)

    def run(self, stop: Stop = lambda evaluated: False) -> None:
        """Search until nothing better is left, as far as the tolerance asks; `stop` is asked often.

        Raises
        ------
        Stopped
            If `stop` said so. `best` and `bound` hold as far as the search got, as they do if an interrupt ends it.
        """
        self._stop = stop
        parts = self._parts()
        self.bound = parts[0].bound
        for part in parts[:BEAMS] if self._effort() > EASY else ():
            self._search(part, WIDTH)
        if self._effort() > HARD:
            parts = self._tightened(parts)
        for slack in (COARSE, self.tolerance) if self.tolerance < COARSE and self._effort() > HARD else (self.tolerance,):
            self._slack = slack
            for part in parts:
                if part.bound >= self._below():
                    break
                self.bound = max(self.bound, min(part.bound, self._below()))
                self._search(part)
            self.bound = max(self.bound, self.best / (1 + slack))

    def _tightened(self, parts: list[_Part]) -> list[_Part]:
        """Return the parts with better bounds, of three levels: the least of all tiles and ways to unroll."""
        if self.problem.depth != 3:
            return parts
        found = []
        for part in parts:
            lower, least = self._lower(part.held), part.bound
            if part.bound < self._below() and lower.outer is not None:
                least = max(part.bound, self._least(part, lower))
            found.append(part._replace(bound=least))
        self.bound = max(self.bound, min(part.bound for part in found))
        return sorted(found, key=lambda part: (part.bound, -part.most))

    def _least(self, part: _Part, lower: Lower) -> float:
        """Return the least bound of a part's tiles of the innermost level, with all ways to unroll outside it."""
        problem, least = self.problem, math.inf
        front = start(problem)
        inner = pairs(problem, front, self.ways[0], *self._bounds(front, lower, 0, part))
        if not len(inner):
            return least
        front = priced(problem, beside(problem, front, part.held, 0, self.ways[0], inner), part.held, 0)
        for some in walk(problem, front, part.held, 0, lower, self._below, self._rest(0)):
            for begin in range(0, len(some), STATES):
                block = some[begin : begin + STATES]
                found = pairs(problem, block, self.ways[1], *self._bounds(block, lower, 1, part))
                least = min(least, float(found.value[0]) if len(found) else math.inf)
        return min(least, self._below())

    @property
    def loose(self) -> bool:
        """Whether bounds may be far from what mappings cost, so that they lead to good ones late."""
        problem = self.problem
        compressed = any(form.kind != "dense" for level in problem.storage for form in level.formats)
        return problem.depth > 3 or problem.keeps_nothing or compressed

    def take(self, points: Points) -> None:
        """Evaluate mappings and remember the best."""
        figures = evaluate_points(self.problem.layer, self.problem.arch, points, self.problem.rules)
        values = self.problem.worth(figures.energy_pj, figures.cycles.astype(np.float64))
        values = np.where(figures.fits, values, np.inf)
        self.evaluated += len(points)
        at = int(np.argmin(values))
        if values[at] < self.best:
            self.best, self.point = float(values[at]), points[at : at + 1]
            self.history.append((self.evaluated, self.best))

    def _effort(self) -> float:
        """Return how long a proof may take, roughly: the tiles and ways to unroll that could be looked at."""
        tiles = float(len(self.problem.lattice))
        return tiles ** max(self.problem.depth - 2, 1) * max(len(ways.used) for ways in self.ways)

    def _tick(self) -> None:
        if self._stop(self.evaluated):
            raise Stopped

    def _below(self) -> float:
        """Return what a bound must stay below to be worth a look: ties and rounding are not."""
        return self.best * (1 - 1e-12) / (1 + self._slack)

    def _parts(self) -> list[_Part]:
        """Return the parts of the space, the least bound first, then the most multipliers in use."""
        found = []
        for held in self._residencies():
            root = self._lower(held).root()
            for most, least in self._bands():
                found.append(_Part(float(self.problem.value(root, most)[0]), held, least, most))
        return sorted(found, key=lambda part: (part.bound, -part.most))

    def _residencies(self) -> Iterator[Held]:
        """Return which tensors stay where, in all ways, most of them first."""
        choices = []
        for level in self.problem.storage[:-1]:
            own = [number for number, tensor in enumerate(TENSORS) if tensor in level.holds]
            sizes = range(len(own), -1, -1) if self.bypass else [len(own)]
            choices.append([frozenset(part) for size in sizes for part in itertools.combinations(own, size)])
        for chosen in itertools.product(*choices):
            yield (*chosen, frozenset(range(3)))

    def _bands(self) -> list[tuple[int, int]]:
        """Return (most, least) multipliers in use of each part of the space."""
        used = np.ones(1, dtype=np.int64)
        for ways in self.ways:
            used = np.unique(np.multiply.outer(used, np.unique(ways.used)))
        numbers, share = used[::-1].tolist(), BAND if self._effort() > EASY else 0
        bands: list[tuple[int, int]] = []
        while numbers:
            least = [number for number in numbers if number >= share * numbers[0]]
            bands.append((numbers[0], least[-1]))
            numbers = numbers[len(least) :]
        return bands

    def _lower(self, held: Held) -> Lower:
        """Return the bounds of a residency, with a table of the outermost flows unless instances lie side by side there."""
        if self.problem.depth < 2 or len(self.ways[-1].used) > 1:
            return Lower(self.problem, held, None)
        holds = held[-2]
        if holds not in self._outers:
            self._outers[holds] = Outer(self.problem, holds)
        return Lower(self.problem, held, self._outers[holds])

    def _search(self, part: _Part, width: int | None = None) -> None:
        """Search a part of the space; with a `width`, only so many partial mappings of each step, the best ones."""
        self._grow(start(self.problem), 0, part, self._lower(part.held), width)

    def _grow(self, front: Front, level: int, part: _Part, lower: Lower, width: int | None) -> None:
        """Complete partial mappings from a level outward, those of the least bounds first, and not too many at a time."""
        problem, held, ways = self.problem, part.held, self.ways[level]
        for begin in range(0, len(front), STATES):
            some = front[begin : begin + STATES]
            found = pairs(problem, some, ways, *self._bounds(some, lower, level, part))
            self.looked_at += len(found)
            size = BLOCK if width is None else width
            for at in range(0, len(found), size):
                block = found[at : at + size]
                block = block[: int(np.searchsorted(block.value, self._below()))]
                if not len(block):
                    break
                grown = beside(problem, some, held, level, ways, block)
                self._onward(priced(problem, grown, held, level), level, part, lower, width)
                if width is not None:
                    break

    def _onward(self, front: Front, level: int, part: _Part, lower: Lower, width: int | None) -> None:
        """Add the loops over time of a level, and whatever lies further out."""
        problem, held, top = self.problem, part.held, self.problem.depth - 1
        if level == top:
            self._last(front, held)
        elif lower.outer is not None and level == top - 1:
            self._ends(front, finish(problem, front, held, lower.outer, self._below()), held, lower.outer)
        else:
            rest = self._rest(level)
            walked = walk(problem, front, held, level, lower, self._below, rest)
            if width is not None:
                walked = self._widest(walked, level, lower, width)
            for some in walked:
                self._tick()
                self._grow(some, level + 1, part, lower, width)

    def _widest(self, walked: Iterator[Front], level: int, lower: Lower, width: int) -> Iterator[Front]:
        """Return the best of all, in one."""
        kept: Front | None = None
        for some in walked:
            self._tick()
            both = some if kept is None else Front.join([kept, some])
            value = self.problem.value(lower.of(both, level), both.used * self._rest(level))
            kept = both[np.argsort(value, kind="stable")[:width]]
        if kept is not None:
            yield kept

    def _rest(self, level: int) -> int:
        """Return how many times as many multipliers the levels outside one can bring into use."""
        return math.prod(int(ways.used[0]) for ways in self.ways[level + 1 :])

    def _bounds(self, front: Front, lower: Lower, level: int, part: _Part) -> tuple[Ints, Callable[[int], Floats]]:
        """Return the ways to unroll that may be worth it, and a function that gives every partial mapping's bound with one.

        The bound is infinite where the pair is not wanted.
        """
        ways, problem, rest = self.ways[level], self.problem, self._rest(level)
        least = lower.of(front, level - 1)
        base, more = lower.of(front, level - 1, each=False), lower.ways(front, level, ways)
        able = (ways.used * front.used.max() * rest >= part.least) & (ways.used * front.used.min() <= part.most)
        hope = problem.value(
            np.maximum(base.min(axis=0) + more, least.min(axis=0)), np.minimum(ways.used * front.used.max() * rest, part.most)
        )
        self._tick()

        def bound(number: int) -> Floats:
            self._tick()
            now = front.used * ways.used[number]
            wanted = (now * rest >= part.least) & (now <= part.most)
            value = problem.value(np.maximum(base + more[number], least), np.minimum(now * rest, part.most))
            return np.where(wanted & (value < self._below()), value, np.inf)

        return np.nonzero(able & (hope < self._below()))[0], bound

    def _last(self, front: Front, held: Held) -> None:
        """Evaluate partial mappings of which only the order of the outermost loops is left open."""
        done, top = last(self.problem, front, held, self._below()), self.problem.depth - 1
        trail = front.trail[done.at]
        trail[:, top, 1], trail[:, top, 2] = len(self.problem.lattice) - 1, done.label
        self._leaves(trail, done.value, held)

    def _ends(self, front: Front, ends: Ends, held: Held, outer: Outer) -> None:
        """Complete partial mappings, best bounds first."""
        trails: list[Ints] = []
        values: list[Floats] = []
        waiting, enough = 0, 1  # the first are often as good as their bounds, and spare the others
        for at in np.argsort(ends.value, kind="stable"):
            if ends.value[at] >= self._below():
                break
            self._tick()
            trail, value = self._completed(front, ends, int(at), outer)
            trails.append(trail)
            values.append(value)
            waiting += len(trail)
            if waiting >= enough:
                self._leaves(np.concatenate(trails), np.concatenate(values), held)
                trails, values, waiting, enough = [], [], 0, min(4 * enough, LEAVES)
        if trails:
            self._leaves(np.concatenate(trails), np.concatenate(values), held)

    def _completed(self, front: Front, ends: Ends, at: int, outer: Outer) -> tuple[Ints, Floats]:
        """Return (trails, bounds) of all completions of one end that are worth it."""
        problem, level = self.problem, self.problem.depth - 2
        lattice, label, tile = problem.lattice, int(ends.label[at]), ends.tile[at]
        dims = free_of(problem, problem.labels[label][0]) if level > 0 else ()
        choices = []
        for dim in range(8):
            fixed = dim in dims or bool(ends.crossing[at])
            choices.append(tile[dim : dim + 1] if fixed else lattice.multiples(dim, int(tile[dim])))
        tiles = np.stack(np.meshgrid(*choices, indexing="ij"), axis=-1).reshape(-1, 8)
        spots = lattice.flat(tiles)
        used = int(front.used[ends.at[at]])
        trails, values = [], []
        for number, table in enumerate(outer.tables):
            sums = ends.rest[at] + table.reshape(len(problem.prices), -1)[:, spots].T
            value = problem.value(sums, used)
            live = np.nonzero(value < self._below())[0]
            trail = np.tile(front.trail[ends.at[at]], (len(live), 1, 1))
            trail[:, level, 1], trail[:, level, 2] = spots[live], label
            trail[:, level + 1, 1], trail[:, level + 1, 2] = len(lattice) - 1, number
            trails.append(trail)
            values.append(value[live])
        self.looked_at += len(tiles)
        return np.concatenate(trails), np.concatenate(values)

    def _leaves(self, trail: Ints, bounds: Floats, held: Held) -> None:
        """Evaluate whole mappings, best bounds first, as long as they may be better."""
        ranked = np.argsort(bounds, kind="stable")
        size = FEW
        while True:
            part, ranked = ranked[:size], ranked[size:]
            part = part[bounds[part] < self._below()]
            if not len(part):
                return
            points = self._points(trail[part], held)
            if self.problem.keeps_nothing:
                self._reorder(points, bounds[part])
            else:
                self.take(points)
            size = LEAVES

    def _reorder(self, points: Points, bounds: Floats) -> None:
        """Evaluate whole mappings in all orders; where those are too many, in one, and their bound stays open."""
        few = few_orders(points)
        for some in reordered(points[few]):
            self._tick()
            self.take(some)
        if not few.all():
            self.open = min(self.open, float(bounds[~few].min()))
            self.take(points[~few])

    def _points(self, trail: Ints, held: Held) -> Points:
        """Return trails as mappings."""
        problem, depth, n = self.problem, self.problem.depth, len(trail)
        lattice = problem.lattice
        time = np.empty((n, depth, 8), dtype=np.int64)
        order = np.empty((n, depth, 8), dtype=np.int8)
        orders = np.array([order_of(label) for label in problem.labels], dtype=np.int8)
        before = np.ones((n, 8), dtype=np.int64)
        split = []
        for level in range(depth):
            ways = self.ways[level]
            split.append(ways.split[trail[:, level, 0]])
            tile = lattice.extents(lattice.all[trail[:, level, 1]])
            outermost_first = depth - 1 - level
            time[:, outermost_first] = tile // (before * lattice.extents(ways.positions)[trail[:, level, 0]])
            order[:, outermost_first] = orders[trail[:, level, 2]]
            before = tile
        space = np.concatenate(split[::-1], axis=1)
        holds = np.array([[tensor in each for tensor in range(3)] for each in held[::-1]])
        return Points(time, space, order, np.tile(holds, (n, 1, 1)))
