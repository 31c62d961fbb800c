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
- Channel by channel (`Layer.op`) a fold is one (block, operand, r, s) of a step on an array of either kind: as weight
  stationary, but a block's word of factors (`multiply`) is read once a step, and other operations have no weights.
- DRAM counts are beats: a word takes a whole number of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from dataflows.arch import Accelerator
from dataflows.problem import problem, tiles
from dataflows.tiling import RELEVANT, Tiling, relevant, window
from dataflows.workload import Layer

Levels = dict[str, dict[str, dict[str, int]]]
LANE_REGISTERS = ("lane_inputs", "lane_coefficients", "lane_terms")
"""Registers of a lane of the path past the array (`rtl/accelerator/lanes.py`), in the order a word passes them."""


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
        (accumulator width). For operations channel by channel those of `LANE_REGISTERS` instead.
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


def fetch_repeats(
    order: tuple[str, ...], tiles: dict[str, int], moved_by: dict[str, frozenset[str]] = RELEVANT
) -> dict[str, int]:
    """Return how often the whole of each loaded tensor is fetched (codesign reference, 4.2).

    Parameters
    ----------
    order : tuple of str
        Tile loops, outermost first; C follows as the innermost.
    tiles : dict
        Iterations of each loop.
    moved_by : dict
        Loops that each tensor depends on, see `dataflows.tiling.relevant`.
    """
    repeats = {}
    for tensor, needed in moved_by.items():
        times, moved = 1, False  # has a relevant loop been seen inside?
        for dim in ("C", *order[::-1]):
            extent = tiles[dim]
            if extent > 1:
                if dim in needed:
                    moved = True
                elif moved:
                    times *= extent
        repeats[tensor] = times
    return repeats


def clipped_sum(start: int, step: int, count: int, top: int) -> int:
    """Return the sum of ``start + i*step`` clipped to 0..top over i in 0..count-1, in closed form."""

    def above(offset: int) -> int:  # sum of max(0, offset + i*step)
        first = min(count, max(0, -(offset // step)))
        terms = count - first
        return terms * (offset + first * step) + step * terms * (terms - 1) // 2

    return above(start) - above(start - top)


@lru_cache(maxsize=4096)
def window_total(layer: Layer, axis: int, tile: int) -> int:
    """Return the input rows (axis 0) or columns (axis 1) fetched over all tiles of one pass, clipped to the image.

    It is the sum of all windows' ends less the sum of their starts; `tile` is no larger than the output.
    """
    size, outputs = ((layer.H, layer.P), (layer.W, layer.Q))[axis]
    tiles = -(-outputs // tile)
    pad, advance = layer.padding[axis], tile * layer.stride[axis]
    last = window(layer, axis, outputs) - pad  # where the last tile's window ends
    ends = clipped_sum(window(layer, axis, tile) - pad, advance, tiles - 1, size) + min(max(last, 0), size)
    return ends - clipped_sum(-pad, advance, tiles, size)


def count(layer: Layer, acc: Accelerator, tiling: Tiling, program_beats: int = 0, table: bool = False) -> Counts:
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
        Beats of the layer program, and of its table, read once.
    table : bool
        Whether outputs are looked up in an activation table: every lane reads one entry of each part of a word.
    """
    one, cut = problem(layer, acc), tiles(layer, acc, tiling)
    blocking, outputs, groups = one.blocking, one.outputs, acc.post_groups
    repeats = fetch_repeats(tiling.order, cut.number, relevant(layer))
    planes = layer.N * blocking.group_blocks * blocking.c_blocks
    inputs = repeats["inputs"] * planes * window_total(layer, 0, cut.p) * window_total(layer, 1, cut.q)
    weights = repeats["weights"] * one.weight_words
    scales = repeats["scales"] * one.out_blocks * groups
    if layer.op != "mac" or not acc.array.outputs_stay:
        passes = blocking.c_blocks * layer.R * layer.S
        weight_reads = layer.N * cut.pixel_tiles * one.folds * one.live_rows
    else:
        passes = cut.c_tiles
        weight_reads = layer.N * cut.pixel_blocks(acc.array.rows) * one.folds * one.live_rows
    levels: Levels = {
        "input_buffer": {"inputs": _entry(one.input_reads, inputs)},
        "weight_buffer": {"weights": _entry(weight_reads, weights)},
        # passes - 1 of the reads add to a partial sum, the last one is the post unit's.
        "accumulator": {"psums": _entry(outputs * passes, outputs * passes)},
        "output_buffer": {"outputs": _entry(outputs, outputs)},
        "scale_buffer": {"scales": _entry(outputs * groups, scales)},
        "dram": {
            "inputs": _entry(inputs * one.input_beats, 0),
            "weights": _entry(weights * one.weight_beats, 0),
            "outputs": _entry(0, outputs * one.output_beats),
            "scales": _entry(scales * one.scale_beats, 0),
            "program": _entry(program_beats, 0),
        },
    }
    if table:
        lanes = acc.post_lanes
        levels["activation_table"] = {"tables": _entry(outputs * groups * lanes, lanes * acc.table_beats)}
    return Counts(levels, register_writes(layer, acc, tiling), layer.macs)


def register_writes(layer: Layer, acc: Accelerator, tiling: Tiling) -> dict[str, int]:
    """Return register writes in the array, PEs and edges (rtl/array): a word is written into every register it crosses.

    Weight stationary: an input word of a slot crosses all PEs of its rows, lane r behind r registers, and a psum is
    written in every PE. The `rows` weight words of a fold cross all rows, lane c behind c registers, and each PE takes
    its own twice more, behind and then in front of the wave.

    Output stationary: in each slot a row takes an input word into a shift register, which the word's lanes leave one
    by one through the PEs of the row; a weight word crosses all rows, lane c behind 1 + c registers; every PE updates
    its sum. The sums of a pixel block and step are held once and move down, that of row r through rows - r PEs.

    PEs of two stages hold every product, too (`products`); one stage reads registers that are there anyway.

    Channel by channel an input word passes the array by: each lane takes its operand, its coefficient and their product.
    """
    rows, cols = acc.array.rows, acc.array.cols
    if layer.op != "mac":
        words = layer.N * problem(layer, acc).folds * layer.P * layer.Q
        return dict.fromkeys(LANE_REGISTERS, words * acc.channel_lanes)
    one, cut = problem(layer, acc), tiles(layer, acc, tiling)
    stagger = cols * (cols - 1) // 2
    if not acc.array.outputs_stay:
        slots = layer.N * one.folds * layer.P * layer.Q
        loads = layer.N * one.folds * cut.pixel_tiles
        return {
            "inputs": slots * (rows * cols + rows * (rows - 1) // 2),
            "weights": loads * ((rows + 2) * rows * cols + rows * stagger),
            "psums": slots * rows * cols,
            **_products(acc, slots),
        }
    blocks = layer.N * cut.pixel_blocks(rows)
    slots = blocks * one.folds * rows
    drains = blocks * one.out_blocks * cut.c_tiles
    return {
        "inputs": slots * (rows * cols + rows * (rows + 1) // 2),
        "weights": slots * (rows * cols + cols + stagger),
        "psums": slots * rows * cols + drains * (rows * cols + cols * rows * (rows + 1) // 2),
        **_products(acc, slots),
    }


def _products(acc: Accelerator, slots: int) -> dict[str, int]:
    return {"products": slots * acc.array.macs} if acc.array.product_held else {}


def _entry(reads: int, writes: int) -> dict[str, int]:
    return {"reads": reads, "writes": writes}
