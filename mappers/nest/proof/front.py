"""Partial mappings from the innermost level outward, many at a time, with what they cost so far.

A flow of a tensor from a parent to a child level is priced when its parent is reached: the loops over time directly above the
child decide how often the child is filled, the instances in between how many of them share one read (codesign reference, 4.2
to 4.5). All words are per multiply-accumulate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dataflows.nest.counts import MAC
from mappers.nest.proof.problem import FREE, INPUTS, OUT, C, P, Problem, Q, R, S
from mappers.nest.proof.spatial import Spread

__all__ = ["WINDOW_DIMS", "Front", "Held", "Pairs", "beside", "child_of", "order_matters", "pairs", "priced", "start"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
WINDOW_DIMS = (P, R, Q, S)
Held = tuple[frozenset[int], ...]
"""Numbers of the tensors that stay at each level, innermost first."""


def child_of(held: Held, tensor: int, level: int) -> int:
    """Return the next level inside `level` that holds a tensor, or `MAC`."""
    return next((inner for inner in range(level - 1, -1, -1) if tensor in held[inner]), MAC)


def order_matters(problem: Problem, held: Held, level: int) -> bool:
    """Tell whether the order of a level's loops can decide how long a tile stays.

    Where nothing stays directly inside, the loops could as well be those of the level inside, which has no capacity to mind,
    but for windows: unrolled in between, they move by other steps.
    """
    if level == 0 or held[level - 1]:
        return level > 0
    return any(INPUTS in inner for inner in held[: level - 1]) and problem.unrolls_windows(level)


@dataclass(frozen=True, slots=True)
class Front:
    """n partial mappings.

    Attributes
    ----------
    tile : ndarray, int64, (n, 8)
        Positions of the extents so far.
    used : ndarray, int64, (n,)
        Multipliers side by side so far.
    sums : ndarray, float64, (n, prices)
        What all flows cost whose parents are reached, first sums included.
    credit : ndarray, float64, (n, prices)
        What of it is not spent, since first sums are not read.
    fills, reads : ndarray, float64, (n, 3)
        Words that fill the present child of each tensor, and that are read for it, if nothing stays.
    kept : ndarray, float64, (n, 4, 2)
        Share of the words of `fills` and `reads` of inputs that stay if the innermost loop moves the window along P, R, Q or S.
    trail : ndarray, int64, (n, levels, 3)
        Chosen at each level: the number of the way in `Spread`, the tile, the label.
    """

    tile: Ints
    used: Ints
    sums: Floats
    credit: Floats
    fills: Floats
    reads: Floats
    kept: Floats
    trail: Ints

    def __len__(self) -> int:
        return len(self.tile)

    def __getitem__(self, at: NDArray[np.intp] | NDArray[np.bool_] | slice) -> Front:
        """Return some of them."""
        return Front(*(getattr(self, name)[at] for name in self.__slots__))

    @classmethod
    def join(cls, parts: list[Front]) -> Front:
        """Return all of several fronts."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__slots__))


def start(problem: Problem) -> Front:
    """Return the multipliers: one partial mapping of nothing."""
    prices = len(problem.prices)
    sums = np.array([[price.base for price in problem.prices]])
    return Front(
        np.zeros((1, 8), dtype=np.int64), np.ones(1, dtype=np.int64), sums, np.zeros((1, prices)), np.ones((1, 3)),
        np.ones((1, 3)), np.zeros((1, 4, 2)), np.zeros((1, problem.depth, 3), dtype=np.int64),
    )  # fmt: skip


def beside(problem: Problem, front: Front, held: Held, level: int, ways: Spread, pairs: Pairs) -> Front:
    """Unroll dimensions over the instances below a level, for the given pairs of a partial mapping and a way."""
    how = pairs.way
    grown = front[pairs.at]
    factors = problem.lattice.extents(ways.positions)[how].astype(np.float64)
    tile = np.stack(
        [times[i, j] for times, i, j in zip(problem.lattice.times, grown.tile.T, ways.positions[how].T, strict=True)], 1
    )
    reads, kept = _shared(problem, grown, held, level, ways.positions[how], factors)
    trail = grown.trail.copy()
    trail[:, level, 0] = how
    credit = grown.credit * factors[:, [C, R, S]].prod(axis=1)[:, None]
    return replace(grown, tile=tile, used=grown.used * ways.used[how], reads=reads, kept=kept, credit=credit, trail=trail)


@dataclass(frozen=True, slots=True)
class Pairs:
    """Partial mappings and ways to unroll, by number, (n,), with the lower bound of each, rising."""

    at: Ints
    way: Ints
    value: Floats

    def __len__(self) -> int:
        return len(self.at)

    def __getitem__(self, part: slice) -> Pairs:
        """Return some of them."""
        return Pairs(self.at[part], self.way[part], self.value[part])


