"""The six dataflows of ISCA 2016 against its charts (dense reference, 4, 15.3 and 15.4)."""

from __future__ import annotations

from functools import lru_cache
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.errors import SpecError
from dataflows.feasible import InfeasibleError
from dataflows.machines import isca16
from dataflows.machines.isca16_counts import Problem, largest, steps, sums
from dataflows.networks import network
from dataflows.workload import Layer

# Dense reference, 15.3: 1e9 multiply-accumulates of energy for 16 images on 256 PEs: ALU, DRAM, RF, and the chart's total.
BREAKDOWN = {
    "conv1": (1.69, 2.46, 6.75, 10.8), "conv2": (3.58, 2.27, 14.33, 20.8), "conv4": (1.79, 1.57, 7.18, 10.9),
    "fc6": (0.60, 7.78, 2.42, 10.8), "fc8": (0.07, 0.84, 0.26, 1.2),
}  # fmt: skip
LESS_DRAM = {"conv1": 0.12, "fc6": 0.03}
"""Where our optimum reads less than the published one, by at most this share."""
# Dense reference, 15.4, read off the charts, N = 1 / 16 / 64: DRAM words a multiply-accumulate, and energy relative to RS at
# 256 PEs and N = 1; None where it cannot run.
CHARTS = {
    256: {
        "rs": ((0.0057, 0.0041, 0.0041), (1.00, 0.94, 0.94)), "ws": ((0.0230, 0.0197, None), (1.91, 1.80, None)),
        "osa": ((0.0070, 0.0037, 0.0035), (1.43, 1.33, 1.32)), "osb": ((0.0096, 0.0063, 0.0061), (1.47, 1.36, 1.355)),
        "osc": ((0.0158, 0.0134, 0.0132), (2.53, 1.64, 1.63)), "nlr": ((0.0054, 0.0030, 0.0030), (2.10, 2.03, 2.03)),
    },
    1024: {
        "rs": ((0.0053, 0.0027, 0.0026), (0.98, 0.885, 0.885)), "ws": ((0.0110, 0.0077, 0.0122), (1.42, 1.32, 1.445)),
        "osa": ((0.0053, 0.0020, 0.0018), (1.37, 1.265, 1.26)), "osb": ((0.0068, 0.0035, 0.0033), (1.365, 1.24, 1.23)),
        "osc": ((0.0117, 0.0084, 0.0082), (2.40, 1.43, 1.41)), "nlr": ((0.0052, 0.0021, 0.0021), (2.025, 1.935, 1.935)),
    },
}  # fmt: skip
BATCHES = (1, 16, 64)
CASES = list(product((256, 1024), BATCHES))
ENERGY, DRAM = 0.032, 0.00046
"""Shares of energies, and DRAM words: the charts are read to 0.02 and 0.0003."""


@lru_cache
def compared(dataflow: str, pes: int, batch: int) -> isca16.Comparison | None:
    layers = [layer for layer in network(f"alexnet:batch={batch}").layers if layer.name.startswith("conv")]
    try:
        return isca16.compare(layers, dataflow, pes)
    except InfeasibleError:
        return None


@pytest.mark.parametrize("name", BREAKDOWN)
def test_row_stationary_breakdown(name):
    (layer,) = (layer for layer in network("alexnet:batch=16").layers if layer.name == name)
    found = isca16.cost(layer)
    alu, dram, rf, total = BREAKDOWN[name]
    energy = {level: value / 1e9 for level, value in found.energy_by_level.items()}
    assert energy["mac"] == pytest.approx(alu, abs=0.1)
    assert energy["rf"] == pytest.approx(rf, abs=0.1)
    assert energy["rf"] == 4 * energy["mac"]
    if name in LESS_DRAM:
        assert (1 - LESS_DRAM[name]) * dram < energy["dram"] < dram
    else:
        assert energy["dram"] == pytest.approx(dram, abs=0.1)
    assert sum(energy.values()) == pytest.approx(total, abs=1.0 if total > 2 else 0.1)
    assert (energy["buffer"] + energy["array"]) / total < 0.08


@pytest.mark.parametrize(("pes", "batch"), CASES)
def test_charts(pes, batch):
    base = compared("rs", 256, 1)
    index = BATCHES.index(batch)
    for dataflow, (words, energies) in CHARTS[pes].items():
        found = compared(dataflow, pes, batch)
        if words[index] is None:
            assert found is None
            continue
        assert found.dram == pytest.approx(words[index], abs=DRAM), dataflow
        assert found.energy / base.energy == pytest.approx(energies[index], rel=ENERGY), dataflow


@pytest.mark.parametrize(("pes", "batch"), CASES)
def test_order_of_energies_is_the_published_one(pes, batch):
    index = BATCHES.index(batch)
    published = {name: chart[1][index] for name, chart in CHARTS[pes].items() if chart[1][index] is not None}
    found = {name: compared(name, pes, batch).energy for name in published}
    assert sorted(found, key=found.get) == sorted(published, key=published.get)
    ratios = [energy / found["rs"] for name, energy in found.items() if name != "rs"]
    assert min(ratios) > 1.35
    assert max(ratios) < 2.55


