"""The exact schedule: what must hold for any layer; equality with hardware is in tests/sim/test_verify.py."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.arch import Accelerator, Array, Memory
from dataflows.bound import bound
from dataflows.counts import count
from dataflows.program import program_beats
from dataflows.schedule import schedule
from dataflows.steps import walk
from dataflows.tiling import Tiling
from dataflows.workload import Layer
from tests.strategies import any_jobs

Job = tuple[Layer, Accelerator, Tiling]


@given(any_jobs())
def test_steps_carry_the_traffic_of_the_closed_form(job: Job) -> None:
    layer, acc, tiling = job
    steps = walk(*job)
    dram = count(layer, acc, tiling).levels["dram"]
    assert steps.input_beats.sum() == dram["inputs"]["reads"]
    assert steps.weight_beats.sum() == dram["weights"]["reads"]
    assert steps.scale_beats.sum() == dram["scales"]["reads"]
    assert steps.words[steps.last].sum() * acc.beats(acc.output_word_bits) == dram["outputs"]["writes"]


@given(any_jobs())
def test_bus_is_busy_for_every_beat_and_cycles_cover_it(job: Job) -> None:
    layer, acc, tiling = job
    timing = schedule(*job)
    beats = count(layer, acc, tiling, program_beats(acc)).dram_beats
    assert timing.bus_busy == beats * acc.memory.interval
    assert timing.cycles >= (beats - 1) * acc.memory.interval + 1
    assert timing.cycles >= timing.array_busy + timing.wait_load + timing.wait_accumulator
    assert timing.cycles * acc.array.macs >= layer.macs


@settings(max_examples=150)
@given(any_jobs(), st.integers(1, 100))
def test_a_slower_memory_never_saves_cycles(job: Job, least: int) -> None:
    """The theorem of docs/hardware.md. Neighbouring latencies, because that is where a greedy port has its anomalies."""
    layer, acc, tiling = job

    def cycles(interval: int, latency: int) -> int:
        memory = replace(acc.memory, interval=interval, latency=latency)
        return schedule(layer, replace(acc, memory=memory), tiling).cycles

    found = np.array([[cycles(interval, latency) for latency in range(least, least + 8)] for interval in range(1, 5)])
    assert (np.diff(found, axis=0) >= 0).all()
    assert (np.diff(found, axis=1) >= 0).all()


@settings(max_examples=300)
@given(any_jobs(), st.sampled_from((2, 4, 8)))
def test_a_narrower_bus_never_saves_cycles(job: Job, share: int) -> None:
    """No word, and no program, takes fewer beats on a narrower bus."""
    layer, acc, tiling = job
    wide = replace(acc, memory=replace(acc.memory, bus_bytes=acc.memory.bus_bytes * share))
    assert schedule(layer, acc, tiling).cycles >= schedule(layer, wide, tiling).cycles


@settings(max_examples=300)
@given(any_jobs(), st.sampled_from(("scale_beats", "weight_beats", "input_beats", "issue", "words")), st.data())
def test_no_longer_duration_saves_cycles(job: Job, what: str, data: st.DataObject) -> None:
    """The recurrence never falls in any of its durations: here one transfer, or the computation of one step."""
    steps = walk(*job)
    at, extra = data.draw(st.integers(0, len(steps.issue) - 1)), data.draw(st.integers(1, 60))
    slower = getattr(steps, what).copy()
    slower[at] += extra
    before = schedule(*job).cycles
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dataflows.schedule.walk", lambda *_job: replace(steps, **{what: slower}))
        assert schedule(*job).cycles >= before


@given(any_jobs())
def test_a_table_is_fetched_before_everything_else(job: Job) -> None:
    """The program's last beat, three cycles, one request per beat, the last one's data."""
    layer, acc, tiling = job
    alone, looked_up = schedule(layer, acc, tiling), schedule(layer, acc, tiling, table=True)
    more = 3 + (acc.table_beats - 1) * acc.memory.interval + acc.memory.latency
    beats = acc.table_beats * acc.memory.interval
    assert looked_up == replace(alone, cycles=alone.cycles + more, bus_busy=alone.bus_busy + beats)


@settings(max_examples=60)
@given(any_jobs(), st.integers(2, 5))
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
