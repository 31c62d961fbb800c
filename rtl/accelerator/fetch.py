"""Program registers: the fields of a layer program, filled beat by beat as the program arrives from memory."""

from __future__ import annotations

import math

from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from dataflows.program import DENSE_FIELDS, FAMILY_DENSE, HEADER_WORDS, MAGIC, PROGRAM_WORDS, VERSION
from rtl.accelerator.layouts import PROGRAM


class ProgramRegisters(wiring.Component):
    """Keep the fields of the program being run.

    Parameters
    ----------
    beat_bits : int
        Width of the memory port.

    Members
    -------
    clear : In(1)
        Expect beat 0 next.
    valid, data : In(1), In(beat_bits)
        A beat of the program.
    complete : Out(1)
        High from the cycle after the last beat until `clear`.
    bad : Out(1)
        The header is not one of this engine family; meaningful with `complete`.
    fields : Out(PROGRAM)
        Field values.
    """

    def __init__(self, *, beat_bits: int) -> None:
        self.beat_bits = beat_bits
        self.beats = math.ceil(PROGRAM_WORDS * 32 / beat_bits)
        super().__init__(
            {
                "clear": In(1), "valid": In(1), "data": In(beat_bits),
                "complete": Out(1), "bad": Out(1), "fields": Out(PROGRAM),
            }
        )  # fmt: skip

    def elaborate(self, platform: object) -> Module:
        m = Module()
        per_beat = self.beat_bits // 32
        beat = Signal(range(self.beats + 1))
        names = [name for name, _bits in DENSE_FIELDS]
        expected = {0: MAGIC, 1: FAMILY_DENSE << 16 | VERSION, 2: PROGRAM_WORDS}
        with m.If(self.clear):
            m.d.sync += [beat.eq(0), self.bad.eq(0), self.complete.eq(0)]
        with m.Elif(self.valid & ~self.complete):
            m.d.sync += [beat.eq(beat + 1), self.complete.eq(beat == self.beats - 1)]
            with m.Switch(beat):
                for index in range(self.beats):
                    with m.Case(index):
                        for lane in range(per_beat):
                            word = index * per_beat + lane
                            value = self.data.word_select(lane, 32)
                            if word < HEADER_WORDS:
                                with m.If(value != expected[word]):
                                    m.d.sync += self.bad.eq(1)
                            elif word < PROGRAM_WORDS:
                                m.d.sync += self.fields[names[word - HEADER_WORDS]].eq(value)
        return m
