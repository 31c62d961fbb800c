"""What stands between buffers and PEs: staggered delays and serialisers."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.array.row import lanes
from rtl.delay import delay

__all__ = ["Serialiser", "staggered"]


def staggered(m: Module, word: Value, bits: int, name: str, *, reset_less: bool = True) -> list[Value]:
    """Return the lanes of `word`, lane i delayed by i cycles.

    One register per stage holds all lanes that still have to wait, so the stages form a triangle.
    """
    result = [word[:bits]]
    waiting = word[bits:]
    while len(waiting):
        waiting = delay(m, waiting, 1, f"{name}_{len(result)}", reset=not reset_less)
        result.append(waiting[:bits])
        waiting = waiting[bits:]
    return result


class Serialiser(wiring.Component):
    """Take a word at once and give its lanes one per cycle, lane 0 first, in the cycles after; then zeros.

    Zeros keep an accumulating PE unchanged, so a row without work needs no enable.

    Parameters
    ----------
    count, bits : int
        Lanes per word and bits per lane.

    Members
    -------
    load : In
        Take `word`, dropping what is left of the previous one.
    word : In, count * bits bits
    lane : Out, bits bits
    """

    def __init__(self, *, count: int, bits: int) -> None:
        self.count, self.bits = count, bits
        super().__init__({"load": In(1), "word": In(count * bits), "lane": Out(bits)})

    def elaborate(self, platform: Any) -> Module:
        """Build the shift register."""
        m = Module()
        left = Signal(self.count * self.bits, reset_less=True)
        m.d.sync += left.eq(Mux(self.load, self.word, left >> self.bits))
        m.d.comb += self.lane.eq(lanes(left, self.bits)[0])
        return m
