"""A bound closer to the schedule: what every step, tile and layer takes beside its work, many tilings at once.

`dataflows.bound` counts work alone. Here the fixed cycles of `dataflows.schedule` that lie on its chains are added: a step
takes 2 on the array and up to 5 on the memory port, an output tile 1 in the post unit and up to 3 on the port, and a layer its
program's latency, configuration, the first data's latency, the way through the array and the post unit, and the store's
beginning. It is still a bound, on the native memory port and on slower ones, and often less than a thousandth below the
schedule; mappers prove by it which tilings need no schedule.

With the interval i of the port, requests of two loads are 4 cycles apart at least, of a load behind a store 3, of a store 4;
within a load each of the three kinds takes a cycle. What the interval itself keeps apart counts once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dataflows.batch import Batch, Features, Figures, Ints
from dataflows.bound import every_step_loads
from dataflows.schedule import LANE_LATENCY, POST_LATENCY, STORE_LAG

STEP_GAPS, TILE_GAPS = {1: 5, 2: 2, 3: 1}, {1: 3, 2: 2, 3: 1}
"""Cycles of the port between the beats of loads and of stores, beside the interval, by interval; none where it is longer."""


@dataclass(frozen=True, slots=True)
class Reach:
    """The fixed cycles of one layer on one accelerator.

    Attributes
    ----------
    batch : Batch
        Layer, accelerator and prices.
    begin : int
        Cycle in which the first load may be asked for, at least.
    drain : int
        Cycles from a tile's last issue until the post unit sees it.
    """

    batch: Batch
    begin: int
    drain: int

    @classmethod
    def of(cls, batch: Batch) -> Reach:
        """Return them; the names are those of `dataflows.schedule`."""
        array, memory = batch.acc.array, batch.acc.memory
        begin = max(batch.program_beats - 1, 0) * memory.interval + memory.latency + max(array.rows, array.cols) + 10
        through = array.rows + array.cols + (3 if array.outputs_stay else 1) + array.pe_stages
        return cls(batch, begin, LANE_LATENCY if batch.layer.op != "mac" else through)

    def cycles(self, features: Features, figures: Figures, tile_words: Ints) -> Ints:
        """Return cycles that no schedule is below.

        Parameters
        ----------
        features, figures : Features, Figures
            What is known of the tilings.
        tile_words : ndarray, int64
            Words of a full output tile, at most.
        """
        batch, layer, acc = self.batch, self.batch.layer, self.batch.acc
        gap, groups, latency = acc.memory.interval, acc.post_groups, acc.memory.latency
        output_beats = batch.beats["outputs"]
        tiles = layer.N * (features.channel_tiles // features.c_tiles) * features.pixel_tiles
        steps = tiles * features.c_tiles
        stores = batch.outputs * output_beats
        loads = figures.dram_beats - batch.program_beats - stores
        # From the last issue to the end: seen by post, its words, written; the store waits for three states of the port.
        end = self.drain + 1 + features.last * groups + POST_LATENCY + 1 + 3 + (features.last * output_beats - 1) * gap + 1
        loading = every_step_loads(layer)  # scales and inputs at least
        first = self.begin + 2 + (features.first_load - batch.program_beats - 1) * gap + (loading and gap == 1)
        taken = first + latency + 2
        work = np.maximum(
            figures.compute + 2 * steps - 1,
            features.first_tile + 2 * features.c_tiles - 1 + (batch.outputs - features.last) * groups + tiles - 1,
        )
        of_step, of_tile = STEP_GAPS.get(gap, 0), TILE_GAPS.get(gap, 0)
        port = self.begin + 3 + (loads + stores - 1) * gap + of_step * (steps - 1) + of_tile * tiles
        # So many stores, of full tiles at most, are left when the last step has been loaded.
        left = STORE_LAG + 1
        early = np.maximum(stores - left * tile_words * output_beats, 0) * gap + of_tile * np.maximum(tiles - left, 0)
        # The last step may ask for scales alone; the cycles of weights and inputs that it does not ask for come later.
        asked = self.begin + 2 + (loads - 1) * gap + of_step * (steps - 1) - 2 * ((steps > 1) & (gap == 1)) + early
        arrived = asked + latency * loading
        tail = arrived + 3 + features.last * (layer.R * layer.S) + end
        return np.maximum(np.maximum(figures.bound_cycles, port), np.maximum(taken + work + end, tail))
