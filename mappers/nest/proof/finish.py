"""The loops of the second level from outside: of all tiles only those along the free dimensions of one tensor are listed.

What the level inside is filled with depends on its loops over these dimensions alone; all others matter for the traffic of the
outermost level only, whose least price over them is a table (`Outer.beyond`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mappers.nest.proof.front import WINDOW_DIMS, Front, Held, child_of, order_matters
from mappers.nest.proof.outer import Outer, free_of
from mappers.nest.proof.problem import INPUTS, OUT, Problem

__all__ = ["Ends", "finish"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Ends:
    """Partial mappings whose loops along some dimensions are known, with the least that any completion costs.

    Attributes
    ----------
    at : ndarray, int64, (n,)
        Which partial mapping.
    label : ndarray, int64, (n,)
        Number of the label of the second level from outside.
    tile : ndarray, int64, (n, 8)
        Positions of its tile: final along the label's free dimensions, the least along the others.
    crossing : ndarray, bool, (n,)
        Whether there are no other loops, so that the tile stays over loops of the outermost level too.
    rest : ndarray, float64, (n, prices)
        Price of all but the outermost flows.
    value : ndarray, float64, (n,)
        Lower bound of the objective.
    """

    at: Ints
    label: Ints
    tile: Ints
    crossing: NDArray[np.bool_]
    rest: Floats
    value: Floats


@dataclass(frozen=True, slots=True)
class _Open:
    """What the loops of the level decide: prices of the flows from directly inside."""

    base: Floats
    each: Floats
    kept: Floats


def _open(problem: Problem, front: Front, held: Held, level: int) -> _Open:
    """Return prices of all that is known (n, prices), of open flows (3, n, prices), of what of inputs may stay (4, n, prices)."""
    top = problem.depth - 1
    base = front.sums - front.credit
    each = np.zeros((3, *base.shape))
    kept = np.zeros((4, *base.shape))
    for tensor in range(3):
        inside = level > 0 and tensor in held[level - 1]
        if not inside and tensor in held[level]:
            continue  # priced already
        parent = level if tensor in held[level] else top
        child = child_of(held, tensor, level)
        for number, price in enumerate(problem.prices):
            flow = price.flow(tensor, parent, child)
            words = front.reads[:, tensor] * flow.parent, front.fills[:, tensor] * flow.child
            less = problem.outputs * flow.first if tensor == OUT else 0.0
            if not inside:
                base[:, number] += words[0] + words[1] - less
                continue
            each[tensor, :, number] = words[0] + words[1]
            base[:, number] -= less
            if tensor == INPUTS:
                kept[:, :, number] = (words[0] * front.kept[:, :, 1].T) + (words[1] * front.kept[:, :, 0].T)
    return _Open(base, each, kept)


def finish(problem: Problem, front: Front, held: Held, outer: Outer, below: float) -> Ends:
    """Return all ends whose lower bound is below a value."""
    found: list[Ends] = []
    for number, look in enumerate(_looks(problem, front, held, outer)):
        live = np.nonzero(look.hope < below)[0]
        if len(live):
            found += _along(problem, front, live, outer, number, look, below)
    return _joined(found, len(problem.prices))


@dataclass(frozen=True, slots=True)
class _Look:
    """Prices under one label: of what it leaves alone, of what it moves less often, of what of inputs may stay; the least sum."""

    dims: tuple[int, ...]
    fixed: Floats
    moving: Floats
    stays: Floats
    optimist: Floats
    hope: Floats


def _looks(problem: Problem, front: Front, held: Held, outer: Outer) -> Iterator[_Look]:
    """Return a first look at each label, as if its loops could be as long as the layer allows."""
    lattice, level = problem.lattice, problem.depth - 2
    prices = _open(problem, front, held, level)
    trips = np.array(lattice.sizes) / lattice.extents(front.tile)
    everywhere = outer.beyond(range(8))
    spot = lattice.flat(front.tile)
    rest = everywhere.reshape(len(problem.prices), -1)[:, spot].T
    total = prices.each.sum(axis=0)
    for tensor, dim in problem.labels if order_matters(problem, held, level) else problem.labels[:1]:
        dims = free_of(problem, tensor) if level > 0 else ()
        fixed = prices.base + total - prices.each[tensor]
        full = trips[:, dims].prod(axis=1)
        stays = prices.kept[WINDOW_DIMS.index(dim)] if dim in WINDOW_DIMS else np.zeros_like(fixed)
        optimist = fixed + prices.each[tensor] / full[:, None] - stays * (1 - 1 / trips[:, dim])[:, None]
        hope = problem.value(optimist + rest, front.used)
        yield _Look(dims, fixed, prices.each[tensor], stays, optimist, hope)


def _along(problem: Problem, front: Front, live: Ints, outer: Outer, number: int, look: _Look, below: float) -> list[Ends]:
    """Return the ends of one label; `live` are the partial mappings that are worth it."""
    lattice, (tensor, dim) = problem.lattice, problem.labels[number]
    dims, others = look.dims, [one for one in range(8) if one not in look.dims]
    fixed, moving, stays, optimist = look.fixed[live], look.moving[live], look.stays[live], look.optimist[live]
    tile, used = front.tile[live], front.used[live]
    beyond = outer.beyond(others).reshape(len(problem.prices), -1)
    same = outer.of_tensor(tensor).reshape(len(problem.prices), -1)
    extents = lattice.extents(tile)
    halo, found = dim in WINDOW_DIMS, []
    for target in np.ndindex(*(lattice.shape[one] for one in dims)):
        ok = np.ones(len(live), dtype=bool)
        trips = np.ones(len(live))
        for one, at in zip(dims, target, strict=True):
            size = lattice.divs[one][at]
            ok &= size % extents[:, one] == 0
            trips *= size / extents[:, one]
        if not ok.any():
            continue
        reached = tile.copy()
        reached[:, dims] = target
        spot = lattice.flat(reached)
        step = lattice.divs[dim][reached[:, dim]] / extents[:, dim] if dim in dims else np.ones(len(live))
        rest = fixed + moving / trips[:, None] - (stays * (1 - 1 / step)[:, None] if halo else 0)
        for crossing, cost, table in ((False, rest, beyond), (True, optimist, same)):
            value = problem.value(cost + table[:, spot].T, used)
            at = np.nonzero(ok & (value < below))[0]
            if len(at):
                label = np.full(len(at), number)
                found.append(Ends(live[at], label, reached[at], np.full(len(at), crossing), cost[at], value[at]))
    return found


def _joined(parts: list[Ends], prices: int) -> Ends:
    if not parts:
        none = np.zeros(0, dtype=np.int64)
        return Ends(none, none, none.reshape(0, 8), none.astype(bool), np.zeros((0, prices)), np.zeros(0))
    return Ends(*(np.concatenate([getattr(part, name) for part in parts]) for name in Ends.__slots__))
