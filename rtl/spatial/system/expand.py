"""Coded rows of inputs on their way to the input buffer."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from dataflows.spatial.system.spec import SpatialSystem
from rtl.library import Modules, place
from rtl.ram_queue import RamQueue
from rtl.rlc.beat_decoder import BeatDecoder
from rtl.spatial.system import layouts
from rtl.spatial.system.walk import COUNTS, Walk
from rtl.stream import Queue

__all__ = ["Expand"]

TILES = 2
"""Tiles on their way: as many as the buffer has halves."""


class Expand(wiring.Component):
    """Decode rows, leave out what no column of the tile needs, and say where every beat goes.

    Members
    -------
    prog : In
        The program.
    begin : In
        Before a layer.
    loads_valid, load : In
        A tile is coming; there are never more than there are halves.
    coded_valid, coded, coded_last : In
        A coded beat; whether it is the last of its row. There is always room (`rtl.spatial.system.coded_reads`).
    used : Out
        The decoder has used up a beat.
    write, last, half, beat, at, count : Out
        A decoded beat, as `rtl.spatial.system.load.Arrivals` gives those that are not coded.
    fault : Out
        A row that does not end with a flag, and only there, or has too few words, which then are zeros: table and rows do not
        belong together. Stays until `begin`.
    """

    def __init__(self, *, system: SpatialSystem, modules: Modules | None = None) -> None:
        self.system, self.modules = system, modules
        super().__init__({
            "prog": In(layouts.program(system)), "begin": In(1), "loads_valid": In(1), "load": In(layouts.load(system)),
            "coded_valid": In(1), "coded": In(system.beat_bits), "coded_last": In(1), "used": Out(1),
            "write": Out(1), "last": Out(1), "half": Out(1), "beat": Out(system.beat_bits),
            "at": Out(layouts.place(system, "inputs")), "count": Out(range(system.beat_words("inputs") + 1)), "fault": Out(1),
        })  # fmt: skip

    def elaborate(self, platform: Any) -> Module:
        """Place a queue of tiles, a queue of beats, the decoder, and the walk over the tile."""
        m = Module()
        system, box, words = self.system, self.prog.input_box, self.system.beat_words("inputs")
        assert system.coding is not None
        bits = system.array.input_bits
        tiles = place(self.modules, m, "tiles", "coded_tiles", Queue, shape=layouts.load(system), depth=TILES)
        shape = data.StructLayout({"beat": system.beat_bits, "last": 1})
        depth = system.coding.queue
        queue = place(self.modules, m, "queue", "coded_queue", RamQueue, shape=shape, depth=depth, modules=self.modules)
        decoder = place(self.modules, m, "decoder", "decoder", BeatDecoder, form=system.code, word_bits=bits, words=words)
        walk = place(
            self.modules, m, "walk", "arrival_walk", Walk, shape=layouts.place(system, "inputs"), banks=system.banks("inputs"),
            words=words,
        )  # fmt: skip
        head, half, ends = tiles.o.payload, Signal(name="now_half"), Signal(name="ends")
        given, short = Signal(name="given"), Signal(name="short")
        m.d.comb += [
            tiles.i.valid.eq(self.loads_valid), tiles.i.payload.eq(self.load), queue.i.valid.eq(self.coded_valid),
            queue.i.payload.beat.eq(self.coded), queue.i.payload.last.eq(self.coded_last),
            decoder.o.ready.eq(walk.active), given.eq((decoder.o.valid | short) & walk.active), decoder.last.eq(walk.row_last),
            walk.step.eq(given), ends.eq(given & walk.last),
            tiles.o.ready.eq(~walk.active | ends), walk.start.eq(tiles.o.valid & tiles.o.ready), walk.at.eq(head.at),
            *(getattr(walk, name).eq(head[name]) for name in COUNTS),
            *(getattr(walk, f"{name}_pitch").eq(box[f"{name}_pitch"]) for name in ("image", "row", "pixel")),
        ]  # fmt: skip
        self._decode(m, queue, decoder, short, given & walk.row_last)
        with m.If(walk.start):
            m.d.sync += half.eq(head.half)
        m.d.sync += [
            self.write.eq(given), self.last.eq(ends), self.half.eq(half), self.at.eq(walk.here),
            self.beat.eq(Mux(short, self.prog.input_zero.as_unsigned().replicate(words), decoder.o.payload.as_value())),
            self.count.eq(Mux(walk.beat == box.beats - 1, self.prog.tail, words)),
        ]  # fmt: skip
        return m

    def _decode(self, m: Module, queue: Any, decoder: Any, short: Signal, row_ends: Any) -> None:
        """Hand beats to the decoder; go by what was asked for, not by flags, so that wrong rows cannot stop a layer."""
        out, code = queue.o.payload, self.system.code
        flag = code.pack * (code.run_bits + self.system.array.input_bits)
        m.d.comb += [
            decoder.i.valid.eq(queue.o.valid & ~short), decoder.i.payload.as_value().eq(out.beat),
            decoder.i.payload.flag.eq(out.last), queue.o.ready.eq(decoder.i.ready), decoder.zero.eq(self.prog.input_zero),
            decoder.clear.eq(self.begin), self.used.eq(queue.o.valid & decoder.i.ready),
        ]  # fmt: skip
        with m.If(row_ends):
            m.d.sync += short.eq(0)
        with m.Elif(decoder.fails):
            m.d.sync += short.eq(1)
        with m.If(decoder.fault | (self.used & (out.beat[flag] != out.last))):
            m.d.sync += self.fault.eq(1)
        with m.If(self.begin):
            m.d.sync += [self.fault.eq(0), short.eq(0)]
