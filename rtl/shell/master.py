"""AXI4 master behind the native memory port."""

from __future__ import annotations

from typing import Any

from amaranth import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from dataflows.axi import BURST_QUEUE, AxiOptions, write_buffer_beats
from dataflows.registers import ERROR_CODES
from rtl.library import Modules, place
from rtl.shell.bursts import BURST, BurstFormer, write_beat
from rtl.shell.channel import AddressChannel
from rtl.shell.ports import CACHE, INCR, master_read, master_write
from rtl.stream import Queue


class WriteBuffer(wiring.Component):
    """Write data between accelerator and bus, two bursts long: one leaves while the next one is collected.

    Data leave only when their burst's address was put on AW, so that a burst, once begun, is never waited for.

    Members
    -------
    i, o : In(stream), Out(stream)
        Beats.
    issued : In(1)
        One more burst may leave.
    """

    def __init__(self, *, beat_bits: int, burst_beats: int) -> None:
        self.beat_bits, self.burst_beats = beat_bits, burst_beats
        layout = write_beat(beat_bits)
        super().__init__({"i": In(stream.Signature(layout)), "o": Out(stream.Signature(layout)), "issued": In(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        depth = write_buffer_beats(self.burst_beats)
        m.submodules.fifo = fifo = SyncFIFOBuffered(width=self.beat_bits + 1, depth=depth)
        bursts = Signal(range(depth + 1))
        leaves = Signal()
        m.d.comb += [
            fifo.w_data.eq(self.i.payload), fifo.w_en.eq(self.i.valid), self.i.ready.eq(fifo.w_rdy),
            self.o.payload.eq(fifo.r_data), self.o.valid.eq(fifo.r_rdy & (bursts != 0)),
            fifo.r_en.eq(self.o.ready & (bursts != 0)), leaves.eq(self.o.valid & self.o.ready & self.o.payload.last),
        ]  # fmt: skip
        m.d.sync += bursts.eq(bursts + self.issued - leaves)
        return m


class AxiMaster(wiring.Component):
    """Adapt the native memory port to AXI4.

    Reads come back in order because all have one ID. `rready` and `bready` are always 1: the accelerator asks for no word
    that it has no place for, so read data need no buffer here, only a register.

    Parameters
    ----------
    axi : AxiOptions
        Bus parameters.
    bus_bytes : int
        Bytes per beat.

    Members
    -------
    req_*, rsp_* :
        The native memory port (docs/hardware.md), seen from memory.
    base : In(address_bits - 12)
        Byte address of beat 0 in 4 KB pages; stable unless `idle`.
    idle : Out(1)
        Every read is delivered and every write confirmed.
    clear : In(1)
        Forget the error.
    error, response : Out(8), Out(2)
        0, or code and response of the first failed transaction since `clear`.
    read_waits, write_waits : Out(1)
        A request or a burst of the kind waits for the bus.
    m_axi_* :
        The AXI4 master.
    """

    def __init__(self, *, axi: AxiOptions, bus_bytes: int, modules: Modules | None = None) -> None:
        self.axi, self.bus_bytes, self.modules = axi, bus_bytes, modules
        bits = 8 * bus_bytes
        super().__init__(
            {
                "req_valid": In(1), "req_ready": Out(1), "req_write": In(1), "req_addr": In(32), "req_data": In(bits),
                "rsp_valid": Out(1), "rsp_data": Out(bits),
                "base": In(axi.address_bits - 12), "idle": Out(1), "clear": In(1), "error": Out(8), "response": Out(2),
                "read_waits": Out(1), "write_waits": Out(1),
                **master_read("m_axi", axi, bits), **master_write("m_axi", axi, bits),
            }
        )  # fmt: skip

    def elaborate(self, platform: object) -> Module:
        m = Module()
        axi, bits = self.axi, 8 * self.bus_bytes
        former = place(self.modules, m, "former", "burst_former", BurstFormer, beat_bits=bits, burst_beats=axi.burst_beats)
        reads = self._channel(m, "ar", former.reads, axi.read_bursts)
        writes = self._channel(m, "aw", former.writes, axi.write_bursts)
        buffer = place(self.modules, m, "write_buffer", "write_buffer", WriteBuffer, beat_bits=bits, burst_beats=axi.burst_beats)
        wiring.connect(m, former.data, buffer.i)
        m.d.comb += [
            former.req_valid.eq(self.req_valid), self.req_ready.eq(former.req_ready), former.req_write.eq(self.req_write),
            former.req_addr.eq(self.req_addr), former.req_data.eq(self.req_data),
            self.m_axi_wdata.eq(buffer.o.payload.data), self.m_axi_wlast.eq(buffer.o.payload.last),
            self.m_axi_wstrb.eq(~0), self.m_axi_wvalid.eq(buffer.o.valid), buffer.o.ready.eq(self.m_axi_wready),
            buffer.issued.eq(writes.issued), self.m_axi_rready.eq(1), self.m_axi_bready.eq(1),
            reads.answered.eq(self.m_axi_rvalid & self.m_axi_rlast), writes.answered.eq(self.m_axi_bvalid),
            self.idle.eq(former.idle & reads.idle & writes.idle & ~self.rsp_valid),
        ]  # fmt: skip
        refused = self.req_valid & ~self.req_ready
        m.d.comb += [
            self.read_waits.eq(reads.held | (refused & ~self.req_write)),
            self.write_waits.eq(writes.held | (refused & self.req_write)),
        ]  # fmt: skip
        m.d.sync += self.rsp_valid.eq(self.m_axi_rvalid)
        data = Signal(bits, reset_less=True)
        m.d.sync += data.eq(self.m_axi_rdata)
        m.d.comb += self.rsp_data.eq(data)
        self._errors(m)
        return m

    def _channel(self, m: Module, name: str, bursts: Any, most: int) -> Any:
        """Place queue and address channel of one direction and connect the channel's ports."""
        queue = place(self.modules, m, f"{name}_queue", "burst_queue", Queue, shape=BURST, depth=BURST_QUEUE)
        channel = place(
            self.modules, m, f"{name}_channel", f"{name}_channel", AddressChannel,
            axi=self.axi, bus_bytes=self.bus_bytes, most=most,
        )  # fmt: skip
        wiring.connect(m, bursts, queue.i)
        wiring.connect(m, queue.o, channel.bursts)

        def port(field: str) -> Signal:
            return getattr(self, f"m_axi_{name}{field}")

        m.d.comb += [
            port("valid").eq(channel.valid), channel.ready.eq(port("ready")), port("addr").eq(channel.addr),
            port("len").eq(channel.len), channel.base.eq(self.base), port("size").eq(self.bus_bytes.bit_length() - 1),
            port("burst").eq(INCR), port("cache").eq(CACHE),
        ]  # fmt: skip
        return channel

    def _errors(self, m: Module) -> None:
        """Keep the first error; bit 1 of a response tells SLVERR and DECERR from the good ones."""
        read, write = Signal(), Signal()
        m.d.comb += [read.eq(self.m_axi_rvalid & self.m_axi_rresp[1]), write.eq(self.m_axi_bvalid & self.m_axi_bresp[1])]
        with m.If(self.clear):
            m.d.sync += [self.error.eq(0), self.response.eq(0)]
        with m.Elif((read | write) & (self.error == 0)):
            m.d.sync += [
                self.error.eq(Mux(read, ERROR_CODES["read"], ERROR_CODES["write"])),
                self.response.eq(Mux(read, self.m_axi_rresp, self.m_axi_bresp)),
            ]  # fmt: skip
