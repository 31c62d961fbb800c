"""Issue engines: decide, cycle by cycle, what enters the array and where its results go.

Operations channel by channel have an engine of their own (`rtl.accelerator.channelwise`). Which other engine an array gets
follows from its relation: one for operands that stay in the PEs over a wave, one for outputs that do. A *wave* is the run
of cycles over which the stationary tensor stays.
"""

from __future__ import annotations

from amaranth import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from rtl.accelerator.layouts import COMPUTE, PROGRAM
from rtl.accelerator.walk import PixelWalk, TapWalk
from rtl.delay import delay
from rtl.library import Modules, place

ACC = data.StructLayout({"valid": 1, "first": 1, "half": 1, "addr": 16, "tag": 1})
"""One accumulation: `first` overwrites; `tag` marks the last one of an output tile."""


MEMBERS: dict[str, wiring.Member] = {
    "steps": In(stream.Signature(COMPUTE)), "prog": In(PROGRAM), "reset": In(1),
    "loaded": In(1), "acc_free": In(1), "issued": Out(1),
    "input_read": Out(1), "input_half": Out(1), "input_addr": Out(17), "pad": Out(1),
    "weight_read": Out(1), "weight_half": Out(1), "weight_addr": Out(17), "acc": Out(ACC),
    "busy": Out(1), "wait_load": Out(1), "wait_acc": Out(1),
}  # fmt: skip
"""Ports of every engine, see `Issue`."""


class Issue(wiring.Component):
    """What all engines share: taking steps, and the two walks that form input addresses.

    Members
    -------
    loaded, acc_free : In(1)
        One cycle each: a step's tiles are on chip; an accumulator half was emptied.
    issued : Out(1)
        The current step's last cycle; its input and weight halves may be overwritten.
    input_read, input_addr, pad : Out
        Read of the input buffer; `pad` stands for a read outside the image.
    weight_read, weight_addr : Out
        Read of the weight buffer.
    acc : Out(ACC)
        Accumulation, in time for column 0.
    busy, wait_load, wait_acc : Out(1)
        For the performance counters.
    """

    def __init__(self, *, modules: Modules | None = None, **more: wiring.Member) -> None:
        self.modules = modules
        super().__init__({**MEMBERS, **more})

    def _walks(self, m: Module, step: data.View) -> tuple[PixelWalk, TapWalk]:
        pixels = place(self.modules, m, "pixels", "pixel_walk", PixelWalk)
        taps = place(self.modules, m, "taps", "tap_walk", TapWalk)
        m.d.comb += [
            pixels.p.eq(step.p), pixels.q.eq(step.q), pixels.prog.eq(self.prog), taps.prog.eq(self.prog),
            taps.c_blocks.eq(step.c_blocks), pixels.origin.addr.eq(step.start_addr), pixels.origin.y.eq(step.start_y),
            pixels.origin.x.eq(step.start_x), self.input_half.eq(step.input_half), self.weight_half.eq(step.weight_half),
        ]  # fmt: skip
        return pixels, taps

    def _read_input(self, m: Module, step: data.View, pixel: data.View, tap: data.View, wanted: Signal) -> None:
        """Form the read address of pixel plus tap, or a padding read."""
        y, x = pixel.y + tap.y, pixel.x + tap.x
        inside = (y >= 0) & (x >= 0) & (y < step.height) & (x < step.width)
        m.d.comb += [
            self.input_addr.eq(pixel.addr + tap.addr), self.input_read.eq(wanted & inside), self.pad.eq(wanted & ~inside),
        ]  # fmt: skip

    def _tokens(self, m: Module) -> tuple[Signal, Signal, Signal]:
        """Count loaded steps and empty accumulator halves; return (no tiles, no room, taken) for `_wait_state`."""
        loaded, acc_free = Signal(2), Signal(2, init=2)
        no_tiles, no_room, taken = Signal(), Signal(), Signal()
        new_tile = self.steps.payload.first
        m.d.comb += [no_tiles.eq(loaded == 0), no_room.eq(~no_tiles & new_tile & (acc_free == 0))]
        with m.If(self.reset):
            m.d.sync += [loaded.eq(0), acc_free.eq(2)]
        with m.Else():
            m.d.sync += [
                loaded.eq(loaded + self.loaded - taken), acc_free.eq(acc_free + self.acc_free - (taken & new_tile)),
            ]  # fmt: skip
        return no_tiles, no_room, taken

    def _wait_state(self, m: Module, step: Signal, tokens: tuple[Signal, Signal, Signal]) -> None:
        """State WAIT: take a step when its tiles are loaded and, for a new output tile, an accumulator half is free."""
        no_tiles, no_room, taken = tokens
        with m.State("WAIT"):
            m.d.comb += [
                self.wait_load.eq(self.steps.valid & no_tiles), self.wait_acc.eq(self.steps.valid & no_room),
                taken.eq(self.steps.valid & ~no_tiles & ~no_room), self.steps.ready.eq(taken),
            ]  # fmt: skip
            with m.If(taken):
                m.d.sync += step.eq(self.steps.payload)
                m.next = "SETUP"


