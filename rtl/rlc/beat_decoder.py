"""From memory words to beats of words."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from dataflows.compression import Format
from rtl.rlc import layouts

__all__ = ["BeatDecoder"]


class BeatDecoder(wiring.Component):
    """Put the level of a pair at its place of a beat, or give a beat that ends within a run (dense reference, 3.7).

    Every cycle in which there is a memory word and room at the output does one of the two: a memory word takes as many cycles
    as it has pairs, and one for every beat that ends within one of its runs. The pairs that a row's last memory word does not
    need take none. A memory word stays at the input until it is used up; nothing of it is copied.

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
        Memory words; `ready` only in the cycle in which one is used up.
    zero : In, word_bits
        What a zero of the code stands for: levels are words less this, modulo 2**word_bits. Constant while a row is decoded.
    o : Out, stream
        Beats. `valid` depends on `i` alone, not on `ready` or `last`.
    last : In
        The beat offered, now or next, is the last that is wanted of its row: what else the row has is dropped, a memory word
        per cycle. Must not depend on the streams in the same cycle.
    clear : In
        Takes `fault` back, unless there is a new one.
    fails, fault : Out
        A row is used up before its last wanted beat, and the next one begins a beat of its own; the same as a register, until
        `clear`.
    """

    def __init__(self, *, form: Format, word_bits: int, words: int) -> None:
        self.form, self.word_bits, self.words = form, word_bits, words
        self.packed, self.beat = layouts.flagged(form, word_bits), layouts.beat(word_bits, words)
        super().__init__({
            "i": In(stream.Signature(self.packed)), "zero": In(word_bits), "o": Out(stream.Signature(self.beat)),
            "last": In(1), "clear": In(1), "fails": Out(1), "fault": Out(1),
        })  # fmt: skip

    def elaborate(self, platform: Any) -> Module:
        """Build the place in the memory word, the place in the beat, and the beat so far."""
        m = Module()
        words, slots = self.words, self.form.pack
        slot = Signal(range(slots))
        gone = Signal(self.form.run_bits)
        dropping = Signal()
        pos = Signal(range(words))
        target = Signal(range(words + (1 << self.form.run_bits)))
        works, within, ends, pair_done, word_done, used = (
            Signal(name=name) for name in ("works", "within", "ends", "pair_done", "word_done", "used")
        )
        pairs = [self.i.payload.pairs[at] for at in range(slots)]
        flag = self.i.payload.flag[0]
        m.d.comb += [
            target.eq(pos + (Array(pair.run for pair in pairs)[slot] - gone)),
            within.eq(target < words), works.eq(self.i.valid & ~dropping),
            self.o.valid.eq(works & (target >= words - 1)),
            ends.eq(self.o.valid & self.o.ready & self.last),
            pair_done.eq(works & within & ((target != words - 1) | self.o.ready)),
            word_done.eq(pair_done & (slot == slots - 1)),
            used.eq(Mux(ends, flag, word_done)), self.i.ready.eq(used | (self.i.valid & dropping)),
            self.fails.eq(used & flag & ~ends),
        ]  # fmt: skip
        self._fill(m, pos, target, pair_done, Array(pair.level for pair in pairs)[slot])
        with m.If(pair_done):
            m.d.sync += [gone.eq(0), slot.eq(Mux(word_done, 0, slot + 1)), pos.eq(Mux(target == words - 1, 0, target + 1))]
        with m.Elif(self.o.valid & self.o.ready):
            m.d.sync += [gone.eq(gone + (words - pos)), pos.eq(0)]
        with m.If(ends):
            m.d.sync += [slot.eq(0), gone.eq(0), pos.eq(0), dropping.eq(~flag)]
        with m.Elif(self.i.valid & flag):
            m.d.sync += dropping.eq(0)
        with m.If(self.fails):
            m.d.sync += pos.eq(0)
        m.d.sync += self.fault.eq((self.fault & ~self.clear) | self.fails)
        return m

    def _fill(self, m: Module, pos: Any, target: Any, put: Any, level: Any) -> None:
        """Build the beat so far: the first level that comes to a beat writes a zero to all other places."""
        so_far = Signal(self.beat, reset_less=True)
        word = Signal(self.word_bits)
        m.d.comb += word.eq(level + self.zero)
        for at in range(self.words):
            before = Mux(pos == 0, self.zero, so_far[at])
            m.d.comb += self.o.payload[at].eq(Mux(target == at, word, before))
        with m.If(put):
            m.d.sync += Value.cast(so_far).eq(Value.cast(self.o.payload))
