"""Descriptor queue: layers run back to back without the host."""

from __future__ import annotations

from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out


class LayerQueue(wiring.Component):
    """Start one layer after the other, and stop at the first that fails.

    A layer is complete when the accelerator is done, every write is confirmed and the counters are copied. After a failed
    memory access the accelerator's state means nothing: it is held in reset until the bus is idle.

    Parameters
    ----------
    depth : int
        Descriptors.

    Members
    -------
    put, put_addr, free, full : In(1), In(32), Out(8), Out(1)
        The queue's entrance; nothing may be put while it is full.
    halted : In(1)
        STATUS.error: start nothing.
    soft_reset : In(1)
        One cycle: give up and forget everything.
    start, program_addr, abort : Out(1), Out(32), Out(1)
        To the accelerator; `abort` resets it and closes its memory port.
    done, error : In(1), In(8)
        From it.
    bus_idle, bus_error : In(1), In(8)
        From the AXI master.
    capture, captured : Out(1), In(1)
        Copying of counters.
    running : Out(1)
        A layer was started and its last write is not confirmed.
    busy : Out(1)
        A layer runs, or will be started in the next cycle.
    completed_one, emptied, failed : Out(1)
        One cycle each: events for STATUS.
    failed_code, failed_index, completed : Out(8), Out(32), Out(32)
        Register contents.
    clear : Out(1)
        One cycle: a soft reset is over.
    """

    def __init__(self, *, depth: int) -> None:
        self.depth = depth
        super().__init__(
            {
                "put": In(1), "put_addr": In(32), "free": Out(8), "full": Out(1), "halted": In(1), "soft_reset": In(1),
                "start": Out(1), "program_addr": Out(32), "abort": Out(1), "done": In(1), "error": In(8),
                "bus_idle": In(1), "bus_error": In(8), "capture": Out(1), "captured": In(1),
                "running": Out(1), "busy": Out(1), "completed_one": Out(1), "emptied": Out(1), "failed": Out(1),
                "failed_code": Out(8), "failed_index": Out(32), "completed": Out(32), "clear": Out(1),
            }
        )  # fmt: skip

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.fifo = fifo = SyncFIFO(width=32, depth=self.depth)
        resetting, idle = Signal(), Signal()
        taken = Signal(32)
        m.d.comb += [
            fifo.w_data.eq(self.put_addr), fifo.w_en.eq(self.put), self.full.eq(~fifo.w_rdy),
            self.free.eq(self.depth - fifo.level), self.program_addr.eq(fifo.r_data),
            self.busy.eq(~idle | resetting | (fifo.r_rdy & ~self.halted)),
        ]  # fmt: skip
        with m.If(self.soft_reset):
            m.d.sync += resetting.eq(1)
        with m.FSM(name="layers"):
            with m.State("IDLE"):
                m.d.comb += idle.eq(1)
                with m.If(resetting):
                    m.next = "CLEAR"
                with m.Elif(fifo.r_rdy & ~self.halted):
                    m.d.comb += [self.start.eq(1), fifo.r_en.eq(1)]
                    m.d.sync += taken.eq(taken + 1)
                    m.next = "RUN"
            with m.State("RUN"):
                m.d.comb += self.running.eq(1)
                with m.If(resetting | (self.bus_error != 0)):
                    m.next = "ABORT"
                with m.Elif(self.done):
                    m.d.sync += self.failed_code.eq(self.error)
                    m.next = "CONFIRM"
            with m.State("CONFIRM"):
                m.d.comb += self.running.eq(1)
                with m.If(self.bus_idle):
                    m.next = "FAIL"
                    with m.If((self.bus_error == 0) & (self.failed_code == 0)):
                        m.d.comb += self.capture.eq(1)
                        m.next = "COPY"
            self._endings(m, fifo, resetting, taken)
        with m.If(self.start):
            m.d.sync += self.failed_code.eq(0)
        return m

    def _endings(self, m: Module, fifo: SyncFIFO, resetting: Signal, taken: Signal) -> None:
        """States in which a layer ends: well, badly, or by a soft reset."""
        with m.State("COPY"), m.If(self.captured):
            m.d.comb += [self.completed_one.eq(1), self.emptied.eq(~fifo.r_rdy)]
            m.d.sync += self.completed.eq(self.completed + 1)
            m.next = "IDLE"
        with m.State("ABORT"):
            m.d.comb += self.abort.eq(1)
            with m.If(self.bus_idle):
                m.next = "FAIL"
                with m.If(resetting):
                    m.next = "CLEAR"
        with m.State("FAIL"):
            m.d.comb += self.failed.eq(1)
            m.d.sync += self.failed_index.eq(taken - 1)
            with m.If(self.bus_error != 0):
                m.d.sync += self.failed_code.eq(self.bus_error)
            m.next = "IDLE"
        with m.State("CLEAR"):
            m.d.comb += fifo.r_en.eq(1)
            with m.If(~fifo.r_rdy):
                m.d.comb += self.clear.eq(1)
                m.d.sync += [taken.eq(0), self.completed.eq(0), self.failed_code.eq(0), self.failed_index.eq(0)]
                m.d.sync += resetting.eq(0)
                m.next = "IDLE"
