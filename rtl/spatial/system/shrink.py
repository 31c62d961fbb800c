"""Rows of outputs on their way to memory, coded."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from dataflows.spatial.system.coding import LENGTH_BITS
from dataflows.spatial.system.spec import SpatialSystem
from rtl.library import Modules, place
from rtl.rlc.beat_encoder import BeatEncoder
from rtl.rlc.layouts import closed_beat
from rtl.spatial.system import layouts
from rtl.spatial.system.layouts import ADDRESS, COUNT_BITS
from rtl.spatial.system.lengths import Lengths
from rtl.spatial.system.row_walk import RowWalk

__all__ = ["Shrink"]


class Shrink(wiring.Component):
    """Code the rows of a tile, write each to its place, note how long it is; at the end write all lengths.

    Members
    -------
    prog : In
        The program.
    start, tile : In
        A tile, whose beats follow.
    beats : In, stream
        Beats, the last one of each row marked.
    valid, address, data, ready : Out, Out, Out, In
        Writes.
    done : Out
        The tile's last beat is taken.
    dump, dumped : In, Out
        Write the table; its last beat is taken.
    """

    def __init__(self, *, system: SpatialSystem, modules: Modules | None = None) -> None:
        self.system, self.modules = system, modules
        words = system.beat_words("outputs")
        super().__init__({
            "prog": In(layouts.program(system)), "start": In(1), "tile": In(layouts.store(system)),
            "beats": In(stream.Signature(closed_beat(system.array.input_bits, words))),
            "valid": Out(1), "address": Out(ADDRESS), "data": Out(system.beat_bits), "ready": In(1), "done": Out(1),
            "dump": In(1), "dumped": Out(1),
        })  # fmt: skip

    def elaborate(self, platform: Any) -> Module:
        """Place the encoder, the walk over rows, and the table."""
        m = Module()
        system, prog, tile = self.system, self.prog, self.tile
        encoder = place(
            self.modules, m, "encoder", "encoder", BeatEncoder, form=system.code, word_bits=system.array.input_bits,
            words=system.beat_words("outputs"),
        )  # fmt: skip
        walk = place(self.modules, m, "walk", "row_walk", RowWalk)
        lengths = place(self.modules, m, "lengths", "lengths", Lengths, system=system, modules=self.modules)
        wiring.connect(m, wiring.flipped(self.beats), encoder.i)
        taken, row_over, beats = Signal(name="taken"), Signal(name="row_over"), Signal(LENGTH_BITS, name="beats_made")
        m.d.comb += [
            walk.start.eq(self.start), walk.images.eq(tile.images), walk.rows.eq(tile.rows), walk.step.eq(row_over),
            walk.first_address.eq(tile.address), walk.address_steps.image_step.eq(prog.output_box.image_step),
            walk.address_steps.row_step.eq(prog.output_box.row_step), walk.first_row.eq(tile.row),
            walk.row_steps.eq(prog.output_rows),
        ]  # fmt: skip
        word = encoder.o.payload
        m.d.comb += [
            encoder.zero.eq(prog.output_zero), encoder.o.ready.eq(self.ready), taken.eq(encoder.o.valid & self.ready),
            row_over.eq(taken & word.last), self.done.eq(row_over & walk.last),
            lengths.put.eq(row_over), lengths.row.eq(walk.row), lengths.length.eq(beats + 1),
        ]  # fmt: skip
        with m.If(taken):
            m.d.sync += beats.eq(Mux(word.last, 0, beats + 1))
        self._dump(m, lengths, encoder, walk.address + beats)
        return m

    def _dump(self, m: Module, lengths: Any, encoder: Any, address: Any) -> None:
        """Give the port to the table when all rows are written."""
        prog, low = self.prog, (self.system.table_entries - 1).bit_length()
        at, writing = Signal(COUNT_BITS, name="at"), Signal(name="writing")
        m.d.comb += [
            self.valid.eq(encoder.o.valid | writing), self.address.eq(Mux(writing, prog.output_table + at, address)),
            self.data.eq(Mux(writing, lengths.beat_found, encoder.o.payload.word.as_value())),
            lengths.at.eq(at << low), self.dumped.eq(writing & self.ready & (at == prog.output_table_beats - 1)),
        ]  # fmt: skip
        with m.FSM(name="table"):
            with m.State("IDLE"), m.If(self.dump):
                m.d.sync += at.eq(0)
                m.next = "READ"
            with m.State("READ"):
                m.d.comb += lengths.read.eq(1)
                m.next = "WRITE"
            with m.State("WRITE"):
                m.d.comb += writing.eq(1)
                with m.If(self.ready):
                    m.d.sync += at.eq(at + 1)
                    m.next = "READ"
                with m.If(self.dumped):
                    m.next = "IDLE"
