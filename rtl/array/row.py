"""A row of processing elements."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.array.pe import PE
from rtl.array.plan import ArrayPlan
from rtl.library import Modules, place

__all__ = ["Row", "lanes"]


def lanes(word: Value, bits: int) -> list[Value]:
    """Cut a word into lanes of `bits`, lane 0 from the low end."""
    return [word[at : at + bits] for at in range(0, len(word), bits)]


class Row(wiring.Component):
    """``cols`` PEs side by side; columns are packed, column 0 in the low bits.

    Parameters
    ----------
    plan : ArrayPlan
    modules : Modules or None
        See `rtl.library.place`.

    Members
    -------
    act, first : In
        Operand and wave marker for column 0.
    take : In, cols bits
    w_i, w_o : In, Out, cols * weight_bits bits
        Weights from the row above and to the row below.
    sum_i, sum_o : In, Out, cols * acc_bits bits
        Sums, likewise.
    """

    def __init__(self, *, plan: ArrayPlan, modules: Modules | None) -> None:
        self.plan, self.modules = plan, modules
        weights, sums = plan.cols * plan.weight_bits, plan.cols * plan.acc_bits
        super().__init__({
            "act": In(plan.input_bits), "first": In(1), "take": In(plan.cols),
            "w_i": In(weights), "w_o": Out(weights), "sum_i": In(sums), "sum_o": Out(sums),
        })  # fmt: skip

    def elaborate(self, platform: Any) -> Module:
        """Chain the PEs from left to right."""
        m = Module()
        act, first = self.act, self.first
        weights, sums = [], []
        above = zip(lanes(self.w_i, self.plan.weight_bits), lanes(self.sum_i, self.plan.acc_bits), strict=True)
        for c, (weight, total) in enumerate(above):
            pe = place(self.modules, m, f"pe_{c}", "pe", PE, plan=self.plan)
            m.d.comb += [
                pe.act_i.eq(act), pe.first_i.eq(first), pe.take.eq(self.take[c]), pe.w_i.eq(weight), pe.sum_i.eq(total),
            ]  # fmt: skip
            act, first = pe.act_o, pe.first_o
            weights.append(pe.w_o)
            sums.append(pe.sum_o)
        m.d.comb += [self.w_o.eq(Cat(weights)), self.sum_o.eq(Cat(sums))]
        return m
