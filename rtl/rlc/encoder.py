"""From words to memory words."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from dataflows.compression import Format
from rtl.rlc import layouts

__all__ = ["RlcEncoder"]


class RlcEncoder(wiring.Component):
    """Count zeros, close a pair with every other word, hand on a memory word when its pairs are full or the tensor ends.

    A word is taken in every cycle unless a memory word waits at the output; a memory word is there in the cycle after the word
    that completes it.

    Parameters
    ----------
    form : Format
        Of kind ``rlc``, without segments.
    word_bits : int
        Width of a word.

    Members
    -------
    i : In, stream
        Words, the last one of each tensor marked.
    o : Out, stream
        Memory words; the lowest bit of `flag`, if there is one, is set in the last one of each tensor.
    """

    def __init__(self, *, form: Format, word_bits: int) -> None:
        self.form = form
        self.packed = layouts.memory_word(form, word_bits)
        super().__init__({"i": In(stream.Signature(layouts.word(word_bits))), "o": Out(stream.Signature(self.packed))})

    def elaborate(self, platform: Any) -> Module:
        """Build the counter of zeros, the pairs so far, and the output."""
        m = Module()
        pack, coming = self.form.pack, self.i.payload
        zeros = Signal(self.form.run_bits)
        slot = Signal(range(pack))
        held = Signal(self.packed, reset_less=True)
        valid = Signal()
        kept = Signal(self.packed, reset_less=True)  # pairs closed before, of a memory word that is not full
        made = Signal(self.packed)
        take, closes, full = (Signal(name=name) for name in ("take", "closes", "full"))
        m.d.comb += [
            self.i.ready.eq(~valid | self.o.ready), take.eq(self.i.valid & self.i.ready),
            closes.eq((coming.word != 0) | zeros.all() | coming.last),
            full.eq(closes & ((slot == pack - 1) | coming.last)),
            self.o.valid.eq(valid), Value.cast(self.o.payload).eq(Value.cast(held)),
        ]  # fmt: skip
        for at in range(pack):
            now = Mux(slot == at, 1, 0)
            m.d.comb += [
                made.pairs[at].run.eq(Mux(now, zeros, Mux(slot > at, kept.pairs[at].run, 0))),
                made.pairs[at].level.eq(Mux(now, coming.word, Mux(slot > at, kept.pairs[at].level, 0))),
            ]
        if self.form.flag_bits:
            m.d.comb += made.flag.eq(coming.last)
        with m.If(self.o.ready):
            m.d.sync += valid.eq(0)
        with m.If(take):
            m.d.sync += zeros.eq(Mux(closes, 0, zeros + 1))
            with m.If(closes):
                m.d.sync += [slot.eq(Mux(full, 0, slot + 1)), kept.eq(made)]
            with m.If(full):
                m.d.sync += [held.eq(made), valid.eq(1)]
        return m
