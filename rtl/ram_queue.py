"""A queue whose words are in a memory rather than in registers: for words that are wide or many."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from rtl.library import Modules
from rtl.sram import place_sram

__all__ = ["RamQueue"]


class RamQueue(wiring.Component):
    """First-in first-out queue; what enters in one cycle can leave two later.

    Parameters
    ----------
    shape : data.StructLayout
        Payload.
    depth : int
        Words of the memory; the one that is offered is beside it.
    modules : Modules or None
        See `rtl.library.place`.
    """

    def __init__(self, *, shape: data.StructLayout, depth: int, modules: Modules | None = None) -> None:
        self.shape, self.depth, self.modules = shape, depth, modules
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape))})

    def elaborate(self, platform: Any) -> Module:
        """Read the next word as soon as the one offered leaves."""
        m = Module()
        depth = self.depth
        words = place_sram(self.modules, m, "words", depth=depth, width=self.shape.size)
        head, tail = Signal(range(max(2, depth)), name="head"), Signal(range(max(2, depth)), name="tail")
        count, have = Signal(range(depth + 1), name="count"), Signal(name="have")
        push, read = Signal(name="push"), Signal(name="read")
        m.d.comb += [
            self.i.ready.eq(count != depth), push.eq(self.i.valid & self.i.ready), read.eq((count != 0) & (~have | self.o.ready)),
            words.we.eq(push), words.waddr.eq(tail), words.wdata.eq(self.i.payload), words.re.eq(read), words.raddr.eq(head),
            self.o.valid.eq(have), Value.cast(self.o.payload).eq(words.rdata),
        ]  # fmt: skip
        m.d.sync += [count.eq(count + push - read), have.eq(read | (have & ~self.o.ready))]
        with m.If(push):
            m.d.sync += tail.eq(Mux(tail == depth - 1, 0, tail + 1))
        with m.If(read):
            m.d.sync += head.eq(Mux(head == depth - 1, 0, head + 1))
        return m
