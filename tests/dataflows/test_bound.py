from __future__ import annotations

import math
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings

from dataflows.arch import Accelerator, Array, Memory
from dataflows.bound import Bound, bound, compute_cycles, first_load, first_tile_cycles, last_outputs
from dataflows.counts import count
from dataflows.execute import _Walker
from dataflows.program import program_beats
from dataflows.schedule import schedule
from dataflows.tiling import Blocking, Tiling
from dataflows.workload import Layer
from tests.strategies import any_jobs, jobs


def summed(layer, acc, tiling):
    """The issue slots of every step, one by one."""
    blocking, rows = Blocking.of(layer, acc), acc.array.rows
    packed, total = blocking.walks_groups, blocking.walked

    def sizes(whole, tile):
        return [min(tile, whole - start) for start in range(0, whole, tile)]

    images = layer.N * (1 if packed else blocking.group_blocks)
    cycles = 0
    for blocks, channels, p, q in product(
        sizes(total, tiling.blocks), sizes(blocking.c_blocks, tiling.c_blocks), sizes(layer.P, tiling.p), sizes(layer.Q, tiling.q)
    ):
        pixels, folds = p * q, blocks * channels * layer.R * layer.S
        if layer.op != "mac":
            cycles += folds * pixels
        elif acc.array.dataflow == "ws":
            cycles += rows + (folds - 1) * max(pixels, rows) + pixels
        else:
            cycles += math.ceil(pixels / rows) * folds * rows + rows
    return images * cycles


@settings(max_examples=200)
@given(any_jobs())
def test_compute_is_the_sum_over_steps(job):
    assert compute_cycles(*job) == summed(*job)


@settings(max_examples=100)
@given(any_jobs())
def test_bound_is_no_less_than_ideal_work(job):
    layer, acc, tiling = job
    limits = bound(layer, acc, tiling)
    assert limits.cycles * acc.array.macs >= layer.macs
    assert limits.cycles >= max(limits.compute, limits.post, limits.dram)
    counts = count(layer, acc, tiling)
    for level in ("input_buffer", "weight_buffer"):  # one word a cycle
        for entry in counts.levels[level].values():
            assert entry["reads"] <= limits.compute


def test_dram_bound_scales_with_interval():
    layer = Layer.gemm("g", M=64, N=64, K=64)
    tiling = Tiling(2, 2, 1, 64)
    slow = Accelerator("a", Array(16, 16), Memory(interval=64))
    beats = count(layer, slow, tiling, program_beats=10).dram_beats
    assert bound(layer, slow, tiling, program_beats=10).dram == 64 * (beats - 1) + 1


@settings(max_examples=200)
@given(any_jobs())
def test_chain_ends_add_up_over_a_single_tile(job):
    """With one tile there is nothing to overlap: the chain holds every beat and every post-processing cycle."""
    layer, acc, _ = job
    whole = replace(layer, N=1, G=1)
    tiling = Tiling(99, 99, 99, 99)
    counts, limits = count(whole, acc, tiling, program_beats=3), bound(whole, acc, tiling, program_beats=3)
    pauses = 2 * (acc.memory.interval - 1)
    assert limits.chain == limits.compute + limits.post + counts.dram_beats * acc.memory.interval - pauses
    assert limits.cycles == limits.chain


@settings(max_examples=100)
@given(jobs())
def test_first_tile_is_the_compute_of_its_own_layer(job):
    """A layer of one output tile computes for just as long as the first output tile of a larger one."""
    layer, acc, tiling = job
    packed = Blocking.of(layer, acc).packed > 1
    one = {"N": 1, "P": min(tiling.p, layer.P), "Q": min(tiling.q, layer.Q), "H": 0, "W": 0, "padding": (0, 0, 0, 0)}
    if packed:
        one["G"] = min(layer.G, tiling.blocks * Blocking.of(layer, acc).packed)
    else:
        one |= {"G": 1, "K": min(layer.K, tiling.blocks * acc.array.cols)}
    first = replace(layer, **one)
    if Blocking.of(first, acc).packed > 1 or not packed:
        assert first_tile_cycles(layer, acc, tiling) == compute_cycles(first, acc, tiling)


@settings(max_examples=200)
@given(any_jobs())
def test_bound_is_never_above_the_schedule(job):
    _layer, acc, _tiling = job
    assert bound(*job, program_beats=program_beats(acc)).cycles <= schedule(*job).cycles


@pytest.mark.parametrize("dataflow", ["ws", "os"])
@pytest.mark.parametrize("interval", [1, 5])
def test_bound_is_close_to_the_schedule_of_full_size_layers(dataflow, interval):
    """Waiting, latency and pipeline constants stay within a few per cent when tiles fill the buffers."""
    layer = Layer.conv("c", K=64, C=64, H=56, W=56, R=3, S=3, padding=1)
    acc = Accelerator("a", Array(16, 16, dataflow), Memory(interval=interval))
    tiling = Tiling(1, 2, 8, 28)
    limit, exact = bound(layer, acc, tiling, program_beats=program_beats(acc)).cycles, schedule(layer, acc, tiling).cycles
    assert limit <= exact <= 1.02 * limit


@settings(max_examples=100)
@given(any_jobs())
def test_first_load_and_last_tile_are_the_walkers(job):
    layer, acc, tiling = job
    walker = _Walker(layer, acc, tiling)
    steps = list(walker.steps())
    walker.load(steps[0], None)
    assert first_load(layer, acc, tiling) == sum(n for (level, _, _), n in walker.tally.items() if level == "dram")
    last = steps[-1]
    assert last_outputs(layer, acc, tiling) == len(last.blocks) * len(last.rows) * len(last.cols)


@pytest.mark.parametrize(
    ("limits", "name"),
    [(Bound(9, 2, 3, 19), "compute"), (Bound(1, 2, 3, 19), "dram"), (Bound(1, 4, 3, 0), "scale_buffer")],
)
def test_what_binds(limits, name):
    assert limits.binds == name
