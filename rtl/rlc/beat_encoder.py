"""From beats of words to memory words."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from dataflows.compression import Format
from rtl.rlc import layouts

__all__ = ["BeatEncoder"]


class BeatEncoder(wiring.Component):
    """Close a pair per cycle with the next word of a beat that is not zero (dense reference, 3.7).

    A beat takes a cycle for every word in it that closes a pair, and one more if its final word closes none; a word closes a
    pair if it is not zero, if the run is full, or if it is the row's last. Nothing is done while a memory word waits at the
    output. A beat stays at the input until it is used up; nothing of it is copied. A memory word is at the output in the
    cycle after its last pair.

    Parameters
    ----------
    form : Format
        Of kind ``rlc``, with a flag, without segments.
    word_bits : int
        Width of a word.
    words : int
        Words of a beat. A row has whole beats.

    Members
    -------
    i : In, stream
        Beats, the last one of each row marked; `ready` only in the cycle in which one is used up.
    zero : In, word_bits
        The word that is coded as zero: levels are words less this, modulo 2**word_bits. Constant while a row is coded.
    o : Out, stream
        Memory words, the last one of each row marked and with the lowest bit of `flag` set. `valid` is a register.
    """

    def __init__(self, *, form: Format, word_bits: int, words: int) -> None:
        self.form, self.word_bits, self.words = form, word_bits, words
        self.closed = layouts.closed_memory_word(form, word_bits)
        super().__init__({
            "i": In(stream.Signature(layouts.closed_beat(word_bits, words))), "zero": In(word_bits),
            "o": Out(stream.Signature(self.closed)),
        })  # fmt: skip

    def elaborate(self, platform: Any) -> Module:
        """Build the place in the beat, the count of zeros before it, and the output."""
        m = Module()
        words, most = self.words, (1 << self.form.run_bits) - 1
        last = self.i.payload.last
        pos = Signal(range(words))
        zeros = Signal(self.form.run_bits)
        some, first, level = self._first(m, pos)
        place = Signal(range(words + 1))
        after = Signal(range(words + 1))
        span = Signal(range(words + most + 1))
        valid, step, full, final, closes, used = (
            Signal(name=name) for name in ("valid", "step", "full", "final", "closes", "used")
        )
        m.d.comb += [
            step.eq(self.i.valid & (~valid | self.o.ready)), place.eq(Mux(some, first, words)),
            span.eq(zeros + (place - pos)), full.eq(span > most),
            final.eq(~some & ~full & last), closes.eq(some | full | last),
            after.eq(Mux(full, pos + (most + 1 - zeros), Mux(some, place + 1, words))),
            used.eq(after == words), self.i.ready.eq(step & used), self.o.valid.eq(valid),
        ]  # fmt: skip
        run = Mux(full, most, span - final)
        with m.If(step):
            m.d.sync += [pos.eq(Mux(used, 0, after)), zeros.eq(Mux(closes, 0, span))]
        done = self._pack(m, step & closes, run, Mux(some & ~full, level, 0), last & used)
        with m.If(done):
            m.d.sync += valid.eq(1)
        with m.Elif(self.o.ready):
            m.d.sync += valid.eq(0)
        return m

    def _first(self, m: Module, pos: Any) -> tuple[Any, Any, Any]:
        """Build whether a word from `pos` on is not zero, and the place and the level of the first one."""
        found = []
        for at in range(self.words):
            level = Signal(self.word_bits, name=f"level_{at}")
            m.d.comb += level.eq(self.i.payload.words[at] - self.zero)
            found.append((level.any() & (pos <= at), Const(at, range(self.words + 1)), level))
        return _tree(m, found)

    def _pack(self, m: Module, closes: Any, run: Any, level: Any, ends: Any) -> Signal:
        """Build the pairs so far and the output register; return whether a memory word goes there."""
        slots = self.form.pack
        slot = Signal(range(slots))
        done = Signal()
        held = Signal(self.closed, reset_less=True)
        kept = Signal(self.closed.members["word"], reset_less=True)  # pairs of a memory word that is not full
        made = Signal(self.closed)
        now_run = Signal(self.form.run_bits)
        now_level = Signal(self.word_bits)
        m.d.comb += [now_run.eq(run), now_level.eq(level), made.word.flag.eq(ends), made.last.eq(ends)]
        for at in range(slots):
            pair = made.word.pairs[at]
            before = Mux(slot > at, Value.cast(kept.pairs[at]), 0)
            m.d.comb += Value.cast(pair).eq(Mux(slot == at, Cat(now_run, now_level), before))
        m.d.comb += [done.eq(closes & (ends | (slot == slots - 1))), Value.cast(self.o.payload).eq(Value.cast(held))]
        with m.If(closes):
            m.d.sync += [slot.eq(Mux(done, 0, slot + 1)), kept.eq(made.word)]
        with m.If(done):
            m.d.sync += held.eq(made)
        return done


def _tree(m: Module, items: list[tuple[Any, Any, Any]]) -> tuple[Any, Any, Any]:
    """Return the first of the items (found, place, level) that was found, by halves: as deep as the logarithm of their number."""
    if len(items) == 1:
        return items[0]
    half = len(items) // 2
    first, second = _tree(m, items[:half]), _tree(m, items[half:])
    some = Signal()
    place, level = (Signal.like(Value.cast(value)) for value in first[1:])
    m.d.comb += [
        some.eq(first[0] | second[0]), place.eq(Mux(first[0], first[1], second[1])),
        level.eq(Mux(first[0], first[2], second[2])),
    ]  # fmt: skip
    return some, place, level
