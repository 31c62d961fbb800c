"""Random small layers with mappings that an array takes."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from dataflows.feasible import InfeasibleError
from dataflows.mapping import Level, Loop, Mapping
from dataflows.spatial.array import SpatialArray
from dataflows.spatial.program import SpatialProgram, compile_spatial
from dataflows.workload import Layer
from tests.dataflows.nest.random_nests import draw_layer


def draw_mapping(rng: Random, layer: Layer, array: SpatialArray) -> Mapping:
    """Split every dimension over the axes, the PEs and the outer loops, now and then past its size; any order."""
    room = {axis.name: axis.size for axis in array.axes}
    stream, inner = [], []
    for dim in "NGKCPQRS":
        left = getattr(layer, dim)
        while left > 1:
            extent = rng.choice((2, 2, 3, left))
            axes = [axis.name for axis in array.axes if dim in axis.dims and room[axis.name] >= extent]
            if axes and rng.random() < 0.8:
                axis = rng.choice(axes)
                room[axis] //= extent
                stream.append(Loop(dim, extent, 1, axis))
            else:
                (inner if rng.random() < 0.4 else stream).append(Loop(dim, extent))
            left = -(-left // extent)
    rng.shuffle(stream)
    rng.shuffle(inner)
    return Mapping((Level("stream", tuple(stream)), Level("pe", tuple(inner))))


def draw_program(rng: Random, array: SpatialArray, most_macs: int = 2000) -> SpatialProgram:
    """Draw layers and mappings until the array takes one."""
    while True:
        layer = draw_layer(rng)
        layer = replace(layer, padding=tuple(rng.choice((0, 0, 1)) for _ in range(4)), H=0, W=0)
        try:
            program = compile_spatial(layer, array, draw_mapping(rng, layer, array))
        except InfeasibleError:
            continue
        if program.iterations * program.steps * array.pes <= most_macs * 20 and program.iterations * program.steps <= most_macs:
            return program
