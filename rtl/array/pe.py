"""One processing element."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from dataflows.arch import MOST_PE_STAGES
from rtl.array.plan import ArrayPlan

__all__ = ["PE"]


class PE(wiring.Component):
    """Multiply, add, and pass everything on: inputs to the right, weights and sums down, one register per hop.

    With a stage between operands and adder the operands are read one cycle later, out of the registers that pass them on, so
    that stage costs no register; a second one holds the product. Every PE adds that much later, so what it adds to, the sum
    from the PE above or its own, is in step.

    Nothing here is reset: what a PE holds before the first wave reaches no result.

    Parameters
    ----------
    plan : ArrayPlan
        Decides which of the registers below exist.

    Members
    -------
    act_i, act_o : In, Out, signed
        Input operand.
    first_i, first_o : In, Out
        Marks the first operand of a wave and travels with it.
    w_i, w_o : In, Out, signed
        Weight.
    take : In
        Given to all PEs of a column in the same cycle. Stationary weights: keep `w_i` for the next wave. Stationary
        outputs: hand the finished sum to the drain chain.
    sum_i, sum_o : In, Out, signed
        Partial sums, or the drain chain where outputs are stationary.
    """

    def __init__(self, *, plan: ArrayPlan) -> None:
        self.plan = plan
        act, weight, total = signed(plan.input_bits), signed(plan.weight_bits), signed(plan.acc_bits)
        super().__init__({
            "act_i": In(act), "act_o": Out(act),
            "first_i": In(1), "first_o": Out(1), "w_i": In(weight), "w_o": Out(weight),
            "take": In(1), "sum_i": In(total), "sum_o": Out(total),
        })  # fmt: skip

    def elaborate(self, platform: Any) -> Module:
        """Build the registers and the one multiplier."""
        m = Module()
        for name in ("act", "first", "w"):
            source, target = getattr(self, f"{name}_i"), getattr(self, f"{name}_o")
            held = Signal.like(source, name=name, reset_less=True)
            m.d.sync += held.eq(source)
            m.d.comb += target.eq(held)
        product, first = self._product(m)
        leaving = Signal(signed(self.plan.acc_bits), reset_less=True)
        m.d.comb += self.sum_o.eq(leaving)
        if self.plan.outputs_stay:
            m.d.sync += leaving.eq(Mux(self.take, self._accumulate(m, product, first), self.sum_i))
        else:
            m.d.sync += leaving.eq(self.sum_i + product)
        return m

    def _product(self, m: Module) -> tuple[Signal, Signal]:
        """Return the product of the operands that came `pe_stages` cycles ago, and whether they began a wave."""
        stages = self.plan.pe_stages
        act, first = (self.act_o, self.first_o) if stages else (self.act_i, self.first_i)
        product = Signal(signed(self.plan.input_bits + self.plan.weight_bits))
        m.d.comb += product.eq(act * self._weight(m))
        if stages < MOST_PE_STAGES:
            return product, first
        held, mark = Signal.like(product, name="product_held", reset_less=True), Signal(name="first_held", reset_less=True)
        m.d.sync += [held.eq(product), mark.eq(first)]
        return held, mark

    def _weight(self, m: Module) -> Signal:
        """Return the weight that meets the input operand: the one passing by, or the one that stays."""
        if not self.plan.weights_stay:
            return self.w_o if self.plan.pe_stages else self.w_i
        shadow, live = (Signal(signed(self.plan.weight_bits), name=name, reset_less=True) for name in ("shadow", "live"))
        weight = Signal(signed(self.plan.weight_bits))
        # The change travels with the wave, so the PEs behind it still use the old weight while those ahead have the new.
        m.d.comb += weight.eq(Mux(self.first_i, shadow, live))
        m.d.sync += live.eq(weight)
        with m.If(self.take):
            m.d.sync += shadow.eq(self.w_i)
        return live if self.plan.pe_stages else weight

    def _accumulate(self, m: Module, product: Signal, first: Signal) -> Signal:
        """Add up a wave; return the sum of the previous one, kept until the next wave ends."""
        total, hold = (Signal(signed(self.plan.acc_bits), name=name, reset_less=True) for name in ("total", "hold"))
        m.d.sync += total.eq(Mux(first, 0, total) + product)
        with m.If(first):
            m.d.sync += hold.eq(total)
        return hold
