"""Schedules of words for the array, and what must come out in which cycle."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from amaranth.sim import Simulator

from rtl.array import ArrayPlan, PEArray


def pack(values: Iterable[int], bits: int) -> int:
    """Put signed lanes into one word, lane 0 lowest."""
    return sum((int(value) & (1 << bits) - 1) << at * bits for at, value in enumerate(values))


def unpack(word: int, bits: int, count: int) -> list[int]:
    """Inverse of `pack`."""
    return [wrap(word >> at * bits, bits) for at in range(count)]


def wrap(value: int, bits: int) -> int:
    """Reduce to a signed number of `bits`."""
    return (int(value) + (1 << bits - 1)) % (1 << bits) - (1 << bits - 1)


class Schedule:
    """What is presented in each cycle, and which lane of `south` must show what when.

    Idle cycles present random weights everywhere, and random inputs where sums leave at once: nothing may depend on
    them. Where PEs add up for a whole wave, idle cycles present no input word.
    """

    def __init__(self, plan: ArrayPlan, rng: np.random.Generator) -> None:
        self.plan, self.rng = plan, rng
        self.ports: dict[int, dict[str, int]] = {}
        self.expected: dict[tuple[int, int], int] = {}

    def present(self, cycle: int, **ports: int) -> None:
        at = self.ports.setdefault(cycle, {})
        assert not at.keys() & ports.keys(), "two words for one port in one cycle"
        at.update(ports)

    def expect(self, cycle: int, lane: int, value: int) -> None:
        self.expected[cycle, lane] = wrap(value, self.plan.acc_bits)

    def operands(self, shape: tuple[int, ...], bits: int) -> np.ndarray:
        """Draw signed operands, extremes included."""
        values = self.rng.integers(-(1 << bits - 1), 1 << bits - 1, shape)
        return np.where(self.rng.random(shape) < 0.1, -(1 << bits - 1), values)

    def _idle(self) -> dict[str, int]:
        plan = self.plan
        north = pack(self.operands((plan.cols,), plan.weight_bits), plan.weight_bits)
        west = pack(self.operands((plan.rows,), plan.input_bits), plan.input_bits)
        return {"north": north, "west": west, "west_slot": plan.rows, "first": 0, "take": 0}

    def mismatches(self) -> list[tuple[int, int, int, int]]:
        """Run the array; return (cycle, lane, expected, found) of every wrong result."""
        plan, wrong = self.plan, []
        dut = PEArray(plan=plan)
        last = max(cycle for cycle, _ in self.expected)

        async def bench(ctx: Any) -> None:
            for cycle in range(last + 1):
                for name, value in {**self._idle(), **self.ports.get(cycle, {})}.items():
                    ctx.set(getattr(dut, name), value)
                for lane, found in enumerate(unpack(ctx.get(dut.south), plan.acc_bits, plan.cols)):
                    expected = self.expected.get((cycle, lane), found)
                    if found != expected:
                        wrong.append((cycle, lane, expected, found))
                await ctx.tick()

        sim = Simulator(dut)
        sim.add_clock(1e-6)
        sim.add_testbench(bench)
        sim.run()
        return wrong


def weight_waves(schedule: Schedule, lengths: list[int], slack: list[int], load_shift: int = 0, take_shift: int = 0) -> None:
    """Schedule waves with stationary weights, as close as the contract allows.

    Parameters
    ----------
    lengths : list of int
        Words per wave.
    slack : list of int
        How much later than possible each load comes, within the wave before it.
    load_shift, take_shift : int
        Move the last load, or every `take`, by some cycles: what the contract forbids.
    """
    plan = schedule.plan
    first = plan.rows
    for i, (length, late) in enumerate(zip(lengths, slack, strict=True)):
        weights = schedule.operands((plan.rows, plan.cols), plan.weight_bits)
        inputs = schedule.operands((length, plan.rows), plan.input_bits)
        before = max(lengths[i - 1], plan.rows) if i else plan.rows
        load = first - before + min(late, before - plan.rows) + (load_shift if i == len(lengths) - 1 else 0)
        for k in range(plan.rows):
            schedule.present(load + k, north=pack(weights[plan.rows - 1 - k], plan.weight_bits))
        schedule.present(load + plan.rows - 1 + take_shift, take=1)
        schedule.present(first, first=1)
        for m, word in enumerate(inputs):
            schedule.present(first + m, west=pack(word, plan.input_bits))
            for c, value in enumerate(word @ weights):
                schedule.expect(first + m + plan.south_latency + c, c, value)
        first += max(length, plan.rows)


def output_waves(
    schedule: Schedule, waves: list[tuple[int, int, int]], slack: list[int], take_shift: int = 0, gap_input: bool = False
) -> None:
    """Schedule waves with stationary outputs, as close as the contract allows.

    Parameters
    ----------
    waves : list of (taps, lanes, used)
        Words per row, lanes used in each, rows used.
    slack : list of int
        How much later than possible each drain comes, within the wave beside it.
    take_shift : int
        Move every `take` by some cycles beyond that: what the contract forbids.
    gap_input : bool
        Present an input word for row 0 in the cycle after each wave's last word: likewise.
    """
    plan = schedule.plan
    first = 0
    lengths = [max(taps * max(lanes, used), plan.rows) for taps, lanes, used in waves]
    for i, (taps, lanes, used) in enumerate(waves):
        inputs = schedule.operands((taps, used, lanes), plan.input_bits)
        weights = schedule.operands((taps, lanes, plan.cols), plan.weight_bits)
        period = max(lanes, used)
        schedule.present(first, first=1)
        for tap in range(taps):
            at = first + tap * period
            for r in range(used):
                schedule.present(at + r, west=pack(inputs[tap, r], plan.input_bits), west_slot=r)
            for j in range(lanes):
                schedule.present(at + j, north=pack(weights[tap, j], plan.weight_bits))
        if gap_input:
            schedule.present(first + taps * period, west=pack([1] * plan.rows, plan.input_bits), west_slot=0)
        first += lengths[i]
        beside = lengths[i + 1] if i + 1 < len(waves) else plan.rows + 2
        take = first + plan.rows + min(slack[i], beside - plan.rows) + take_shift
        schedule.present(take, take=1)
        result = np.einsum("trj,tjc->rc", inputs, weights)
        for r in range(plan.rows):
            for c in range(plan.cols):
                cycle = take + plan.south_latency + plan.rows - 1 - r + c
                schedule.expect(cycle, c, result[r, c] if r < used else 0)
    schedule.present(first, first=1)
