"""Counters that the host can read while the next layer runs: those of the last layer, and totals."""

from __future__ import annotations

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from dataflows.counters import COUNTER_BITS, COUNTERS
from dataflows.registers import ALL_COUNTERS, COUNTER_TOTAL_BITS, MOST_COUNTERS, SHELL_COUNTERS
from rtl.library import Modules
from rtl.shell.registers import COUNTER_ADDRESS_BITS
from rtl.sram import place_sram


class CounterBanks(wiring.Component):
    """After each layer copy its counters to memory, one per cycle, and add them to the totals.

    Members
    -------
    restart : In(1)
        A layer begins: the shell's own counters start from 0.
    events : In(len(SHELL_COUNTERS))
        Bit i counts for counter i of `SHELL_COUNTERS`.
    capture : In(1)
        Copy now.
    busy : Out(1)
        Copying: do not read.
    captured : Out(1)
        The last cycle of copying.
    index, value : Out(6), In(48)
        The accelerator's counters.
    reset : In(1)
        Forget all.
    clear_totals : In(1)
        Totals start from 0; what is being copied is not counted.
    read, addr, data : In(1), In(COUNTER_ADDRESS_BITS), Out(64)
        Read port, data in the next cycle; 0 before the first layer.
    """

    def __init__(self, *, modules: Modules | None = None) -> None:
        self.modules = modules
        super().__init__(
            {
                "restart": In(1), "events": In(len(SHELL_COUNTERS)), "capture": In(1), "busy": Out(1), "captured": Out(1),
                "index": Out(6), "value": In(COUNTER_BITS), "reset": In(1), "clear_totals": In(1),
                "read": In(1), "addr": In(COUNTER_ADDRESS_BITS), "data": Out(COUNTER_TOTAL_BITS),
            }
        )  # fmt: skip

    def elaborate(self, platform: object) -> Module:
        m = Module()
        last = place_sram(self.modules, m, "last_layer", depth=MOST_COUNTERS, width=COUNTER_BITS)
        totals = place_sram(self.modules, m, "totals", depth=MOST_COUNTERS, width=COUNTER_TOTAL_BITS)
        own = self._own(m)
        seen, begun, cleared = Signal(), Signal(), Signal()  # a layer was copied; totals hold something; clear at the end
        value, at, writing = Signal(COUNTER_BITS, reset_less=True), Signal(6), Signal()
        sweep = Signal()
        number, is_total = self.addr[:-1], self.addr[-1]
        from_total = Signal()
        m.d.comb += [
            self.busy.eq(sweep | writing), self.captured.eq(writing & ~sweep),
            last.we.eq(writing), last.waddr.eq(at), last.wdata.eq(value),
            totals.we.eq(writing), totals.waddr.eq(at), totals.wdata.eq(value + Mux(begun, totals.rdata, 0)),
            totals.re.eq(sweep | self.read), totals.raddr.eq(Mux(sweep, self.index, number)),
            last.re.eq(self.read), last.raddr.eq(number),
            self.data.eq(Mux(from_total, Mux(begun, totals.rdata, 0), Mux(seen, last.rdata, 0))),
        ]  # fmt: skip
        m.d.sync += [writing.eq(sweep), at.eq(self.index), from_total.eq(is_total)]
        m.d.sync += value.eq(self.value)
        with m.Switch(self.index):
            for i, counter in enumerate(own):
                with m.Case(len(COUNTERS) + i):
                    m.d.sync += value.eq(counter)
        with m.If(sweep):
            m.d.sync += [self.index.eq(self.index + 1), sweep.eq(self.index != len(ALL_COUNTERS) - 1)]
        with m.Else():
            m.d.sync += [self.index.eq(0), sweep.eq(self.capture)]
        with m.If(self.captured):
            m.d.sync += [seen.eq(1), begun.eq(~(cleared | self.clear_totals)), cleared.eq(0)]
        with m.Elif(self.clear_totals):
            m.d.sync += cleared.eq(self.busy | self.capture)
            with m.If(~self.busy):
                m.d.sync += begun.eq(0)
        with m.If(self.reset):
            m.d.sync += [seen.eq(0), begun.eq(0), cleared.eq(0)]
        return m

    def _own(self, m: Module) -> list[Signal]:
        """Count the shell's own events."""
        own = [Signal(COUNTER_BITS, name=name) for name, _meaning in SHELL_COUNTERS]
        for counter, event in zip(own, self.events, strict=True):
            with m.If(self.restart):
                m.d.sync += counter.eq(0)
            with m.Elif(event):
                m.d.sync += counter.eq(counter + 1)
        return own
