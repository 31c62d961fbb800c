"""The array: rows of PEs and the edges that feed them in step."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.array.edge import Serialiser, staggered
from rtl.array.plan import ArrayPlan
from rtl.array.row import Row
from rtl.delay import delay
from rtl.library import Modules, place

__all__ = ["PEArray"]


class PEArray(wiring.Component):
    """A systolic array for one dataflow relation; words go in unskewed, results come out skewed by column.

    All vectors are packed with lane 0 in the low bits. With e = `edge_latency`, PE (r, c) does at cycle t + e + r + c
    what the words presented in cycle t say; nothing has a valid bit, so every cycle presents something, and a result
    is there in the cycle the user computes (dense reference, 2.1 to 2.3).

    Stationary weights
        Present the rows of weights last row first in cycles s .. s + rows - 1, the last (row 0) with `take`. They are used
        from the next `first` on, which may come from s + rows on; the next load may start with that wave's first word.
    Streaming weights
        Present one `north` word per step, in step with the inputs; lane c goes down column c.
    Reduced outputs
        The sum over rows for the word of cycle t is on lane c of `south` at t + south_latency + c.
    Stationary outputs
        A wave that starts at t ends when the next `first` is presented, at n >= t + rows; until then PEs add up every
        product, so idle cycles must present zero inputs. `take` may come in cycles n + rows .. n2, where n2 is the
        `first` after n; with `take` at T, row r is on lane c of `south` at T + south_latency + (rows - 1 - r) + c.

    Parameters
    ----------
    plan : ArrayPlan
    modules : Modules or None
        See `rtl.library.place`.

    Members
    -------
    west : In, rows * input_bits bits
        Input word. If the edge serialises, it belongs to row `west_slot`, whose PE (r, c) meets lane j of a word
        presented in cycle t at t + 1 + j + c; else lane r belongs to row r.
    west_slot : In
        0 .. rows - 1, or `rows` for no row at all. Without effect if the edge does not serialise.
    first : In
        Marks the first word of a wave (the word for row 0, if the edge serialises).
    north : In, cols * weight_bits bits
        Weights; if the edge serialises, those for lane 0 go with the word for row 0, lane j follows j cycles later.
    take : In
    south : Out, cols * acc_bits bits
    """

    def __init__(self, *, plan: ArrayPlan, modules: Modules | None = None) -> None:
        self.plan, self.modules = plan, modules
        super().__init__({
            "west": In(plan.rows * plan.input_bits), "west_slot": In(plan.rows.bit_length()), "first": In(1),
            "north": In(plan.cols * plan.weight_bits), "take": In(1), "south": Out(plan.cols * plan.acc_bits),
        })  # fmt: skip

    @property
    def edge_latency(self) -> int:
        """See `ArrayPlan.edge_latency`."""
        return self.plan.edge_latency

    @property
    def south_latency(self) -> int:
        """See `ArrayPlan.south_latency`."""
        return self.plan.south_latency

    def elaborate(self, platform: Any) -> Module:
        """Feed the top row and the left column in step, and chain the rows downwards."""
        m = Module()
        plan = self.plan
        first, north, take = self.first, self.north, self.take
        if plan.serialise:
            first, take = (delay(m, bit, 1, name, reset=True) for bit, name in ((first, "first_in"), (take, "take_in")))
            north = delay(m, north, 1, "north_in")
        weights: Value = Cat(staggered(m, north, plan.weight_bits, "north"))
        if plan.outputs_stay:  # sums are finished later by the stages of a PE; weights that stay are taken when they pass
            take = delay(m, take, plan.pe_stages, "take_late", reset=True)
        takes = Cat(_along(m, take, plan.cols, "takes"))
        firsts = _along(m, first, plan.rows, "firsts")
        sums: Value = Const(0, plan.cols * plan.acc_bits)
        for r, (act, mark) in enumerate(zip(self._west(m), firsts, strict=True)):
            row = place(self.modules, m, f"row_{r}", "row", Row, plan=plan, modules=self.modules)
            m.d.comb += [row.act.eq(act), row.first.eq(mark), row.take.eq(takes), row.w_i.eq(weights), row.sum_i.eq(sums)]
            weights, sums = row.w_o, row.sum_o
        m.d.comb += self.south.eq(sums)
        return m

    def _west(self, m: Module) -> list[Value]:
        """Return the operand that enters each row."""
        plan = self.plan
        if not plan.serialise:
            return staggered(m, self.west, plan.input_bits, "west")
        acts = []
        for r in range(plan.rows):
            edge = place(self.modules, m, f"west_{r}", "serialiser", Serialiser, count=plan.rows, bits=plan.input_bits)
            m.d.comb += [edge.load.eq(self.west_slot == r), edge.word.eq(self.west)]
            acts.append(edge.lane)
        return acts


def _along(m: Module, bit: Value, count: int, name: str) -> list[Value]:
    """Return a control bit and its delays by 1 .. count - 1 cycles."""
    held = Signal(count - 1, name=name)
    m.d.sync += held.eq(Cat(bit, held))
    return [bit, *held]