def pairs(problem: Problem, front: Front, ways: Spread, numbers: Ints, bound: Callable[[int], Floats]) -> Pairs:
    """Return all pairs with some of the ways that the sizes allow; `bound` gives partial mappings' bounds, or infinity."""
    found: list[tuple[Ints, Ints, Floats]] = []
    for number in numbers.tolist():
        way, value = ways.positions[number], bound(number)
        ok = value < np.inf
        if not ok.any():
            continue
        for dim in np.nonzero(way)[0]:
            ok &= problem.lattice.times[dim][front.tile[:, dim], way[dim]] >= 0
        at = np.nonzero(ok)[0]
        if len(at):
            found.append((at, np.full(len(at), number), value[at]))
    if not found:
        none = np.zeros(0, dtype=np.int64)
        return Pairs(none, none, np.zeros(0))
    at, way, value = (np.concatenate(part) for part in zip(*found, strict=True))
    rising = np.argsort(value, kind="stable")
    return Pairs(at[rising], way[rising], value[rising])


def _shared(problem: Problem, front: Front, held: Held, level: int, ways: Ints, factors: Floats) -> tuple[Floats, Floats]:
    """Return what is read once the instances share, and what stays of inputs."""
    net, reads, kept = problem.storage[level].fanout, front.reads.copy(), np.zeros_like(front.kept)
    for tensor, free in enumerate(FREE):
        if net.reduction if tensor == OUT else net.multicast:
            reads[:, tensor] /= factors[:, free].prod(axis=1)
    child = child_of(held, INPUTS, level)
    if net.links and not _alone(problem, held, level, child):
        # How much windows share, and what of them all stays, is left open: as if they were one, and it never moved.
        reads[:, INPUTS] /= factors[:, WINDOW_DIMS].prod(axis=1)
        kept += 0.0 if problem.keeps_nothing else 1.0
    elif child == MAC:
        if net.links:
            reads[:, INPUTS] *= _united(problem, front.tile, ways)
    elif child == level - 1 and not problem.keeps_nothing:
        share, kept = _windows(problem, front.tile, ways, net.links)
        reads[:, INPUTS] *= share
    return reads, kept


def _alone(problem: Problem, held: Held, level: int, child: int) -> bool:
    """Whether windows are linked below this level only, of all between their child and their parent, and are counted at all."""
    parent = next(at for at in range(level, problem.depth) if INPUTS in held[at])
    others = [problem.storage[at].fanout for at in range(child + 1, parent + 1) if at != level]
    return child in (MAC, level - 1) and not problem.keeps_nothing and not any(net.links and net.size > 1 for net in others)


def _united(problem: Problem, tile: Ints, ways: Ints) -> Floats:
    """Return the pixels that linked multipliers need in a step, over one for each."""
    share = np.ones(len(tile))
    for side in (problem.rows, problem.cols):
        dims = [side.out, side.tap]
        at, back = np.unique(np.concatenate([tile[:, dims], ways[:, dims]], axis=1), axis=0, return_inverse=True)
        share *= np.array([side.union(*(int(i) for i in row)) for row in at])[back.ravel()]
    return share


def _windows(problem: Problem, tile: Ints, ways: Ints, linked: bool) -> tuple[Floats, Floats]:
    """Return the share of all windows' pixels that is read, and the shares that stay, of one and of all together."""
    share, kept = np.ones(len(tile)), np.empty((len(tile), 4, 2))
    for number, side in enumerate((problem.rows, problem.cols)):
        i, j = tile[:, side.out], tile[:, side.tap]
        found = side.spread(linked)[i, j, ways[:, side.out], ways[:, side.tap]]
        own = side.size[i, j]
        share *= found[:, 2] / (own * found[:, 5])
        kept[:, 2 * number, 0], kept[:, 2 * number + 1, 0] = found[:, 0] / own, found[:, 1] / own
        kept[:, 2 * number, 1], kept[:, 2 * number + 1, 1] = found[:, 3] / found[:, 2], found[:, 4] / found[:, 2]
    return share, kept


def priced(problem: Problem, front: Front, held: Held, level: int) -> Front:
    """Price the flows into a level whose children are not directly inside it: no loop of this level decides about them."""
    sums, credit = front.sums.copy(), front.credit.copy()
    for tensor in held[level]:
        child = child_of(held, tensor, level)
        if child == level - 1 and child != MAC:
            continue
        for number, price in enumerate(problem.prices):
            each = price.flow(tensor, level, child)
            sums[:, number] += front.reads[:, tensor] * each.parent + front.fills[:, tensor] * each.child
            if tensor == OUT:
                credit[:, number] += problem.outputs * each.first
    return replace(front, sums=sums, credit=credit)
