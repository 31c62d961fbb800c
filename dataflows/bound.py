"""Lower bounds on cycles: every engine at full speed, everything that may overlap does.

The exact schedule can only be longer (`bound <= schedule`): it adds waiting for tokens, latency and pipeline constants.
What the hardware can never overlap is in the bound: the array waits for the first step's load, and the last output
tile is post-processed and stored after the array's last step (docs/hardware.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from dataflows.arch import Accelerator
from dataflows.counts import Counts, count
from dataflows.problem import problem, tiles
from dataflows.tiling import Tiling, window
from dataflows.workload import Layer

Ints = TypeVar("Ints", int, NDArray[np.int64])
TURN = 6
"""Cycles between a step's last issue and that of the second step after it, beside beats, latency and issue: the half comes
free, the port is taken, data are marked as loaded, the step is taken and set up."""


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
        Channel by channel steps can be so short that latency counts: there is a third one, see `turns`.
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
    takes `rows` cycles per fold and pixel block, and `rows` to move its last sums out. Channel by channel, past the array, a
    fold takes a cycle per pixel.
    """
    rows = acc.array.rows
    one, cut = problem(layer, acc), tiles(layer, acc, tiling)
    if layer.op != "mac":
        return layer.N * one.folds * layer.P * layer.Q
    steps = layer.N * cut.channel_tiles
    if acc.array.outputs_stay:
        return layer.N * one.folds * rows * cut.pixel_blocks(rows) + steps * cut.pixel_tiles * rows
    later_folds = layer.N * (one.folds - cut.channel_tiles)
    return sum(number * (steps * (rows + pixels) + later_folds * max(pixels, rows)) for pixels, number in cut.shapes)


def first_load(layer: Layer, acc: Accelerator, tiling: Tiling) -> int:
    """Return the beats of the first step's load: inputs, weights and scales."""
    one, cut = problem(layer, acc), tiles(layer, acc, tiling)
    planes = cut.blocks if one.walks_groups else cut.channels
    height = min(layer.H, max(0, window(layer, 0, cut.p) - layer.padding[0]))
    width = min(layer.W, max(0, window(layer, 1, cut.q) - layer.padding[1]))
    weights = cut.blocks * cut.channels * layer.R * layer.S * one.blocking.weight_rows
    scales = cut.blocks * acc.post_groups
    return planes * height * width * one.input_beats + weights * one.weight_beats + scales * one.scale_beats


def first_tile_cycles(layer: Layer, acc: Accelerator, tiling: Tiling) -> int:
    """Return the issue cycles of the first output tile, all its C tiles."""
    one, cut, rows = problem(layer, acc), tiles(layer, acc, tiling), acc.array.rows
    pixels = cut.p * cut.q
    folds = cut.blocks * one.blocking.c_blocks * layer.R * layer.S
    steps = cut.c_tiles
    if layer.op != "mac":
        return folds * pixels
    if acc.array.outputs_stay:
        return -(-pixels // rows) * folds * rows + steps * rows
    return steps * (rows + pixels) + (folds - steps) * max(pixels, rows)


def last_outputs(layer: Layer, acc: Accelerator, tiling: Tiling) -> int:
    """Return the words of the last output tile."""
    cut = tiles(layer, acc, tiling)
    return cut.last_blocks * cut.last_p * cut.last_q


def every_step_loads(layer: Layer) -> bool:
    """Whether no window lies in the padding alone: then every step loads something, whatever the tiling."""
    return all(
        window(layer, axis, 1) > layer.padding[axis] and (outputs - 1) * layer.stride[axis] - layer.padding[axis] < size
        for axis, (size, outputs) in enumerate(((layer.H, layer.P), (layer.W, layer.Q)))
    )


def turns(layer: Layer, acc: Accelerator, steps: Ints, beats: Ints, compute: Ints) -> Ints:
    """Return cycles that steps take because a buffer has two halves, at least; 0 where that is not looked at.

    A step is loaded after the second step before it has been computed, and computed after its data have come. So the loads,
    latencies and computations of every other step stand in a row, and the longer of the two rows is no less than half of all.

    Parameters
    ----------
    steps, beats, compute : int or array of int
        Steps (below three the other chains say more), beats of all their loads, cycles in which they are computed.
    """
    every_step_loads = all(
        window(layer, axis, 1) > layer.padding[axis] and (outputs - 1) * layer.stride[axis] - layer.padding[axis] < size
        for axis, (size, outputs) in enumerate(((layer.H, layer.P), (layer.W, layer.Q)))
    )
    if layer.op == "mac" or not every_step_loads:
        return steps * 0
    memory = acc.memory
    total = beats * memory.interval + steps * (memory.latency + TURN - memory.interval) + compute
    return -(-total // 2) * (steps >= 3)


def bound(layer: Layer, acc: Accelerator, tiling: Tiling, counts: Counts | None = None, program_beats: int = 0) -> Bound:
    """Return what each resource needs; pass `counts` when they are at hand already."""
    counts = counts or count(layer, acc, tiling, program_beats)
    compute = compute_cycles(layer, acc, tiling)
    post = counts.levels["scale_buffer"]["scales"]["reads"]
    words, cut = last_outputs(layer, acc, tiling), tiles(layer, acc, tiling)
    program, dram = counts.levels["dram"]["program"]["reads"], counts.levels["dram"]
    loads = sum(dram[tensor]["reads"] for tensor in ("inputs", "weights", "scales"))
    alternate = turns(layer, acc, layer.N * cut.channel_tiles * cut.pixel_tiles, loads, compute)
    chain = max(
        _port_cycles(program + first_load(layer, acc, tiling), acc)
        + max(compute + words * acc.post_groups, first_tile_cycles(layer, acc, tiling) + post),
        program + alternate + words * acc.post_groups,
    ) + _port_cycles(words * problem(layer, acc).output_beats, acc)
    return Bound(compute, post, _port_cycles(counts.dram_beats, acc), chain)


def _port_cycles(beats: int, acc: Accelerator) -> int:
    """Return the fewest cycles for `beats`; the last one needs no pause after it."""
    return (beats - 1) * acc.memory.interval + 1
