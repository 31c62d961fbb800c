"""The transactions of a layer with their addresses: what the tile sequencer makes of the fields of a layer program."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dataflows.arch import Accelerator
from dataflows.axi_port import ADDRESSES, Beats, Shape
from dataflows.fields import LEVELS
from dataflows.program import LayerProgram
from dataflows.steps import Steps

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Transactions:
    """Requests in order.

    Attributes
    ----------
    loads : list of tuple
        Per step: scales, weights and inputs; None where nothing is read.
    stores : list of Beats
        Per output tile.
    """

    loads: list[tuple[Beats | None, Beats | None, Beats | None]]
    stores: list[Beats]


def transactions(acc: Accelerator, program: LayerProgram, steps: Steps) -> Transactions:
    """Return the transactions of a program's steps; `steps` say how many beats each reads."""
    walk = _Walk(program, len(steps.issue))
    inputs, input_shapes = _inputs(acc, program, steps, walk)
    weights, scales = (
        _requests(walk.at(name), [Shape(1, 1, n) if n else None for n in beats.tolist()])
        for name, beats in (("weight", steps.weight_beats), ("scale", steps.scale_beats))
    )
    loads = list(zip(scales, weights, _requests(inputs, input_shapes), strict=True))
    stores = _requests(walk.at("output")[steps.last], _output_shapes(acc, program, steps, walk))
    return Transactions(loads, [request for request in stores if request is not None])


class _Walk:
    """Tile loops of a program: indices, addresses and positions per step."""

    def __init__(self, program: LayerProgram, steps: int) -> None:
        self.program = program
        flat = np.arange(steps)
        self.index: list[Ints] = []
        for level in range(LEVELS):
            extent = program[f"extent_{level}"]
            self.index.append(flat % extent)
            flat = flat // extent

    def at(self, name: str) -> Ints:
        """Return the walk of ``<name>_base`` by ``<name>_delta_l``: a loop's delta undoes what the loops inside it have added."""
        value = np.full(len(self.index[0]), self.program[f"{name}_base"])
        inside = 0
        for level, index in enumerate(self.index):
            stride = self.program[f"{name}_delta_{level}"] + inside
            inside += (self.program[f"extent_{level}"] - 1) * stride
            value += index * stride
        return value

    def size(self, name: str, level: str) -> Ints:
        """Return ``<name>_full`` or, in the last iteration of the loop that field `level` names, ``<name>_edge``."""
        number = self.program[level]
        last = self.index[number] == self.program[f"extent_{number}"] - 1
        return np.where(last, self.program[f"{name}_edge"], self.program[f"{name}_full"])


def _inputs(acc: Accelerator, program: LayerProgram, steps: Steps, walk: _Walk) -> tuple[Ints, list[Shape | None]]:
    """Return addresses and shapes of input tiles: windows without what lies outside the image."""
    beats = acc.beats(acc.input_word_bits)
    skip, left = [], []
    for axis, window, size in (("y", "window_h", "height"), ("x", "window_w", "width")):
        start = walk.at(axis)
        extent = walk.size(window, "level_p" if axis == "y" else "level_q")
        skip.append(np.maximum(-start, 0))
        left.append(np.maximum(np.minimum(start + extent, program[size]) - np.maximum(start, 0), 0))
    pitch = program["input_row_pitch"] % ADDRESSES, program["input_plane_pitch"] % ADDRESSES
    addr = walk.at("input") + skip[0] * pitch[0] + skip[1] * beats
    planes = steps.input_beats // np.maximum(left[0] * left[1] * beats, 1)
    columns = (planes.tolist(), left[0].tolist(), (left[1] * beats).tolist())
    return addr, [Shape(p, rows, row, *pitch) if p else None for p, rows, row in zip(*columns, strict=True)]


def _output_shapes(acc: Accelerator, program: LayerProgram, steps: Steps, walk: _Walk) -> list[Shape | None]:
    p, q = walk.size("p", "level_p")[steps.last], walk.size("q", "level_q")[steps.last]
    pitch = program["output_row_pitch"] % ADDRESSES, program["output_plane_pitch"] % ADDRESSES
    columns = ((steps.words[steps.last] // (p * q)).tolist(), p.tolist(), (q * acc.beats(acc.output_word_bits)).tolist())
    return [Shape(blocks, rows, row, *pitch) for blocks, rows, row in zip(*columns, strict=True)]


def _requests(addresses: Ints, shapes: list[Shape | None]) -> list[Beats | None]:
    return [shape and _beats(addr, shape) for addr, shape in zip((addresses % ADDRESSES).tolist(), shapes, strict=True)]


def _beats(addr: int, shape: Shape) -> Beats:
    last = addr + (shape.planes - 1) * shape.plane_pitch + (shape.rows - 1) * shape.row_pitch
    return Beats(addr, (last + shape.beats) % ADDRESSES, shape)
