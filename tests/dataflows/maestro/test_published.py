"""What MAESTRO printed, to the last digit."""

from __future__ import annotations

import pytest

from dataflows.maestro import Directives, MaestroCost, evaluate
from dataflows.workload import Layer
from tests.dataflows.maestro.published import OLD_RS, RESNET_256, RESNET_1024, RESNET_OLD_RS, VGG, VGG_ROWS, Row, layer

CONV1 = Layer("r50_conv1", K=64, C=3, P=112, Q=112, R=7, S=7, stride=(2, 2))
CONV2 = Layer("r50_c2_3x3", K=64, C=64, P=56, Q=56, R=3, S=3)
# Measured, 256 PEs, no limit on the networks: cycles and energy in nJ of both layers, one after the other.
MEASURED = {
    "kcp_ws": ((10_035_201, 41_067), (501_761, 230_502)),
    "rs": ((607_489, 45_397), (702_465, 257_202)),
    "yxp_os": ((2_150_401, 177_366), (573_441, 502_900)),
}


def printed(cost: MaestroCost, before: MaestroCost | None) -> Row:
    """Return the columns of `Row`, the energy with the six digits that the tool prints."""
    l1, l2 = cost.levels["L1"], cost.levels["L2"]
    energy = float(f"{cost.printed_energy(before) / 1e3:.6g}")
    return cost.cycles, energy, l1["inputs"]["writes"], l1["weights"]["writes"], l2["outputs"]["writes"]


@pytest.mark.parametrize("dataflow", VGG_ROWS)
def test_vgg_19(dataflow):
    before = None
    for (name, sizes), row in zip(VGG.items(), VGG_ROWS[dataflow], strict=True):
        cost = evaluate(layer(*sizes), dataflow, 256, input_size=(sizes[3], sizes[3]), noc_bw=1000, offchip_bw=512)
        assert printed(cost, before) == row, name
        before = cost


@pytest.mark.parametrize(("pes", "rows"), [(256, RESNET_256), (1024, RESNET_1024)], ids=["256", "1024"])
def test_resnet_50(pes, rows):
    before = None
    for sizes, row in rows:
        cost = evaluate(layer(*sizes), "kcp_ws", pes, input_size=(sizes[3], sizes[3]), noc_bw=1024, simd=9, mac_pj=904)
        assert printed(cost, before) == row, sizes
        before = cost


def test_resnet_50_under_an_older_dataflow_and_with_narrow_networks():
    depthwise = Directives.parse(OLD_RS).items
    old = Directives("old rs", Directives.parse("TemporalMap(2,2) K; " + OLD_RS).items, depthwise)
    before, below = None, []
    for sizes, narrow, row in RESNET_OLD_RS:
        size = (sizes[3], sizes[3])
        cost = evaluate(layer(*sizes), old, 256, input_size=size, simd=9, noc_bw=1024, mac_pj=904)
        assert printed(cost, before) == row, sizes
        assert evaluate(layer(*sizes), old, 256, input_size=size, simd=9, noc_bw=64).cycles == narrow
        before = cost
        below += [(sizes, str(each)) for each in cost.below_floor if each.figure == "cycles"]
    # windows of one column and filters of three make no output within a cluster: the tool adds no cycles for them
    assert below == [
        ((64, 64, 3, 56, 1), "cycles: 27,649 is below the floor of 46,656"),
    ]


@pytest.mark.parametrize("dataflow", MEASURED)
def test_measured_runs(dataflow):
    first = evaluate(CONV1, dataflow, 256)
    second = evaluate(CONV2, dataflow, 256)
    found = [(first.cycles, first.printed_energy()), (second.cycles, second.printed_energy(first))]
    for (cycles, energy), (expected, nanojoules) in zip(found, MEASURED[dataflow], strict=True):
        assert cycles == expected
        assert float(f"{energy / 1e3:.6g}") == pytest.approx(nanojoules, abs=0.5)


def test_reuse_factors_and_buffers_of_the_published_rows():
    factors = ((13.6898, 11881), (4.0012, 3136), (11.5822, 2916), (4.00126, 3136))
    sizes = ((1478, 294), (648, 6), (5768, 54), (648, 6))  # bytes of L2 and L1, of one byte words
    for (spec, _), (inputs, weights), (l2, l1) in zip(RESNET_256, factors, sizes, strict=False):
        cost = evaluate(layer(*spec), "kcp_ws", 256, input_size=(spec[3], spec[3]), noc_bw=1024, simd=9)
        assert float(f"{cost.reuse['inputs']:.6g}") == inputs
        assert cost.reuse["weights"] == weights
        assert cost.buffer_words == {"L2": l2, "L1": l1}
        assert cost.levels["L2"]["inputs"]["writes"] == spec[1] * spec[3] ** 2  # not padded


def test_strided_outputs_are_counted_as_the_tool_counts_them():
    cost = evaluate(layer(64, 3, 7, 224, 2), "kcp_ws", 256, input_size=(224, 224))
    assert cost.levels["L2"]["outputs"]["reads"] == 3_041_536  # printed: 64 x 218 x 218, the stride left out
