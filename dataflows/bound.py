"""Lower bounds on cycles: every engine at full speed, everything else hidden behind the busiest one.

The exact schedule can only be longer (`bound <= schedule`): it adds fill, drain, waiting for tokens and latency.
"""

from __future__ import annotations

from dataclasses import dataclass

from dataflows.arch import Accelerator
from dataflows.counts import Counts, Totals, count, pixel_blocks, split
from dataflows.tiling import Tiling
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
    """

    compute: int
    post: int
    dram: int

    @property
    def cycles(self) -> int:
        """The bound."""
        return max(self.compute, self.post, self.dram)

    @property
    def binds(self) -> str:
        """``compute``, or the level whose port is busiest: ``scale_buffer`` or ``dram``."""
        if self.compute == self.cycles:
            return "compute"
        return "dram" if self.dram == self.cycles else "scale_buffer"


def compute_cycles(layer: Layer, acc: Accelerator, tiling: Tiling) -> int:
    """Return the cycles in which the array is issued to, over all steps.

    A weight-stationary step of F folds over M pixels shifts its first weights in (`rows`), runs F - 1 folds, each as
    long as the longer of its pixels and the next fold's weights, and then the last one. An output-stationary step
    takes `rows` cycles per fold and pixel block, and `rows` to move its last sums out.
    """
    rows = acc.array.rows
    totals = Totals.of(layer, acc, tiling)
    steps = layer.N * totals.channel_tiles
    if acc.array.dataflow == "os":
        return layer.N * totals.folds * rows * pixel_blocks(layer, acc, tiling) + steps * totals.pixel_tiles * rows
    later_folds = layer.N * (totals.folds - totals.channel_tiles)
    return sum(
        count_p * count_q * (steps * (rows + p * q) + later_folds * max(p * q, rows))
        for p, count_p in split(layer.P, tiling.p)
        for q, count_q in split(layer.Q, tiling.q)
    )


def bound(layer: Layer, acc: Accelerator, tiling: Tiling, counts: Counts | None = None, program_beats: int = 0) -> Bound:
    """Return what each resource needs; pass `counts` when they are at hand already."""
    counts = counts or count(layer, acc, tiling, program_beats)
    # The last beat needs no pause after it.
    dram = (counts.dram_beats - 1) * acc.memory.interval + 1
    return Bound(compute_cycles(layer, acc, tiling), counts.levels["scale_buffer"]["scales"]["reads"], dram)
