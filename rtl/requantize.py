"""Requantiser: one lane that turns accumulators into narrow outputs, one per cycle."""

from __future__ import annotations

from amaranth import Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from dataflows.arch import MULTIPLIER_BITS, SHIFT_BITS
from dataflows.errors import SpecError
from dataflows.rounding import ROUNDINGS

MAX_SHIFT = 63
ROUNDING_BITS = 3


class Requantizer(wiring.Component):
    """``y = clip(round(wrap(acc + bias) * multiplier / 2**shift) + zero_point, low, high)``.

    What is rounded is the final shift, as ``rounding`` says (dense reference, 13.2). The pipeline never stalls:
    what enters in cycle t leaves in cycle t + `latency`. ``acc``, ``bias``, ``multiplier`` and ``shift`` travel with
    the data; ``zero_point``, ``low``, ``high`` and ``rounding`` are constants of a layer and must hold still while data
    are inside.

    Parameters
    ----------
    acc_bits : int
        Width of accumulator and bias, signed; their sum wraps modulo 2**acc_bits.
    output_bits : int
        Width of output, zero point and bounds, signed.
    multiply_stages : int
        Registers behind the multiplier, 1 or more; synthesis may move them into it.

    Attributes
    ----------
    acc, bias : In(signed(acc_bits))
    multiplier : In(32), unsigned
    shift : In(8), unsigned, 1 to 63
    zero_point, low, high : In(signed(output_bits)), low <= high
    rounding : In(3), position in `dataflows.rounding.ROUNDINGS`
    y : Out(signed(output_bits))
    next_y : Out(signed(output_bits))
        What ``y`` is in the next cycle: the address of a memory whose word goes with ``y``.

    Raises
    ------
    SpecError
        A width or stage count out of range.
    """

    def __init__(self, *, acc_bits: int, output_bits: int, multiply_stages: int = 1) -> None:
        _between("requantizer.acc_bits", acc_bits, 2, 48)
        _between("requantizer.output_bits", output_bits, 2, acc_bits)
        _between("requantizer.multiply_stages", multiply_stages, 1, 8)
        self.acc_bits = acc_bits
        self.output_bits = output_bits
        self.multiply_stages = multiply_stages
        super().__init__({
            "acc": In(signed(acc_bits)),
            "bias": In(signed(acc_bits)),
            "multiplier": In(MULTIPLIER_BITS),
            "shift": In(SHIFT_BITS),
            "zero_point": In(signed(output_bits)),
            "low": In(signed(output_bits)),
            "high": In(signed(output_bits)),
            "rounding": In(ROUNDING_BITS),
            "y": Out(signed(output_bits)),
            "next_y": Out(signed(output_bits)),
        })  # fmt: skip

    @property
    def latency(self) -> int:
        """Cycles from inputs to output."""
        return pipeline_latency(self.multiply_stages)

    def elaborate(self, platform: object) -> Module:
        """Build the four stages; no data register needs a reset."""
        m = Module()
        product_bits = self.acc_bits + MULTIPLIER_BITS

        total = Signal(signed(self.acc_bits), reset_less=True)
        multiplier = Signal(MULTIPLIER_BITS, reset_less=True)
        m.d.sync += [total.eq(self.acc + self.bias), multiplier.eq(self.multiplier)]

        # Shift by one less than asked: the bit left below the point decides the rounding.
        place = Signal(range(MAX_SHIFT), reset_less=True)
        m.d.sync += place.eq(self.shift - 1)
        product = total * multiplier
        for stage in range(self.multiply_stages):
            held = Signal(signed(product_bits), reset_less=True, name=f"product{stage}")
            held_place = Signal(range(MAX_SHIFT), reset_less=True, name=f"place{stage}")
            m.d.sync += [held.eq(product), held_place.eq(place)]
            product, place = held, held_place

        # Far beyond the output range the exact value no longer matters: the clip gives the same bound for the
        # saturated one (|zero_point| <= 2**(output_bits - 1)), and all that follows stays narrow.
        near_bits = self.output_bits + 3
        shifted, lost = _shift_right(m, product, place)
        near, below = Signal(signed(near_bits), reset_less=True), Signal(reset_less=True)
        m.d.sync += [near.eq(_saturate(shifted, near_bits)), below.eq(lost)]

        moved = Signal(signed(near_bits))
        m.d.comb += moved.eq((near >> 1) + self.zero_point + self._up(m, near, below))
        m.d.comb += self.next_y.eq(Mux(moved < self.low, self.low, Mux(moved > self.high, self.high, moved)))
        y = Signal(signed(self.output_bits), reset_less=True)
        m.d.sync += y.eq(self.next_y)
        m.d.comb += self.y.eq(y)
        return m

    def _up(self, m: Module, near: Signal, below: Signal) -> Signal:
        """Return whether the whole part of `near`, which ends in a half, is one too few; `below`: more was cut off."""
        half, odd, negative = near[0], near[1], near[-1]
        rules = {
            "single": half, "floor": Const(0), "toward_zero": negative & (half | below),
            "half_even": half & (below | odd), "half_away": half & (below | ~negative),
        }  # fmt: skip
        up = Signal()
        with m.Switch(self.rounding):
            for code, name in enumerate(ROUNDINGS[1:], 1):
                with m.Case(code):
                    m.d.comb += up.eq(rules[name])
            with m.Default():
                m.d.comb += up.eq(rules[ROUNDINGS[0]])
        return up


def pipeline_latency(multiply_stages: int = 1) -> int:
    """Return the cycles of a `Requantizer` without making one: add, multiply, shift, clip."""
    return 3 + multiply_stages


def _shift_right(m: Module, value: Value, places: Signal) -> tuple[Value, Value]:
    """Return signed `value` shifted arithmetically, and whether a 1 was shifted out."""
    lost: Value = Const(0)
    for bit in range(len(places)):
        by = 1 << bit
        moved = Signal.like(value, name=f"shifted{by}", init=0)
        m.d.comb += moved.eq(Mux(places[bit], value[by:].as_signed(), value))
        lost, value = lost | (places[bit] & value[:by].any()), moved
    return value, lost


def _saturate(value: Value, bits: int) -> Value:
    """Return signed `value` limited to `bits` bits."""
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    fits = value[bits - 1 :].all() | ~value[bits - 1 :].any()
    return Mux(fits, value[:bits].as_signed(), Mux(value[-1], low, high))


def _between(path: str, value: int, low: int, high: int) -> None:
    if not isinstance(value, int) or not low <= value <= high:
        raise SpecError(path, value, f"an integer from {low} to {high}", "change the parameter")
