"""Register writes of a whole accelerator, as recorded from its Verilog, against the model's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dataflows.arch import Accelerator, Array, Dataflow
from dataflows.counts import register_writes
from dataflows.tiling import Tiling
from dataflows.workload import Layer
from rtl.array import ArrayPlan
from sim.cases import LayerCase
from sim.tensors import random_tensors
from sim.verify import verify_layers
from tests.rtl.registers import distinct, recorded, written


@pytest.mark.rtl
@pytest.mark.nightly
@pytest.mark.parametrize("dataflow", ["ws", "os"])
def test_the_whole_accelerator_writes_as_often(dataflow: Dataflow, tmp_path: Path) -> None:
    """Recorded from the generated Verilog, issue engine and buffers included.

    Only changes show there, so no word may follow itself: no padding, full pixel blocks, no filter.
    """
    acc = Accelerator("a", Array(3, 2, dataflow, 16, 16, 48), input_words=64, weight_words=64, acc_words=64, post_lanes=1)
    layer, tiling = Layer.gemm("g", M=9, N=4, K=12, input_bits=16, weight_bits=16), Tiling(1, 2, 1, 6)
    tensors = random_tensors(layer, np.random.default_rng(1), acc_bits=48)
    tensors = replace(tensors, inputs=distinct(tensors.inputs, 1), weights=distinct(tensors.weights, 2))
    path = tmp_path / "all.vcd"
    assert verify_layers(acc, [LayerCase("g", layer, tiling, tensors)], waves=path).passed
    # What buffers show before their first read may be anything.
    begin = min(time for name, seen in recorded(path) if name.endswith(".issue.weight_read") for time, value in seen if value)
    assert written(path, ArrayPlan.of(acc.array), since=begin) == register_writes(layer, acc, tiling)
