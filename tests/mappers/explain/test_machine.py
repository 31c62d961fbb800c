"""Explanations of our own accelerators."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest

from dataflows.arch import Accelerator, Array, Memory
from dataflows.feasible import InfeasibleError
from dataflows.tiling import OUTER_DIMS, Blocking, Tiling, violations
from dataflows.workload import Layer
from mappers.base import Objective
from mappers.explain.lacking import machine_change
from mappers.explain.machine import explain_machine
from mappers.explain.machine_knobs import steps
from mappers.explain.machine_rooms import tilings
from mappers.explain.model import TINY, Explanation
from mappers.optimal import OptimalMapper

CONV = Layer("conv", K=16, C=8, P=8, Q=8, R=3, S=3, H=10, W=10)
SMALL = Accelerator("small", Array(4, 4), Memory(bus_bytes=4), input_words=64, weight_words=72, acc_words=16)


def explained(layer: Layer, acc: Accelerator, objective: Objective = "edp") -> Explanation:
    return explain_machine(OptimalMapper().exactly(layer, acc, objective), acc)


@pytest.mark.parametrize("dataflow", ["ws", "os"])
@pytest.mark.parametrize("objective", ["edp", "energy", "latency"])
def test_other_mappings_never_cost_and_no_buffer_makes_anything_slower(dataflow, objective):
    acc = replace(SMALL, array=replace(SMALL.array, dataflow=dataflow))
    found = explained(CONV, acc, objective)
    assert found.proof.gap == 0
    assert {worth.field for worth in found.worths} == {
        "input_words", "weight_words", "acc_words", "tile_blocks", "memory.bus_bytes"
    }  # fmt: skip
    for worth in found.worths:
        assert worth.proved
        assert worth.by_mapping >= 0
        assert worth.value <= worth.kept
        if objective == "latency":
            assert worth.worth >= 0
    for worth, step in zip([each for each in found.worths if each.step != "least for another mapping"], steps(acc), strict=True):
        best = OptimalMapper().exactly(CONV, step.changed, objective)
        assert worth.worth == pytest.approx((found.value - best.value) / found.value, abs=TINY)


def test_a_slow_memory_binds_the_latency():
    slow = replace(SMALL, memory=Memory(bus_bytes=4, interval=8))
    found = explained(CONV, slow, "latency")
    assert found.bound == "dram"
    assert found.times["dram"] == max(found.times.values()) <= found.cycles
    by_field = {worth.field: worth.worth for worth in found.worths}
    # Beats come every 7 cycles instead of every 8; only words of scales do not fill the beats of the narrow bus already.
    assert by_field["memory.interval"] == pytest.approx(1 / 8, abs=0.01)
    assert "memory.interval" in found.binding
    assert not found.exhausted


def test_a_small_weight_buffer_binds():
    # Weights of one block of 4 x 4 channels take 36 words: both blocks of input channels need 72.
    tight = replace(SMALL, weight_words=36, input_words=1024, acc_words=256)
    found = explained(CONV, tight, "energy")
    assert found.binding[0] == "weight_words"
    room = {each.level: each for each in found.rooms}["weight_buffer"]
    assert (room.used, room.size, room.full) == (36, 36, 1.0)
    # With 71 words no larger tile fits.
    by_step = {each.step: each for each in found.worths if each.field == "weight_words"}
    assert by_step["next power of two"].after == 64
    assert by_step["next power of two"].by_mapping == 0
    assert by_step["least for another mapping"].after == 72
    assert by_step["least for another mapping"].by_mapping > 0
    lacks = {near.change: [(lack.level, lack.demand) for lack in near.lacks] for near in room.larger}
    assert lacks["c_blocks 1 -> 2"] == [("weight_buffer", 72)]


def test_with_everything_on_chip_more_buffers_buy_nothing_for_the_latency():
    wide = Accelerator("wide", Array(4, 4), Memory(bus_bytes=16), input_words=1024, weight_words=1024, acc_words=1024)
    found = explained(CONV, wide, "latency")
    assert found.bound == "compute"
    assert not {"input_words", "weight_words", "acc_words"} & set(found.binding)


def test_neighbours_that_fit_are_no_better():
    found = explained(CONV, SMALL)
    near = [each for room in found.rooms for each in room.larger]
    assert any(each.lacks for each in near)
    for each in near:
        assert (each.value is None) == bool(each.lacks)
        assert each.value is None or each.value >= found.value * (1 - TINY)


@pytest.mark.parametrize(
    ("layer", "acc"),
    [
        (CONV, SMALL),
        (replace(CONV, K=1, C=1, G=8), SMALL),
        (replace(CONV, G=6, K=3, C=3, P=3), replace(SMALL, acc_words=8, input_words=40)),
        (replace(CONV, stride=(2, 2), P=4, Q=4), replace(SMALL, array=replace(SMALL.array, dataflow="os"))),
    ],
)
def test_tilings_are_counted(layer, acc):
    blocking = Blocking.of(layer, acc)
    sizes = (blocking.walked, blocking.c_blocks, layer.P, layer.Q)
    fitting = sum(
        not violations(layer, acc, Tiling(blocks, channels, p, q))
        for blocks, channels, p, q in itertools.product(*(range(1, n + 1) for n in sizes))
    )
    assert tilings(layer, acc) == fitting * math.factorial(len(OUTER_DIMS))
    assert fitting


@pytest.mark.parametrize("taps", [(7, 7), (11, 3), (40, 40)])
def test_the_smallest_buffers_are_exact(taps):
    r, s = taps
    layer = Layer("wide", K=8, C=8, P=6, Q=6, R=r, S=s, H=5 + r, W=5 + s)
    acc = replace(SMALL, input_words=4, weight_words=4)
    change = machine_change([CONV, layer], acc)
    assert change is not None
    assert change.layers == 2
    after = {field: size for field, _, size, _ in change.fields}
    assert after == {"input_words": r * s, "weight_words": 4 * r * s}
    mapper = OptimalMapper(seconds=0.0)
    mapper.map(layer, replace(acc, **after))
    for field, size in after.items():
        with pytest.raises(InfeasibleError) as error:
            mapper.map(layer, replace(acc, **(after | {field: size - 1})))
        assert len(error.value.reasons) == 1


def test_widths_and_missing_paths_can_be_mended_and_sizes_of_programs_cannot():
    wide = replace(CONV, input_bits=16, weight_bits=8)
    change = machine_change([wide], replace(SMALL, array=Array(4, 4, input_bits=4, weight_bits=4, acc_bits=16)))
    assert change is not None
    assert {field: after for field, _, after, _ in change.fields} == {
        "array.input_bits": 16, "array.weight_bits": 8, "array.acc_bits": 24
    }  # fmt: skip
    pool = Layer("add", K=1, C=2, G=8, P=4, Q=4, R=1, S=1, H=4, W=4, op="add")
    change = machine_change([pool], replace(SMALL, channelwise=False))
    assert change is not None
    assert str(change) == (
        "smallest change that makes it feasible: channelwise true instead of false (checked by mapping the layer)"
    )
    assert machine_change([replace(CONV, N=1 << 20)], SMALL) is None
    assert machine_change([CONV], SMALL) is None


def test_ctrl_c_leaves_what_is_known():
    result = OptimalMapper().exactly(CONV, SMALL, "latency")

    def stop(done: int, total: int, text: str) -> None:
        if done == 2:
            raise KeyboardInterrupt

    found = explain_machine(result, SMALL, progress=stop)
    assert found.interrupted
    assert not found.exhausted
    assert {worth.field for worth in found.worths} == {"input_words"}
