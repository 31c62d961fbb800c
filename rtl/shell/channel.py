"""The address channels of the AXI master: bursts out, at most so many on their way."""

from __future__ import annotations

from amaranth import Cat, Const, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from dataflows.axi import AxiOptions
from rtl.shell.bursts import BURST


class AddressChannel(wiring.Component):
    """Turn bursts into addresses on AR or AW and count those that are not answered.

    Parameters
    ----------
    axi : AxiOptions
        Address width.
    bus_bytes : int
        Bytes per beat.
    most : int
        Bursts on their way, at most.

    Members
    -------
    bursts : In(stream of BURST)
        What to ask for.
    base : In(address_bits - 12)
        Byte address of beat 0 in 4 KB pages.
    valid, addr, len, ready :
        The channel; a registered output that stays until taken.
    issued : Out(1)
        A burst goes to the channel.
    answered : In(1)
        The last answer to a burst has come.
    held : Out(1)
        A burst waits: for the channel, or because `most` are on their way.
    idle : Out(1)
        No burst waits or is unanswered.
    """

    def __init__(self, *, axi: AxiOptions, bus_bytes: int, most: int) -> None:
        self.axi, self.bus_bytes, self.most = axi, bus_bytes, most
        super().__init__(
            {
                "bursts": In(stream.Signature(BURST)), "base": In(axi.address_bits - 12),
                "valid": Out(1), "addr": Out(axi.address_bits), "len": Out(8), "ready": In(1),
                "issued": Out(1), "answered": In(1), "held": Out(1), "idle": Out(1),
            }
        )  # fmt: skip

    def elaborate(self, platform: object) -> Module:
        m = Module()
        waiting = Signal(range(self.most + 1))
        byte_bits = self.bus_bytes.bit_length() - 1
        burst = self.bursts.payload
        m.d.comb += [
            self.bursts.ready.eq((~self.valid | self.ready) & (waiting != self.most)),
            self.issued.eq(self.bursts.valid & self.bursts.ready), self.held.eq(self.bursts.valid & ~self.bursts.ready),
            self.idle.eq(~self.bursts.valid & (waiting == 0)),
        ]  # fmt: skip
        m.d.sync += waiting.eq(waiting + self.issued - self.answered)
        with m.If(self.issued):
            m.d.sync += [
                self.valid.eq(1), self.len.eq(burst.last_beat),
                self.addr.eq(Cat(Const(0, 12), self.base) + (burst.addr << byte_bits)),
            ]  # fmt: skip
        with m.Elif(self.ready):
            m.d.sync += self.valid.eq(0)
        return m
