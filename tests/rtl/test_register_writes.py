"""Register writes: what the model counts, what the walker moves, and what is written in simulated hardware."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from amaranth.sim import Simulator

from dataflows.arch import Accelerator, Array
from dataflows.counts import register_writes
from dataflows.tiling import Tiling
from dataflows.walk_feed import Feed, feeds
from dataflows.walk_registers import register_latches
from dataflows.walk_tensors import Words
from dataflows.workload import Layer
from rtl.array import ArrayPlan, PEArray
from tests.rtl.array_bench import pack
from tests.rtl.registers import distinct, written

PERIOD_FS = 10**9
LAYERS = {
    "edge tiles": (Layer.conv("c", K=3, C=5, H=5, W=4, R=2, S=2), Tiling(1, 1, 3, 2)),
    "short waves": (Layer.gemm("g", M=2, N=5, K=7), Tiling(2, 2, 1, 1)),
    "groups side by side": (Layer.conv("d", K=4, C=4, G=4, H=4, W=3, R=3, S=1, stride=2), Tiling(1, 1, 1, 3)),
}


def record(plan: ArrayPlan, feed: Feed, path: Path) -> None:
    """Present a feed to the array, zeros where it is idle, and record all signals."""
    dut = PEArray(plan=plan)

    async def bench(ctx: Any) -> None:
        for cycle in range(len(feed.first)):
            ctx.set(dut.west, pack(np.nan_to_num(feed.west[cycle]).astype(int), plan.input_bits))
            ctx.set(dut.north, pack(np.nan_to_num(feed.north[cycle]).astype(int), plan.weight_bits))
            ctx.set(dut.west_slot, int(feed.slot[cycle]) if feed.slot[cycle] >= 0 else plan.rows)
            ctx.set(dut.first, int(feed.first[cycle]))
            ctx.set(dut.take, int(feed.take[cycle]))
            await ctx.tick()

    sim = Simulator(dut)
    sim.add_clock(PERIOD_FS * 1e-15)
    sim.add_testbench(bench)
    with sim.write_vcd(str(path)):
        sim.run()


@pytest.mark.parametrize("dataflow", ["ws", "os"])
@pytest.mark.parametrize("shape", [(3, 2), (2, 3), (1, 1), (4, 4)])
@pytest.mark.parametrize(("which", "stages"), [*((which, 0) for which in LAYERS), ("edge tiles", 1), ("groups side by side", 2)])
def test_three_views_agree(dataflow: str, shape: tuple[int, int], which: str, stages: int, tmp_path: Path) -> None:
    layer, tiling = LAYERS[which]
    acc = Accelerator("a", Array(*shape, dataflow, 16, 16, 48, stages), post_lanes=1)
    plan = ArrayPlan.of(acc.array)
    words = Words.random(layer, acc)
    words = replace(words, inputs=distinct(words.inputs, 1), weights=distinct(words.weights, 2))
    runs = list(feeds(layer, acc, tiling, words))
    assert len(runs) == 1
    record(plan, runs[0], tmp_path / "array.vcd")
    counted = register_writes(layer, acc, tiling)
    assert written(tmp_path / "array.vcd", plan, PERIOD_FS) == counted
    assert register_latches(layer, acc, tiling) == counted
