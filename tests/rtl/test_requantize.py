"""The requantiser lane against the golden model, which has its own oracles in tests/sim."""

from __future__ import annotations

import gc

import numpy as np
import pytest
from amaranth.hdl import Fragment
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.errors import SpecError
from dataflows.rounding import ROUNDINGS, Rounding
from dataflows.schedule import POST_LATENCY
from rtl.accelerator.post import PostProcess
from rtl.requantize import Requantizer
from sim.golden.accumulate import wrap
from sim.golden.requantize import quantize_multiplier, requantize
from tests.roundings import ROUNDED

TIES = [quantize_multiplier(scale) for scale in (0.1, 2**-4, 0.375, 0.5, 0.75, 1.25, 2**-12, 0.007247427341846)]


Vectors = list[tuple[int, int, int, int]]


def simulate(lane: Requantizer, vectors: Vectors, zero_point: int, low: int, high: int, mode: Rounding = "single") -> list[int]:
    """Feed one (acc, bias, multiplier, shift) per cycle and return what comes out `latency` cycles later, each."""
    found: list[int] = []

    async def bench(ctx) -> None:
        ctx.set(lane.rounding, ROUNDINGS.index(mode))
        ctx.set(lane.zero_point, zero_point)
        ctx.set(lane.low, low)
        ctx.set(lane.high, high)
        early = 0
        for cycle in range(len(vectors) + lane.latency):
            if cycle >= lane.latency:
                found.append(ctx.get(lane.y))
                assert found[-1] == early
            early = ctx.get(lane.next_y)
            if cycle < len(vectors):
                for port, value in zip((lane.acc, lane.bias, lane.multiplier, lane.shift), vectors[cycle], strict=True):
                    ctx.set(port, value)
            await ctx.tick()

    sim = Simulator(lane)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()
    return found


def expected(lane: Requantizer, vectors: Vectors, zero_point: int, low: int, high: int, mode: Rounding = "single") -> list[int]:
    acc, bias, multiplier, shift = np.array(vectors, np.int64).T
    scaled = wrap(acc + bias, lane.acc_bits), multiplier, shift
    return requantize(*scaled, zero_point=zero_point, low=low, high=high, mode=mode).tolist()


@pytest.mark.parametrize("mode", ROUNDINGS)
@pytest.mark.parametrize(("acc_bits", "stages"), [(32, 1), (48, 2)])
def test_ties_and_signs(acc_bits: int, stages: int, mode: Rounding) -> None:
    """Every small accumulator under multipliers that provoke ties, one result per cycle."""
    lane = Requantizer(acc_bits=acc_bits, output_bits=8, multiply_stages=stages)
    vectors = [(acc, 0, *pair) for pair in TIES for acc in range(-70, 71)]
    assert simulate(lane, vectors, 0, -128, 127, mode) == expected(lane, vectors, 0, -128, 127, mode)


@pytest.mark.parametrize("mode", ROUNDINGS)
def test_published_roundings(mode: Rounding) -> None:
    """Dense reference, 13.2: every row, in the hardware."""
    lane = Requantizer(acc_bits=32, output_bits=16)
    vectors = [(x, 0, 1 << 30, 30 + places) for x, places in ROUNDED]
    assert simulate(lane, vectors, 0, -32768, 32767, mode) == [row[mode] for row in ROUNDED.values()]


def test_published_ties() -> None:
    lane = Requantizer(acc_bits=32, output_bits=8)
    published = {-56: -3, -40: -2, -8: 0, 7: 0, 23: 1, 55: 3}  # precision reference, 7.3: M = 2**-4, single
    assert simulate(lane, [(acc, 0, *TIES[1]) for acc in published], 0, -128, 127) == list(published.values())


@st.composite
def cases(draw: st.DrawFn) -> tuple[int, int, Vectors, int, int, int, Rounding]:
    acc_bits = draw(st.sampled_from([20, 32, 48]))
    output_bits = draw(st.sampled_from([4, 8, 16]))
    edge = 1 << (acc_bits - 1)
    corners = st.sampled_from([-edge, -edge + 1, -1, 0, 1, edge - 1])
    acc = st.one_of(corners, st.integers(-edge, edge - 1), st.integers(-4096, 4095))
    multiplier = st.one_of(st.sampled_from([0, 1, 1 << 30, (1 << 31) - 1, (1 << 32) - 1]), st.integers(1 << 30, (1 << 31) - 1))
    vectors = draw(st.lists(st.tuples(acc, acc, multiplier, st.integers(1, 63)), min_size=1, max_size=40))
    half = 1 << (output_bits - 1)
    low, high = sorted(draw(st.tuples(*[st.integers(-half, half - 1)] * 2)))
    return acc_bits, output_bits, vectors, draw(st.integers(-half, half - 1)), low, high, draw(st.sampled_from(ROUNDINGS))


@settings(max_examples=60, deadline=None)
@given(cases())
def test_any_input(case: tuple[int, int, Vectors, int, int, int, Rounding]) -> None:
    """Extremes, wrap of acc + bias, every shift, every zero point, bound and rounding."""
    acc_bits, output_bits, vectors, *rest = case
    lane = Requantizer(acc_bits=acc_bits, output_bits=output_bits)
    assert simulate(lane, vectors, *rest) == expected(lane, vectors, *rest)


def test_sum_wraps() -> None:
    lane = Requantizer(acc_bits=32, output_bits=8)
    top = (1 << 31) - 1
    assert simulate(lane, [(top, 1, 1 << 30, 31), (-top - 1, -1, 1 << 30, 31)], 0, -128, 127) == [-128, 127]


@pytest.mark.parametrize("wrong", [{"acc_bits": 1}, {"output_bits": 40}, {"multiply_stages": 0}, {"acc_bits": 49}])
def test_rejects(wrong: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("amaranth._unused.MustUse._MustUse__silence", True)  # it is right that nobody elaborates it
    with pytest.raises(SpecError):
        Requantizer(**{"acc_bits": 32, "output_bits": 8, **wrong})
    gc.collect()


def test_schedule_counts_the_pipeline_that_is_built() -> None:
    unit = PostProcess(cols=4, lanes=2, acc_bits=32, output_bits=8, tile_blocks=2)
    assert unit.latency == POST_LATENCY
    Fragment.get(unit, None)
