"""Operations channel by channel go past the array: input words to accumulators, lane by lane.

Addition of two tensors, multiplication by a value per channel and pooling need one operation per input value, so a word of
inputs goes to the accumulator banks as it is read, one per cycle, and the array stands still. A term of a sum is
``(x - zero) * coefficient`` (`rtl.accelerator.lanes`); whether terms are added or the largest is kept is the banks' concern.
"""

from __future__ import annotations

from amaranth import Module, Mux, Signal
from amaranth.lib.wiring import Out

from dataflows.workload import OPS
from rtl.accelerator.issue import ACC, MEMBERS, ArrayIssue, Issue
from rtl.accelerator.layouts import COMPUTE
from rtl.delay import delay
from rtl.library import Modules, place

BANK_DELAY = 2
"""Cycles from a read of the input buffer to the cycle before its terms are at the banks: memory, operands; then products."""


class ChannelIssue(Issue):
    """Walk a step: its blocks, operands and filter taps, and for each the tile's pixels; a read per cycle.

    The terms of an accumulator are in the order of operands and taps. A block's factors (``multiply``) are read with its
    first pixel.

    Members
    -------
    first : Out(1)
        The read brings the first term of a sum.
    """

    def __init__(self, *, modules: Modules | None = None) -> None:
        super().__init__(modules=modules, first=Out(1))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        step = Signal(COMPUTE, reset_less=True)
        pixels, taps = self._walks(m, step)
        running, fresh, ends = Signal(), Signal(), Signal()
        block, acc_base, acc_addr = Signal(9), Signal(16), Signal(16)
        acc = Signal(ACC)
        m.d.comb += [
            ends.eq(pixels.last & taps.last & (block == step.blocks - 1)), taps.next_block.eq(1),
            pixels.step.eq(running), pixels.restart.eq(pixels.last | ~running), taps.step.eq(running & pixels.last),
            self.weight_read.eq(running & fresh & (self.prog.op == OPS.index("multiply"))), self.weight_addr.eq(block),
            self.busy.eq(running), self.first.eq(step.first & taps.first),
            acc.valid.eq(running), acc.first.eq(self.first), acc.half.eq(step.acc_half), acc.addr.eq(acc_addr),
            acc.tag.eq(running & ends & step.last),
        ]  # fmt: skip
        self._read_input(m, step, pixels.here, taps.here, running)
        tokens = self._tokens(m)
        with m.FSM(name="issue"):
            self._wait_state(m, step, tokens)
            with m.State("SETUP"):
                m.d.comb += taps.restart.eq(1)
                m.d.sync += [fresh.eq(1), block.eq(0), acc_base.eq(0), acc_addr.eq(0)]
                m.next = "RUN"
            with m.State("RUN"):
                m.d.comb += running.eq(1)
                m.d.sync += [fresh.eq(pixels.last & taps.last), acc_addr.eq(acc_addr + 1)]
                with m.If(pixels.last):
                    with m.If(taps.last):
                        m.d.sync += [block.eq(block + 1), acc_base.eq(acc_addr + 1)]
                    with m.Else():
                        m.d.sync += acc_addr.eq(acc_base)
                with m.If(ends):
                    m.d.comb += self.issued.eq(1)
                    m.next = "WAIT"
        m.d.comb += self.acc.eq(delay(m, acc, BANK_DELAY, "acc_wait", reset=True))
        return m


class IssueChoice(ArrayIssue):
    """The engine of the array and the one past it: the program's operation says which one works.

    Parameters
    ----------
    kind : class
        The array's engine.

    Members
    -------
    past : Out(1)
        The layer goes past the array.
    channel_first : Out(1)
        `ChannelIssue.first`.
    """

    def __init__(self, *, kind: type[ArrayIssue], rows: int, south_delay: int, modules: Modules | None = None) -> None:
        self.kind = kind
        super().__init__(rows=rows, south_delay=south_delay, modules=modules, past=Out(1), channel_first=Out(1))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        array = place(
            self.modules, m, "array", "array_issue", self.kind, rows=self.rows, south_delay=self.south_delay, modules=self.modules
        )
        channel = place(self.modules, m, "channel", "channel_issue", ChannelIssue, modules=self.modules)
        past = self.past
        m.d.comb += [
            past.eq(self.prog.op != OPS.index("mac")), self.channel_first.eq(channel.first),
            self.steps.ready.eq(Mux(past, channel.steps.ready, array.steps.ready)),
            self.row.eq(array.row), array.row_word.eq(self.row_word), array.row_used.eq(self.row_used),
            self.first.eq(array.first), self.take.eq(array.take), self.slot.eq(array.slot),
        ]  # fmt: skip
        for engine, works in ((array, ~past), (channel, past)):
            m.d.comb += [
                engine.prog.eq(self.prog), engine.reset.eq(self.reset), engine.steps.payload.eq(self.steps.payload),
                engine.steps.valid.eq(self.steps.valid & works), engine.loaded.eq(self.loaded & works),
                engine.acc_free.eq(self.acc_free & works),
            ]  # fmt: skip
        for name, member in MEMBERS.items():
            if member.flow == Out:
                m.d.comb += getattr(self, name).eq(Mux(past, getattr(channel, name), getattr(array, name)))
        return m


__all__ = ["ChannelIssue", "IssueChoice"]
