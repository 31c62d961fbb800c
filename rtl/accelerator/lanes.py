"""Lanes of the path past the array: a word of inputs becomes a word of terms for the accumulator banks."""

from __future__ import annotations

from amaranth import Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from dataflows.fields import COEFFICIENT_BITS
from dataflows.workload import OPS
from rtl.accelerator.layouts import PROGRAM
from rtl.library import Modules, place


class ChannelLane(wiring.Component):
    """One lane: an operand less its zero point, times a coefficient; a register behind each.

    Padding counts as the zero point, and where the largest value is wanted as less than any value there is.

    Members
    -------
    x, zero : In(signed(input_bits))
        Stored value and its zero point.
    factor, factor_zero : In(signed(weight_bits))
        The lane's factor and its zero point, used instead of `coefficient` while `multiply` is 1.
    coefficient : In(signed(16))
        Common to all lanes.
    pad, maximum, multiply : In(1)
        The value is padding; the operation keeps the largest value, or multiplies.
    term : Out(signed(acc_bits))
        The product, two cycles later.
    """

    def __init__(self, *, input_bits: int, weight_bits: int, acc_bits: int) -> None:
        self.input_bits, self.weight_bits = input_bits, weight_bits
        super().__init__(
            {
                "x": In(signed(input_bits)), "zero": In(signed(input_bits)), "pad": In(1),
                "factor": In(signed(weight_bits)), "factor_zero": In(signed(weight_bits)),
                "coefficient": In(signed(COEFFICIENT_BITS)), "multiply": In(1), "maximum": In(1),
                "term": Out(signed(acc_bits)),
            }
        )  # fmt: skip

    def elaborate(self, platform: object) -> Module:
        m = Module()
        value = Signal(signed(self.input_bits + 1), reset_less=True)
        coefficient = Signal(signed(max(COEFFICIENT_BITS, self.weight_bits + 1)), reset_less=True)
        product = Signal.like(self.term, reset_less=True)
        lowest = -(1 << self.input_bits)
        m.d.sync += [
            value.eq(Mux(self.pad, Mux(self.maximum, lowest, 0), self.x - self.zero)),
            coefficient.eq(Mux(self.multiply, self.factor - self.factor_zero, self.coefficient)),
            product.eq(value * coefficient),
        ]
        m.d.comb += self.term.eq(product)
        return m


class ChannelLanes(wiring.Component):
    """Lanes side by side: lane i takes channel i of a word and feeds accumulator bank i.

    Members
    -------
    word, factors : In
        Words of the input and weight buffer, as read in the cycle before.
    pad, first : In(1)
        The word is padding; it brings the first term of a sum: `*_0` of the program apply, else those of later terms.
    terms : Out(lanes * acc_bits)
        Two cycles later.
    """

    def __init__(self, *, lanes: int, input_bits: int, weight_bits: int, acc_bits: int, modules: Modules | None = None) -> None:
        self.lanes, self.modules = lanes, modules
        self.widths = {"input_bits": input_bits, "weight_bits": weight_bits, "acc_bits": acc_bits}
        super().__init__(
            {
                "prog": In(PROGRAM), "pad": In(1), "first": In(1), "word": In(lanes * input_bits),
                "factors": In(lanes * weight_bits), "terms": Out(lanes * acc_bits),
            }
        )  # fmt: skip

    def elaborate(self, platform: object) -> Module:
        m = Module()
        prog, input_bits, weight_bits = self.prog, self.widths["input_bits"], self.widths["weight_bits"]
        zero, coefficient = Signal(signed(input_bits)), Signal(signed(COEFFICIENT_BITS))
        m.d.comb += [
            zero.eq(Mux(self.first, prog.input_zero, prog.other_zero)),
            coefficient.eq(Mux(self.first, prog.coefficient_0, prog.coefficient_1)),
        ]
        terms = []
        for i in range(self.lanes):
            lane = place(self.modules, m, f"lane{i}", "channel_lane", ChannelLane, **self.widths)
            m.d.comb += [
                lane.x.eq(self.word.word_select(i, input_bits)), lane.zero.eq(zero), lane.pad.eq(self.pad),
                lane.factor.eq(self.factors.word_select(i, weight_bits)), lane.factor_zero.eq(prog.other_zero),
                lane.coefficient.eq(coefficient), lane.multiply.eq(prog.op == OPS.index("multiply")),
                lane.maximum.eq(prog.op == OPS.index("max")),
            ]  # fmt: skip
            terms.append(lane.term)
        m.d.comb += self.terms.eq(Cat(terms))
        return m


__all__ = ["ChannelLane", "ChannelLanes"]
