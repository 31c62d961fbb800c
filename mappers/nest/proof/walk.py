"""Loops over time, tile by tile, where the tile itself matters further out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mappers.nest.proof.front import WINDOW_DIMS, Front, Held, order_matters
from mappers.nest.proof.lower import Lower
from mappers.nest.proof.problem import FREE, INPUTS, OUT, Problem

__all__ = ["Last", "last", "walk"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
CHUNK = 1 << 18
"""Pairs of a partial mapping and a tile that are looked at together."""


def walk(
    problem: Problem, front: Front, held: Held, level: int, lower: Lower, below: Callable[[], float], most: int
) -> Iterator[Front]:
    """Add the loops over time of a level in all ways that fit and whose lower bound is below a value, some at a time.

    `most` is how many times as many multipliers the levels further out can bring into use.
    """
    if level == 0 and not held[0] and not _passed_on(problem):  # its loops are the innermost of the next level as well
        yield _walked(problem, front, front.tile, held, level, 0)
        return
    lattice = problem.lattice
    tiles = lattice.all[problem.fits(level, held[level])]
    if not len(tiles):
        return
    extents = lattice.extents(tiles)
    decides = order_matters(problem, held, level)
    step = max(1, CHUNK // len(tiles))
    for begin in range(0, len(front), step):
        part = front[begin : begin + step]
        own = lattice.extents(part.tile)
        ok = np.ones((len(part), len(tiles)), dtype=bool)
        for dim in range(8):
            if lattice.sizes[dim] > 1:
                ok &= extents[None, :, dim] % own[:, None, dim] == 0
        which, how = np.nonzero(ok)
        for label in range(len(problem.labels)) if decides else range(1):
            grown = _walked(problem, part[which], tiles[how], held, level, label)
            value = problem.value(lower.of(grown, level), grown.used * most)
            better = value < below()
            if better.any():
                yield grown[better]


def _passed_on(problem: Problem) -> bool:
    """Tell whether multipliers may pass on inputs to each other outside the innermost level: how far apart they are matters."""
    return any(problem.storage[at].fanout.links and problem.unrolls_windows(at) for at in range(1, problem.depth))


def _walked(problem: Problem, front: Front, tile: Ints, held: Held, level: int, label: int) -> Front:
    """Return the front with the loops from its tiles to others, ordered by a label."""
    fills, reads = _stay(problem, front, tile, level, label) if level > 0 else (front.fills.copy(), front.reads.copy())
    sums, credit, trail = front.sums.copy(), front.credit.copy(), front.trail.copy()
    inside = held[level - 1] if level > 0 else frozenset()
    for tensor in range(3):
        if tensor not in inside:
            fills[:, tensor], reads[:, tensor] = front.fills[:, tensor], front.reads[:, tensor]
        elif tensor in held[level]:
            for number, price in enumerate(problem.prices):
                each = price.flow(tensor, level, level - 1)
                sums[:, number] += reads[:, tensor] * each.parent + fills[:, tensor] * each.child
                if tensor == OUT:
                    credit[:, number] += problem.outputs * each.first
    flat = problem.lattice.flat(tile)
    for tensor in held[level]:
        fills[:, tensor] = reads[:, tensor] = problem.per_mac(tensor)[flat]
    trail[:, level, 1], trail[:, level, 2] = flat, label
    return replace(front, tile=tile, sums=sums, credit=credit, fills=fills, reads=reads, trail=trail)


def _stay(problem: Problem, front: Front, tile: Ints, level: int, label: int) -> tuple[Floats, Floats]:
    """Return fills and reads when the loops of a label are innermost.

    Where there are no others the tile may stay over loops further out: as if it stayed over all of them. A window that moves
    there may go further, past instances, and keep more where it has gaps: as if it kept everything.
    """
    lattice, (tensor, dim) = problem.lattice, problem.labels[label]
    before, after = lattice.extents(front.tile), lattice.extents(tile)
    trips = after / before
    others = [one for one in range(8) if one not in FREE[tensor]]
    alone = (trips[:, others] == 1).all(axis=1)
    trips = np.where(alone[:, None], np.array(lattice.sizes) / before, trips)
    fills, reads = front.fills.copy(), front.reads.copy()
    stay = trips[:, FREE[tensor]].prod(axis=1)
    fills[:, tensor] /= stay
    reads[:, tensor] /= stay
    if dim in WINDOW_DIMS:
        kept = front.kept[:, WINDOW_DIMS.index(dim)]
        gaps = problem.rules.window == "exact" or problem.storage[level].fanout.links
        if gaps and any(problem.unrolls_windows(at) for at in range(level + 1, problem.depth)):
            kept = np.where(alone[:, None], 0.0 if problem.keeps_nothing else 1.0, kept)
        kept = kept * (1 - 1 / trips[:, dim])[:, None]
        fills[:, INPUTS] *= 1 - kept[:, 0]
        reads[:, INPUTS] *= 1 - kept[:, 1]
    return fills, reads


@dataclass(frozen=True, slots=True)
class Last:
    """Whole mappings: partial ones, by number, with a label for the outermost level, and their lower bound."""

    at: Ints
    label: Ints
    value: Floats


def last(problem: Problem, front: Front, held: Held, below: float) -> Last:
    """Order the loops of the outermost level, which walk whatever is left, in all ways that matter."""
    top = problem.depth - 1
    whole = np.tile(np.array(problem.lattice.shape) - 1, (len(front), 1))
    found = []
    decides = order_matters(problem, held, top)
    for label in range(len(problem.labels) if decides else 1):
        grown = _walked(problem, front, whole, held, top, label)
        value = problem.value(grown.sums - grown.credit, grown.used)
        at = np.nonzero(value < below)[0]
        found.append(Last(at, np.full(len(at), label), value[at]))
    return Last(*(np.concatenate([getattr(part, name) for part in found]) for name in Last.__slots__))
