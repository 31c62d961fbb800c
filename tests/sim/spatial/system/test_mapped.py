"""Mapped layers of real networks on the Verilog: every output and every cycle as promised."""

from __future__ import annotations

import pytest

from dataflows.arch import Memory
from dataflows.networks import network
from dataflows.spatial import named
from dataflows.spatial.system.spec import SpatialSystem
from mappers.system.network import map_system
from mappers.system.search import SystemMapper
from rtl.spatial.system.pack import fetched_beats
from sim.spatial.system.mapped import cropped, mapped_cases
from sim.spatial.system.verify import verify_cases

MEMORY = Memory(16, 1, 20)
WORDS = (2048, 4096, 2048)
SYSTEMS = {
    "array_ws": SpatialSystem(named.weight_stationary(4, 4), MEMORY, WORDS, 4),
    "array_os": SpatialSystem(named.output_stationary(4, 4), MEMORY, WORDS, 4),
    "array_rs": SpatialSystem(named.row_stationary(3, 4), MEMORY, WORDS, 4),
}
LAYERS = (("resnet18", "layer1.0.conv1", 24), ("mobilenet_v2", "block2.1.dw", 32), ("mobilenet_v2", "fc", 160))
"""A 3 x 3 convolution, a depthwise one and a fully connected layer, and what is left of their sizes."""


def layer(name: str, of: str, most: int):
    return cropped(next(each for each in network(name).layers if each.name == of), most)


@pytest.mark.rtl
@pytest.mark.parametrize(
    "name", ["array_ws", *(pytest.param(each, marks=pytest.mark.nightly) for each in ("array_os", "array_rs"))]
)
def test_mapped_layers_take_the_cycles_that_the_mapper_promised(name):
    system = SYSTEMS[name]
    layers = [layer(*each) for each in LAYERS]
    results = [SystemMapper().map(each, system, "latency", program_beats=fetched_beats(system)) for each in layers]
    report = verify_cases(
        system, mapped_cases(system, [(one, result.mapping) for one, result in zip(layers, results, strict=True)])
    )
    assert report.passed, [case.to_dict() for case in report.cases if not case.passed]
    assert [case.cycles_rtl for case in report.cases] == [result.cost["cycles"] for result in results]


@pytest.mark.rtl
@pytest.mark.nightly
def test_all_layers_of_the_text_direction_classifier():
    system = SpatialSystem(named.weight_stationary(4, 4))
    mapped = map_system(network("ocr_cls"), system, "latency", program_beats=fetched_beats(system))
    report = verify_cases(system, mapped_cases(system, [(result.layer, result.mapping) for _, _, result in mapped.layers]))
    assert report.passed, [case.to_dict() for case in report.cases if not case.passed]
    assert [case.cycles_rtl for case in report.cases] == [result.cost["cycles"] for _, _, result in mapped.layers]


@pytest.mark.rtl
@pytest.mark.nightly
def test_a_depthwise_layer_keeps_all_multipliers_busy():
    """56 x 56 x 144 of MobileNetV2, and on the Verilog a piece of it."""
    system = SpatialSystem(named.depthwise(4, 16), Memory(16, 1, 32), (4096, 32768, 16384), 16)
    beats = fetched_beats(system)
    whole = next(each for each in network("mobilenet_v2").layers if each.name == "block2.1.dw")
    assert SystemMapper().map(whole, system, "latency", program_beats=beats).cost["utilization"] > 0.97
    piece = cropped(whole, 32)
    found = SystemMapper().map(piece, system, "latency", program_beats=beats)
    report = verify_cases(system, mapped_cases(system, [(piece, found.mapping)]))
    assert report.passed, report.cases[0].to_dict()
    assert report.cases[0].cycles_rtl == found.cost["cycles"]


def test_cropping_keeps_the_kind_of_layer():
    first = layer("resnet18", "conv1", 9)
    assert (first.P, first.Q, first.K, first.C, first.R, first.stride) == (9, 9, 9, 3, 7, (2, 2))
    assert first.padding == (3, 3, 0, 0)
    assert first.H == 8 * 2 + 7 - 3
    whole = layer("mobilenet_v2", "fc", 10_000)
    assert whole == next(each for each in network("mobilenet_v2").layers if each.name == "fc")
