"""Whole networks, all operations back to back on the Verilog."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from dataflows.axi import AxiOptions
from dataflows.compile.network import layers_to_map
from dataflows.workload import OPS
from mappers.layers import map_layers
from mappers.naive import NaiveMapper
from sim.network import verify_network
from sim.runner import Simulator
from systolith.specs import accelerator
from tests.small_network import DESIGN, random_inputs, small_network

SIMULATOR: Simulator = "icarus" if shutil.which("iverilog") else "verilator"  # Icarus builds in a second
ACC = accelerator(DESIGN)


@pytest.mark.rtl
def test_every_tensor_of_a_network_equals_the_golden_model() -> None:
    rng = np.random.default_rng(7)
    graph, tensors = small_network(rng, channels=6, height=4, width=6)
    tilings = map_layers(layers_to_map(graph, ACC), ACC, NaiveMapper())
    images = [random_inputs(graph, rng) for _ in range(2)]
    found = verify_network(graph, tensors, images, ACC, AxiOptions(), tilings, simulator=SIMULATOR)
    assert found.passed, [op for run in found.runs for op in run.ops if op.mismatches or op.cycles_rtl != op.cycles_model]
    assert {op.op for op in found.runs[0].ops} == set(OPS)
    assert found.runs[0].checked == sum(graph.tensor(op.output).words for op in graph.ops)
    assert found.runs[1].checked >= sum(graph.tensor(name).words for name in graph.outputs)
    for run in found.runs:
        assert None not in [op.cycles_rtl for op in run.ops]
        assert run.cycles_rtl == sum(op.cycles_model for op in run.ops)
