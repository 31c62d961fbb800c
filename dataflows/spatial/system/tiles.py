"""The tiles that go over the memory port, one after the other, clipped to what the tensors have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from dataflows.nest.rules import RELEVANT
from dataflows.spatial.program import base
from dataflows.spatial.system.geometry import channel_beats
from dataflows.spatial.system.program import SystemProgram
from dataflows.workload import DIMS


@dataclass(frozen=True, slots=True)
class InputTile:
    """One tile of inputs.

    Attributes
    ----------
    skipped : int
        Rows and columns before the image that are passed over, a cycle each.
    beats : int
        Beats inside the tensor.
    """

    skipped: int
    beats: int


def _origins(program: SystemProgram, tensor: str) -> Iterator[dict[str, int]]:
    """Yield the first loop indices of every tile of a tensor, in the order in which they are needed."""
    loops = program.array.outer[program.tile_change(tensor) :][::-1]
    for counters in product(*(range(loop.extent) for loop in loops)):
        at: dict[str, int] = dict.fromkeys(DIMS, 0)
        for loop, index in zip(loops, counters, strict=True):
            at[loop.dim] += index * loop.step
        yield at


def input_tiles(program: SystemProgram) -> Iterator[InputTile]:
    """Yield all tiles of inputs."""
    layer, box, words = program.layer, program.inputs, program.system.beat_words("inputs")
    wide = -(-box.channels // words)
    for at in _origins(program, "inputs"):
        image, group, channel, row, col = base(layer, "inputs", {dim: at[dim] for dim in DIMS if dim in RELEVANT["inputs"]})
        row, col = row - layer.padding[0], col - layer.padding[1]
        above, left = max(0, -row), max(0, -col)
        beats = (
            _inside(image, box.images, layer.N)
            * _inside(row + above, max(0, box.rows - above), layer.H)
            * _inside(col + left, max(0, box.cols - left), layer.W)
            * _inside((group * layer.C + channel) // words, wide, channel_beats(layer, program.system, "inputs"))
        )
        yield InputTile(above + left, beats)


def output_tiles(program: SystemProgram) -> Iterator[int]:
    """Yield the beats of all tiles of outputs."""
    layer, sizes, words = program.layer, program.sizes, program.system.beat_words("outputs")
    wide = -(-program.outputs.channels // words)
    several = sizes["G"] > 1
    most = channel_beats(layer, program.system, "outputs") if several else -(-layer.K // words)
    for at in _origins(program, "outputs"):
        channel = at["G"] * layer.K if several else at["K"]
        yield (
            _inside(at["N"], sizes["N"], layer.N) * _inside(at["P"], sizes["P"], layer.P)
            * _inside(at["Q"], sizes["Q"], layer.Q) * _inside(channel // words, wide, most)
        )  # fmt: skip


def _inside(first: int, most: int, limit: int) -> int:
    """Return how many of `most` from `first` on are below `limit`."""
    return max(0, min(most, limit - first))
