"""Parts of systems against a few lines of Python: banks, rows, walks and nests."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from random import Random
from typing import Any

import pytest
from amaranth.hdl import Module, Signal
from amaranth.sim import Simulator

from dataflows.arch import Memory
from dataflows.spatial import named
from dataflows.spatial.system.spec import SpatialSystem
from rtl.spatial.system import layouts
from rtl.spatial.system.banks import InputBanks, SumBanks
from rtl.spatial.system.rows import RowMemory
from rtl.spatial.system.walk import Walk

SYSTEM = SpatialSystem(named.weight_stationary(4, 3), Memory(8), (64, 100, 60), post_lanes=4)


def simulate(dut: Any, drive: Callable[[Any], Any]) -> None:
    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(drive)
    sim.run()


def at(address: int, banks: int) -> dict[str, int]:
    return {"row": address // banks, "bank": address % banks}


@pytest.mark.parametrize("seed", range(5))
def test_input_banks_give_every_port_its_word(seed):
    rng, banks = Random(seed), SYSTEM.banks("inputs")
    dut, model = InputBanks(system=SYSTEM), {}
    size, words = SYSTEM.rows("inputs") * banks, SYSTEM.beat_words("inputs")

    async def drive(ctx: Any) -> None:
        for _ in range(200):
            half, place, count = rng.randrange(2), rng.randrange(size - words), rng.randint(1, words)
            beat = [rng.randrange(256) for _ in range(words)]
            ctx.set(dut.write, 1)
            ctx.set(dut.write_half, half)
            ctx.set(dut.write_at, at(place, banks))
            ctx.set(dut.write_data, sum(word << 8 * n for n, word in enumerate(beat)))
            ctx.set(dut.write_count, count)
            await ctx.tick()
            ctx.set(dut.write, 0)
            model.update({(half, place + n): word for n, word in enumerate(beat[:count])})
            first, step = rng.randrange(size - 4 * 9), rng.choice([1, 2, 3, 7, 9])
            places = [first + n * step for n in range(4)]
            ctx.set(dut.read, 1)
            ctx.set(dut.read_half, half)
            for n, each in enumerate(places):
                ctx.set(dut.lanes[n], {"at": at(each, banks), "used": 1})
            await ctx.tick()
            ctx.set(dut.read, 0)
            for n, each in enumerate(places):
                if (half, each) in model:
                    assert ctx.get(dut.found[n]) == model[half, each]

    simulate(dut, drive)


@pytest.mark.parametrize("seed", range(5))
def test_sum_banks_add_for_every_port(seed):
    rng, banks, lanes = Random(seed), SYSTEM.banks("outputs"), SYSTEM.array.lanes("outputs")
    dut, model = SumBanks(system=SYSTEM), {}
    size = SYSTEM.rows("outputs") * banks

    async def drive(ctx: Any) -> None:
        recent: list[int] = []
        for number in range(300):
            step, first = rng.choice([1, 2, 3, 4]), rng.randrange(size - 12)
            places = [first + n * step for n in range(lanes)]
            if set(places) & set(recent):  # the same place comes two cycles later at the earliest
                places, values = [], [0] * lanes
            else:
                values = [rng.randrange(-(1 << 20), 1 << 20) for _ in range(lanes)]
            fresh = number < 60 or any(place not in model for place in places)
            ctx.set(dut.add, int(bool(places)))
            ctx.set(dut.first, int(fresh))
            for n in range(lanes):
                ctx.set(dut.lanes[n], {"at": at(places[n] if places else 0, banks), "used": int(bool(places))})
                ctx.set(dut.sums[n], values[n])
            for place, value in zip(places, values, strict=False):
                model[place] = value if fresh else model[place] + value
            recent = places
            await ctx.tick()
        ctx.set(dut.add, 0)
        await ctx.tick().repeat(3)
        for first in range(size - 3):
            ctx.set(dut.read, 1)
            ctx.set(dut.read_at, at(first, banks))
            await ctx.tick()
            for n in range(4):
                if first + n in model:
                    assert ctx.get(dut.found[n]) == model[first + n]

    simulate(dut, drive)


@pytest.mark.parametrize(("cols", "post_lanes"), [(3, 4), (7, 1), (7, 4), (1, 4), (1, 1), (5, 8)])
def test_only_banks_with_a_word_of_the_group_are_read(cols, post_lanes):
    """Others would be read one row past the end of theirs at the end of the buffer."""
    system = SpatialSystem(named.weight_stationary(4, cols), Memory(8), (64, 100, 60), post_lanes=post_lanes)
    dut, banks = SumBanks(system=system), system.banks("outputs")
    m, wanted, row = Module(), Signal(banks), [Signal(16, name=f"row_{n}") for n in range(banks)]
    m.submodules.dut = dut
    for n in range(banks):
        read, where = dut._drained(n)
        m.d.comb += [wanted[n].eq(read), row[n].eq(where)]

    async def drive(ctx: Any) -> None:
        for place in range(system.rows("outputs") * banks - post_lanes + 1):
            ctx.set(dut.read_at, at(place, banks))
            await ctx.delay(1e-9)
            group = {(place + n) % banks: (place + n) // banks for n in range(post_lanes)}
            assert {n: ctx.get(row[n]) for n in range(banks) if ctx.get(wanted) >> n & 1} == group

    sim = Simulator(m)
    sim.add_testbench(drive)
    sim.run()


@pytest.mark.parametrize(("parts", "share"), [(1, 1), (3, 1), (1, 4)])
def test_rows_are_several_beats_or_parts_of_one(parts, share):
    dut, rng = RowMemory(beat_bits=32, parts=parts, share=share, rows=8, halves=2), Random(1)
    beats = [[rng.getrandbits(32) for _ in range(8 * parts // share)] for _ in range(2)]

    async def drive(ctx: Any) -> None:
        for half in range(2):
            ctx.set(dut.begin, 1)
            await ctx.tick()
            ctx.set(dut.begin, 0)
            ctx.set(dut.half, half)
            ctx.set(dut.write, 1)
            for beat in beats[half]:
                ctx.set(dut.beat, beat)
                await ctx.tick()
            ctx.set(dut.write, 0)
        for half, row in product(range(2), range(8)):
            ctx.set(dut.read, 1)
            ctx.set(dut.read_half, half)
            ctx.set(dut.row, row)
            await ctx.tick()
            whole = sum(beat << 32 * n for n, beat in enumerate(beats[half]))
            width = 32 * parts // share
            assert ctx.get(dut.found) == whole >> row * width & (1 << width) - 1

    simulate(dut, drive)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("counts", [(1, 1, 1, 1), (2, 3, 2, 2), (1, 4, 1, 3), (3, 1, 2, 1)])
def test_walks_visit_a_box_here_and_in_memory(groups, counts):
    banks, words = SYSTEM.banks("inputs"), 3
    dut = Walk(shape=layouts.place(SYSTEM, "inputs"), banks=banks, words=words, memory=True, groups=groups)
    pitches, steps, begin, address = (30, 14, 7), (1000, 100, 10), 5, 77

    async def drive(ctx: Any) -> None:
        for name, count in zip(("images", "rows", "cols", "beats"), counts, strict=True):
            ctx.set(getattr(dut, name), count)
        ctx.set(dut.at, at(begin, banks))
        ctx.set(dut.address, address)
        for name, pitch, step in zip(("image", "row", "pixel"), pitches, steps, strict=True):
            ctx.set(getattr(dut, f"{name}_pitch"), at(pitch, banks))
            ctx.set(getattr(dut, f"{name}_step"), step)
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)
        ctx.set(dut.step, 1)
        for image, row, col, beat, group in product(*(range(count) for count in counts), range(groups)):
            here = begin + image * pitches[0] + row * pitches[1] + col * pitches[2] + (beat * groups + group) * words
            assert ctx.get(dut.active) == 1
            found = ctx.get(dut.here)
            assert found.row * banks + found.bank == here
            assert ctx.get(dut.memory_address) == address + image * steps[0] + row * steps[1] + col * steps[2] + beat
            assert (ctx.get(dut.beat), ctx.get(dut.visit)) == (beat, beat * groups + group)
            last = (image, row, col, beat, group) == (*(count - 1 for count in counts), groups - 1)
            assert ctx.get(dut.last) == last
            await ctx.tick()
        assert ctx.get(dut.active) == 0

    simulate(dut, drive)
