"""The bound closer to the schedule."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from dataflows.arch import Accelerator, Array, Memory
from dataflows.batch import Batch
from dataflows.problem import tiles
from dataflows.program import program_beats
from dataflows.reach import Reach
from dataflows.schedule import schedule
from dataflows.tech import technology
from dataflows.tiling import Tiling
from dataflows.workload import Layer
from tests.strategies import any_jobs

TECH = technology()


def reached(layer: Layer, acc: Accelerator, tiling: Tiling) -> tuple[int, int]:
    """Return (bound, reach) of one tiling."""
    batch = Batch(layer, acc, TECH, program_beats(acc))
    features = batch.features(*(np.array([size]) for size in (tiling.blocks, tiling.c_blocks, tiling.p, tiling.q)), tiling.order)
    figures, cut = batch.price(features), tiles(layer, acc, tiling)
    words = np.array([cut.blocks * cut.p * cut.q])
    return int(figures.bound_cycles[0]), int(Reach.of(batch).cycles(features, figures, words)[0])


@settings(max_examples=300)
@given(any_jobs())
def test_no_schedule_is_below_it_and_it_is_not_below_the_bound(job: tuple[Layer, Accelerator, Tiling]) -> None:
    bound, reach = reached(*job)
    assert bound <= reach <= schedule(*job).cycles


@pytest.mark.parametrize("dataflow", ["ws", "os"])
@pytest.mark.parametrize("interval", [1, 2, 3, 5])
@pytest.mark.parametrize("sizes", [(1, 1, 4, 4), (2, 3, 8, 4)])
def test_it_is_close_where_one_resource_is_always_busy(dataflow, interval, sizes) -> None:
    """Array or memory port: tiles are large enough for the other to keep up."""
    layer = Layer.conv("c", K=16, C=24, H=16, W=16, R=3, S=3, padding=1)
    acc = Accelerator("a", Array(8, 8, dataflow), Memory(16, interval), input_words=512, weight_words=512, acc_words=64)
    bound, reach = reached(layer, acc, Tiling(*sizes))
    cycles = schedule(layer, acc, Tiling(*sizes)).cycles
    assert bound < reach <= cycles
    assert cycles / reach < 1.007
