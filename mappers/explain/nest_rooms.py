"""How full the levels of a loop nest are, and which larger tiles would not fit."""

from __future__ import annotations

import math
from dataclasses import replace

from dataflows.feasible import InfeasibleError
from dataflows.mapping import Level, Loop, Mapping
from dataflows.nest.accesses import tile_bits
from dataflows.nest.architecture import Architecture
from dataflows.nest.cost import evaluate
from dataflows.nest.counts import count
from dataflows.nest.nest import bind, spelled_out
from dataflows.nest.rules import RELEVANT, TENSORS, Rules
from dataflows.residency import resident
from dataflows.workload import DIMS, Layer
from mappers.base import Objective, objective_value
from mappers.explain.model import Larger, Room

__all__ = ["rooms"]


def rooms(layer: Layer, arch: Architecture, mapping: Mapping, objective: Objective, rules: Rules) -> tuple[Room, ...]:
    """Return every level of limited size, outermost first, with the neighbours of `mapping` that have a larger tile there.

    A neighbour takes the smallest prime factor of a loop over time to this level, from the next level outside that has one.
    """
    mapping = spelled_out(mapping, arch)
    nest = bind(layer, arch, mapping)
    counts = count(nest, rules)
    found = []
    for at, level in enumerate(arch.levels):
        if level.capacity_bits is None:
            continue
        bits = [level.copies * each for each in tile_bits(nest, counts, rules, len(arch.levels) - 1 - at)]
        near, held = _larger(layer, arch, mapping, at, objective, rules), _held(mapping, arch, at)
        if isinstance(level.capacity_bits, tuple):
            for tensor, used, size in zip(TENSORS, bits, level.capacity_bits, strict=True):
                if size is not None and tensor in level.holds:
                    own = RELEVANT[tensor] if tensor in held else frozenset()
                    found.append(
                        Room(f"{level.name}.{tensor}", used, size, "bits", tuple(near[dim] for dim in near if dim in own))
                    )
        else:
            found.append(Room(level.name, sum(bits), level.capacity_bits, "bits", tuple(near.values())))
    return tuple(found)


def _held(mapping: Mapping, arch: Architecture, at: int) -> frozenset[str]:
    said = resident(mapping.levels[at].name)
    return said.of(arch.levels[at].holds) if said else arch.levels[at].holds


def _larger(
    layer: Layer, arch: Architecture, mapping: Mapping, at: int, objective: Objective, rules: Rules
) -> dict[str, Larger]:  # fmt: skip
    """Return the neighbours by the dimension that is larger, of those that tensors at the level depend on."""
    held = _held(mapping, arch, at)
    found = {}
    for dim in DIMS:
        if not any(dim in RELEVANT[tensor] for tensor in held):
            continue
        moved = moved_in(mapping, at, dim)
        if moved is None:
            continue
        before, after = (_extent(each, at, dim) for each in (mapping, moved))
        change = f"{dim} {before} -> {after}"
        try:
            cost = evaluate(layer, arch, moved, rules)
        except InfeasibleError as error:
            found[dim] = Larger(change, tuple(error.reasons), None)
        else:
            found[dim] = Larger(change, (), objective_value(objective, cost.energy_pj, cost.cycles))
    return found


def moved_in(mapping: Mapping, at: int, dim: str) -> Mapping | None:
    """Return the mapping with the smallest factor of `dim` taken to level `at` from outside; None if nothing is left there."""
    levels = [Level(level.name, tuple(replace(loop, step=1) for loop in level.loops)) for level in mapping.levels]
    for outer in reversed(range(at)):
        for loop in levels[outer].loops:
            if loop.dim == dim and loop.axis is None and loop.extent > 1:
                factor = _least_factor(loop.extent)
                levels[outer] = _scaled(levels[outer], loop, loop.extent // factor)
                levels[at] = _grown(levels[at], dim, factor)
                return Mapping(tuple(levels))
    return None


def _grown(level: Level, dim: str, factor: int) -> Level:
    for loop in level.loops:
        if loop.dim == dim and loop.axis is None:
            return _scaled(level, loop, loop.extent * factor)
    return Level(level.name, (Loop(dim, factor), *level.loops))


def _scaled(level: Level, old: Loop, extent: int) -> Level:
    return Level(level.name, tuple(replace(loop, extent=extent) if loop is old else loop for loop in level.loops))


def _extent(mapping: Mapping, at: int, dim: str) -> int:
    """Return the size of the tile of one instance of a level along a dimension."""
    return math.prod(loop.extent for level in mapping.levels[at:] for loop in level.loops if loop.dim == dim)


def _least_factor(number: int) -> int:
    return next((factor for factor in range(2, math.isqrt(number) + 1) if number % factor == 0), number)
