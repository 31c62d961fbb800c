"""Feeders: they read a tile in the buffer delivery by delivery and offer it to the ports of the array."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from dataflows.spatial.system.schedule import FEED_LATENCY
from dataflows.spatial.system.spec import SpatialSystem
from rtl.delay import delay
from rtl.library import Modules, place
from rtl.spatial import layouts as arrays
from rtl.spatial.system import layouts
from rtl.spatial.system.banks import InputBanks
from rtl.spatial.system.nest import Nest
from rtl.spatial.system.rows import RowMemory
from rtl.spatial.system.walk import plus
from rtl.stream import Queue

__all__ = ["InputFeeder", "WeightFeeder"]

SPARE = 3
"""Beats beyond the latency that a queue holds, so that the array never finds it empty within a delivery."""


class _Feeder(wiring.Component):
    """What both feeders share: when they go on, and the queue in front of the array.

    Members
    -------
    start, prog : In
        Begin a layer; its program.
    loaded, released : In, Out
        A tile is in the buffer; the array has taken the last beat of one.
    beats : Out, stream
        To the array.
    reading : Out
        A row, or a word of every port, is read from the buffer.
    """

    tensor: str

    def __init__(self, *, system: SpatialSystem, modules: Modules | None = None, **ports: Any) -> None:
        self.system, self.modules = system, modules
        self.layout = arrays.beat(system.array, self.tensor)
        super().__init__({
            "start": In(1), "prog": In(layouts.program(system)), "loaded": In(1), "released": Out(1),
            "beats": Out(stream.Signature(self.layout)), "reading": Out(1), **ports,
        })  # fmt: skip

    def _pace(self, m: Module, nest: Any) -> Signal:
        """Go on as long as there is a tile and room in the queue; return the half that is read."""
        depth = FEED_LATENCY[self.tensor] + SPARE
        tiles, inside, running, half = Signal(2), Signal(), Signal(), Signal()
        flying, issue, popped = Signal(range(depth + 1)), Signal(name="issue"), Signal()
        entry = data.StructLayout({"beat": self.layout, "tile_last": 1})
        queue = place(self.modules, m, "queue", f"{self.tensor}_queue", Queue, shape=entry, depth=depth)
        m.d.comb += [
            issue.eq(running & (inside | tiles.any()) & (flying != depth)), nest.step.eq(issue), self.reading.eq(issue),
            self.beats.valid.eq(queue.o.valid), self.beats.payload.eq(queue.o.payload.beat), queue.o.ready.eq(self.beats.ready),
            popped.eq(queue.o.valid & queue.o.ready), self.released.eq(popped & queue.o.payload.tile_last),
        ]  # fmt: skip
        m.d.sync += [flying.eq(flying + issue - popped), tiles.eq(tiles + self.loaded - (issue & ~inside))]
        with m.If(issue):
            m.d.sync += [inside.eq(~nest.tile_last), running.eq(~nest.final), half.eq(half ^ nest.tile_last)]
        with m.If(self.start):
            m.d.sync += [running.eq(1), inside.eq(0), half.eq(0), tiles.eq(0), flying.eq(0)]
        later = FEED_LATENCY[self.tensor] - 1
        marks = Signal(3, name="marks")
        m.d.comb += [marks[0].eq(nest.last), marks[1].eq(nest.final), marks[2].eq(nest.tile_last)]
        marked = delay(m, marks, later, "marks")
        m.d.comb += [
            queue.i.valid.eq(delay(m, issue, later, "issue", reset=True)), queue.i.payload.beat.last.eq(marked[0]),
            queue.i.payload.beat.final.eq(marked[1]), queue.i.payload.tile_last.eq(marked[2]),
        ]  # fmt: skip
        for field in self.system.array.fields(self.tensor):
            at = Signal(self.system.array.tag_bits, name=f"at_{field}")
            m.d.comb += [at.eq(nest.here[field]), queue.i.payload.beat.at[field].eq(delay(m, at, later, f"at_{field}"))]
        self._words = queue.i.payload.beat.words
        return half

    def _nest(self, m: Module, sums: tuple[layouts.Sum, ...]) -> Any:
        nest = place(self.modules, m, "nest", f"{self.tensor}_nest", Nest, sums=sums)
        lasts = [loop.last for loop in self.prog.array.outer]
        m.d.comb += [nest.start.eq(self.start), nest.prog.eq(self.prog[self.tensor])]
        m.d.comb += [nest.lasts[n].eq(last) for n, last in enumerate(lasts)]
        return nest


class WeightFeeder(_Feeder):
    """Rows of the weight buffer, to all ports at once.

    Members
    -------
    begin, write, write_half, beat : In
        Beats of a tile, see `RowMemory`.
    """

    tensor = "weights"

    def __init__(self, *, system: SpatialSystem, modules: Modules | None = None) -> None:
        ports = {"begin": In(1), "write": In(1), "write_half": In(1), "beat": In(system.beat_bits)}
        super().__init__(system=system, modules=modules, **ports)

    def elaborate(self, platform: Any) -> Module:
        """Read a row in the cycle in which its number is known."""
        m = Module()
        system = self.system
        nest = self._nest(m, layouts.weight_sums(system))
        half = self._pace(m, nest)
        memory = place(
            self.modules, m, "memory", "weight_buffer", RowMemory, beat_bits=system.beat_bits, parts=system.row_parts,
            share=system.rows_per_beat, rows=system.rows("weights"), halves=2, modules=self.modules,
        )  # fmt: skip
        m.d.comb += [
            memory.begin.eq(self.begin), memory.write.eq(self.write), memory.half.eq(self.write_half),
            memory.beat.eq(self.beat), memory.read.eq(nest.step), memory.read_half.eq(half), memory.row.eq(nest.here.address),
        ]  # fmt: skip
        width = system.array.weight_bits
        m.d.comb += [word.eq(memory.found.word_select(n, width)) for n, word in enumerate(self._words)]
        return m


class InputFeeder(_Feeder):
    """Words of the input buffer for every port, or the zero point where a port is outside the image.

    Members
    -------
    write, write_half, write_at, write_data, write_count : In
        See `InputBanks`.
    """

    tensor = "inputs"

    def __init__(self, *, system: SpatialSystem, modules: Modules | None = None) -> None:
        ports = {
            "write": In(1), "write_half": In(1), "write_at": In(layouts.place(system, "inputs")),
            "write_data": In(system.beat_bits), "write_count": In(range(system.beat_words("inputs") + 1)),
        }  # fmt: skip
        super().__init__(system=system, modules=modules, **ports)

    def elaborate(self, platform: Any) -> Module:
        """Find every port's place in one cycle, read in the next, choose in the third."""
        m = Module()
        system, prog = self.system, self.prog
        nest = self._nest(m, layouts.input_sums(system))
        m.d.comb += [nest.base.y.eq(-prog.top), nest.base.x.eq(-prog.left)]
        half = self._pace(m, nest)
        banks = place(self.modules, m, "banks", "input_banks", InputBanks, system=system, modules=self.modules)
        for name in ("write", "write_half", "write_at", "write_data", "write_count"):
            m.d.comb += getattr(banks, name).eq(getattr(self, name))
        where = Signal(layouts.place(system, "inputs"))
        m.d.comb += [where.row.eq(nest.here.address), where.bank.eq(nest.here.address_bank)]
        m.d.comb += [
            banks.read.eq(delay(m, nest.step, 1, "read", reset=True)), banks.read_half.eq(delay(m, half, 1, "read_half")),
        ]  # fmt: skip
        for n, lane in enumerate(prog.input_lanes):
            at = plus(m, where, lane.at, system.banks("inputs"), f"place_{n}")
            y, x = (Signal(layouts.COORDINATE_BITS, name=f"{name}_{n}") for name in "yx")
            outside, now = Signal(name=f"outside_{n}"), Signal(at.shape(), name=f"lane_{n}", reset_less=True)
            m.d.comb += [y.eq(nest.here.y + lane.y), x.eq(nest.here.x + lane.x)]
            m.d.comb += outside.eq((y >= prog.input_box.rows_limit) | (x >= prog.input_box.cols_limit))
            m.d.sync += now.eq(at)
            used = delay(m, lane.used, 1, f"used_{n}")
            m.d.comb += [banks.lanes[n].at.eq(now), banks.lanes[n].used.eq(used)]
            padded = delay(m, outside, 2, f"padded_{n}")
            m.d.comb += self._words[n].eq(Mux(padded, prog.input_zero, banks.found[n].as_signed()))
        return m
