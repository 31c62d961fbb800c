"""What one way to unroll the array and one tile per PE fix, whatever loops go round them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from dataflows.feasible import InfeasibleError
from dataflows.mapping import Level, Loop, Mapping
from dataflows.nest.nest import bind
from dataflows.nest.rules import TENSORS
from dataflows.spatial.array import SpatialArray
from dataflows.spatial.program import REDUCED, SpatialProgram, reach, spreads, tile_extents
from dataflows.spatial.system.deliveries import delivery_length, delivery_loops
from dataflows.spatial.system.energy import Ports, ports_of
from dataflows.spatial.system.nests import MOST_INNER_LOOPS
from dataflows.spatial.system.spec import SpatialSystem
from dataflows.workload import DIMS, Layer
from mappers.system.spatial import Choice

Sizes = dict[str, int]


@dataclass(frozen=True, slots=True)
class Core:
    """An unrolled array with a tile in every PE.

    Attributes
    ----------
    choice : tuple of Loop
        Loops along the axes.
    pe : dict
        Extents of a PE's tile.
    unit : dict
        What one iteration of the outer loops covers, by dimension.
    trips : dict
        Iterations that each dimension needs outside.
    steps : int
        Cycles of an iteration.
    lengths : dict
        Cycles that a delivery of weights or inputs takes, and that a bank of sums takes to leave.
    words : dict
        Words of each tensor in a PE.
    ports : Ports
        Ports in use.
    """

    choice: Choice
    pe: Sizes
    unit: Sizes
    trips: Sizes
    steps: int
    lengths: Sizes
    words: Sizes
    ports: Ports


def core_of(layer: Layer, system: SpatialSystem, choice: Choice, pe: Sizes) -> Core | None:
    """Return the figures of a choice; None where the array or its address generators do not allow it."""
    array = system.array
    along: dict[str, int] = dict.fromkeys(DIMS, 1)
    for loop in choice:
        along[loop.dim] *= loop.extent
    unit = {dim: pe[dim] * along[dim] for dim in DIMS}
    trips = {dim: -(-getattr(layer, dim) // unit[dim]) for dim in DIMS}
    program = _program(layer, array, choice, pe, trips)
    if program is None or not _allowed(program):
        return None
    lengths = {tensor: delivery_length(program, tensor) for tensor in TENSORS[:2]}
    lengths["outputs"] = program.output_words * program.slots
    words = {tensor: math.prod(tile_extents(program.nest, tensor)) for tensor in TENSORS}
    return Core(choice, pe, unit, trips, math.prod(pe.values()), lengths, words, ports_of(program))


def _program(layer: Layer, array: SpatialArray, choice: Choice, pe: Sizes, trips: Sizes) -> SpatialProgram | None:
    """Return a program that has loops over the array and in its PEs, but no tags yet."""
    outside = tuple(Loop(dim, extent) for dim, extent in trips.items() if extent > 1)
    inside = tuple(Loop(dim, extent) for dim, extent in pe.items() if extent > 1)
    try:
        nest = bind(layer, array.architecture(), Mapping((Level("stream", (*outside, *choice)), Level("pe", inside))))
    except InfeasibleError:
        return None
    shared = [loop for axis in array.shared("outputs") for loop in choice if loop.axis == axis.name]
    slots = math.prod(loop.extent for loop in shared if loop.dim not in REDUCED)
    return SpatialProgram(layer, array, nest, (), (), (0, 0, 0), {}, {}, slots)


def _allowed(program: SpatialProgram) -> bool:
    array, nest = program.array, program.nest
    for tensor, room in zip(TENSORS, array.l1_words, strict=True):
        if math.prod(tile_extents(nest, tensor)) > room:
            return False
    for tensor in TENSORS[:2]:
        loops = delivery_loops(program, tensor)
        if loops is None or len(loops) > MOST_INNER_LOOPS or reach(nest, array, tensor) >= 1 << array.tag_bits:
            return False
    summed = (spread for axis in array.ported("outputs") for spread in spreads(nest, axis))
    return not any(spread.dim in REDUCED for spread in summed)
