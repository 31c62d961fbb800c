"""The text-direction classifier with its trained weights, from pictures of text lines to the class, on the Verilog."""

from __future__ import annotations

import pytest

from dataflows.axi import AxiOptions
from dataflows.compile.network import layers_to_map
from mappers.layers import map_layers
from mappers.search import SearchMapper
from sim.network import verify_network
from sim.quantize.bundled import quantize_named
from sim.quantize.text_lines import TEST_SEED, text_lines
from systolith.specs import accelerator

pytestmark = [pytest.mark.rtl, pytest.mark.slow, pytest.mark.nightly]


@pytest.mark.parametrize("design", ["ws-16x16:input_words=2048", "os-8x8:input_words=2048"])
def test_every_tensor_of_the_classifier_equals_the_golden_model(design: str) -> None:
    acc, quantized = accelerator(design, "hardware"), quantize_named("ocr_cls")
    graph = quantized.graph
    lines = text_lines(2, TEST_SEED)
    images = [quantized.quantize_inputs(line.network_input()) for line in lines]
    tilings = map_layers(layers_to_map(graph, acc), acc, SearchMapper())
    found = verify_network(graph, quantized.tensors, images, acc, AxiOptions(), tilings)
    assert found.passed, [op for run in found.runs for op in run.ops if op.mismatches or op.cycles_rtl != op.cycles_model]
    assert found.runs[0].checked == sum(graph.tensor(op.output).words for op in graph.ops)
    session = quantized.model.session(quantized.model.outputs)
    for run, line in zip(found.runs, lines, strict=True):
        ((name, made),) = quantized.host_outputs(run.outputs).items()
        assert made.argmax() == session(line.network_input())[name].argmax() == int(line.rotated)
