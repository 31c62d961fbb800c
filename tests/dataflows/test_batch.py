from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.arch import Accelerator, Array
from dataflows.batch import Batch
from dataflows.bound import bound
from dataflows.cost import energy_by_level
from dataflows.counts import count
from dataflows.tech import technology
from dataflows.tiling import OUTER_DIMS, Tiling
from dataflows.workload import Layer
from tests.strategies import accelerators, any_layers, tilings

TECH = technology()


def check(layer, acc, chosen, order, program_beats):
    columns = [
        np.array(values, dtype=np.int64) for values in zip(*((t.blocks, t.c_blocks, t.p, t.q) for t in chosen), strict=True)
    ]
    figures = Batch(layer, acc, TECH, program_beats).figures(*columns, order)
    for i, each in enumerate(chosen):
        tiling = Tiling(each.blocks, each.c_blocks, each.p, each.q, order)
        counts = count(layer, acc, tiling, program_beats)
        limits = bound(layer, acc, tiling, counts)
        assert figures.compute[i] == limits.compute
        assert figures.dram_beats[i] == counts.dram_beats
        assert figures.bound_cycles[i] == limits.cycles
        energy = sum(sum(part.values()) for part in energy_by_level(counts, acc, TECH, limits.cycles).values())
        assert figures.energy_pj[i] == pytest.approx(energy, rel=1e-12)


@settings(max_examples=200)
@given(st.data())
def test_batch_equals_scalar(data):
    layer, acc = data.draw(any_layers()), data.draw(accelerators())
    chosen = data.draw(st.lists(tilings(layer, acc), min_size=1, max_size=6))
    check(layer, acc, chosen, tuple(data.draw(st.permutations(OUTER_DIMS))), data.draw(st.integers(0, 40)))


@pytest.mark.parametrize("dataflow", ["ws", "os"])
@pytest.mark.parametrize(
    "layer",
    [
        Layer.conv("conv1", K=64, C=3, H=224, W=224, R=7, S=7, stride=2, padding=3),
        Layer.conv("depthwise", K=960, C=960, G=960, H=14, W=14, R=5, S=5, padding=2),
        Layer.gemm("wide", M=50_000, N=4096, K=4096),
    ],
    ids=lambda layer: layer.name,
)
def test_batch_equals_scalar_on_full_size_layers(layer, dataflow):
    acc = Accelerator("a", Array(16, 32, dataflow))
    chosen = [Tiling(b, c, p, q) for b in (1, 3, 1000) for c in (1, 7, 500) for p in (1, 5, 112) for q in (1, 11, 60_000)]
    for order in (OUTER_DIMS, ("G", "N", "P", "Q", "K")):
        check(layer, acc, chosen, order, 30)


def test_arrays_broadcast():
    layer, acc = Layer.conv("c", K=64, C=64, H=14, W=14, R=3, S=3, padding=1), Accelerator("a", Array(16, 16))
    axes = np.ix_(*(np.array(values) for values in ((1, 2), (1, 2, 4), (1, 7), (7, 14))))
    figures = Batch(layer, acc, TECH).figures(*axes, OUTER_DIMS)
    assert figures.bound_cycles.shape == figures.energy_pj.shape == (2, 3, 2, 2)
    assert figures.bound_cycles[1, 2, 0, 1] == bound(layer, acc, Tiling(2, 4, 1, 14)).cycles
