"""Zhang et al., FPGA 2015 (dense reference, 8.2 and 15.7). All printed figures of that section are marked as from memory."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflows.errors import SpecError
from dataflows.machines import zhang15
from dataflows.networks import network
from dataflows.workload import Layer, Network

HALVES = {
    "CONV1": Layer.conv("CONV1", K=48, C=3, H=227, W=227, R=11, S=11, stride=4),
    "CONV2": Layer.conv("CONV2", K=128, C=48, H=27, W=27, R=5, S=5, padding=2),
    "CONV3": Layer.conv("CONV3", K=192, C=256, H=13, W=13, R=3, S=3, padding=1),
    "CONV4": Layer.conv("CONV4", K=192, C=192, H=13, W=13, R=3, S=3, padding=1),
    "CONV5": Layer.conv("CONV5", K=128, C=192, H=13, W=13, R=3, S=3, padding=1),
}
# Dense reference, 15.7: cycles of the best unrolling; trips and cycles with <64, 7>; measured ms of both groups.
ROWS = {"CONV1": (366_025, 1, 366_025, 7.67), "CONV2": (237_185, 14, 255_430, 5.35), "CONV4": (120_198, 84, 129_444, 2.88)}
OPTIMA, UNIFORM, MEASURED_MS = 963_804, 1_008_246, 21.61


@pytest.mark.parametrize("name", ROWS)
def test_published_rows(name):
    optimum, trips, cycles, _ = ROWS[name]
    found = zhang15.cost(HALVES[name])
    assert (found.figures["trips"], found.figures["cycles_per_group"], found.cycles) == (trips, cycles, cycles)
    assert zhang15.best(HALVES[name])[2] == optimum
    assert found.to_dict()["below_floor"] == []


def test_published_totals():
    assert sum(zhang15.group_cycles(layer, 64, 7) for layer in HALVES.values()) == UNIFORM
    assert sum(zhang15.best(layer)[2] for layer in HALVES.values()) == OPTIMA


def test_the_uniform_unrolling_is_the_best_one():
    assert zhang15.uniform(HALVES.values(), 480) == (64, 7, UNIFORM)


def test_fewer_lanes_do_not_explain_the_printed_optima():
    assert sum(zhang15.best(layer, 479)[2] for layer in HALVES.values()) > OPTIMA
    assert sum(zhang15.best(layer, 503)[2] for layer in HALVES.values()) == OPTIMA


def test_alexnet_in_halves_is_five_to_twelve_percent_faster_than_measured():
    """Twice the cycles of a half; the exposed part of the transfers is not modelled (dense reference, 15.7)."""
    layers = [layer for layer in network("alexnet").layers if layer.name.startswith("conv")]
    found = [zhang15.cost(layer, halves=2) for layer in layers]
    assert sum(cost.cycles for cost in found) == 2 * UNIFORM
    measured = {"conv1": 7.67, "conv2": 5.35, "conv4": 2.88}
    for cost in found:
        if cost.layer in measured:
            assert 1.04 < measured[cost.layer] / cost.figures["ms"] < 1.12, cost.layer
    assert 1.05 < MEASURED_MS / sum(cost.figures["ms"] for cost in found) < 1.12


@pytest.mark.parametrize(("name", "gflops"), [("CONV1", 27.50), ("CONV2", 83.79), ("CONV4", 77.94)])
def test_measured_time_and_rate_give_the_operations(name, gflops):
    assert ROWS[name][3] * gflops * 1e6 == pytest.approx(4 * HALVES[name].macs, rel=2e-3)


@given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 9), st.integers(1, 3), st.integers(1, 40))
def test_the_best_unrolling_is_the_best_of_all(filters, channels, size, taps, lanes):
    layer = Layer.conv("c", K=filters, C=channels, H=size + taps, W=size + taps, R=taps, S=taps)
    pairs = ((tm, tn) for tm in range(1, lanes + 1) for tn in range(1, lanes + 1) if tm * tn <= lanes)
    assert zhang15.best(layer, lanes)[2] == min(zhang15.group_cycles(layer, *pair) for pair in pairs)


def test_words_of_one_tile_are_the_layer():
    layer = HALVES["CONV4"]
    moved = zhang15.words(layer, 192, 192, 13, 13)
    assert moved == {"inputs": 192 * 15 * 15, "weights": layer.parameters, "outputs": layer.output_words}
    tiled = zhang15.words(layer, 64, 7, 13, 13)
    assert tiled["weights"] == 84 * 64 * 7 * 9
    assert tiled["inputs"] == 84 * 7 * 15 * 15


def test_wrong_parameters_are_refused():
    with pytest.raises(SpecError, match="positive"):
        zhang15.cost(HALVES["CONV1"], tm=0)
    with pytest.raises(SpecError, match="dilation"):
        zhang15.cost(Layer.conv("c", K=8, C=8, H=9, W=9, R=3, S=3, dilation=2))


def test_a_network_is_costed_layer_by_layer():
    from dataflows.machines import MACHINES, options_of

    machine = MACHINES["zhang15"]
    rows = machine.costs(Network("n", (HALVES["CONV1"],) * 2, 0), options_of(machine, {"tm": "48"}, "zhang15:tm=48"))
    assert [(cost.rules["tm"], count) for cost, count in rows] == [(48, 2)]
    with pytest.raises(SpecError, match="an integer"):
        options_of(machine, {"tm": "x"}, "zhang15:tm=x")
    with pytest.raises(SpecError, match="rows"):
        options_of(MACHINES["systolic"], {}, "systolic")
