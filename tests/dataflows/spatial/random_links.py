"""Random layers and mappings whose loops link neighbours."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

from dataflows.feasible import InfeasibleError
from dataflows.mapping import Level, Loop, Mapping
from dataflows.spatial.array import SpatialArray
from dataflows.spatial.links import Links
from dataflows.spatial.program import SpatialProgram, compile_spatial
from dataflows.workload import Layer
from sim.spatial.arrays import random_linked_array


def draw_window(rng: Random) -> Layer:
    """Draw a layer whose windows overlap."""
    sizes = {dim: rng.choice((1, 1, 2)) for dim in "NGKC"} | {dim: rng.choice((1, 2, 3, 4, 5)) for dim in "PQRS"}
    steps: dict[str, Any] = {name: (rng.choice((1, 1, 2)), rng.choice((1, 1, 2, 3))) for name in ("stride", "dilation")}
    top, left, bottom, right = (rng.choice((0, 0, 1)) for _ in range(4))
    return Layer("window", **sizes, **steps, padding=(top, left, bottom, right))


def draw_window_mapping(rng: Random, layer: Layer, array: SpatialArray) -> Mapping:
    """Unroll what the axes allow, now and then only a part or twice; the window's loops inside most of the time."""
    room = {axis.name: axis.size for axis in array.axes}
    spatial, stream = [], []
    for dim in "PQRSNGKC":
        left = getattr(layer, dim)
        axes = [axis.name for axis in array.axes if dim in axis.dims and room[axis.name] > 1]
        if axes and left > 1:
            axis = rng.choice(axes)
            extent = rng.randint(2, min(left, room[axis]))
            room[axis] //= extent
            spatial.append(Loop(dim, extent, 1, axis))
            left = -(-left // extent)
        if left > 3 and rng.random() < 0.3:
            stream.append(Loop(dim, 2))
            left = -(-left // 2)
        if left > 1:
            stream.append(Loop(dim, left))
    rng.shuffle(stream)
    if rng.random() < 0.7:
        stream.sort(key=lambda loop: loop.dim in "PQRS")
    rng.shuffle(spatial)
    return Mapping((Level("stream", (*stream, *spatial)), Level("pe", ())))


def draw_window_program(rng: Random, array: SpatialArray, most: int = 400) -> SpatialProgram:
    """Draw layers and mappings until an array takes one."""
    while True:
        layer = replace(draw_window(rng), input_bits=array.input_bits, weight_bits=array.weight_bits)
        try:
            program = compile_spatial(layer, array, draw_window_mapping(rng, layer, array))
        except InfeasibleError:
            continue
        if program.iterations <= most:
            return program


def draw_linked_program(rng: Random, most: int = 400) -> SpatialProgram:
    """Draw arrays, layers and mappings until neighbours have words for each other; along two axes every other time."""
    least = rng.choice((1, 2))
    while True:
        program = draw_window_program(rng, random_linked_array(rng), most)
        if max(len(Links(program, tensor).all) for tensor in ("weights", "inputs")) >= least:
            return program
