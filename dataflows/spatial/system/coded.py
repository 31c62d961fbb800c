"""Feature maps of a layer as coded rows: how they lie in memory, which rows a tile has, and what may not be coded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dataflows.feasible import Infeasible
from dataflows.spatial.system.coding import LENGTH_BITS, RowLayout
from dataflows.spatial.system.geometry import channel_beats
from dataflows.spatial.system.program import SystemProgram
from dataflows.spatial.system.row_code import RowCode, row_code
from dataflows.spatial.system.tiles import Tile, input_tiles, output_tiles

CODED = ("inputs", "outputs")
Reason = tuple[str, int, int, str, str]


@dataclass(frozen=True, slots=True)
class Codes:
    """What the coders do with every row of a layer's tensors, by the row's number; empty for a tensor that is not coded."""

    inputs: tuple[RowCode, ...] = ()
    outputs: tuple[RowCode, ...] = ()


@dataclass(frozen=True, slots=True)
class CodedTile:
    """One tile of coded rows.

    Attributes
    ----------
    skipped : int
        See `dataflows.spatial.system.tiles.Tile`.
    rows : tuple of int
        Numbers of its rows, in order; for a tile of inputs outside the image the first row of all, for one of outputs none.
    beats : int
        Beats of each row that the tile has, decoded.
    """

    skipped: int
    rows: tuple[int, ...]
    beats: int


def channel_step(program: SystemProgram, tensor: str) -> int:
    """Return the beats of a pixel's channels from tile to tile: the least of the loops over memory, or all."""
    words, own = program.system.beat_words(tensor), _channels(program, tensor)
    steps = [loop.step * own[loop.dim] // words for loop in program.tile_loops if loop.dim in own]
    return max(1, min([*steps, channel_beats(program.layer, program.system, tensor)]))


def _channels(program: SystemProgram, tensor: str) -> dict[str, int]:
    """Return the loops that move along a tensor's channels, and how many channels a step of each is."""
    return {"C": 1, "G": program.layer.C} if tensor == "inputs" else {"K": 1, "G": program.layer.K}


def row_layout(program: SystemProgram, tensor: str) -> RowLayout:
    """Return how the coded rows of inputs or outputs lie in memory."""
    layer, system = program.layer, program.system
    high, wide = (layer.H, layer.W) if tensor == "inputs" else (layer.P, layer.Q)
    block = channel_step(program, tensor)
    blocks = -(-channel_beats(layer, system, tensor) // block)
    slot = -(-wide * block * system.beat_words(tensor) // system.code.pack)
    return RowLayout(layer.N, high, block, blocks, slot, -(-layer.N * high * blocks // system.table_entries))


def coded_violations(program: SystemProgram) -> Iterator[Reason]:
    """Yield the limits of coded tensors: (level, demand, bound, unit, remedy), demand may be within the bound."""
    for tensor, coded in zip(CODED, program.coded, strict=True):
        if not coded:
            continue
        layout, dims = row_layout(program, tensor), "QS" if tensor == "inputs" else "Q"
        cuts = sum(loop.dim in dims for loop in program.tile_loops)
        remedy = f"leave whole rows to stream, or do not code the {tensor}"
        yield "dram", cuts, 0, f"loops over {' or '.join(dims)}, which cut coded rows of {tensor}", remedy
        words, own = program.system.beat_words(tensor), _channels(program, tensor)
        for loop in program.tile_loops:
            past = loop.step * own.get(loop.dim, 0) // words % layout.block
            unit = f"beats of channels past a block of coded {tensor} in a tile of {loop.dim}"
            yield "dram", past, 0, unit, f"make tiles of whole blocks of channels, or do not code the {tensor}"
        sizes, inner = program.sizes, "C" if tensor == "inputs" else "K"
        span = (sizes["G"] - 1) * own["G"] + min(sizes[inner], own["G"]) - layout.block * words
        unit = f"channels of a tile of several groups past a block of coded {tensor}"
        yield "dram", span, 0, unit, f"take one group at a time, or leave {inner} to stream"
        coding = program.system.coding
        yield "rlc", layout.rows, coding.rows if coding else 0, f"coded rows of {tensor}", "enlarge rlc_rows, or split the layer"
        yield "memory", layout.beats, 1 << 30, f"beats of coded {tensor}", "split the layer"
        yield "program", layout.slot, (1 << LENGTH_BITS) - 1, f"beats of a coded row of {tensor}", "split the channels"


def codable(program: SystemProgram, wanted: tuple[bool, bool]) -> tuple[bool, bool]:
    """Return which of the wanted tensors can be coded with a program's mapping."""
    if program.system.coding is None:
        return False, False
    return wanted[0] and not obstacles(program, "inputs"), wanted[1] and not obstacles(program, "outputs")


def obstacles(program: SystemProgram, tensor: str) -> list[Infeasible]:
    """Return why a program's mapping does not let a tensor be coded, on a system with coders; nothing if it does."""
    trial = replace(program, coded=(tensor == "inputs", tensor == "outputs"))
    return [Infeasible(*reason, program.layer.name) for reason in coded_violations(trial) if reason[1] > reason[2]]


def coded_input_tiles(program: SystemProgram) -> Iterator[CodedTile]:
    """Yield all tiles of coded inputs."""
    layout = row_layout(program, "inputs")
    for tile in input_tiles(program):
        yield _coded(layout, tile) if tile.request else CodedTile(tile.skipped, (0,), 1)


def coded_output_tiles(program: SystemProgram) -> Iterator[CodedTile]:
    """Yield all tiles of coded outputs."""
    layout = row_layout(program, "outputs")
    for tile in output_tiles(program):
        yield _coded(layout, tile) if tile.request else CodedTile(0, (), 0)


def channels_last(program: SystemProgram, tensor: str, values: NDArray, fill: int = 0) -> NDArray[np.int64]:
    """Return (N, channels of all groups, height, width) with channels last, filled up to whole beats with `fill`."""
    images, channels, high, wide = values.shape
    words = channel_beats(program.layer, program.system, tensor) * program.system.beat_words(tensor)
    whole = np.full((images, high, wide, words), fill, np.int64)
    whole[..., :channels] = values.transpose(0, 2, 3, 1)
    return whole


def tensor_rows(program: SystemProgram, tensor: str, values: NDArray, fill: int) -> list[NDArray[np.int64]]:
    """Cut a tensor into its rows.

    Parameters
    ----------
    values : array of int, shape (N, channels of all groups, height, width)
        Stored values.
    fill : int
        What channels that fill up a beat hold.

    Returns
    -------
    list of arrays of int64
        By number, each of shape (pixels * words of a block,).
    """
    layout, whole = row_layout(program, tensor), channels_last(program, tensor, values, fill)
    size = layout.block * program.system.beat_words(tensor)
    blocks = [whole[..., at * size : (at + 1) * size] for at in range(layout.blocks)]
    return [block[n, y].reshape(-1) for n in range(layout.images) for y in range(layout.high) for block in blocks]


def codes_of(program: SystemProgram, inputs: list[NDArray[np.int64]], outputs: list[NDArray[np.int64]]) -> Codes:
    """Return the codes of rows (`tensor_rows`) less their zero point; of a tensor that is not coded none."""
    code, found = program.system.code, []
    for tensor, coded, rows in zip(CODED, program.coded, (inputs, outputs), strict=True):
        words = program.system.beat_words(tensor)
        found.append(tuple(row_code(row, code.run_bits, code.pack, words) for row in rows) if coded else ())
    return Codes(*found)


def drawn_codes(program: SystemProgram, seed: int = 0) -> Codes:
    """Return the codes of random tensors with the layer's densities: zeros are independent of each other."""
    rng, layer = np.random.default_rng(seed), program.layer
    shapes = (layer.N, layer.G * layer.C, layer.H, layer.W), (layer.N, layer.G * layer.K, layer.P, layer.Q)
    densities = layer.input_density, layer.output_density
    rows = [
        tensor_rows(program, tensor, rng.random(shape) < density, 0) if coded else []
        for tensor, coded, shape, density in zip(CODED, program.coded, shapes, densities, strict=True)
    ]
    return codes_of(program, *rows)


def _coded(layout: RowLayout, tile: Tile) -> CodedTile:
    """Return the rows of a tile that is inside its tensor."""
    request, (image, row, beat) = tile.request, tile.first
    assert request is not None
    rows = tuple(layout.number(image + n, row + y, beat) for n in range(request.images) for y in range(request.rows))
    return CodedTile(tile.skipped, rows, request.cols * min(request.beats, layout.block))