class ArrayIssue(Issue):
    """What engines that feed the array share.

    Parameters
    ----------
    rows : int
        Array rows, also lanes of an input word.
    south_delay : int
        Cycles from issue to the cycle before the result is at the array's south edge.

    Members
    -------
    row, row_word, row_used : Out, In, In
        Channel lane whose weights are read, looked up in `WeightLanes` outside.
    first, take, slot : Out
        Array controls of the same cycle; `slot` is `rows` in cycles that present no input word.
    """

    def __init__(self, *, rows: int, south_delay: int, modules: Modules | None = None, **more: wiring.Member) -> None:
        self.rows, self.south_delay = rows, south_delay
        super().__init__(
            modules=modules, row=Out(range(max(2, rows))), row_word=In(range(max(2, rows))), row_used=In(1),
            first=Out(1), take=Out(1), slot=Out(range(rows + 1)), **more,
        )  # fmt: skip


class StationaryWeightIssue(ArrayIssue):
    """Weights stay: load `rows` weight words, then stream the tile's pixels past them, wave after wave.

    The next wave's weights are loaded while the current one streams (dense reference, 2.2): a step of F waves of M
    pixels takes rows + (F - 1) max(M, rows) + M cycles.
    """

    def elaborate(self, platform: object) -> Module:
        m = Module()
        step = Signal(COMPUTE, reset_less=True)
        pixels, taps = self._walks(m, step)
        loading, streaming, has_load, fresh = Signal(), Signal(), Signal(), Signal()
        row = Signal.like(self.row)
        block = Signal(9)
        weight_base, acc_base, acc_addr = Signal(17), Signal(16), Signal(16)
        tap = Signal.like(taps.here)
        tap_first, tap_last, final = Signal(), Signal(), Signal()
        phase_end, fold_last = Signal(), Signal()
        acc = Signal(ACC)
        m.d.comb += [
            fold_last.eq(taps.last & (block == step.blocks - 1)), taps.next_block.eq(1),
            self.row.eq(row), self.slot.eq(0), self.weight_read.eq(loading & self.row_used),
            self.weight_addr.eq(weight_base + self.row_word), self.take.eq(loading & (row == 0)),
            self.first.eq(streaming & fresh), self.busy.eq(streaming),
            acc.valid.eq(streaming), acc.first.eq(step.first & tap_first), acc.half.eq(step.acc_half), acc.addr.eq(acc_addr),
            acc.tag.eq(streaming & pixels.last & final & step.last),
        ]  # fmt: skip
        self._read_input(m, step, pixels.here, tap, streaming)
        tokens = self._tokens(m)
        with m.FSM(name="issue"):
            self._wait_state(m, step, tokens)
            with m.State("SETUP"):
                m.d.comb += [taps.restart.eq(1), pixels.restart.eq(1)]
                m.d.sync += [
                    loading.eq(1), has_load.eq(1), streaming.eq(0), row.eq(self.rows - 1), block.eq(0), weight_base.eq(0),
                    acc_base.eq(0), acc_addr.eq(0),
                ]  # fmt: skip
                m.next = "RUN"
            with m.State("RUN"):
                m.d.comb += phase_end.eq((~loading | (row == 0)) & (~streaming | pixels.last))
                with m.If(loading):
                    m.d.sync += [row.eq(row - 1), loading.eq(row != 0)]
                with m.If(streaming):
                    m.d.comb += pixels.step.eq(1)
                    m.d.sync += [fresh.eq(0), acc_addr.eq(acc_addr + 1), streaming.eq(~pixels.last)]
                    with m.If(pixels.last):
                        m.d.sync += acc_addr.eq(Mux(tap_last, acc_addr + 1, acc_base))
                        with m.If(tap_last):
                            m.d.sync += acc_base.eq(acc_addr + 1)
                with m.If(phase_end):
                    m.d.comb += [taps.step.eq(1), pixels.restart.eq(1)]
                    m.d.sync += [
                        tap.eq(taps.here), tap_first.eq(taps.first), tap_last.eq(taps.last), final.eq(fold_last),
                        streaming.eq(has_load), fresh.eq(1), loading.eq(has_load & ~fold_last),
                        has_load.eq(has_load & ~fold_last),
                        row.eq(self.rows - 1), weight_base.eq(weight_base + self.prog.weight_rows),
                    ]  # fmt: skip
                    with m.If(taps.last):
                        m.d.sync += block.eq(block + 1)
                    with m.If(~has_load):
                        m.d.comb += self.issued.eq(1)
                        m.next = "WAIT"
        m.d.comb += self.acc.eq(delay(m, acc, self.south_delay, "acc_wait", reset=True))
        return m


