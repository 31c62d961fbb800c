"""Cycles behind AXI: what must hold for any layer; equality with hardware is in tests/sim/axi and tests/rtl/shell."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.arch import Accelerator
from dataflows.axi import PAGE_BYTES, AxiOptions
from dataflows.axi_port import ADDRESSES, Beats, Shape, burst_lengths
from dataflows.axi_requests import transactions
from dataflows.axi_schedule import axi_schedule
from dataflows.counts import count
from dataflows.program import compile_layer, place, program_beats
from dataflows.schedule import schedule
from dataflows.steps import walk
from dataflows.tiling import Tiling
from dataflows.workload import Layer
from sim.axi.verify import limit
from tests.strategies import jobs

Job = tuple[Layer, Accelerator, Tiling]

options = st.builds(
    AxiOptions, burst_beats=st.sampled_from((1, 2, 3, 16, 256)), read_bursts=st.sampled_from((1, 2, 8, 64)),
    write_bursts=st.sampled_from((1, 2, 4)),
)  # fmt: skip


@settings(max_examples=60)
@given(jobs(), options, st.integers(2, 60), st.integers(0, 2000))
def test_cycles_lie_between_the_limits(job: Job, axi: AxiOptions, latency: int, base: int) -> None:
    layer, acc, tiling = job
    acc = replace(acc, memory=replace(acc.memory, interval=1, latency=latency))
    found = axi_schedule(layer, acc, tiling, place(*job, base), axi)
    least, most = schedule(layer, acc, tiling), limit(acc, axi, layer, tiling)
    assert least.cycles <= found.cycles < found.axi_cycles <= most + found.axi_read_wait + found.axi_write_wait
    assert (found.array_busy, found.post_busy, found.steps) == (least.array_busy, least.post_busy, least.steps)
    assert found.bus_busy == count(layer, acc, tiling, program_beats(acc)).dram_beats


@settings(max_examples=30)
@given(jobs(), options, st.integers(0, 2000))
def test_only_the_place_in_a_page_matters(job: Job, axi: AxiOptions, base: int) -> None:
    layer, acc, tiling = job
    page = PAGE_BYTES // acc.memory.bus_bytes
    moved = axi_schedule(layer, acc, tiling, place(*job, base + 3 * page), axi, latency=20)
    assert moved == axi_schedule(layer, acc, tiling, place(*job, base), axi, latency=20)


def addresses(request: Beats | None) -> list[int]:
    """Return the beats of a transaction in order."""
    if request is None:
        return []
    shape = request.shape
    found = [
        (request.addr + plane * shape.plane_pitch + row * shape.row_pitch + beat) % ADDRESSES
        for plane in range(shape.planes) for row in range(shape.rows) for beat in range(shape.beats)
    ]  # fmt: skip
    assert request.end == (found[-1] + 1) % ADDRESSES
    return found


@settings(max_examples=60)
@given(jobs(), st.integers(0, 2000))
def test_every_output_is_written_once_and_every_read_is_of_its_tensor(job: Job, base: int) -> None:
    layer, acc, tiling = job
    where, steps = place(*job, base), walk(*job)
    made = transactions(acc, compile_layer(layer, acc, tiling, where), steps)
    assert sorted(beat for request in made.stores for beat in addresses(request)) == list(range(where.outputs, where.end))
    tensors = {
        "scales": (where.scales, where.weights),
        "weights": (where.weights, where.inputs),
        "inputs": (where.inputs, where.outputs),
    }
    for number, (name, (first, behind)) in enumerate(tensors.items()):
        read = [beat for load in made.loads for beat in addresses(load[number])]
        assert all(first <= beat < behind for beat in read)
        assert len(read) == getattr(steps, f"{name.removesuffix('s')}_beats").sum()


@given(
    st.integers(0, 63), st.integers(1, 3), st.integers(1, 4), st.integers(1, 40), st.sampled_from((0, 1, 64, 65, ADDRESSES - 9)),
    st.integers(0, 100), st.sampled_from((1, 3, 16, 256)), st.integers(0, 20),
)  # fmt: skip
def test_bursts_are_cut_as_the_former_does(
    offset: int, planes: int, rows: int, beats: int, gap: int, pitch: int, most: int, carried: int
) -> None:
    """Beat by beat: a burst goes on with the next address, unless it is full or at a page."""
    shape = Shape(planes, rows, beats, (beats + gap) % ADDRESSES, pitch)
    page, carried = 64, min(carried, most - 1)
    if offset == 0:
        carried = 0  # nothing is carried over a page
    lengths, last = [carried] if carried else [], offset - 1
    for beat in addresses(Beats(offset, _end(offset, shape), shape)):
        if lengths and beat == last + 1 and beat % page and lengths[-1] < most:
            lengths[-1] += 1
        else:
            lengths.append(1)
        last = beat
    assert burst_lengths(offset, shape, carried, most=most, page=page) == tuple(lengths)


def _end(offset: int, shape: Shape) -> int:
    return (offset + (shape.planes - 1) * shape.plane_pitch + (shape.rows - 1) * shape.row_pitch + shape.beats) % ADDRESSES