def test_what_the_charts_show_robustly():
    """Dense reference, 15.4: WS and OSC have the most DRAM traffic, WS alone gets worse at 64 images, NLR's weights cost most."""
    for pes, batch in CASES:
        words = {name: one.dram for name in CHARTS[pes] if (one := compared(name, pes, batch)) is not None}
        assert set(sorted(words, key=words.get)[-2:]) >= {"osc"} & set(words)
        if "ws" in words:
            assert set(sorted(words, key=words.get)[-2:]) == {"ws", "osc"}
    worse = {name for name in CHARTS[1024] if compared(name, 1024, 64).energy > 1.001 * compared(name, 1024, 16).energy}
    assert worse == {"ws"}
    layer = network("alexnet").layers[2]
    plan = isca16.best(layer, "nlr")
    assert plan.weights.energy["buffer"] > max(plan.inputs.energy["buffer"], plan.outputs.energy["buffer"], plan.problem.macs)


def test_convolutions_are_four_fifths_of_alexnet():
    energy = {layer.name: isca16.cost(layer).energy_macs for layer in network("alexnet:batch=16").layers}
    share = sum(value for name, value in energy.items() if name.startswith("conv")) / sum(energy.values())
    assert share == pytest.approx(0.8, abs=0.02)


def test_fully_connected_layers_favour_row_stationary():
    """At least 1.3 times less energy than any other dataflow at 16 images (dense reference, 4.4)."""
    layers = network("alexnet:batch=16").layers[-3:]
    found = {name: sum(isca16.cost(layer, name).energy_macs for layer in layers) for name in isca16.DATAFLOWS}
    assert min(energy for name, energy in found.items() if name != "rs") >= 1.3 * found["rs"]


def test_sums_of_the_framework():
    """(2a - 1), 2a(b - 1), ab(c - 1) with a = 1 (dense reference, 4.1)."""
    one = Problem(1, 2, 12, 3, 3, 2, 2, 1, 1)
    found = sums(one, 4, 12, in_rf=False)
    assert (found.dram, found.buffer, found.array, found.rf) == (18, 2 * 3 * 18, 4 * 11 * 18, 0)
    assert 4 * 12 == one.terms
    assert found.energy == {"dram": 3600, "buffer": 648, "array": 1584, "rf": 0}


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(sorted(isca16.DATAFLOWS)), st.integers(1, 4), st.integers(1, 20), st.integers(1, 20), st.integers(1, 9),
    st.sampled_from([1, 3, 5]), st.integers(1, 2),
)  # fmt: skip
def test_no_plan_does_with_less_than_everything_once(dataflow, batch, filters, channels, size, taps, stride):
    layer = Layer("l", N=batch, K=filters, C=channels, P=size, Q=size, R=taps, S=taps, stride=(stride, stride))
    one, machine = Problem.of(layer), isca16.chip(dataflow, 64)
    plans = list(isca16.DATAFLOWS[dataflow](one, machine))
    assert plans
    for plan in plans[:: max(1, len(plans) // 50)]:
        assert plan.cycles * machine.pes >= one.macs
        assert plan.weights.dram >= one.weights
        assert plan.inputs.dram >= one.N * one.C * one.E * one.F
        assert plan.outputs.dram == one.outputs
        assert plan.energy == pytest.approx(sum(plan.energy_by_level.values()))
    assert isca16.best(layer, dataflow, 64).energy == min(plan.energy for plan in plans)
    assert isca16.cost(layer, dataflow, 64).to_dict()["below_floor"] == []


@given(st.integers(1, 300), st.integers(1, 40))
def test_steps_have_every_number_of_rounds(whole, most):
    rounds = {-(-whole // size) for size in range(1, min(whole, most) + 1)}
    assert {-(-whole // size) for size in steps(whole, most)} == rounds
    assert len(steps(whole, most)) == len(rounds)


def test_wrong_parameters_are_refused():
    layer = Layer.gemm("g", M=2, N=2, K=2)
    with pytest.raises(SpecError, match="did you mean 'nlr'"):
        isca16.cost(layer, "nrl")
    with pytest.raises(SpecError, match="pes"):
        isca16.cost(layer, "rs", 0)
    with pytest.raises(InfeasibleError, match="buffer lacks") as caught:
        isca16.cost(network("alexnet:batch=64").layers[0], "ws")
    assert caught.value.reasons[0].demand == 64 * 55 * 55


@given(st.integers(1, 300), st.integers(0, 330))
def test_sizes_to_try_are_the_smallest_for_their_rounds(whole, most):
    least = sorted({-(-whole // -(-whole // size)) for size in range(1, min(whole, most) + 1)})
    assert steps(whole, most) == least
    assert not most or largest(whole, most) == least[-1]
