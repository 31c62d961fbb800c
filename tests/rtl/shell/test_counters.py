"""Counters that outlive their layer: copies, totals over layers, and what a clear in between does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.counters import COUNTER_BITS, COUNTERS
from dataflows.registers import ALL_COUNTERS, CAPTURE_CYCLES, MOST_COUNTERS, SHELL_COUNTERS
from rtl.shell.counters import CounterBanks

NUMBER = len(ALL_COUNTERS)


async def read(ctx, banks: CounterBanks, bank: int) -> list[int]:
    """Return a whole bank."""
    found = []
    for i in range(NUMBER):
        ctx.set(banks.addr, bank * MOST_COUNTERS + i)
        ctx.set(banks.read, 1)
        await ctx.tick()
        ctx.set(banks.read, 0)
        found.append(ctx.get(banks.data))
    return found


def simulate(banks: CounterBanks, bench: Callable[[Any], Any]) -> None:
    sim = Simulator(banks)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()


class Layers:
    """Run layers whose counters have given values; `clear_at` is the cycle of copying in which totals are cleared."""

    def __init__(self, layers: list[list[int]], clear_at: list[int]) -> None:
        self.banks, self.layers, self.clear_at = CounterBanks(), layers, clear_at
        self.last: list[list[int]] = []
        self.totals: list[list[int]] = []
        self.copying: list[int] = []

    async def run(self, ctx) -> None:
        banks = self.banks
        self.totals.append(await read(ctx, banks, 1))
        self.last.append(await read(ctx, banks, 0))
        for values, clear_at in zip(self.layers, self.clear_at, strict=True):
            ctx.set(banks.restart, 1)
            await ctx.tick()
            ctx.set(banks.restart, 0)
            for cycle in range(9):
                ctx.set(banks.events, sum((cycle < values[len(COUNTERS) + i]) << i for i in range(len(SHELL_COUNTERS))))
                await ctx.tick()
            ctx.set(banks.events, 0)
            cycles, over = 0, False
            while not over:
                ctx.set(banks.capture, cycles == 0)
                ctx.set(banks.clear_totals, cycles == clear_at)
                index = ctx.get(banks.index)
                ctx.set(banks.value, values[index] if index < len(COUNTERS) else 0)
                over = ctx.get(banks.captured)
                cycles += 1
                await ctx.tick()
            ctx.set(banks.clear_totals, 0)
            self.copying.append(cycles)
            self.totals.append(await read(ctx, banks, 1))
            self.last.append(await read(ctx, banks, 0))


VALUES = st.tuples(
    st.lists(st.integers(0, 2**COUNTER_BITS - 1), min_size=len(COUNTERS), max_size=len(COUNTERS)),
    st.lists(st.integers(0, 9), min_size=len(SHELL_COUNTERS), max_size=len(SHELL_COUNTERS)),
).map(lambda parts: [*parts[0], *parts[1]])


@settings(max_examples=10)
@given(st.lists(st.tuples(VALUES, st.one_of(st.none(), st.integers(0, CAPTURE_CYCLES - 1))), min_size=1, max_size=4))
def test_totals_are_sums_since_the_last_clear(layers) -> None:
    bench = Layers([values for values, _clear in layers], [-1 if clear is None else clear for _values, clear in layers])
    simulate(bench.banks, bench.run)
    sums = [0] * NUMBER
    assert (bench.totals[0], bench.last[0]) == (sums, sums)
    for number, (values, clear) in enumerate(layers):
        sums = [a + b for a, b in zip(sums, values, strict=True)] if clear is None else [0] * NUMBER
        assert bench.last[number + 1] == values
        assert bench.totals[number + 1] == sums
    assert set(bench.copying) == {CAPTURE_CYCLES}


def test_a_reset_forgets_all() -> None:
    banks = CounterBanks()

    async def bench(ctx) -> None:
        ctx.set(banks.value, 7)
        ctx.set(banks.capture, 1)
        await ctx.tick()
        ctx.set(banks.capture, 0)
        await ctx.tick().repeat(CAPTURE_CYCLES)
        assert (await read(ctx, banks, 0))[0] == 7
        ctx.set(banks.reset, 1)
        await ctx.tick()
        ctx.set(banks.reset, 0)
        assert await read(ctx, banks, 0) == await read(ctx, banks, 1) == [0] * NUMBER

    simulate(banks, bench)
