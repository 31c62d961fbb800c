"""The table of how many beats every coded row of a tensor has."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from dataflows.spatial.system.coding import LENGTH_BITS
from dataflows.spatial.system.spec import SpatialSystem
from rtl.library import Modules
from rtl.spatial.system.layouts import ROW_BITS, bits_for
from rtl.sram import place_sram

__all__ = ["Lengths"]


class Lengths(wiring.Component):
    """Filled beat by beat from memory and read one by one, or the other way round.

    Members
    -------
    fill, place, beat : In
        A beat of lengths, and its number.
    put, row, length : In
        One length, and the number of its row.
    read, at : In
        Read the length of row `at`, or the beat in which it is.
    length_found, beat_found : Out
        They, one cycle later.
    """

    def __init__(self, *, system: SpatialSystem, modules: Modules | None = None) -> None:
        assert system.coding is not None
        self.system, self.modules, self.rows = system, modules, system.coding.rows
        beats = -(-self.rows // system.table_entries)
        super().__init__({
            "fill": In(1), "place": In(bits_for(beats)), "beat": In(system.beat_bits),
            "put": In(1), "row": In(ROW_BITS), "length": In(LENGTH_BITS),
            "read": In(1), "at": In(ROW_BITS), "length_found": Out(LENGTH_BITS), "beat_found": Out(system.beat_bits),
        })  # fmt: skip

    def elaborate(self, platform: Any) -> Module:
        """Place a memory for every length of a beat."""
        m = Module()
        entries = self.system.table_entries
        low, depth = (entries - 1).bit_length(), -(-self.rows // entries)
        found = []
        for n in range(entries):
            memory = place_sram(self.modules, m, f"part_{n}", depth=depth, width=LENGTH_BITS)
            m.d.comb += [
                memory.we.eq(self.fill | (self.put & (self.row[:low] == n))), memory.re.eq(self.read),
                memory.raddr.eq(self.at[low:]),
            ]  # fmt: skip
            with m.If(self.fill):
                m.d.comb += [memory.waddr.eq(self.place), memory.wdata.eq(self.beat.word_select(n, LENGTH_BITS))]
            with m.Else():
                m.d.comb += [memory.waddr.eq(self.row[low:]), memory.wdata.eq(self.length)]
            found.append(memory.rdata)
        chosen = Signal(max(1, low))
        with m.If(self.read):
            m.d.sync += chosen.eq(self.at[:low])
        m.d.comb += [self.beat_found.eq(Cat(found)), self.length_found.eq(self.beat_found.word_select(chosen, LENGTH_BITS))]
        return m
