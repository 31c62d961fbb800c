"""Performance counters and the readable parameter block."""

from __future__ import annotations

from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from dataflows.counters import COUNTER_BITS, COUNTERS, PARAMETER_BASE, Design, parameters


class Counters(wiring.Component):
    """Count events of one layer.

    Members
    -------
    clear : In(1)
        Start of a layer.
    events : In(len(COUNTERS))
        Bit i counts for counter i of `dataflows.counters.COUNTERS`.
    index, value : In(6), Out(48)
        Combinational read: counters, and parameters from `PARAMETER_BASE` on.
    """

    def __init__(self, *, acc: Design) -> None:
        self.acc = acc
        super().__init__({"clear": In(1), "events": In(len(COUNTERS)), "index": In(6), "value": Out(COUNTER_BITS)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        counts = [Signal(COUNTER_BITS, name=name) for name, _meaning in COUNTERS]
        for bit, count in enumerate(counts):
            with m.If(self.clear):
                m.d.sync += count.eq(0)
            with m.Elif(self.events[bit]):
                m.d.sync += count.eq(count + 1)
        with m.Switch(self.index):
            for index, count in enumerate(counts):
                with m.Case(index):
                    m.d.comb += self.value.eq(count)
            for offset, (_name, value) in enumerate(parameters(self.acc)):
                with m.Case(PARAMETER_BASE + offset):
                    m.d.comb += self.value.eq(value)
        return m
