"""Requests for coded rows: look up how long a row is, ask for its beats when there is room for them."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from dataflows.spatial.system.coding import LENGTH_BITS
from dataflows.spatial.system.spec import SpatialSystem
from rtl.library import Modules, place
from rtl.spatial.system import layouts
from rtl.spatial.system.layouts import ADDRESS, COUNT_BITS, ROW_BITS, bits_for
from rtl.spatial.system.lengths import Lengths
from rtl.spatial.system.row_walk import RowWalk
from rtl.stream import Queue

__all__ = ["CodedReads"]


class CodedReads(wiring.Component):
    """Walk the coded rows of a tile.

    A few beats of a row are asked for one after the other, so that they make bursts, once there is room for all of them
    between memory and decoder; so whatever memory answers finds a place.

    Members
    -------
    prog : In
        The program.
    begin, fill, beat : In
        Before a layer; beats of the table of lengths.
    start, images, rows, address, row : In
        Ask for the rows of a tile: counts; address and number of the first.
    valid, memory_address, ready : Out, Out, In
        Read requests.
    over : Out
        The tile's last request is taken.
    used, quiet : In, Out
        The decoder has used up a beat; it has used up all that were asked for.
    comes, ends : In, Out
        A beat comes; it is the last of its row.
    """

    def __init__(self, *, system: SpatialSystem, modules: Modules | None = None) -> None:
        self.system, self.modules = system, modules
        super().__init__({
            "prog": In(layouts.program(system)), "begin": In(1), "fill": In(1), "beat": In(system.beat_bits),
            "start": In(1), "images": In(COUNT_BITS), "rows": In(COUNT_BITS), "address": In(ADDRESS), "row": In(ROW_BITS),
            "valid": Out(1), "memory_address": Out(ADDRESS), "ready": In(1), "over": Out(1), "used": In(1),
            "quiet": Out(1), "comes": In(1), "ends": Out(1),
        })  # fmt: skip

    def elaborate(self, platform: Any) -> Module:
        """Walk the rows, and ask for one at a time."""
        m = Module()
        coding, prog = self.system.coding, self.prog
        assert coding is not None
        lengths = self._table(m)
        walk = place(self.modules, m, "walk", "row_walk", RowWalk)
        row_over = Signal(name="row_over")
        m.d.comb += [
            walk.start.eq(self.start), walk.images.eq(self.images), walk.rows.eq(self.rows), walk.step.eq(row_over),
            walk.first_address.eq(self.address), walk.address_steps.image_step.eq(prog.input_box.image_step),
            walk.address_steps.row_step.eq(prog.input_box.row_step), walk.first_row.eq(self.row),
            walk.row_steps.eq(prog.input_rows),
        ]  # fmt: skip
        left, run, done = Signal(LENGTH_BITS, name="left"), Signal(range(coding.group + 1), name="run"), Signal(LENGTH_BITS)
        room, need = Signal(range(coding.queue + 1), name="room", init=coding.queue), Signal(range(coding.group + 1))
        taken, asking = Signal(name="taken"), Signal(name="asking")
        m.d.comb += [
            need.eq(Mux(left < coding.group, left, coding.group)), self.valid.eq(asking & (run.any() | (room >= need))),
            self.memory_address.eq(walk.address + done), taken.eq(self.valid & self.ready),
            row_over.eq(taken & (left == 1)), self.over.eq(row_over & walk.last),
            lengths.at.eq(walk.row), self.quiet.eq(room == coding.queue),
        ]  # fmt: skip
        m.d.sync += room.eq(room + self.used - taken)
        marks = place(self.modules, m, "marks", "row_marks", Queue, shape=data.StructLayout({"last": 1}), depth=coding.queue)
        m.d.comb += [
            marks.i.valid.eq(taken), marks.i.payload.last.eq(left == 1), marks.o.ready.eq(self.comes),
            self.ends.eq(marks.o.payload.last),
        ]  # fmt: skip
        with m.If(taken):
            m.d.sync += [run.eq(Mux(run.any(), run, need) - 1), left.eq(left - 1), done.eq(done + 1)]
        with m.FSM(name="rows"):
            with m.State("IDLE"), m.If(self.start):
                m.next = "LOOK_UP"
            with m.State("LOOK_UP"):
                m.d.comb += lengths.read.eq(1)
                m.next = "TAKE"
            with m.State("TAKE"):
                length = lengths.length_found  # no row has 0 beats, whatever the table says
                m.d.sync += [left.eq(Mux(length.any(), length, 1)), done.eq(0), run.eq(0)]
                m.next = "ASK"
            with m.State("ASK"):
                m.d.comb += asking.eq(1)
                with m.If(row_over):
                    m.next = "LOOK_UP"
                with m.If(self.over):
                    m.next = "IDLE"
        return m

    def _table(self, m: Module) -> Any:
        """Place the table, filled from its first beat on."""
        lengths = place(self.modules, m, "lengths", "lengths", Lengths, system=self.system, modules=self.modules)
        at = Signal(bits_for(-(-self.system.coding.rows // self.system.table_entries)), name="at")
        m.d.comb += [lengths.fill.eq(self.fill), lengths.place.eq(at), lengths.beat.eq(self.beat)]
        with m.If(self.fill):
            m.d.sync += at.eq(at + 1)
        with m.If(self.begin):
            m.d.sync += at.eq(0)
        return lengths
