"""Many mappings of one layer on one architecture at once, equal to the scalar model: what mappers search with.

Every number of a chunk of mappings is an array of its own, and the closed forms of `dataflows.nest.counts`, `accesses`, `limits`
and `cost` are a few hundred array operations on them. The scalar model is asked itself

- where counts may exceed what floating-point numbers hold exactly (2**53 words), and
- where a quotient that must be rounded up is so close to a whole number that rounding would decide: rows that deliveries do
  not fill, compressed words and saved accesses, with finite bandwidth.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dataflows.errors import SpecError
from dataflows.nest.architecture import Architecture
from dataflows.nest.batch_accesses import EXACT, Accesses
from dataflows.nest.batch_chunk import Chunk, Plan
from dataflows.nest.batch_cost import Costs, fits
from dataflows.nest.batch_counts import Words
from dataflows.nest.cost import cost_of, violations
from dataflows.nest.counts import count
from dataflows.nest.nest import Nest, Spread, Trip
from dataflows.nest.points import Points, directions
from dataflows.nest.rules import TENSORS, Rules
from dataflows.workload import DIMS, Layer, only_macs

__all__ = ["Figures", "evaluate_points"]

CHUNK = 2048
"""Mappings whose arrays stay in a second-level cache of 1 MB."""
_WIDEST = 64.0
_MOST = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Figures:
    """What `evaluate_points` returns, one entry per mapping.

    Attributes
    ----------
    energy_pj : ndarray, float64
        As `dataflows.nest.cost.NestCost.energy_pj`; also of mappings that do not fit, as if every level were large enough.
    cycles : ndarray, int64
        As `NestCost.cycles`, at most 2**63 - 1.
    fits : ndarray, bool
        Whether the scalar model would take the mapping: it covers the layer, has the instances that it uses, and every tile
        fits. False too for what the scalar model cannot count, which has infinite energy and the most cycles.
    """

    energy_pj: NDArray[np.float64]
    cycles: NDArray[np.int64]
    fits: NDArray[np.bool_]


def evaluate_points(layer: Layer, arch: Architecture, points: Points, rules: Rules | None = None) -> Figures:
    """Cost mappings of a layer on an architecture.

    Parameters
    ----------
    layer, arch : Layer, Architecture
        What is mapped, and where.
    points : Points
        The mappings.
    rules : Rules, optional
        Timeloop's by default.

    Raises
    ------
    SpecError
        If the layer cannot be mapped on a loop nest.
    """
    only_macs(layer, "a loop nest on an architecture")
    found = Figures(np.empty(len(points)), np.empty(len(points), dtype=np.int64), np.empty(len(points), dtype=bool))
    plan = Plan.of(layer, arch, rules or Rules(), points)
    for start in range(0, len(points), CHUNK):
        part = slice(start, start + CHUNK)
        _evaluate(plan, points[part], Figures(found.energy_pj[part], found.cycles[part], found.fits[part]))
    return found


def _evaluate(plan: Plan, points: Points, out: Figures) -> None:
    """Fill in the figures of one chunk."""
    chunk = Chunk(plan, points)
    ly = plan.layer
    window = max(ly.stride[0], ly.dilation[0]) * max(ly.stride[1], ly.dilation[1])
    chunk.suspects |= chunk.steps * chunk.pes * (window * _WIDEST) >= EXACT
    accesses = Accesses(chunk, Words(chunk))
    costs = Costs(chunk, accesses)
    out.fits[:] = fits(chunk, accesses)
    out.energy_pj[:] = costs.energy
    with np.errstate(invalid="ignore"):
        out.cycles[:] = np.minimum(costs.cycles, EXACT)
    for at in np.flatnonzero(chunk.suspects):
        _scalar(plan, points, int(at), out)


def _scalar(plan: Plan, points: Points, at: int, out: Figures) -> None:
    """Ask the scalar model about one mapping."""
    nest = unchecked(plan.layer, plan.arch, points, at)
    try:
        counts = count(nest, plan.rules)
        cost = cost_of(nest, counts, plan.rules)
        out.fits[at] &= not violations(nest, counts, plan.rules)
        out.energy_pj[at], out.cycles[at] = cost.energy_pj, min(cost.cycles, _MOST)
    except SpecError:
        out.energy_pj[at], out.cycles[at], out.fits[at] = math.inf, _MOST, False


def unchecked(layer: Layer, arch: Architecture, points: Points, at: int) -> Nest:
    """Bind one mapping, whether or not it covers the layer and has the instances that it uses (`dataflows.nest.nest.bind`)."""
    extents = dict.fromkeys(DIMS, 1)
    trips, spreads, holds, tiles = [], [], [], []
    axes = directions(arch)
    for level in range(len(arch.levels) - 1, -1, -1):
        space, time = [], []
        for which in range(len(axes) - 1, -1, -1):
            owner, axis = axes[which]
            for number in range(len(DIMS) - 1, -1, -1):
                dim = DIMS[number]
                extent = int(points.space[at, which, number])
                if owner == level and extent > 1:
                    space.append(Spread(dim, extent, extents[dim], axis))
                    extents[dim] *= extent
        for number in points.order[at, level][::-1]:
            dim, extent = DIMS[number], int(points.time[at, level, number])
            if extent > 1:
                time.append(Trip(dim, extent, extents[dim]))
                extents[dim] *= extent
        trips.append(tuple(time))
        spreads.append(tuple(space))
        holds.append(frozenset(tensor for i, tensor in enumerate(TENSORS) if points.holds[at, level, i]))
        tiles.append(extents.copy())
    return Nest(layer, arch, arch.levels[::-1], tuple(trips), tuple(spreads), tuple(holds), tuple(tiles))
