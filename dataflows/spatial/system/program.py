"""One layer on one system: the array's program, the tiles that the buffers hold, and the nests that hardware walks."""

from __future__ import annotations

import math
from dataclasses import dataclass

from dataflows.nest.rules import RELEVANT
from dataflows.spatial.array import COORDINATES
from dataflows.spatial.program import Coordinates, OuterLoop, SpatialProgram, base, tile_extents
from dataflows.spatial.system.deliveries import delivery_length, delivery_loops, tile_change
from dataflows.spatial.system.geometry import Box, channel_beats
from dataflows.spatial.system.nests import LoopNest, NestLoop
from dataflows.spatial.system.spec import SpatialSystem
from dataflows.workload import Layer


@dataclass(frozen=True, slots=True)
class SystemProgram:
    """One layer on one system.

    Attributes
    ----------
    system : SpatialSystem
        The hardware.
    array : SpatialProgram
        What its array does: the loops over memory are its outermost ones.
    depth : int
        Outer loops that run inside one tile of the buffers; the others are over memory.
    sizes : dict
        Extents of a tile by dimension, padding of the loops included.
    inputs, outputs : Box
        Where the words of a tile lie in the buffers.
    coded : tuple of bool
        Whether inputs and outputs lie in memory as coded rows.
    """

    system: SpatialSystem
    array: SpatialProgram
    depth: int
    sizes: dict[str, int]
    inputs: Box
    outputs: Box
    coded: tuple[bool, bool] = (False, False)

    @property
    def layer(self) -> Layer:
        """The layer."""
        return self.array.layer

    @property
    def tile_loops(self) -> tuple[OuterLoop, ...]:
        """Loops over memory, innermost first."""
        return self.array.outer[self.depth :]

    @property
    def steps(self) -> int:
        """Iterations of the loops over memory."""
        return math.prod(loop.extent for loop in self.tile_loops)

    def tile_change(self, tensor: str) -> int:
        """Return the innermost loop over memory that changes a tensor's tile, counted from the array's first outer loop."""
        return tile_change(self.array, self.depth, tensor)

    def tiles(self, tensor: str) -> int:
        """How many tiles of a tensor are brought in, or written."""
        return math.prod(loop.extent for loop in self.array.outer[self.tile_change(tensor) :])

    @property
    def weight_rows(self) -> int:
        """Rows of the weight buffer that a tile takes: the beats of its different deliveries."""
        return math.prod(loop.extent for loop in self.array.outer[: self.depth] if loop.dim in RELEVANT["weights"]) * (
            delivery_length(self.array, "weights")
        )

    @property
    def weight_beats(self) -> int:
        """Beats of a tile of weights in memory."""
        return -(-self.weight_rows // self.system.rows_per_beat) * self.system.row_parts

    @property
    def scale_beats(self) -> int:
        """Beats of all scales in memory: those of the channels of whole beats of outputs."""
        channels = channel_beats(self.layer, self.system, "outputs") * self.system.beat_words("outputs")
        return channels // self.system.post_lanes * self.system.scale_beats


def weights_nest(program: SystemProgram) -> LoopNest:
    """Return the walk over the weight buffer: its rows lie in the order of the deliveries of one tile."""
    array, names = program.array, COORDINATES["weights"]
    fields = array.array.fields("weights")
    inner, row = [], 1
    for coordinate, extent, step in delivery_loops(array, "weights") or []:
        inner.append(NestLoop(extent, (row, *(step if names[coordinate] == field else 0 for field in fields))))
        row *= extent
    outer, still = [], (0,) * len(fields)
    for at, loop in enumerate(array.outer):
        own = at < program.depth and loop.dim in RELEVANT["weights"]
        outer.append(NestLoop(loop.extent, (row if own else 0, *still)))
        row *= loop.extent if own else 1
    return LoopNest(("address", *fields), tuple(inner), tuple(outer), array.changes[0], program.tile_change("weights"))


def inputs_nest(program: SystemProgram) -> LoopNest:
    """Return the walk over the input buffer, with the row and column of the padded image."""
    array, names, box = program.array, COORDINATES["inputs"], program.inputs
    fields = array.array.fields("inputs")
    inner, outer = [], []
    for coordinate, extent, step in delivery_loops(array, "inputs") or []:
        at = tuple(step * (each == coordinate) for each in range(len(names)))
        inner.append(NestLoop(extent, (box.address(at), at[3], at[4], *(at[names.index(field)] for field in fields))))
    for position, loop in enumerate(array.outer):
        at = base(program.layer, "inputs", {loop.dim: loop.step}) if loop.dim in RELEVANT["inputs"] else (0,) * len(names)
        address = box.address(at) if position < program.depth else 0
        outer.append(NestLoop(loop.extent, (address, at[3], at[4], *(0 for _ in fields))))
    return LoopNest(("address", "y", "x", *fields), tuple(inner), tuple(outer), array.changes[1], program.tile_change("inputs"))


def results_nest(program: SystemProgram) -> LoopNest:
    """Return the walk over the buffer of sums, in the order in which they leave the array."""
    array, box, nest = program.array, program.outputs, program.array.nest
    inner = []
    for coordinate, extent in reversed(list(enumerate(tile_extents(nest, "outputs")))):
        if extent > 1:
            inner.append(NestLoop(extent, (box.address(_unit(coordinate)),)))
    for axis in array.array.shared("outputs"):
        for spread in nest.spreads[1]:
            if spread.axis == axis.name and spread.dim in RELEVANT["outputs"]:
                inner.append(NestLoop(spread.extent, (_output_step(program, spread.dim, spread.step),)))
    outer = [
        NestLoop(loop.extent, (_output_step(program, loop.dim, loop.step) if at < program.depth else 0,))
        for at, loop in enumerate(array.outer)
    ]
    return LoopNest(("address",), tuple(inner), tuple(outer), array.changes[2], program.tile_change("outputs"))


def _unit(coordinate: int) -> Coordinates:
    return tuple(int(each == coordinate) for each in range(5))


def _output_step(program: SystemProgram, dim: str, step: int) -> int:
    """Return the words from one iteration of a loop to the next in the buffer of sums."""
    return program.outputs.address(base(program.layer, "outputs", {dim: step})) if dim in RELEVANT["outputs"] else 0
