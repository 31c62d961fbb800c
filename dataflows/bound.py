"""Lower bounds on cycles: every engine at full speed, everything that may overlap does.

The exact schedule can only be longer (`bound <= schedule`): it adds waiting for tokens, latency and pipeline constants.
What the hardware can never overlap is in the bound: the array waits for the first step's load, and the last output
tile is post-processed and stored after the array's last step (docs/hardware.md).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from dataflows.arch import Accelerator
from dataflows.counts import Counts, Totals, count, pixel_blocks, split
from dataflows.tiling import Blocking, Tiling, window
from dataflows.workload import Layer


@dataclass(frozen=True, slots=True)
class Bound:
    """Cycles each resource is busy at least.

    Attributes
    ----------
    compute : int
        The array's issue slots.
    post : int
        The post unit: one scale-buffer read a cycle.
    dram : int
        The memory port: one beat every `interval` cycles, reads and writes together.
    chain : int
        The longer of two chains without overlap: first load, all of compute, post-processing and store of the last
        output tile; or first load, compute of the first output tile, all of post-processing, store of the last one.
    """

    compute: int
    post: int
    dram: int
    chain: int

    @property
    def cycles(self) -> int:
        """The bound."""
        return max(self.post, self.dram, self.chain)

    @property
    def binds(self) -> str:
        """The busiest resource: ``compute``, or the level whose port it is, ``dram`` or ``scale_buffer``."""
        busiest = max(self.compute, self.post, self.dram)
        if self.compute == busiest:
            return "compute"
        return "dram" if self.dram == busiest else "scale_buffer"


def compute_cycles(layer: Layer, acc: Accelerator, tiling: Tiling) -> int:
    """Return the cycles in which the array is issued to, over all steps.

    A weight-stationary step of F folds over M pixels shifts its first weights in (`rows`), runs F - 1 folds, each as
    long as the longer of its pixels and the next fold's weights, and then the last one. An output-stationary step
    takes `rows` cycles per fold and pixel block, and `rows` to move its last sums out.
    """
    rows = acc.array.rows
    totals = Totals.of(layer, acc, tiling)
    steps = layer.N * totals.channel_tiles
    if acc.array.outputs_stay:
        return layer.N * totals.folds * rows * pixel_blocks(layer, acc, tiling) + steps * totals.pixel_tiles * rows
    later_folds = layer.N * (totals.folds - totals.channel_tiles)
    return sum(
        count_p * count_q * (steps * (rows + p * q) + later_folds * max(p * q, rows))
        for p, count_p in split(layer.P, tiling.p)
        for q, count_q in split(layer.Q, tiling.q)
    )


def first_load(layer: Layer, acc: Accelerator, tiling: Tiling) -> int:
    """Return the beats of the first step's load: inputs, weights and scales."""
    blocking = Blocking.of(layer, acc)
    packed = blocking.packed > 1
    blocks = min(tiling.blocks, blocking.walked)
    channels = min(tiling.c_blocks, blocking.c_blocks)
    planes = blocks if packed else channels
    pixels = 1
    for axis, (size, outputs) in enumerate(((layer.H, min(tiling.p, layer.P)), (layer.W, min(tiling.q, layer.Q)))):
        pixels *= min(size, max(0, window(layer, axis, outputs) - layer.padding[axis]))
    weights = blocks * channels * layer.R * layer.S * blocking.weight_rows
    return (
        planes * pixels * acc.beats(acc.input_word_bits)
        + weights * acc.beats(acc.weight_word_bits)
        + blocks * acc.post_groups * acc.beats(acc.scale_word_bits)
    )


def first_tile_cycles(layer: Layer, acc: Accelerator, tiling: Tiling) -> int:
    """Return the issue cycles of the first output tile, all its C tiles."""
    blocking, rows = Blocking.of(layer, acc), acc.array.rows
    blocks = min(tiling.blocks, blocking.walked)
    pixels = min(tiling.p, layer.P) * min(tiling.q, layer.Q)
    folds = blocks * blocking.c_blocks * layer.R * layer.S
    steps = math.ceil(blocking.c_blocks / tiling.c_blocks)
    if acc.array.outputs_stay:
        return math.ceil(pixels / rows) * folds * rows + steps * rows
    return steps * (rows + pixels) + (folds - steps) * max(pixels, rows)


def last_outputs(layer: Layer, acc: Accelerator, tiling: Tiling) -> int:
    """Return the words of the last output tile."""
    blocking = Blocking.of(layer, acc)
    words = 1
    for whole, tile in ((blocking.walked, tiling.blocks), (layer.P, tiling.p), (layer.Q, tiling.q)):
        words *= split(whole, tile)[-1][0]
    return words


def bound(layer: Layer, acc: Accelerator, tiling: Tiling, counts: Counts | None = None, program_beats: int = 0) -> Bound:
    """Return what each resource needs; pass `counts` when they are at hand already."""
    counts = counts or count(layer, acc, tiling, program_beats)
    compute = compute_cycles(layer, acc, tiling)
    post = counts.levels["scale_buffer"]["scales"]["reads"]
    words = last_outputs(layer, acc, tiling)
    chain = (
        _port_cycles(counts.levels["dram"]["program"]["reads"] + first_load(layer, acc, tiling), acc)
        + max(compute + words * acc.post_groups, first_tile_cycles(layer, acc, tiling) + post)
        + _port_cycles(words * acc.beats(acc.output_word_bits), acc)
    )
    return Bound(compute, post, _port_cycles(counts.dram_beats, acc), chain)


def _port_cycles(beats: int, acc: Accelerator) -> int:
    """Return the fewest cycles for `beats`; the last one needs no pause after it."""
    return (beats - 1) * acc.memory.interval + 1
