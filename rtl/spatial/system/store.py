"""Post-processing and writing of an output tile, in one pass over the buffer of sums."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from dataflows.spatial.system.ports import STORE_DEPTH, STORE_LATENCY
from dataflows.spatial.system.spec import MULTIPLIER_BITS, SpatialSystem
from rtl.delay import delay
from rtl.library import Modules, place
from rtl.requantize import Requantizer, pipeline_latency
from rtl.spatial.system import layouts
from rtl.spatial.system.banks import reading
from rtl.spatial.system.rows import RowMemory
from rtl.spatial.system.shrink import Shrink
from rtl.spatial.system.walk import COUNTS, Walk
from rtl.stream import Queue

__all__ = ["TileStore"]


class TileStore(wiring.Component):
    """Requantise `post_lanes` sums per cycle, and write a beat whenever one is full.

    Members
    -------
    start, tile, done : In, In, Out
        Write a tile; the memory takes its last beat.
    prog : In
        The program.
    scales_begin, scales_write, beat : In
        Beats of all scales, see `RowMemory`.
    read, read_half, read_at, found : Out, Out, Out, In
        Sums, see `SumBanks`.
    valid, address, data, ready : Out, Out, Out, In
        Writes.
    dump, dumped : In, Out
        Of systems with coders, see `rtl.spatial.system.shrink`.
    popped : Out
        A beat leaves for memory, or for the encoder.
    """

    def __init__(self, *, system: SpatialSystem, modules: Modules | None = None) -> None:
        self.system, self.modules = system, modules
        sums = {name: member.flip() for name, member in reading(system).items()}
        coded = {"dump": In(1), "dumped": Out(1)} if system.coding else {}
        super().__init__({
            "start": In(1), "tile": In(layouts.store(system)), "done": Out(1), "prog": In(layouts.program(system)),
            "scales_begin": In(1), "scales_write": In(1), "beat": In(system.beat_bits), **sums,
            "valid": Out(1), "address": Out(layouts.ADDRESS), "data": Out(system.beat_bits), "ready": In(1),
            "popped": Out(1), **coded,
        })  # fmt: skip

    def elaborate(self, platform: Any) -> Module:
        """Walk the tile, requantise, gather beats, queue them."""
        m = Module()
        system, box = self.system, self.prog.output_box
        walk = place(
            self.modules, m, "walk", "store_walk", Walk, shape=layouts.place(system, "outputs"), banks=system.banks("outputs"),
            words=system.post_lanes, memory=True, groups=system.post_groups,
        )  # fmt: skip
        levels = ("image", "row", "pixel")
        m.d.comb += [
            walk.start.eq(self.start), walk.at.eq(0), walk.address.eq(self.tile.address),
            *(getattr(walk, name).eq(self.tile[name]) for name in COUNTS),
            *(getattr(walk, f"{name}_pitch").eq(box[f"{name}_pitch"]) for name in levels),
            *(getattr(walk, f"{name}_step").eq(box[f"{name}_step"]) for name in levels),
        ]  # fmt: skip
        scale, half = Signal(layouts.COUNT_BITS), Signal()
        with m.If(self.start):
            m.d.sync += [scale.eq(self.tile.scale), half.eq(self.tile.half)]
        more = {"row_last": 1} if system.coding else {}
        ends = data.StructLayout({"address": layouts.ADDRESS, "last": 1, **more})
        entry = data.StructLayout({"ends": ends, "data": system.beat_bits})
        queue = place(self.modules, m, "queue", "store_queue", Queue, shape=entry, depth=STORE_DEPTH)
        flying, issue, whole = Signal(range(STORE_DEPTH + 1)), Signal(), Signal()
        m.d.comb += [
            issue.eq(walk.active & (flying != STORE_DEPTH)), whole.eq(issue & walk.whole), walk.step.eq(issue),
            self.read.eq(issue), self.read_half.eq(half), self.read_at.eq(walk.here),
            self.popped.eq(queue.o.valid & queue.o.ready),
        ]  # fmt: skip
        m.d.sync += flying.eq(flying + whole - self.popped)
        self._leave(m, queue)
        results = self._lanes(m, issue, scale + walk.visit)
        later = STORE_LATENCY - 1
        marks = Signal(ends, name="marks")
        m.d.comb += [marks.address.eq(walk.memory_address), marks.last.eq(walk.last)]
        if system.coding:
            m.d.comb += marks.row_last.eq(walk.row_last)
        marked = delay(m, marks.as_value(), later, "marks")
        gathered = Signal(system.beat_bits, reset_less=True)
        beat = Cat(gathered, results)[len(results) :]
        m.d.sync += gathered.eq(beat)
        m.d.comb += [
            queue.i.valid.eq(delay(m, whole, later, "whole", reset=True)), queue.i.payload.data.eq(beat),
            queue.i.payload.ends.as_value().eq(marked),
        ]  # fmt: skip
        return m

    def _leave(self, m: Module, queue: Any) -> None:
        """Beats go to memory, or to the encoder."""
        out = queue.o.payload
        plain = [
            self.valid.eq(queue.o.valid), self.address.eq(out.ends.address), self.data.eq(out.data),
            queue.o.ready.eq(self.ready), self.done.eq(self.popped & out.ends.last),
        ]  # fmt: skip
        if not self.system.coding:
            m.d.comb += plain
            return
        shrink = place(self.modules, m, "shrink", "shrink", Shrink, system=self.system, modules=self.modules)
        m.d.comb += [
            shrink.prog.eq(self.prog), shrink.start.eq(self.start & self.prog.coded_outputs), shrink.tile.eq(self.tile),
            shrink.beats.payload.words.as_value().eq(out.data), shrink.beats.payload.last.eq(out.ends.row_last),
            shrink.dump.eq(self.dump), self.dumped.eq(shrink.dumped),
        ]  # fmt: skip
        with m.If(self.prog.coded_outputs):
            m.d.comb += [
                shrink.beats.valid.eq(queue.o.valid), queue.o.ready.eq(shrink.beats.ready), self.valid.eq(shrink.valid),
                self.address.eq(shrink.address), self.data.eq(shrink.data), shrink.ready.eq(self.ready),
                self.done.eq(shrink.done),
            ]  # fmt: skip
        with m.Else():
            m.d.comb += plain

    def _lanes(self, m: Module, read: Any, row: Any) -> Any:
        """Place the scale buffer and the requantisers; return their outputs side by side."""
        system, prog = self.system, self.prog
        scales = place(
            self.modules, m, "scales", "scale_buffer", RowMemory, beat_bits=system.beat_bits, parts=system.scale_beats, share=1,
            rows=-(-system.channels // system.post_lanes), halves=1, modules=self.modules,
        )  # fmt: skip
        m.d.comb += [
            scales.begin.eq(self.scales_begin), scales.write.eq(self.scales_write), scales.beat.eq(self.beat),
            scales.read.eq(read), scales.row.eq(row),
        ]  # fmt: skip
        array = system.array
        results = []
        for n in range(system.post_lanes):
            unit = place(
                self.modules, m, f"lane_{n}", "requantizer", Requantizer, acc_bits=array.acc_bits, output_bits=array.input_bits
            )
            value = scales.found.word_select(n, system.scale_lane_bits)
            m.d.comb += [
                unit.acc.eq(self.found[n]), unit.bias.eq(value[: array.acc_bits]),
                unit.multiplier.eq(value[array.acc_bits :][:MULTIPLIER_BITS]),
                unit.shift.eq(value[array.acc_bits + MULTIPLIER_BITS :]), unit.zero_point.eq(prog.output_zero),
                unit.low.eq(prog.clip_low), unit.high.eq(prog.clip_high), unit.rounding.eq(prog.rounding),
            ]  # fmt: skip
            results.append(unit.y)
        return Cat(results)


assert pipeline_latency() + 2 == STORE_LATENCY < STORE_DEPTH
