"""Bursts out of single beats: requests of the native memory port with consecutive addresses go together."""

from __future__ import annotations

from amaranth import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from dataflows.axi import PAGE_BYTES

BURST = data.StructLayout({"addr": 32, "last_beat": 8})
"""A burst: address of its first beat, in beats, and its length less one, as AXI writes it."""


def write_beat(beat_bits: int) -> data.StructLayout:
    """Return the layout of one beat of write data."""
    return data.StructLayout({"data": beat_bits, "last": 1})


class BurstFormer(wiring.Component):
    """Hold each request until the next cycle shows whether the burst goes on.

    A burst ends before a request of the other kind or of another address than the next one, at `burst_beats`, at a 4 KB
    page, and in a cycle without a request: who waits for data must not wait for a burst to fill. `req_ready` depends on
    registers and on the room in the queues behind, never on `req_valid`.

    Parameters
    ----------
    beat_bits : int
        Width of the memory port.
    burst_beats : int
        Most beats of a burst.

    Members
    -------
    req_valid, req_ready, req_write, req_addr, req_data :
        The native memory port's requests.
    reads, writes : Out(stream of BURST)
        Complete bursts.
    data : Out(stream)
        Beats of write data; the last beat of a burst comes together with the burst.
    idle : Out(1)
        No request is held.
    """

    def __init__(self, *, beat_bits: int, burst_beats: int) -> None:
        self.beat_bits, self.burst_beats = beat_bits, burst_beats
        super().__init__(
            {
                "req_valid": In(1), "req_ready": Out(1), "req_write": In(1), "req_addr": In(32), "req_data": In(beat_bits),
                "reads": Out(stream.Signature(BURST)), "writes": Out(stream.Signature(BURST)),
                "data": Out(stream.Signature(write_beat(beat_bits))), "idle": Out(1),
            }
        )  # fmt: skip

    def elaborate(self, platform: object) -> Module:
        m = Module()
        page_bits = (PAGE_BYTES * 8 // self.beat_bits - 1).bit_length()
        held, write = Signal(), Signal()
        start, after = Signal(32, reset_less=True), Signal(32, reset_less=True)
        word = Signal(self.beat_bits, reset_less=True)
        count = Signal(8, reset_less=True)
        room, push, follows, taken = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            room.eq(Mux(write, self.data.ready & self.writes.ready, self.reads.ready)), push.eq(held & room),
            follows.eq(
                self.req_valid & (self.req_write == write) & (self.req_addr == after) & (after[:page_bits] != 0)
                & (count != self.burst_beats - 1)
            ),
            self.req_ready.eq(~held | room), taken.eq(self.req_valid & self.req_ready), self.idle.eq(~held),
            self.data.valid.eq(push & write), self.data.payload.data.eq(word), self.data.payload.last.eq(~follows),
            self.writes.valid.eq(push & write & ~follows), self.reads.valid.eq(push & ~write & ~follows),
        ]  # fmt: skip
        for bursts in (self.reads, self.writes):
            m.d.comb += [bursts.payload.addr.eq(start), bursts.payload.last_beat.eq(count)]
        m.d.sync += held.eq(taken | (held & ~push))
        with m.If(taken):
            m.d.sync += [write.eq(self.req_write), after.eq(self.req_addr + 1), word.eq(self.req_data), count.eq(count + 1)]
            with m.If(~(held & follows)):
                m.d.sync += [start.eq(self.req_addr), count.eq(0)]
        return m
