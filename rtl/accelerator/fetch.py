"""Program registers: the fields of a layer program, filled beat by beat as the program arrives from memory."""

from __future__ import annotations

import math

from amaranth import Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from dataflows.program import DENSE_FIELDS, FAMILY_DENSE, HEADER_WORDS, MAGIC, PROGRAM_WORDS, VERSION
from dataflows.rounding import ROUNDINGS
from dataflows.workload import OPS
from rtl.accelerator.layouts import PROGRAM


class ProgramRegisters(wiring.Component):
    """Keep the fields of the program being run.

    Parameters
    ----------
    beat_bits : int
        Width of the memory port.
    table_beats : int
        Beats of an activation table, behind those of a program that asks for one; 0: there are no tables.
    channelwise : bool
        Whether the accelerator has the path past the array.

    Members
    -------
    clear : In(1)
        Expect beat 0 next.
    valid, data : In(1), In(beat_bits)
        A beat of the program.
    table_next : Out(1)
        High from the cycle after the program's last beat until the last one of the table that it asks for.
    table_write, table_addr : Out(1), Out(16)
        A beat of the table is on `data`, and which one.
    complete : Out(1)
        High from the cycle after the last beat, the table's if there is one, until `clear`.
    bad : Out(1)
        The header is not one of this engine family, or the program asks for what this accelerator has not: an operation, a
        rounding, a table; meaningful with `complete`.
    fields : Out(PROGRAM)
        Field values.
    """

    def __init__(self, *, beat_bits: int, table_beats: int = 0, channelwise: bool = True) -> None:
        self.beat_bits, self.table_beats, self.channelwise = beat_bits, table_beats, channelwise
        self.beats = math.ceil(PROGRAM_WORDS * 32 / beat_bits)
        super().__init__(
            {
                "clear": In(1), "valid": In(1), "data": In(beat_bits),
                "table_next": Out(1), "table_write": Out(1), "table_addr": Out(16),
                "complete": Out(1), "bad": Out(1), "fields": Out(PROGRAM),
            }
        )  # fmt: skip

    def elaborate(self, platform: object) -> Module:
        m = Module()
        per_beat = self.beat_bits // 32
        beat = Signal(range(self.beats + 1))
        names = [name for name, _bits in DENSE_FIELDS]
        expected = {0: MAGIC, 1: FAMILY_DENSE << 16 | VERSION, 2: PROGRAM_WORDS}
        fetched, looked_up = Signal(), Signal()  # all of the program is here, all of the table
        self._table(m, fetched, looked_up)
        other = Signal()  # another header
        m.d.comb += self.bad.eq(other | self._unknown())
        with m.If(self.clear):
            m.d.sync += [beat.eq(0), other.eq(0), fetched.eq(0)]
        with m.Elif(self.valid & ~fetched):
            m.d.sync += [beat.eq(beat + 1), fetched.eq(beat == self.beats - 1)]
            with m.Switch(beat):
                for index in range(self.beats):
                    with m.Case(index):
                        for lane in range(per_beat):
                            word = index * per_beat + lane
                            value = self.data.word_select(lane, 32)
                            if word < HEADER_WORDS:
                                with m.If(value != expected[word]):
                                    m.d.sync += other.eq(1)
                            elif word < PROGRAM_WORDS:
                                m.d.sync += self.fields[names[word - HEADER_WORDS]].eq(value)
        return m

    def _unknown(self) -> Value:
        """Whether the fields ask for something that is not there."""
        operations = len(OPS) if self.channelwise else 1
        asks = (self.fields.op >= operations) | (self.fields.rounding >= len(ROUNDINGS))
        return asks if self.table_beats else asks | self.fields.table

    def _table(self, m: Module, fetched: Signal, looked_up: Signal) -> None:
        """Pass the table on as it arrives."""
        if not self.table_beats:
            m.d.comb += self.complete.eq(fetched)
            return
        beat = Signal(range(self.table_beats + 1))
        m.d.comb += [
            self.table_next.eq(fetched & ~self.bad & self.fields.table & ~looked_up),
            self.complete.eq(fetched & ~self.table_next),
            self.table_write.eq(self.valid & self.table_next), self.table_addr.eq(beat),
        ]  # fmt: skip
        with m.If(self.clear):
            m.d.sync += [beat.eq(0), looked_up.eq(0)]
        with m.Elif(self.table_write):
            m.d.sync += [beat.eq(beat + 1), looked_up.eq(beat == self.table_beats - 1)]
