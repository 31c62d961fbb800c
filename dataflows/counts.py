"""Exact access counts of one layer under one tiling, in closed form (the analytical view).

Rules of the hardware (docs/hardware.md), all integers. A *step* is one iteration of the tile loops, C innermost; a tile
at the end of a dimension has its true, smaller size.

- Stationarity (codesign reference, 4.2): a tensor's tile is fetched in the first step and whenever the index of a loop
  it depends on changed. Loops inside the innermost such loop cost nothing, irrelevant loops outside it repeat every
  fetch. Inputs depend on N, G, C, P, Q; weights on G, K, C; scales on G, K.
- Inputs of a tile: one word per channel block (packed group block) and pixel of the tile's window, clipped to the image.
- Weights of a tile: blocks x channel blocks x R x S x `weight_rows` words. Scales: blocks x `post_groups` words.
- Outputs: one word per block and pixel, post-processed (one accumulator read, `post_groups` scale reads), put into the
  output buffer, read from it and stored, once.
- A fold is one (block, channel block, r, s) of a step. Weight stationary: a fold reads its weight words once (a packed
  block reads the words of C channels for each of its groups) and one input word per pixel whose tap lies in the
  image; it writes one accumulator word per pixel and reads it too, unless the word holds nothing yet.
- Output stationary: pixels of a tile are taken `rows` at a time; each such pixel block reads every weight of its folds
  once and, for each pixel and fold, one input word if the tap lies in the image. Sums stay in the PEs until the step's
  channels are used up: one accumulator write per block and pixel of a step, and a read unless it is the first C tile.
- DRAM counts are beats: a word takes a whole number of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from dataflows.arch import Accelerator
from dataflows.tiling import RELEVANT, Blocking, Tiling, window
from dataflows.workload import Layer

Levels = dict[str, dict[str, dict[str, int]]]


@dataclass(frozen=True, slots=True)
class Counts:
    """Words read and written.

    Attributes
    ----------
    levels : dict
        ``{level: {tensor: {"reads": n, "writes": n}}}``, levels named as in `Accelerator.levels`; words of the level,
        at DRAM beats.
    array : dict
        Register writes inside the array, edges included: of ``inputs`` and ``weights`` (operand width) and of ``psums``
        (accumulator width).
    macs : int
        Useful multiply-accumulates, padding included.
    """

    levels: Levels
    array: dict[str, int]
    macs: int

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {"levels": self.levels, "array": self.array, "macs": self.macs}

    @property
    def dram_beats(self) -> int:
        """Beats on the memory port, reads and writes together."""
        return sum(entry["reads"] + entry["writes"] for entry in self.levels["dram"].values())


@dataclass(frozen=True, slots=True)
class Totals:
    """Sizes that all closed forms share.

    Attributes
    ----------
    out_blocks : int
        Output blocks of the layer, over all groups, for one image.
    folds : int
        Folds needed to compute every output block once at one tile of pixels: out_blocks x c_blocks x R x S.
    channel_tiles : int
        Tiles over G, K and C.
    c_tiles, pixel_tiles : int
        Tiles over C, and over P and Q.
    live_rows : int
        Array rows that get a weight word in a fold.
    """

    out_blocks: int
    folds: int
    channel_tiles: int
    c_tiles: int
    pixel_tiles: int
    live_rows: int

    @classmethod
    def of(cls, layer: Layer, acc: Accelerator, tiling: Tiling) -> Totals:
        """Work them out for one tiling."""
        blocking = Blocking.of(layer, acc)
        tiles = tiling.counts(layer, blocking)
        out_blocks = blocking.group_blocks * blocking.k_blocks
        return cls(
            out_blocks=out_blocks,
            folds=out_blocks * blocking.c_blocks * layer.R * layer.S,
            channel_tiles=tiles["G"] * tiles["K"] * tiles["C"],
            c_tiles=tiles["C"],
            pixel_tiles=tiles["P"] * tiles["Q"],
            live_rows=blocking.packed * layer.C if blocking.packed > 1 else blocking.weight_rows,
        )


def fetch_repeats(layer: Layer, acc: Accelerator, tiling: Tiling) -> dict[str, int]:
    """Return how often the whole of each loaded tensor is fetched (codesign reference, 4.2)."""
    tiles = tiling.counts(layer, Blocking.of(layer, acc))
    loops = [(dim, tiles[dim]) for dim in (*tiling.order, "C") if tiles[dim] > 1]
    repeats = {}
    for tensor, relevant in RELEVANT.items():
        innermost = max((i for i, (dim, _) in enumerate(loops) if dim in relevant), default=-1)
        repeats[tensor] = math.prod(extent for dim, extent in loops[: innermost + 1] if dim not in relevant)
    return repeats


def split(total: int, tile: int) -> tuple[tuple[int, int], ...]:
    """Return (size, how many) of the tiles that `total` falls into; at most two sizes."""
    full, rest = divmod(total, tile)
    return tuple((size, count) for size, count in ((tile, full), (rest, 1)) if size and count)


def clipped_sum(start: int, step: int, count: int, top: int) -> int:
    """Return the sum of ``start + i*step`` clipped to 0..top over i in 0..count-1, in closed form."""

    def above(offset: int) -> int:  # sum of max(0, offset + i*step)
        first = min(count, max(0, -(offset // step)))
        terms = count - first
        return terms * (offset + first * step) + step * terms * (terms - 1) // 2

    return above(start) - above(start - top)


def window_total(layer: Layer, axis: int, tile: int) -> int:
    """Return the input rows (axis 0) or columns (axis 1) fetched over all tiles of one pass, clipped to the image."""
    size, outputs = ((layer.H, layer.P), (layer.W, layer.Q))[axis]
    tiles = math.ceil(outputs / tile)
    pad, advance = layer.padding[axis], min(tile, outputs) * layer.stride[axis]
    last = (tiles - 1) * advance - pad
    reach = window(layer, axis, min(tile, outputs))
    tail = last + window(layer, axis, outputs - (tiles - 1) * min(tile, outputs))
    ends = clipped_sum(reach - pad, advance, tiles - 1, size) + min(max(tail, 0), size)
    return ends - clipped_sum(-pad, advance, tiles, size)


def taps_in_image(layer: Layer, axis: int) -> int:
    """Return how many (output, tap) pairs of one axis read inside the image."""
    size, outputs, taps = ((layer.H, layer.P, layer.R), (layer.W, layer.Q, layer.S))[axis]
    stride, dilation, pad = layer.stride[axis], layer.dilation[axis], layer.padding[axis]
    inside = 0
    for tap in range(taps):
        offset = tap * dilation - pad  # 0 <= output * stride + offset < size
        first = max(0, -(offset // stride))
        last = min(outputs - 1, (size - 1 - offset) // stride)
        inside += max(0, last - first + 1)
    return inside


def pixel_blocks(layer: Layer, acc: Accelerator, tiling: Tiling) -> int:
    """Return the groups of at most `rows` pixels over all tiles of the output plane."""
    return sum(
        count_p * count_q * math.ceil(p * q / acc.array.rows)
        for p, count_p in split(layer.P, tiling.p)
        for q, count_q in split(layer.Q, tiling.q)
    )


def count(layer: Layer, acc: Accelerator, tiling: Tiling, program_beats: int = 0) -> Counts:
    """Count the words that every level reads and writes per tensor.

    Parameters
    ----------
    layer : Layer
        The layer as it is mapped (see `Layer.flattened`).
    acc : Accelerator
        The hardware.
    tiling : Tiling
        A tiling that fits (`dataflows.tiling.violations` is empty); this is not checked again.
    program_beats : int
        Beats of the layer program, read once.
    """
    blocking = Blocking.of(layer, acc)
    totals = Totals.of(layer, acc, tiling)
    repeats = fetch_repeats(layer, acc, tiling)
    planes = layer.N * blocking.group_blocks * blocking.c_blocks
    inputs = repeats["inputs"] * planes * window_total(layer, 0, tiling.p) * window_total(layer, 1, tiling.q)
    weights = repeats["weights"] * totals.folds * blocking.weight_rows
    scales = repeats["scales"] * totals.out_blocks * acc.post_groups
    outputs = layer.N * totals.out_blocks * layer.P * layer.Q
    taps = taps_in_image(layer, 0) * taps_in_image(layer, 1)
    input_reads = layer.N * totals.out_blocks * blocking.c_blocks * taps
    if not acc.array.outputs_stay:
        passes = blocking.c_blocks * layer.R * layer.S
        weight_reads = layer.N * totals.pixel_tiles * totals.folds * totals.live_rows
    else:
        passes = totals.c_tiles
        weight_reads = layer.N * pixel_blocks(layer, acc, tiling) * totals.folds * totals.live_rows
    levels: Levels = {
        "input_buffer": {"inputs": _entry(input_reads, inputs)},
        "weight_buffer": {"weights": _entry(weight_reads, weights)},
        # passes - 1 of the reads add to a partial sum, the last one is the post unit's.
        "accumulator": {"psums": _entry(outputs * passes, outputs * passes)},
        "output_buffer": {"outputs": _entry(outputs, outputs)},
        "scale_buffer": {"scales": _entry(outputs * acc.post_groups, scales)},
        "dram": {
            "inputs": _entry(inputs * acc.beats(acc.input_word_bits), 0),
            "weights": _entry(weights * acc.beats(acc.weight_word_bits), 0),
            "outputs": _entry(0, outputs * acc.beats(acc.output_word_bits)),
            "scales": _entry(scales * acc.beats(acc.scale_word_bits), 0),
            "program": _entry(program_beats, 0),
        },
    }
    return Counts(levels, register_writes(layer, acc, tiling), layer.macs)


def register_writes(layer: Layer, acc: Accelerator, tiling: Tiling) -> dict[str, int]:
    """Return register writes in the array, PEs and edges (rtl/array): a word is written into every register it crosses.

    Weight stationary: an input word of a slot crosses all PEs of its rows, lane r behind r registers, and a psum is
    written in every PE. The `rows` weight words of a fold cross all rows, lane c behind c registers, and each PE takes
    its own twice more, behind and then in front of the wave.

    Output stationary: in each slot a row takes an input word into a shift register, which the words's lanes leave one
    by one through the PEs of the row; a weight word crosses all rows, lane c behind 1 + c registers; every PE updates
    its sum. The sums of a pixel block and step are held once and move down, that of row r through rows - r PEs.
    """
    rows, cols = acc.array.rows, acc.array.cols
    totals = Totals.of(layer, acc, tiling)
    stagger = cols * (cols - 1) // 2
    if not acc.array.outputs_stay:
        slots = layer.N * totals.folds * layer.P * layer.Q
        loads = layer.N * totals.folds * totals.pixel_tiles
        return {
            "inputs": slots * (rows * cols + rows * (rows - 1) // 2),
            "weights": loads * ((rows + 2) * rows * cols + rows * stagger),
            "psums": slots * rows * cols,
        }
    blocks = layer.N * pixel_blocks(layer, acc, tiling)
    slots = blocks * totals.folds * rows
    drains = blocks * totals.out_blocks * totals.c_tiles
    return {
        "inputs": slots * (rows * cols + rows * (rows + 1) // 2),
        "weights": slots * (rows * cols + cols + stagger),
        "psums": slots * rows * cols + drains * (rows * cols + cols * rows * (rows + 1) // 2),
    }


def _entry(reads: int, writes: int) -> dict[str, int]:
    return {"reads": reads, "writes": writes}