class StationaryOutputIssue(ArrayIssue):
    """Outputs stay: stream all taps and channels of `rows` pixels, then drain them while the next wave runs.

    An input word holds `rows` channels of one pixel and feeds its row for `rows` cycles; the rows take turns
    (dense reference, 2.3, with the drain captured into a chain of its own). A step of F waves takes
    F c_blocks R S rows + rows cycles, the last `rows` to flush.
    """

    def elaborate(self, platform: object) -> Module:
        m = Module()
        step = Signal(COMPUTE, reset_less=True)
        pixels, taps = self._walks(m, step)
        lane = Signal.like(self.row)
        block = Signal(9)
        weight_base, block_base, acc_base = Signal(17), Signal(17), Signal(16)
        count = Signal(range(self.rows + 1))
        running, flushing = Signal(), Signal()
        lane_end, wave_end, block_end, flush = Signal(), Signal(), Signal(), Signal()
        counted = count + ~pixels.past
        m.d.comb += [
            lane_end.eq(lane == self.rows - 1), wave_end.eq(running & lane_end & taps.last),
            block_end.eq(wave_end & (pixels.past | pixels.last)), taps.next_block.eq(block_end),
            self.row.eq(lane), self.slot.eq(Mux(running, lane, self.rows)), self.weight_read.eq(running & self.row_used),
            self.weight_addr.eq(weight_base + self.row_word), self.busy.eq(running),
            self.first.eq((running & taps.first & (lane == 0)) | flush),
            pixels.step.eq(running), pixels.rewind.eq(lane_end & ~taps.last), pixels.mark.eq(wave_end),
            taps.step.eq(running & lane_end),
        ]  # fmt: skip
        self._read_input(m, step, pixels.here, taps.here, running & ~pixels.past)
        ended = Signal(data.StructLayout({"base": 16, "count": range(self.rows + 1), "first": 1, "half": 1, "tag": 1}))
        tokens = self._tokens(m)
        with m.FSM(name="issue"):
            self._wait_state(m, step, tokens)
            with m.State("SETUP"):
                m.d.comb += [taps.restart.eq(1), pixels.restart.eq(1)]
                m.d.sync += [lane.eq(0), block.eq(0), weight_base.eq(0), block_base.eq(0), acc_base.eq(0), count.eq(0)]
                m.next = "RUN"
            with m.State("RUN"):
                m.d.comb += running.eq(1)
                m.d.sync += [lane.eq(Mux(lane_end, 0, lane + 1)), count.eq(Mux(lane_end, 0, counted))]
                next_base = weight_base + self.prog.weight_rows
                with m.If(lane_end):
                    m.d.sync += weight_base.eq(next_base)
                with m.If(wave_end):
                    m.d.sync += [weight_base.eq(block_base), acc_base.eq(acc_base + counted)]
                    m.d.sync += [
                        ended.base.eq(acc_base), ended.count.eq(counted), ended.first.eq(step.first),
                        ended.half.eq(step.acc_half),
                        ended.tag.eq(block_end & (block == step.blocks - 1) & step.last),
                    ]  # fmt: skip
                with m.If(block_end):
                    m.d.comb += pixels.restart.eq(1)
                    m.d.sync += [weight_base.eq(next_base), block_base.eq(next_base), block.eq(block + 1)]
                    with m.If(block == step.blocks - 1):
                        m.next = "FLUSH"
            with m.State("FLUSH"):
                m.d.comb += [flushing.eq(1), flush.eq(lane == 0)]
                m.d.sync += lane.eq(Mux(lane_end, 0, lane + 1))
                with m.If(lane_end):
                    m.d.comb += self.issued.eq(1)
                    m.next = "WAIT"
        wave_ended = Signal()
        m.d.sync += wave_ended.eq(wave_end)
        self._drain(m, wave_ended, ended)
        return m

    def _drain(self, m: Module, wave_ended: Signal, ended: Signal) -> None:
        """Take a wave's results when its last row is done, and place them row by row, last row first."""
        # The wave's last row finishes rows - 1 cycles after the first; its hold register follows one later.
        before_take = delay(m, wave_ended, self.rows - 1, "ending", reset=True)
        drain = Signal.like(ended)
        left = Signal(range(self.rows + 1))
        draining = Signal()
        m.d.sync += self.take.eq(before_take)
        with m.If(before_take):
            m.d.sync += [drain.eq(ended), left.eq(self.rows - 1), draining.eq(1)]
        with m.Else():
            m.d.sync += [left.eq(left - 1), draining.eq(draining & (left != 0))]
        acc = Signal(ACC)
        m.d.comb += [
            acc.valid.eq(draining & (left < drain.count)), acc.first.eq(drain.first), acc.half.eq(drain.half),
            acc.addr.eq(drain.base + left), acc.tag.eq(draining & (left == 0) & drain.tag),
            self.acc.eq(delay(m, acc, self.south_delay, "acc_wait", reset=True)),
        ]  # fmt: skip


__all__ = ["ACC", "MEMBERS", "ArrayIssue", "Issue", "StationaryOutputIssue", "StationaryWeightIssue"]
