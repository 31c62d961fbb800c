"""What memory answers, on its way to the buffers."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from dataflows.spatial.system.schedule import LOADS
from dataflows.spatial.system.spec import SpatialSystem
from rtl.library import Modules, place
from rtl.spatial.system import layouts
from rtl.spatial.system.tiles import INPUT, SCALE, TABLE, WEIGHT
from rtl.spatial.system.walk import COUNTS, Walk
from rtl.stream import Queue

__all__ = ["Arrivals"]

KINDS = {"scales": SCALE, "weights": WEIGHT, "inputs": INPUT}
CODED_KINDS = {**KINDS, "table": TABLE}


class Arrivals(wiring.Component):
    """Tell beats apart in the order in which they were asked for.

    Members
    -------
    prog : In
        The program.
    loads : In, stream
        What was asked for, transaction by transaction; at most `LOADS` wait behind the one that arrives.
    valid, data : In
        A beat from memory.
    *_write, *_last : Out
        A beat of scales, weights or inputs is to be written; with the last one of its transaction.
    half, beat, at, count : Out
        Where it goes; `at` and `count`: place of its first word, and its words, if it is of inputs.
    table_write, table_last : Out
        The same for beats of the table of lengths; of systems with coders.
    coded_begin, coded_load : Out
        Coded inputs begin to come, with what was asked for.
    coded_comes, coded_ends : Out, In
        A beat of theirs comes; it is the last of its row.
    coded_write, coded_last : Out
        The same a cycle later, with `beat`.
    """

    def __init__(self, *, system: SpatialSystem, modules: Modules | None = None) -> None:
        self.system, self.modules = system, modules
        self.kinds = CODED_KINDS if system.coding else KINDS
        marks: dict[str, Any] = {f"{kind}_{what}": Out(1) for kind in self.kinds for what in ("write", "last")}
        if system.coding:
            marks |= {
                "coded_begin": Out(1), "coded_load": Out(layouts.load(system)), "coded_comes": Out(1), "coded_ends": In(1),
                "coded_write": Out(1), "coded_last": Out(1),
            }  # fmt: skip
        super().__init__({
            "prog": In(layouts.program(system)), "loads": In(stream.Signature(layouts.load(system))), "valid": In(1),
            "data": In(system.beat_bits), **marks, "half": Out(1), "beat": Out(system.beat_bits),
            "at": Out(layouts.place(system, "inputs")), "count": Out(range(system.beat_words("inputs") + 1)),
        })  # fmt: skip

    def elaborate(self, platform: Any) -> Module:
        """Take up a transaction when the one before ends; everything leaves a cycle later."""
        m = Module()
        system, shape = self.system, layouts.load(self.system)
        box, words = self.prog.input_box, system.beat_words("inputs")
        queue = place(self.modules, m, "queue", "load_queue", Queue, shape=shape, depth=LOADS)
        wiring.connect(m, wiring.flipped(self.loads), queue.i)
        walk = place(
            self.modules, m, "walk", "arrival_walk", Walk, shape=layouts.place(system, "inputs"), banks=system.banks("inputs"),
            words=words,
        )  # fmt: skip
        head, now = queue.o.payload, Signal(shape, name="now")
        ends, step = Signal(), Signal()
        m.d.comb += [
            step.eq(self.valid & walk.active), ends.eq(walk.step & walk.last), queue.o.ready.eq(~walk.active | ends),
            walk.start.eq(queue.o.valid & queue.o.ready), walk.at.eq(head.at),
            *(getattr(walk, name).eq(head[name]) for name in COUNTS[:2]),
            *(getattr(walk, f"{name}_pitch").eq(box[f"{name}_pitch"]) for name in ("image", "row", "pixel")),
        ]  # fmt: skip
        with m.If(walk.start):
            m.d.sync += now.eq(head)
        m.d.sync += [
            self.half.eq(now.half), self.beat.eq(self.data), self.at.eq(walk.here),
            self.count.eq(Mux(walk.beat == box.beats - 1, self.prog.tail, words)),
        ]  # fmt: skip
        rows = self._rows(m, walk, head, now, step)
        for kind, code in self.kinds.items():
            mine = (now.kind == code) & ~rows
            m.d.sync += getattr(self, f"{kind}_write").eq(walk.step & mine)
            m.d.sync += getattr(self, f"{kind}_last").eq(ends & mine)
        return m

    def _rows(self, m: Module, walk: Any, head: Any, now: Any, step: Any) -> Any:
        """Walk beats, or the rows of coded inputs; return whether it is rows."""
        if not self.system.coding:
            m.d.comb += [walk.step.eq(step), *(getattr(walk, name).eq(head[name]) for name in COUNTS[2:])]
            return Const(0, 1)
        rows, coming = (each & self.prog.coded_inputs for each in (now.kind == INPUT, head.kind == INPUT))
        m.d.comb += [
            walk.step.eq(step & (~rows | self.coded_ends)), self.coded_comes.eq(step & rows),
            *(getattr(walk, name).eq(Mux(coming, 1, head[name])) for name in COUNTS[2:]),
            self.coded_begin.eq(walk.start & coming), self.coded_load.eq(head),
        ]  # fmt: skip
        m.d.sync += [self.coded_write.eq(self.coded_comes), self.coded_last.eq(self.coded_ends)]
        return rows
