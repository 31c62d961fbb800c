"""Array with what feeds and empties it, or passes it by: buffers, issue engines, edges, lanes, accumulator banks."""

from __future__ import annotations

from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from dataflows.arch import Accelerator
from dataflows.workload import OPS
from rtl.accelerator.accumulator import Accumulator
from rtl.accelerator.channelwise import IssueChoice
from rtl.accelerator.issue import StationaryOutputIssue, StationaryWeightIssue
from rtl.accelerator.lanes import ChannelLanes
from rtl.accelerator.layouts import COMPUTE, PROGRAM
from rtl.accelerator.weights import WeightLanes
from rtl.array import ArrayPlan, PEArray
from rtl.delay import delay
from rtl.library import Modules, place
from rtl.sram import place_sram

EDGE_DELAY = 2
"""Cycles from a buffer read to the word at the array's edge: memory, edge register."""


class Core(wiring.Component):
    """The compute engine.

    Parameters
    ----------
    acc : Accelerator
        All sizes.
    modules : Modules or None
        See `rtl.library.place`.

    Members
    -------
    steps : In(stream of COMPUTE)
        Work, in order.
    configure, configured : In(1), Out(1)
        Fill the weight lane table from the program.
    loaded, acc_free, issued, tile_done : tokens, see `Issue` and `Accumulator`.
    input_write*, weight_write* :
        Fill ports of the two buffers, addresses include the half.
    post_* :
        Read port of the accumulators.
    """

    def __init__(self, *, acc: Accelerator, modules: Modules | None) -> None:
        self.acc, self.modules = acc, modules
        cols, acc_bits = acc.array.cols, acc.array.acc_bits
        super().__init__(
            {
                "steps": In(stream.Signature(COMPUTE)), "prog": In(PROGRAM), "reset": In(1),
                "configure": In(1), "configured": Out(1),
                "loaded": In(1), "acc_free": In(1), "issued": Out(1), "tile_done": Out(1),
                "input_write": In(1), "input_write_addr": In(17), "input_write_data": In(acc.input_word_bits),
                "weight_write": In(1), "weight_write_addr": In(17), "weight_write_data": In(acc.weight_word_bits),
                "post_read": In(1), "post_half": In(1), "post_addr": In(16), "post_data": Out(cols * acc_bits),
                "input_read": Out(1), "weight_read": Out(1), "acc_write": Out(1), "acc_update": Out(1),
                "busy": Out(1), "wait_load": Out(1), "wait_acc": Out(1),
            }
        )  # fmt: skip

    def elaborate(self, platform: object) -> Module:
        m = Module()
        acc, shape = self.acc, self.acc.array
        plan = ArrayPlan.of(shape)
        array = place(self.modules, m, "array", "array", PEArray, plan=plan, modules=self.modules)
        kind = StationaryOutputIssue if plan.outputs_stay else StationaryWeightIssue
        sizes = {"rows": shape.rows, "south_delay": EDGE_DELAY + plan.south_latency - 1}
        if acc.channelwise:
            issue = place(self.modules, m, "issue", "issue", IssueChoice, kind=kind, **sizes, modules=self.modules)
        else:
            issue = place(self.modules, m, "issue", "issue", kind, **sizes, modules=self.modules)
        lanes = place(self.modules, m, "lanes", "weight_lanes", WeightLanes, rows=shape.rows, cols=shape.cols)
        banks = place(
            self.modules, m, "banks", "accumulator_banks", Accumulator,
            cols=shape.cols, words=acc.acc_words, acc_bits=shape.acc_bits, channelwise=acc.channelwise, modules=self.modules,
        )  # fmt: skip
        inputs = place_sram(self.modules, m, "input_buffer", depth=2 * acc.input_words, width=acc.input_word_bits)
        weights = place_sram(self.modules, m, "weight_buffer", depth=2 * acc.weight_words, width=acc.weight_word_bits)
        m.d.comb += [
            issue.steps.payload.eq(self.steps.payload), issue.steps.valid.eq(self.steps.valid),
            self.steps.ready.eq(issue.steps.ready), issue.prog.eq(self.prog), lanes.prog.eq(self.prog),
            issue.reset.eq(self.reset), lanes.start.eq(self.configure), self.configured.eq(lanes.done),
            issue.loaded.eq(self.loaded), issue.acc_free.eq(self.acc_free), self.issued.eq(issue.issued),
            lanes.row.eq(issue.row), issue.row_word.eq(lanes.word), issue.row_used.eq(lanes.used),
            inputs.we.eq(self.input_write), inputs.waddr.eq(self.input_write_addr), inputs.wdata.eq(self.input_write_data),
            inputs.re.eq(issue.input_read), inputs.raddr.eq(issue.input_addr + Mux(issue.input_half, acc.input_words, 0)),
            weights.we.eq(self.weight_write), weights.waddr.eq(self.weight_write_addr),
            weights.wdata.eq(self.weight_write_data), weights.re.eq(issue.weight_read),
            weights.raddr.eq(issue.weight_addr + Mux(issue.weight_half, acc.weight_words, 0)),
            banks.ctl.eq(issue.acc), self.tile_done.eq(banks.tile_done),
            banks.post_read.eq(self.post_read), banks.post_half.eq(self.post_half), banks.post_addr.eq(self.post_addr),
            self.post_data.eq(banks.post_data),
            self.input_read.eq(issue.input_read), self.weight_read.eq(issue.weight_read), self.acc_write.eq(issue.acc.valid),
            self.acc_update.eq(issue.acc.valid & ~issue.acc.first),
            self.busy.eq(issue.busy), self.wait_load.eq(issue.wait_load), self.wait_acc.eq(issue.wait_acc),
        ]  # fmt: skip
        self._edges(m, issue, lanes, inputs.rdata, weights.rdata, array)
        if acc.channelwise:
            self._past(m, issue, inputs.rdata, weights.rdata, array.south, banks)
        else:
            m.d.comb += banks.south.eq(array.south)
        return m

    def _past(self, m: Module, issue: Any, input_word: Signal, weight_word: Signal, south: Signal, banks: Any) -> None:
        """Put lanes between the buffers and the banks, and choose them while a layer goes past the array."""
        acc, shape = self.acc, self.acc.array
        channels = place(
            self.modules, m, "channels", "channel_lanes", ChannelLanes, lanes=acc.channel_lanes, input_bits=shape.input_bits,
            weight_bits=shape.weight_bits, acc_bits=shape.acc_bits, modules=self.modules,
        )  # fmt: skip
        m.d.comb += [
            channels.prog.eq(self.prog), channels.pad.eq(delay(m, issue.pad, 1, "channel_pad")),
            channels.first.eq(delay(m, issue.channel_first, 1, "channel_first")),
            channels.word.eq(input_word), channels.factors.eq(weight_word),
            banks.level.eq(issue.past), banks.maximum.eq(self.prog.op == OPS.index("max")),
            banks.south.eq(Mux(issue.past, channels.terms, south)),
        ]  # fmt: skip

    def _edges(self, m: Module, issue: Any, lanes: WeightLanes, input_word: Signal, weight_word: Signal, array: PEArray) -> None:
        """Put padding and lane masks in place and register words and controls at the array's edge."""
        shape = self.acc.array
        pad = delay(m, issue.pad, 1, "pad")
        mask = delay(m, lanes.mask, 1, "mask")
        zero = self.prog.input_zero[: shape.input_bits]
        west = Signal(self.acc.input_word_bits, reset_less=True)
        north = Signal(self.acc.weight_word_bits, reset_less=True)
        stands = issue.past if self.acc.channelwise else Const(0)  # what goes past the array moves nothing in it
        with m.If(~stands):
            m.d.sync += west.eq(Mux(pad, Cat([zero] * shape.rows), input_word))
        kept = [
            Mux(mask[j], weight_word.word_select(j, shape.weight_bits), Const(0, shape.weight_bits)) for j in range(shape.cols)
        ]
        with m.If(~stands):
            m.d.sync += north.eq(Cat(kept))
        m.d.comb += [
            array.west.eq(west), array.north.eq(north),
            array.first.eq(delay(m, issue.first, EDGE_DELAY, "first", reset=True)),
            array.take.eq(delay(m, issue.take, EDGE_DELAY, "take", reset=True)),
            array.west_slot.eq(delay(m, issue.slot, EDGE_DELAY, "slot")),
        ]  # fmt: skip
