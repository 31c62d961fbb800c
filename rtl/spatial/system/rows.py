"""A buffer that is filled by beats and read by rows: several beats make a row, or a beat holds several."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.library import Modules
from rtl.spatial.system.layouts import bits_for
from rtl.sram import place_sram

__all__ = ["RowMemory"]


class RowMemory(wiring.Component):
    """Beats of a transaction, in the order in which they come; rows, by number.

    Parameters
    ----------
    beat_bits : int
        Width of a beat.
    parts, share : int
        Beats of a row, rows of a beat; one of them is 1.
    rows, halves : int
        Rows in a half, 1 or 2 halves.

    Members
    -------
    begin, write, half, beat : In
        `begin` comes before a transaction's first beat, or with the last one before; then beats.
    read, read_half, row : In
        Read a row.
    found : Out
        It, one cycle later.
    """

    def __init__(self, *, beat_bits: int, parts: int, share: int, rows: int, halves: int, modules: Modules | None = None) -> None:
        self.beat_bits, self.parts, self.share, self.rows, self.halves = beat_bits, parts, share, rows, halves
        self.modules = modules
        super().__init__({
            "begin": In(1), "write": In(1), "half": In(1), "beat": In(beat_bits),
            "read": In(1), "read_half": In(1), "row": In(bits_for(rows)), "found": Out(beat_bits * parts // share),
        })  # fmt: skip

    def elaborate(self, platform: Any) -> Module:
        """Place one memory for every beat of a row."""
        m = Module()
        depth = -(-self.rows // self.share)
        at, part = Signal(range(max(2, depth + 1))), Signal(range(max(2, self.parts)))
        with m.If(self.write):
            over = part == self.parts - 1
            m.d.sync += [part.eq(Mux(over, 0, part + 1)), at.eq(at + over)]
        with m.If(self.begin):
            m.d.sync += [part.eq(0), at.eq(0)]
        low = (self.share - 1).bit_length()
        found = []
        for n in range(self.parts):
            memory = place_sram(self.modules, m, f"part_{n}", depth=self.halves * depth, width=self.beat_bits)
            offset, read_offset = (Mux(half, depth, 0) if self.halves > 1 else 0 for half in (self.half, self.read_half))
            m.d.comb += [
                memory.we.eq(self.write & (part == n)), memory.waddr.eq(at + offset), memory.wdata.eq(self.beat),
                memory.re.eq(self.read), memory.raddr.eq(self.row[low:] + read_offset),
            ]  # fmt: skip
            found.append(memory.rdata)
        if low:
            chosen = Signal(low)
            m.d.sync += chosen.eq(self.row[:low])
            m.d.comb += self.found.eq(found[0].word_select(chosen, self.beat_bits // self.share))
        else:
            m.d.comb += self.found.eq(Cat(found))
        return m
