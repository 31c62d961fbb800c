from __future__ import annotations

import math
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.arch import Accelerator, Array
from dataflows.errors import SpecError
from dataflows.execute import _Walker
from dataflows.mapping import Level, Loop, Mapping
from dataflows.tiling import Blocking, Tiling, capacity, mapping_of, smallest, tile_words, tiling_of, violations
from dataflows.workload import Layer
from tests.strategies import accelerators, any_jobs, jobs, layers, operations


@settings(max_examples=200)
@given(any_jobs())
def test_tiling_and_mapping_round_trip(job):
    layer, acc, tiling = job
    mapping = mapping_of(layer, acc, tiling)
    assert tiling_of(layer, acc, mapping) == tiling
    assert tiling_of(layer, acc, Mapping.parse(str(mapping))) == tiling
    assert tiling_of(layer, acc, Mapping.from_dict(mapping.to_dict())) == tiling


@given(layers(), accelerators())
def test_blocks_hold_every_channel_once(layer, acc):
    bk, rows, cols = Blocking.of(layer, acc), acc.array.rows, acc.array.cols
    if bk.packed > 1:
        assert bk.packed * layer.C <= rows
        assert bk.packed * layer.K <= cols
        assert (bk.group_blocks - 1) * bk.packed < layer.G <= bk.group_blocks * bk.packed
        assert (bk.k_blocks, bk.c_blocks) == (1, 1)
    else:
        assert bk.group_blocks == layer.G
        assert (bk.k_blocks - 1) * cols < layer.K <= bk.k_blocks * cols
        assert (bk.c_blocks - 1) * rows < layer.C <= bk.c_blocks * rows
    assert bk.weight_rows == min(layer.C, rows)


@given(operations(), accelerators())
def test_blocks_of_channels(layer, acc):
    bk, lanes = Blocking.of(layer, acc), min(acc.array.rows, acc.array.cols)
    assert bk.packed == min(lanes, layer.G)
    assert (bk.group_blocks - 1) * bk.packed < layer.G <= bk.group_blocks * bk.packed
    assert (bk.k_blocks, bk.c_blocks, bk.weight_rows) == (1, layer.C, int(layer.op == "multiply"))


@given(operations(), accelerators())
def test_a_design_without_the_path_says_so(layer, acc):
    (reason,) = smallest(layer, replace(acc, channelwise=False))
    assert (reason.level, reason.demand, reason.bound) == ("accelerator", 1, 0)
    assert "channelwise: true" in reason.remedy


@settings(max_examples=200)
@given(any_jobs())
def test_no_tile_holds_more_than_tile_words(job):
    layer, acc, tiling = job
    words, seen = tile_words(layer, Blocking.of(layer, acc), tiling), {"input_buffer": 0, "weight_buffer": 0, "accumulator": 0}
    walker = _Walker(layer, acc, tiling)
    tiles = tiling.counts(layer, Blocking.of(layer, acc))
    steps = list(walker.steps())
    assert len(steps) == math.prod(tiles.values())
    for step in steps:
        walker.load(step, None)
        for level, tensor in (("input_buffer", "inputs"), ("weight_buffer", "weights")):
            seen[level] = max(seen[level], len(walker.held[tensor]))
        seen["accumulator"] = max(seen["accumulator"], len(step.blocks) * len(step.rows) * len(step.cols))
    assert all(seen[level] <= words[level] for level in seen)
    assert seen["weight_buffer"] == words["weight_buffer"]
    assert seen["accumulator"] == words["accumulator"]


@given(jobs(), st.sampled_from(("input_words", "weight_words", "acc_words", "tile_blocks")))
def test_violations_name_the_buffer_that_is_too_small(job, field):
    layer, acc, tiling = job
    assert not violations(layer, acc, tiling)
    level = {
        "input_words": "input_buffer",
        "weight_words": "weight_buffer",
        "acc_words": "accumulator",
        "tile_blocks": "scale_buffer",
    }[field]
    demand = tile_words(layer, Blocking.of(layer, acc), tiling)[level]
    array = acc.array
    least = {
        "weight_words": max(4, array.rows),
        "acc_words": max(4, array.rows if array.dataflow == "os" else 1),
        "tile_blocks": 1,
    }
    if demand - 1 < least.get(field, 4):
        return
    small = replace(acc, **{field: demand - 1})
    assert [(v.level, v.demand, v.bound) for v in violations(layer, small, tiling)] == [(level, demand, capacity(small)[level])]
    assert not violations(layer, replace(acc, **{field: demand}), tiling)


def test_smaller_tiles_never_violate_more():
    layer = Layer.conv("c", K=40, C=40, H=10, W=10, R=3, S=3, padding=1)
    acc = Accelerator("a", Array(8, 8), input_words=64, weight_words=100, acc_words=40, tile_blocks=2)
    for blocks, c_blocks, p, q in product((1, 2, 3), (1, 2), (1, 4), (1, 5)):
        if not violations(layer, acc, Tiling(blocks, c_blocks, p, q)):
            assert not smallest(layer, acc)
            assert not violations(layer, acc, Tiling(1, 1, 1, 1))


def test_wide_operands_are_refused():
    layer = replace(Layer.gemm("g", M=1, N=1, K=1), input_bits=16)
    (reason,) = violations(layer, Accelerator("a", Array(4, 4)), Tiling(1, 1, 1, 1))
    assert (reason.level, reason.demand, reason.bound, reason.unit) == ("array", 16, 8, "bits")


def test_foreign_nests_are_refused():
    layer, acc = Layer.conv("c", K=40, C=40, H=10, W=10, R=3, S=3), Accelerator("a", Array(8, 8))
    good = mapping_of(layer, acc, Tiling(2, 1, 4, 4))
    dram, buffer, array = good.levels
    for levels, path in (
        ((Level("dram", dram.loops[::-1]), buffer, array), "mapping.dram"),
        ((Level("dram", tuple(loop for loop in dram.loops if loop.dim != "K")), buffer, array), "mapping.buffer"),
        ((Level("dram", (*dram.loops[:2], *dram.loops)), buffer, array), "mapping.dram"),
        ((dram, Level("buffer", buffer.loops[1:]), array), "mapping.buffer"),
        ((dram, Level("buffer", buffer.loops[::-1]), array), "mapping.buffer"),
        ((dram, buffer, Level("array", (Loop("C", 8, axis="cols"), Loop("K", 8, axis="rows")))), "mapping.array"),
        ((dram, buffer), "mapping.levels"),
        ((dram, buffer, array, array), "mapping.levels"),
    ):
        with pytest.raises(SpecError) as caught:
            tiling_of(layer, acc, Mapping(levels))
        assert caught.value.path == path
