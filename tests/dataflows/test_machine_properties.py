"""What must hold of mode `machine` for every layer, accelerator and tiling, whatever the numbers are."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.arch import Accelerator, Array
from dataflows.bound import bound
from dataflows.cost import Cost, evaluate
from dataflows.counts import count
from dataflows.floors import floors
from dataflows.program import program_beats
from dataflows.schedule import schedule
from dataflows.tiling import OUTER_DIMS, Blocking, Tiling
from dataflows.workload import Layer
from tests.strategies import any_jobs, tilings


@settings(max_examples=200)
@given(any_jobs())
def test_no_cost_is_below_its_floor(job):
    """Cycles: multiply-accumulates over multipliers. Traffic: every operand that is used once, every output once."""
    layer, acc, tiling = job
    least, array = floors(layer, acc.array.macs), acc.array
    assert bound(layer, acc, tiling).cycles >= least.cycles
    moved = count(layer, acc, tiling).levels["dram"]
    for tensor, way, bits in (
        ("inputs", "reads", array.input_bits), ("weights", "reads", array.weight_bits), ("outputs", "writes", array.input_bits),
    ):  # fmt: skip
        assert moved[tensor][way] * acc.beat_bits >= least.words[tensor] * bits
        assert moved[tensor]["reads"] == 0 or moved[tensor]["writes"] == 0
    channels = layer.G * layer.K
    assert moved["scales"]["reads"] * acc.beat_bits >= channels * acc.scale_lane_bits


@settings(max_examples=200)
@given(any_jobs(), st.integers(0, 40))
def test_more_bandwidth_never_costs_cycles(job, beats):
    layer, acc, tiling = job
    here = bound(layer, acc, tiling, program_beats=beats)
    for faster in (
        replace(acc, memory=replace(acc.memory, interval=max(1, acc.memory.interval - 1))),
        replace(acc, memory=replace(acc.memory, bus_bytes=2 * acc.memory.bus_bytes)),
    ):
        there = bound(layer, faster, tiling, program_beats=beats)
        assert (there.compute, there.post) == (here.compute, here.post)
        assert there.dram <= here.dram
        assert there.chain <= here.chain
        assert there.cycles <= here.cycles


@settings(max_examples=100)
@given(any_jobs())
def test_memory_timing_moves_no_word(job):
    layer, acc, tiling = job
    slow = replace(acc, memory=replace(acc.memory, interval=acc.memory.interval + 1, latency=acc.memory.latency + 7))
    one, other = evaluate(layer, acc, tiling), evaluate(layer, slow, tiling)
    assert (one.levels, one.area_um2) == (other.levels, other.area_um2)
    assert {**one.energy_by_level, "leakage": 0} == {**other.energy_by_level, "leakage": 0}


@settings(max_examples=200)
@given(any_jobs(), st.permutations(OUTER_DIMS))
def test_loops_of_one_tile_may_stand_anywhere(job, shuffled):
    """Only the order of loops with several tiles counts."""
    layer, acc, tiling = job
    number = tiling.counts(layer, Blocking.of(layer, acc))
    real = iter([dim for dim in tiling.order if number[dim] > 1])
    order = tuple(next(real) if number[dim] > 1 else dim for dim in shuffled)
    other = replace(tiling, order=order)
    assert count(layer, acc, other) == count(layer, acc, tiling)
    assert bound(layer, acc, other) == bound(layer, acc, tiling)
    assert schedule(layer, acc, other) == schedule(layer, acc, tiling)


@settings(max_examples=200)
@given(any_jobs(), st.integers(2, 3), st.integers(2, 3))
def test_batch_scales_counts_and_energy(job, images, times):
    """From several images to a multiple of them.

    All work and all traffic of inputs and outputs grow alike; a weight is fetched again for an image, or scale, if a
    loop that moves its tile lies inside the loop over images, and stays otherwise.
    """
    layer, acc, tiling = job
    few, many = replace(layer, N=images), replace(layer, N=images * times)
    number = tiling.counts(few, Blocking.of(few, acc))
    inside = {dim for dim in (*tiling.order[tiling.order.index("N") + 1 :], "C") if number[dim] > 1}
    own = layer.op == "multiply"  # factors are an image's own
    again = {"weights": times if own or inside & set("GKC") else 1, "scales": times if inside & set("GK") else 1}
    one, other = count(few, acc, tiling), count(many, acc, tiling)
    for level, tensors in one.levels.items():
        for tensor, entry in tensors.items():
            fetch = "reads" if level == "dram" else "writes"
            for way, number_of in entry.items():
                factor = again.get(tensor, times) if way == fetch else times
                assert other.levels[level][tensor][way] == factor * number_of, (level, tensor, way)
    assert other.array == {operand: times * writes for operand, writes in one.array.items()}
    assert other.macs == times * one.macs
    assert bound(many, acc, tiling).compute == times * bound(few, acc, tiling).compute
    energy, energies = _moved(evaluate(few, acc, tiling)), _moved(evaluate(many, acc, tiling))
    if set(again.values()) == {times}:
        assert energies == pytest.approx(times * energy)
    else:
        assert energy < energies < times * energy


def _moved(cost: Cost) -> float:
    """Energy of all work; leakage follows the cycles, whose ends overlap differently."""
    return cost.energy_pj - sum(cost.energy_by_level["leakage"].values())


@settings(max_examples=200)
@given(any_jobs())
def test_a_transposed_image_costs_the_same(job):
    """Rows for columns: of outputs, filter, image, stride, dilation, padding, tile and loops."""
    layer, acc, tiling = job
    top, left, bottom, right = layer.padding
    turned = replace(
        layer, P=layer.Q, Q=layer.P, R=layer.S, S=layer.R, H=layer.W, W=layer.H, stride=layer.stride[::-1],
        dilation=layer.dilation[::-1], padding=(left, top, right, bottom),
    )  # fmt: skip
    order = tuple({"P": "Q", "Q": "P"}.get(dim, dim) for dim in tiling.order)
    other = replace(tiling, p=tiling.q, q=tiling.p, order=order)
    assert count(turned, acc, other) == count(layer, acc, tiling)
    assert bound(turned, acc, other) == bound(layer, acc, tiling)
    assert schedule(turned, acc, other) == schedule(layer, acc, tiling)


@settings(max_examples=100)
@given(st.data())
def test_operands_of_a_product_swap_where_outputs_stay(data):
    """On a square array that is filled, inputs and weights of A B are weights and inputs of its transpose.

    Pixels on the rows then stand to output channels on the columns as these to them. Where weights stay the array
    treats the operands differently, and so do scales, one for each output channel, under both dataflows.
    """
    side = data.draw(st.sampled_from((1, 2, 4)))
    acc = Accelerator("a", Array(side, side, "os"), input_words=1 << 14, weight_words=1 << 14, acc_words=1 << 12, post_lanes=1)
    m, n, k = (side * data.draw(st.integers(1, 5)) for _ in range(3))
    layer, mirror = Layer.gemm("g", M=m, N=n, K=k), Layer.gemm("g", M=n, N=m, K=k)
    drawn = data.draw(tilings(layer, acc))
    tiling = replace(drawn, q=side * data.draw(st.integers(1, m // side)))
    order = tuple({"K": "Q", "Q": "K"}.get(dim, dim) for dim in tiling.order)
    swapped = Tiling(tiling.q // side, tiling.c_blocks, 1, min(n, tiling.blocks * side), order)
    one, other = count(layer, acc, tiling), count(mirror, acc, swapped)
    assert one.levels["input_buffer"]["inputs"] == other.levels["weight_buffer"]["weights"]
    assert one.levels["weight_buffer"]["weights"] == other.levels["input_buffer"]["inputs"]
    assert one.levels["dram"]["inputs"] == other.levels["dram"]["weights"]
    assert one.levels["dram"]["weights"] == other.levels["dram"]["inputs"]
    for level in ("accumulator", "output_buffer"):
        assert one.levels[level] == other.levels[level]
    assert one.array == other.array
    assert one.array["inputs"] == one.array["weights"]
    assert bound(layer, acc, tiling).compute == bound(mirror, acc, swapped).compute


@settings(max_examples=100)
@given(any_jobs())
def test_the_three_tiers_are_in_order(job):
    """Ideal work, bound, schedule: each no more than the next, on every example."""
    layer, acc, tiling = job
    exact = schedule(layer, acc, tiling).cycles
    limit = bound(layer, acc, tiling, program_beats=program_beats(acc)).cycles
    cost = evaluate(layer, acc, tiling, cycles=exact, program_beats=program_beats(acc))
    assert -(-layer.macs // acc.array.macs) <= cost.bound_cycles == limit <= exact == cost.cycles
    assert 0 < cost.utilization <= 1
