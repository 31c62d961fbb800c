"""From memory words to words."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from dataflows.compression import Format
from rtl.rlc import layouts

__all__ = ["RlcDecoder"]


class RlcDecoder(wiring.Component):
    """Give the zeros of a run and the level after them, pair by pair, until the tensor has its words.

    A word is offered in every cycle while there are memory words and lengths: the next memory word is taken in the cycle in
    which the last word of the one before leaves.

    Parameters
    ----------
    form : Format
        Of kind ``rlc``, without segments.
    word_bits : int
        Width of a word.
    length_bits : int
        A tensor has at most ``2**length_bits`` words.

    Members
    -------
    i : In, stream
        Memory words.
    lengths : In, stream
        Words of each tensor less one; taken with the last of them.
    o : Out, stream
        Words, the last one of each tensor marked. Pairs that a memory word has beyond it are dropped.
    fault : Out
        A tensor ended within a run of zeros, or in a memory word without a flag, or did not end in one with a flag; stays until
        reset. Lengths that are wrong by a word or two can end in the right memory word all the same.
    """

    def __init__(self, *, form: Format, word_bits: int, length_bits: int) -> None:
        self.form = form
        self.packed = layouts.memory_word(form, word_bits)
        super().__init__({
            "i": In(stream.Signature(self.packed)), "lengths": In(stream.Signature(layouts.length(length_bits))),
            "o": Out(stream.Signature(layouts.word(word_bits))), "fault": Out(1),
        })  # fmt: skip

    def elaborate(self, platform: Any) -> Module:
        """Build the memory word at work, the place in it, and the count of words."""
        m = Module()
        pack = self.form.pack
        held = Signal(self.packed, reset_less=True)
        valid = Signal()
        slot = Signal(range(pack))
        zeros = Signal(self.form.run_bits)
        given = Signal.like(self.lengths.payload)
        run, now = (_choose(slot, [pair[field] for pair in (held.pairs[at] for at in range(pack))]) for field in ("run", "level"))
        leaves, level, last, finished = (Signal(name=name) for name in ("leaves", "level", "last", "finished"))
        m.d.comb += [
            level.eq(zeros == run), last.eq(given == self.lengths.payload),
            self.o.valid.eq(valid & self.lengths.valid), leaves.eq(self.o.valid & self.o.ready),
            self.o.payload.word.eq(Mux(level, now, 0)), self.o.payload.last.eq(last),
            finished.eq(leaves & (last | (level & (slot == pack - 1)))),
            self.lengths.ready.eq(leaves & last), self.i.ready.eq(~valid | finished),
        ]  # fmt: skip
        with m.If(leaves):
            m.d.sync += [given.eq(Mux(last, 0, given + 1)), zeros.eq(Mux(level | last, 0, zeros + 1))]
            with m.If(level | last):
                m.d.sync += slot.eq(Mux(finished, 0, slot + 1))
        with m.If(self.i.ready):
            m.d.sync += [valid.eq(self.i.valid), Value.cast(held).eq(Value.cast(self.i.payload))]
        flag = held.flag[0] if self.form.flag_bits else last
        with m.If(finished & ((flag != last) | ~level)):
            m.d.sync += self.fault.eq(1)
        return m


def _choose(at: Any, values: list[Any]) -> Any:
    """Return the value at a place."""
    found = values[-1]
    for number, value in reversed(list(enumerate(values[:-1]))):
        found = Mux(at == number, value, found)
    return found
