"""NVIDIA's worksheets, line by line and to the digit (dense reference, 15.5)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dataflows.errors import SpecError
from dataflows.machines import nvdla_sheets
from dataflows.machines.nvdla_workbook import Entry, Nvdla, entries, evaluate, network_costs
from dataflows.networks import network
from dataflows.traffic import TrafficLayer
from dataflows.workload import Layer, Network

LARGE = Nvdla(2048, 512, 10.0)
# Dense reference, 15.5: count; input, output, weight, memory KB; memory and multiplier cycles; what binds.
RESNET = {
    "Conv1": (1, 196, 196, 16, 408, 40800, 153664, "mac"),
    "Res2a_branch1": (1, 196, 784, 16, 996, 99600, 25088, "dram"),
    "Res2a_branch2a": (1, 784, 196, 16, 996, 99600, 50176, "dram"),
    "Res2a_branch2c": (3, 196, 784, 16, 1780, 178000, 25088, "dram"),
    "Res2b_branch2a": (2, 784, 196, 16, 996, 99600, 50176, "dram"),
    "Res3a_branch2a": (1, 784, 98, 128, 1010, 101000, 12544, "dram"),
    "Res3a_branch2b": (4, 98, 98, 256, 452, 45200, 25088, "dram"),
    "Res3a_branch2c": (4, 98, 392, 64, 946, 94600, 25088, "dram"),
    "Res4a_branch1": (1, 392, 196, 2048, 2636, 263600, 50176, "dram"),
    "Res4a_branch2b": (6, 49, 49, 1024, 1122, 112200, 25088, "dram"),
    "Res4b_branch2a": (5, 196, 49, 256, 501, 50100, 25088, "dram"),
    "Res5a_branch2a": (1, 196, 24.5, 2048, 2268.5, 226850, 12544, "dram"),
    "Res5a_branch2b": (3, 24.5, 24.5, 4096, 4145, 414500, 25088, "dram"),
    "Res5a_branch2c": (2, 24.5, 98, 1024, 1244.5, 124450, 25088, "dram"),
    "Res5c_branch2c": (1, 24.5, 2, 1024, 1052.5, 105250, 25088, "dram"),
}
ALEXNET = {
    "1": (1, 147, 68.3438, 40.5, 255.844, 25585, 49617.6, "mac"),
    "2": (2, 34.1719, 21.125, 150, 205.297, 20530, 54675, "mac"),
    "4": (2, 31.6875, 31.6875, 576, 639.375, 63938, 12168, "dram"),
    "fc1": (1, 9, 4, 36864, 2317, 231700, 18432, "dram"),
    "fc3": (1, 4, 0.9844, 4000, 254.984, 25499, 2000, "dram"),
}
# Multipliers, buffer KB, GB/s and the frames a second printed for each.
RATES = ((2048, 512, 20, 269), (1024, 256, 15, 153), (256, 256, 5, 46), (128, 256, 2, 20), (32, 128, 0.5, 3.6))


@pytest.mark.parametrize(
    ("lines", "machine", "published"),
    [(nvdla_sheets.resnet50(), LARGE, RESNET), (nvdla_sheets.alexnet(), replace(LARGE, sheet="alexnet"), ALEXNET)],
    ids=["resnet50", "alexnet"],
)
def test_lines(lines, machine, published):
    by_name = {line.layer.name: line for line in lines}
    for name, (count, *figures, bound) in published.items():
        line = by_name[name]
        cost = evaluate(line.layer, machine, line.entry)
        keys = ("input_kb", "output_kb", "weight_kb", "dram_kb", "dram_cycles", "mac_cycles")
        found = [cost.figures[key] for key in keys]
        assert found == pytest.approx(figures, abs=0.05, rel=5e-6), name
        assert (line.count, cost.bound) == (count, bound), name
        assert found[4] == figures[4]


def test_totals():
    lines = nvdla_sheets.resnet50()
    total = nvdla_sheets.frame_cycles(lines, LARGE)
    assert total == 7_113_691
    assert 1e9 / total == pytest.approx(140.574, abs=5e-4)
    busy = sum(line.count * evaluate(line.layer, LARGE, line.entry).figures["mac_cycles"] for line in lines)
    assert 100 * busy / total == pytest.approx(23.16, abs=5e-3)
    frame = nvdla_sheets.frame_cycles(nvdla_sheets.alexnet(), replace(LARGE, sheet="alexnet"))
    assert frame == pytest.approx(895_443.6, abs=0.05)
    assert 1e9 / frame == pytest.approx(1116.8, abs=0.05)


@pytest.mark.parametrize(("macs", "kb", "gbps", "rate"), RATES)
def test_frame_rates_of_all_configurations(macs, kb, gbps, rate):
    found = 1e9 / nvdla_sheets.frame_cycles(nvdla_sheets.resnet50(), Nvdla(macs, kb, gbps))
    assert float(f"{found:.1f}" if rate < 10 else f"{found:.0f}") == rate


def test_the_sheets_are_the_networks_but_for_their_slips():
    """All multiply-accumulates of ResNet-50 v1 and AlexNet, and what the slips add and take away (dense reference, 5.5)."""
    slip = 56 * 56 * (256 - 64) * 64
    assert sum(line.count * line.layer.macs for line in nvdla_sheets.resnet50()) == 3_857_973_248 + slip
    conv1 = 96 * 3 * 121 * (55 * 55 - 54 * 54)
    sums = {line.layer.name: line.count * line.layer.macs for line in nvdla_sheets.alexnet(1)}
    assert sum(sums.values()) == 665_784_864 + 37_748_736 + 16_777_216 + 4_096_000 - conv1


def test_a_network_brings_its_pools_and_additions():
    """The worksheet as a network, with pools and additions between its layers: the same total."""
    layers, between = [], []
    for line in nvdla_sheets.resnet50():
        for index in range(line.count):
            layer = replace(line.layer, name=f"{line.layer.name}.{index}")
            layers.append(layer)
            words = line.entry.outputs or layer.output_words
            if line.entry.outputs:
                between.append(TrafficLayer(f"pool {layer.name}", "maxpool", layer.output_words, words, after=layer.name))
            if line.entry.add:
                between.append(TrafficLayer.elementwise(f"add {layer.name}", "add", words, operands=2, after=layer.name))
    rows = network_costs(Network("sheet", tuple(layers), 0, "", tuple(between)), LARGE)
    assert sum(count * cost.cycles for cost, count in rows) == 7_113_691
    assert sum(count for _, count in rows) == len(layers)
    assert sum(cost.figures["add"] * count for cost, count in rows) == 16


def test_winograd_is_for_three_by_three_but_not_first():
    layer = Layer.conv("c", K=64, C=64, H=28, W=28, R=3, S=3, padding=1)
    plain, fast = evaluate(layer, LARGE, Entry(first=True)), evaluate(layer, LARGE)
    assert plain.figures["mac_cycles"] == pytest.approx(2.25 * fast.figures["mac_cycles"])
    assert fast.figures["weight_kb"] == pytest.approx(plain.figures["weight_kb"] * 16 / 9)
    assert fast.floor_cycles < plain.floor_cycles
    assert not fast.below_floor


def test_entries_follow_the_traffic():
    found = {layer.name: entry for layer, entry in entries(network("alexnet"))}
    assert found["conv1"] == Entry(27 * 27 * 96, first=True)
    assert found["conv5"] == Entry(6 * 6 * 128)
    assert found["fc6"] == Entry()


@pytest.mark.parametrize("change", [{"macs": 0}, {"gbps": -1.0}, {"sheet": "vgg"}])
def test_wrong_configurations_are_refused(change):
    with pytest.raises(SpecError):
        Nvdla(**change)


def test_what_the_workbook_does_not_have_is_refused():
    with pytest.raises(SpecError, match="dilation"):
        evaluate(Layer.conv("c", K=8, C=8, H=9, W=9, R=3, S=3, dilation=2), LARGE)
    with pytest.raises(SpecError, match="cbuf_kb"):
        evaluate(Layer.conv("c", K=1, C=512, H=64, W=64, R=1, S=1), replace(LARGE, cbuf_kb=16))


def test_rows_of_a_matrix_product_are_pixels_or_images():
    """A line of pixels fetches weights once; images of a fully connected layer share them on the sheet that has batches."""
    layer, line = Layer.gemm("g", M=64, N=512, K=512), Layer.conv("c", K=512, C=512, H=1, W=64, R=1, S=1)
    assert evaluate(layer, LARGE).figures == evaluate(line, LARGE).figures
    assert evaluate(layer, LARGE).figures["weight_kb"] == 256
    images = evaluate(layer, replace(LARGE, sheet="alexnet"))
    assert images.figures["images"] == 64
    assert images.figures["dram_kb"] == 256 / 64 + 0.5 + 0.5
    assert images.cycles == 64 * 500
