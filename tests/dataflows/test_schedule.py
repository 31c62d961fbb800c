"""The exact schedule: what must hold for any layer; equality with hardware is in tests/sim/test_verify.py."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.arch import Accelerator, Array, Memory
from dataflows.bound import bound
from dataflows.counts import count
from dataflows.program import program_beats
from dataflows.schedule import schedule
from dataflows.steps import walk
from dataflows.tiling import Blocking, Tiling
from dataflows.workload import Layer
from tests.strategies import jobs

Job = tuple[Layer, Accelerator, Tiling]


@given(jobs())
def test_steps_carry_the_traffic_of_the_closed_form(job: Job) -> None:
    layer, acc, tiling = job
    steps = walk(*job)
    dram = count(layer, acc, tiling).levels["dram"]
    assert steps.input_beats.sum() == dram["inputs"]["reads"]
    assert steps.weight_beats.sum() == dram["weights"]["reads"]
    assert steps.scale_beats.sum() == dram["scales"]["reads"]
    assert steps.words[steps.last].sum() * acc.beats(acc.output_word_bits) == dram["outputs"]["writes"]


@given(jobs())
def test_bus_is_busy_for_every_beat_and_cycles_cover_it(job: Job) -> None:
    layer, acc, tiling = job
    timing = schedule(*job)
    beats = count(layer, acc, tiling, program_beats(acc)).dram_beats
    assert timing.bus_busy == beats * acc.memory.interval
    assert timing.cycles >= (beats - 1) * acc.memory.interval + 1
    assert timing.cycles >= timing.array_busy + timing.wait_load + timing.wait_accumulator
    assert timing.cycles * acc.array.macs >= layer.macs


@settings(max_examples=60)
@given(jobs(), st.integers(1, 30), st.integers(1, 3))
def test_a_slower_memory_never_saves_cycles(job: Job, extra: int, share: int) -> None:
    """With one output tile. With more, a grant that comes a cycle later may go to the better transaction (docs/hardware.md)."""
    layer, acc, tiling = job
    packed = Blocking.of(layer, acc).packed > 1
    layer = replace(layer, N=1, **({} if packed else {"G": 1}))
    blocking = Blocking.of(layer, acc)
    whole = blocking.group_blocks if packed else blocking.k_blocks
    tiling = replace(tiling, blocks=whole, p=layer.P, q=layer.Q)
    slow = replace(acc, memory=replace(acc.memory, latency=acc.memory.latency + extra, interval=acc.memory.interval * share))
    assert schedule(layer, slow, tiling).cycles >= schedule(layer, acc, tiling).cycles


@settings(max_examples=60)
@given(jobs(), st.integers(2, 5))
def test_bound_never_falls_with_less_bandwidth(job: Job, share: int) -> None:
    layer, acc, tiling = job
    slow = replace(acc, memory=replace(acc.memory, interval=acc.memory.interval * share))
    assert bound(layer, slow, tiling).cycles >= bound(layer, acc, tiling).cycles


def test_one_tile_by_hand() -> None:
    """A 4x4 weight-stationary array, GEMM 5x4x4, latency 7: every stage added up by hand."""
    acc = Accelerator("a", Array(4, 4), Memory(16, 1, 7), input_words=64, weight_words=64, acc_words=64, post_lanes=2)
    layer = Layer.gemm("g", M=5, N=4, K=4)
    fetched = 2 + (program_beats(acc) - 1) + 7  # last program beat arrives
    begin = fetched + 2 + 4 + 2 + 4  # lane table (4 lanes), BEGIN, three sequencer states, queue
    # Scale words are 2 x 72 bits = 2 beats, two of them; 4 weight words, 5 input words; one state before each burst.
    last_request = begin + (1 + 4) + (1 + 4) + (1 + 5)
    taken = last_request + 7 + 2  # data, end marker, token
    last_issue = taken + 1 + 4 + 5  # SETUP, weights, pixels
    summed = last_issue + (4 + 1) + 4 + 1  # through the array, across the banks, token
    posted = summed + 5 * 2 + 6 + 1
    assert schedule(layer, acc, Tiling(1, 1, 1, 5)).cycles == posted + 3 + 4 + 1
