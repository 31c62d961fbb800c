"""The tiles that go over the memory port, one after the other, clipped to what the tensors have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from dataflows.nest.rules import RELEVANT
from dataflows.spatial.program import base
from dataflows.spatial.system.geometry import channel_beats
from dataflows.spatial.system.ports import Request, adjacent
from dataflows.spatial.system.program import SystemProgram
from dataflows.workload import DIMS


@dataclass(frozen=True, slots=True)
class Tile:
    """One tile of inputs or outputs.

    Attributes
    ----------
    skipped : int
        Rows and columns before the image that are passed over, a cycle each.
    request : Request or None
        What is read or written, addresses counted from the tensor's first beat; None for a tile outside the tensor.
    first : tuple of int
        Its first image, row, and beat of a pixel's channels.
    """

    skipped: int
    request: Request | None
    first: tuple[int, int, int]

    @property
    def beats(self) -> int:
        """Beats inside the tensor."""
        return self.request.count if self.request else 0


def _origins(program: SystemProgram, tensor: str) -> Iterator[dict[str, int]]:
    """Yield the first loop indices of every tile of a tensor, in the order in which they are needed."""
    loops = program.array.outer[program.tile_change(tensor) :][::-1]
    for counters in product(*(range(loop.extent) for loop in loops)):
        at: dict[str, int] = dict.fromkeys(DIMS, 0)
        for loop, index in zip(loops, counters, strict=True):
            at[loop.dim] += index * loop.step
        yield at


def input_tiles(program: SystemProgram) -> Iterator[Tile]:
    """Yield all tiles of inputs."""
    layer, box, words = program.layer, program.inputs, program.system.beat_words("inputs")
    wide, pixel = -(-box.channels // words), channel_beats(layer, program.system, "inputs")
    for at in _origins(program, "inputs"):
        image, group, channel, row, col = base(layer, "inputs", {dim: at[dim] for dim in DIMS if dim in RELEVANT["inputs"]})
        row, col = row - layer.padding[0], col - layer.padding[1]
        above, left = max(0, -row), max(0, -col)
        beat = (group * layer.C + channel) // words
        counts = (
            _inside(image, box.images, layer.N), _inside(row + above, max(0, box.rows - above), layer.H),
            _inside(col + left, max(0, box.cols - left), layer.W), _inside(beat, wide, pixel),
        )  # fmt: skip
        steps = layer.H * layer.W * pixel, layer.W * pixel, pixel
        address = image * steps[0] + (row + above) * steps[1] + (col + left) * steps[2] + beat
        yield Tile(above + left, Request(address, *counts, steps) if all(counts) else None, (image, row + above, beat))


def output_tiles(program: SystemProgram) -> Iterator[Tile]:
    """Yield all tiles of outputs."""
    layer, sizes, words = program.layer, program.sizes, program.system.beat_words("outputs")
    wide, pixel = -(-program.outputs.channels // words), channel_beats(layer, program.system, "outputs")
    several = sizes["G"] > 1
    most = pixel if several else -(-layer.K // words)
    for at in _origins(program, "outputs"):
        channel = at["G"] * layer.K if several else at["K"]
        counts = (
            _inside(at["N"], sizes["N"], layer.N), _inside(at["P"], sizes["P"], layer.P),
            _inside(at["Q"], sizes["Q"], layer.Q), _inside(channel // words, wide, most),
        )  # fmt: skip
        steps = layer.P * layer.Q * pixel, layer.Q * pixel, pixel
        first = (at["G"] * layer.K + at["K"]) // words
        address = at["N"] * steps[0] + at["P"] * steps[1] + at["Q"] * steps[2] + first
        yield Tile(0, Request(address, *counts, steps) if all(counts) else None, (at["N"], at["P"], first))


def weight_tiles(program: SystemProgram) -> Iterator[Request]:
    """Yield all tiles of weights."""
    beats = program.weight_beats
    for at in _numbers(program):
        yield adjacent(at * beats, beats)


def _numbers(program: SystemProgram) -> Iterator[int]:
    """Yield which tile of weights is needed next, in the order in which they lie in memory."""
    change = program.tile_change("weights")
    loops, step, found = program.array.outer[change:], 1, []
    for loop in loops:
        own = loop.dim in RELEVANT["weights"]
        found.append((loop.extent, step if own else 0))
        step *= loop.extent if own else 1
    for counters in product(*(range(extent) for extent, _ in found[::-1])):
        yield sum(at * each for at, (_, each) in zip(counters, found[::-1], strict=True))


def _inside(first: int, most: int, limit: int) -> int:
    """Return how many of `most` from `first` on are below `limit`."""
    return max(0, min(most, limit - first))
