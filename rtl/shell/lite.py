"""AXI4-Lite slave handshakes: one write and one read at a time, every output a register or fed by registers alone."""

from __future__ import annotations

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.shell.ports import LITE_ADDRESS_BITS, OKAY, SLVERR, lite_slave

WORD_BITS = LITE_ADDRESS_BITS - 2


class LiteSlave(wiring.Component):
    """Turn bus transactions into single-cycle accesses.

    Address and data of a write may come in any order. What is not there or may not be written answers SLVERR: DECERR is
    left to the interconnect, which knows the whole address map.

    Members
    -------
    s_axil_* :
        The AXI4-Lite port.
    write, write_word, write_data, write_strobe : Out(1), Out(10), Out(32), Out(4)
        One cycle per write.
    write_ok : In(1)
        In the same cycle: the write is accepted.
    read, read_word : Out(1), Out(10)
        First of two cycles of a read; memories are read now.
    read_hold : In(1)
        The read has to wait.
    read_data, read_ok : In(32), In(1)
        In the cycle after `read`.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                **lite_slave("s_axil"),
                "write": Out(1), "write_word": Out(WORD_BITS), "write_data": Out(32), "write_strobe": Out(4), "write_ok": In(1),
                "read": Out(1), "read_word": Out(WORD_BITS), "read_hold": In(1), "read_data": In(32), "read_ok": In(1),
            }
        )  # fmt: skip

    def elaborate(self, platform: object) -> Module:
        m = Module()
        self._writes(m)
        self._reads(m)
        return m

    def _writes(self, m: Module) -> None:
        has_address, has_data = Signal(), Signal()
        m.d.comb += [
            self.s_axil_awready.eq(~has_address), self.s_axil_wready.eq(~has_data),
            self.write.eq(has_address & has_data & ~self.s_axil_bvalid),
        ]  # fmt: skip
        with m.If(self.s_axil_awvalid & ~has_address):
            m.d.sync += [has_address.eq(1), self.write_word.eq(self.s_axil_awaddr[2:])]
        with m.If(self.s_axil_wvalid & ~has_data):
            m.d.sync += [has_data.eq(1), self.write_data.eq(self.s_axil_wdata), self.write_strobe.eq(self.s_axil_wstrb)]
        with m.If(self.write):
            m.d.sync += [has_address.eq(0), has_data.eq(0), self.s_axil_bvalid.eq(1)]
            m.d.sync += self.s_axil_bresp.eq(Mux(self.write_ok, OKAY, SLVERR))
        with m.Elif(self.s_axil_bready):
            m.d.sync += self.s_axil_bvalid.eq(0)

    def _reads(self, m: Module) -> None:
        with m.FSM(name="reading"):
            with m.State("IDLE"):
                m.d.comb += self.s_axil_arready.eq(1)
                m.d.sync += self.read_word.eq(self.s_axil_araddr[2:])
                with m.If(self.s_axil_arvalid):
                    m.next = "LOOK"
            with m.State("LOOK"), m.If(~self.read_hold):
                m.d.comb += self.read.eq(1)
                m.next = "TAKE"
            with m.State("TAKE"):
                m.d.sync += [
                    self.s_axil_rvalid.eq(1), self.s_axil_rdata.eq(Mux(self.read_ok, self.read_data, 0)),
                    self.s_axil_rresp.eq(Mux(self.read_ok, OKAY, SLVERR)),
                ]  # fmt: skip
                m.next = "GIVE"
            with m.State("GIVE"), m.If(self.s_axil_rready):
                m.d.sync += self.s_axil_rvalid.eq(0)
                m.next = "IDLE"
