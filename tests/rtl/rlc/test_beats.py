"""Coding a beat at a time, in the Amaranth simulator, against `sim.formats.rlc`: contents, order, exact cycles, pauses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
import pytest
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.compression import Format
from dataflows.errors import SpecError
from rtl.rlc import layouts
from rtl.rlc.beat_decoder import BeatDecoder
from rtl.rlc.beat_encoder import BeatEncoder
from sim.formats.rlc import encode, runs

Row = list[int]


@dataclass(frozen=True)
class Case:
    """A size, the word that stands for zero, and rows of whole beats, words unsigned."""

    form: Format
    bits: int
    words: int
    zero: int
    rows: list[Row]

    def levels(self, row: Row) -> Row:
        """Words less the zero point, in two's complement."""
        low = 1 << self.bits - 1
        return [((word - self.zero + low) % (2 * low)) - low for word in row]

    def coded(self, row: Row) -> list[int]:
        packed = encode(self.levels(row), self.bits, self.form)
        return [int.from_bytes(word.tobytes(), "little") for word in packed]

    def closers(self, row: Row) -> list[int]:
        """Places of the words that close a pair."""
        return (np.cumsum(runs(self.levels(row), self.form.run_bits)[0] + 1) - 1).tolist()

    def beats(self, row: Row) -> list[Row]:
        return [row[at : at + self.words] for at in range(0, len(row), self.words)]

    def beat_cycles(self, row: Row) -> list[int]:
        """Cycles that the encoder takes for every beat."""
        places = self.closers(row)
        inside = [[at for at in places if at // self.words == beat] for beat in range(len(row) // self.words)]
        return [len(here) + (not here or (here[-1] + 1) % self.words != 0) for here in inside]

    def word_cycles(self, row: Row, wanted: int) -> list[int]:
        """Cycles that the decoder takes for every memory word if `wanted` beats are, the first and so on, of this row."""
        places, ends = self.closers(row), {at + self.words - 1 for at in range(0, len(row), self.words)}
        events = sorted(set(places) | {end for end in ends if end not in places})  # a cycle for each, in this order
        stop = wanted * self.words - 1  # the beat that is the last wanted leaves here
        numbers = [int(np.searchsorted(places, event)) // self.form.pack for event in events]
        count = len(self.coded(row))
        taken = [
            sum(event <= stop and number == at for event, number in zip(events, numbers, strict=True)) for at in range(count)
        ]
        cut = numbers[events.index(stop)]  # the memory word at work then; unless it has the flag, it is dropped in a cycle more
        return [cycles + (cut < count - 1 and at >= cut) for at, cycles in enumerate(taken)]


def sizes(rng: Random) -> tuple[Format, int, int, int]:
    form = Format("rlc", run_bits=rng.randint(1, 5), pack=rng.randint(1, 9), flag_bits=rng.choice((1, 1, 3)))
    bits = rng.randint(1, 9)
    return form, bits, rng.randint(1, 16), rng.randrange(1 << bits)


def case(seed: int) -> Case:
    """Rows of every density, some with long runs, some that end in zeros."""
    rng, rows = Random(seed), []
    form, bits, words, zero = sizes(rng)
    for _ in range(rng.randint(1, 5)):
        density = rng.choice((0.0, 0.03, 0.3, 0.8, 1.0))
        length = words * rng.choice((1, 1, 2, rng.randint(1, 9), 1 + (2 << form.run_bits) // words))
        row = [rng.randrange(1 << bits) if rng.random() < density else zero for _ in range(length)]
        tail = rng.choice((0, 0, length // 2))
        rows.append(row[: length - tail] + [zero] * tail)
    return Case(form, bits, words, zero, rows)


@dataclass
class Log:
    """What came out, in which cycle, and in which cycle each item went in."""

    found: list[int]
    left: list[int]
    entered: list[int]
    fault: int = 0


def simulate(
    dut: Any, zero: int, coming: list[Any], wanted: int, pauses: tuple[float, float], seed: int,
    last: Callable[[int], bool] | None = None,
) -> Log:  # fmt: skip
    """Feed and take with gaps; `last` says of the number of a beat whether it is the last wanted of its row."""
    rng, log = Random(seed), Log([], [], [])

    async def bench(ctx: Any) -> None:
        offered, waiting, at = False, None, 0
        ctx.set(dut.zero, zero)
        idle = 0
        while idle < 3:
            offered = len(log.entered) < len(coming) and (offered or rng.random() >= pauses[0])
            ctx.set(dut.i.valid, int(offered))
            # What is on the lines without valid must not matter.
            ctx.set(dut.i.payload, coming[len(log.entered)] if offered else rng.choice(coming))
            if last is not None:
                ctx.set(dut.last, int(last(len(log.found))))
            ctx.set(dut.o.ready, 0)
            valid, seen = ctx.get(dut.o.valid), ctx.get(dut.o.payload.as_value())
            assert waiting is None or (valid and seen == waiting), "an offer was changed or taken back"
            ready = rng.random() >= pauses[1]
            ctx.set(dut.o.ready, int(ready))
            assert ctx.get(dut.o.valid) == valid, "valid depends on ready"
            waiting = seen if valid and not ready else None
            if valid and ready:
                log.found.append(seen)
                log.left.append(at)
            if ctx.get(dut.i.ready):
                assert offered, "ready is only for what is there"
                log.entered.append(at)
                offered = False
            finished = len(log.entered) == len(coming) and len(log.found) >= wanted
            idle = idle + 1 if finished else 0
            at += 1
            assert at < 60 * (len(coming) + wanted) * 40 + 200, "stuck"
            await ctx.tick()
        log.fault = ctx.get(dut.fault) if hasattr(dut, "fault") else 0

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return log


def lump(row: Row, bits: int) -> int:
    return sum(word << at * bits for at, word in enumerate(row))


def encoded(this: Case, pauses: tuple[float, float], seed: int) -> Log:
    dut = BeatEncoder(form=this.form, word_bits=this.bits, words=this.words)
    coming = [
        {"words": beat, "last": int(at == len(row) // this.words - 1)}
        for row in this.rows for at, beat in enumerate(this.beats(row))
    ]  # fmt: skip
    return simulate(dut, this.zero, coming, sum(len(this.coded(row)) for row in this.rows), pauses, seed)


def decoded(this: Case, wanted: list[int], pauses: tuple[float, float], seed: int) -> Log:
    """Decode the first `wanted` beats of each row."""
    dut = BeatDecoder(form=this.form, word_bits=this.bits, words=this.words)
    layout = layouts.memory_word(this.form, this.bits)
    coming = [layout.from_bits(packed) for row in this.rows for packed in this.coded(row)]
    ends = set((np.cumsum(wanted) - 1).tolist())
    return simulate(dut, this.zero, coming, sum(wanted), pauses, seed, lambda number: number in ends)


SEEDS = st.integers(0, 2**32)
PAUSES = st.sampled_from([(0.0, 0.0), (0.4, 0.0), (0.0, 0.4), (0.4, 0.4), (0.1, 0.8)])


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, pauses=PAUSES)
def test_the_encoder_writes_what_numpy_does(seed: int, pauses: tuple[float, float]) -> None:
    this = case(seed)
    log = encoded(this, pauses, seed)
    width = layouts.memory_word(this.form, this.bits).size
    wanted = [
        packed | int(at == len(words) - 1) << width for words in map(this.coded, this.rows) for at, packed in enumerate(words)
    ]
    assert log.found == wanted
    if pauses == (0.0, 0.0):
        steps = [cycles for row in this.rows for cycles in this.beat_cycles(row)]
        assert log.entered == (np.cumsum(steps) - 1).tolist()
        assert log.left[-1] == sum(steps)  # the cycle after the last step


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, pauses=PAUSES, whole=st.booleans())
def test_the_decoder_gives_the_beats_back(seed: int, pauses: tuple[float, float], whole: bool) -> None:
    this, rng = case(seed), Random(seed + 1)
    lengths = [len(row) // this.words for row in this.rows]
    wanted = lengths if whole else [rng.randint(1, length) for length in lengths]
    log = decoded(this, wanted, pauses, seed)
    rows = zip(this.rows, wanted, strict=True)
    assert log.found == [lump(beat, this.bits) for row, count in rows for beat in this.beats(row)[:count]]
    assert not log.fault
    if pauses == (0.0, 0.0):
        cycles = [each for row, count in zip(this.rows, wanted, strict=True) for each in this.word_cycles(row, count)]
        assert log.entered == (np.cumsum(cycles) - 1).tolist()


@pytest.mark.parametrize("pack", [16, 39])
def test_a_memory_word_fills_a_wide_bus(pack: int) -> None:
    rng, words = Random(pack), 64
    row = [rng.randrange(256) if rng.random() < 0.5 else 131 for _ in range(4 * words)]
    this = Case(Format("rlc", run_bits=3, pack=pack, flag_bits=1), 8, words, 131, [row, row[:words]])
    assert [found & ~(1 << 11 * pack + 1) for found in encoded(this, (0.0, 0.3), 1).found] == this.coded(row) + this.coded(
        row[:words]
    )
    assert decoded(this, [4, 1], (0.3, 0.0), 1).found == [lump(beat, 8) for each in this.rows for beat in this.beats(each)]


@pytest.mark.parametrize(("values", "beats", "fault"), [([5, 0, 0, 0], 1, 0), ([5, 0, 0, 0], 2, 1), ([5, 0, 6, 7, 8, 9], 2, 1)])
def test_a_row_that_ends_too_soon_is_a_fault_until_it_is_cleared(values: Row, beats: int, fault: int) -> None:
    # Four words a beat. The third row is no whole number of beats; the first two are one beat.
    form = Format("rlc", run_bits=2, pack=2, flag_bits=1)
    dut: Any = BeatDecoder(form=form, word_bits=4, words=4)
    coming = [int.from_bytes(word.tobytes(), "little") for word in encode([value - 8 for value in values], 4, form)]
    seen = []

    async def bench(ctx: Any) -> None:
        ctx.set(dut.zero, 8)
        ctx.set(dut.o.ready, 1)
        given = 0
        for packed in coming:
            ctx.set(dut.i.payload, layouts.memory_word(form, 4).from_bits(packed))
            ctx.set(dut.i.valid, 1)
            ready = False
            while not ready:
                ctx.set(dut.last, int(given == beats - 1))
                given += ctx.get(dut.o.valid)
                ready = ctx.get(dut.i.ready)
                assert not ctx.get(dut.fault)
                await ctx.tick()
        ctx.set(dut.i.valid, 0)
        await ctx.tick()
        seen.append(ctx.get(dut.fault))
        ctx.set(dut.clear, 1)
        await ctx.tick()
        seen.append(ctx.get(dut.fault))

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert seen == [fault, 0]


def test_sizes_that_cannot_be_built_are_refused() -> None:
    with pytest.raises(SpecError, match="flag_bits"):
        layouts.closed_memory_word(Format.parse("rlc:pack=2"), 8)
    with pytest.raises(SpecError, match="rlc without"):
        layouts.flagged(Format.parse("bitmask"), 8)
    with pytest.raises(SpecError, match="words"):
        layouts.closed_beat(8, 0)
    with pytest.raises(SpecError, match="word_bits"):
        layouts.flagged(Format.parse("rlc:flag_bits=1"), 33)
    assert layouts.closed_beat(8, 4).size == 33
    assert layouts.closed_memory_word(Format("rlc", run_bits=5, pack=9, flag_bits=1), 8).size == 119
