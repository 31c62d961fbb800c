"""Lanes past the array and accumulator banks against Python's integers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from amaranth.sim import Simulator

from rtl.accelerator.accumulator import AccumulatorBank
from rtl.accelerator.lanes import ChannelLane

CYCLES = 400


def wrapped(value: int, bits: int) -> int:
    half = 1 << (bits - 1)
    return (value + half) % (1 << bits) - half


def corner(rng: np.random.Generator, bits: int) -> int:
    """A signed value, often at an end of its range."""
    half = 1 << (bits - 1)
    return int(rng.choice([-half, half - 1, 0, int(rng.integers(-half, half))]))


@pytest.mark.parametrize(("input_bits", "weight_bits", "acc_bits"), [(8, 8, 32), (4, 4, 12), (16, 16, 48), (4, 16, 24)])
def test_a_lane_is_a_multiplication(input_bits: int, weight_bits: int, acc_bits: int) -> None:
    lane: Any = ChannelLane(input_bits=input_bits, weight_bits=weight_bits, acc_bits=acc_bits)
    rng = np.random.default_rng(input_bits * weight_bits)
    expected: list[int] = []

    async def drive(ctx: Any) -> None:
        for _ in range(CYCLES):
            x, zero = corner(rng, input_bits), corner(rng, input_bits)
            factor, factor_zero = corner(rng, weight_bits), corner(rng, weight_bits)
            coefficient, pad, maximum, multiply = corner(rng, 16), *(int(bit) for bit in rng.integers(0, 2, 3))
            for port, value in (
                (lane.x, x), (lane.zero, zero), (lane.factor, factor), (lane.factor_zero, factor_zero),
                (lane.coefficient, coefficient), (lane.pad, pad), (lane.maximum, maximum), (lane.multiply, multiply),
            ):  # fmt: skip
                ctx.set(port, value)
            value = (-(1 << input_bits) if maximum else 0) if pad else x - zero
            expected.append(wrapped(value * (factor - factor_zero if multiply else coefficient), acc_bits))
            await ctx.tick()
            if len(expected) > 1:
                assert ctx.get(lane.term) == expected[-2]

    simulator = Simulator(lane)
    simulator.add_clock(1e-6)
    simulator.add_testbench(drive)
    simulator.run()
    assert len(expected) == CYCLES


@pytest.mark.parametrize("keeps_largest", [False, True])
def test_a_bank_adds_or_keeps_the_larger(keeps_largest: bool) -> None:
    """Few addresses, so that one is updated twice in a row, or just after it was written."""
    bits, words = 12, 3
    bank: Any = AccumulatorBank(words=words, acc_bits=bits, keeps_largest=keeps_largest, modules=None)
    rng = np.random.default_rng(5)
    held: dict[tuple[int, int], int] = {}
    waiting: list[tuple[int, int, int]] = []

    async def drive(ctx: Any) -> None:
        for cycle in range(2 * CYCLES):
            maximum = int(keeps_largest and cycle >= CYCLES)
            if cycle == CYCLES:
                held.clear()
            if waiting:  # the value comes a cycle after its control
                half, addr, first = waiting.pop()
                value = corner(rng, bits)
                ctx.set(bank.value, value)
                ctx.set(bank.maximum, maximum)
                old = held.get((half, addr), 0)
                held[half, addr] = value if first else max(old, value) if maximum else wrapped(old + value, bits)
            half, addr = int(rng.integers(0, 2)), int(rng.integers(0, words))
            valid = int(rng.random() < 0.8 and cycle % CYCLES < CYCLES - 1)
            first = int((half, addr) not in held or rng.random() < 0.1)
            for name, value in (("valid", valid), ("first", first), ("half", half), ("addr", addr)):
                ctx.set(getattr(bank.ctl, name), value)
            await ctx.tick()
            if valid:
                waiting.append((half, addr, first))
            if cycle % CYCLES == CYCLES - 1:
                await check(ctx)

    async def check(ctx: Any) -> None:
        ctx.set(bank.ctl.valid, 0)
        await ctx.tick()
        for (half, addr), value in held.items():
            ctx.set(bank.post_read, 1)
            ctx.set(bank.post_half, half)
            ctx.set(bank.post_addr, addr)
            await ctx.tick()
            assert wrapped(ctx.get(bank.post_data), bits) == value
        ctx.set(bank.post_read, 0)
        assert len(held) == 2 * words

    simulator = Simulator(bank)
    simulator.add_clock(1e-6)
    simulator.add_testbench(drive)
    simulator.run()
