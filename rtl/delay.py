"""Delay lines."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.library import Modules, place

__all__ = ["Shift", "delay", "skewed"]

STRIDE = 16
"""Cycles of delay that are a module of its own where many words are skewed, so that a triangle of n lanes is not n**2 long."""


def delay(m: Module, value: Signal, cycles: int, name: str, *, reset: bool = False) -> Signal:
    """Return `value` as it was `cycles` cycles ago; valid bits want `reset`, data do not."""
    for stage in range(cycles):
        later = Signal.like(value, name=f"{name}_{stage + 1}", reset_less=not reset)
        m.d.sync += later.eq(value)
        value = later
    return value


class Shift(wiring.Component):
    """A word some cycles later; data, which nothing resets.

    Parameters
    ----------
    bits, cycles : int

    Members
    -------
    word, later : In, Out
    """

    def __init__(self, *, bits: int, cycles: int) -> None:
        self.cycles = cycles
        super().__init__({"word": In(bits), "later": Out(bits)})

    def elaborate(self, platform: Any) -> Module:
        """Build the registers."""
        m = Module()
        m.d.comb += self.later.eq(delay(m, self.word, self.cycles, "word"))
        return m


def skewed(modules: Modules | None, m: Module, values: Sequence[Value], cycles: Sequence[int], name: str) -> list[Value]:
    """Return every value as it was so many cycles ago; data, which nothing resets.

    Whole strides are modules of their own, each for all values that wait as many of them. What is left is a triangle, in
    which one register per cycle holds all that still have to wait.
    """
    found = list(values)
    strides: dict[int, list[int]] = {}
    for n, count in enumerate(cycles):
        if count >= STRIDE:
            strides.setdefault(count // STRIDE, []).append(n)
    for count, group in strides.items():
        word: Value = Cat(values[n] for n in group)
        for stride in range(count):
            kind, size = f"shift_{len(word)}x{STRIDE}", {"bits": len(word), "cycles": STRIDE}
            shift = place(modules, m, f"{name}_{count * STRIDE}_{stride}", kind, Shift, **size)
            m.d.comb += shift.word.eq(word)
            word = shift.later
        for n, value in zip(group, _cut(word, [len(values[n]) for n in group]), strict=True):
            found[n] = value
    return _triangle(m, found, [count % STRIDE for count in cycles], name)


def _triangle(m: Module, values: Sequence[Value], cycles: Sequence[int], name: str) -> list[Value]:
    """Delay by few cycles. Those that leave first are on top: what stays is the lower part, as it was."""
    found = list(values)
    waiting = sorted((n for n, count in enumerate(cycles) if count), key=lambda n: cycles[n], reverse=True)
    held: Value = Cat(values[n] for n in waiting)
    for stage in range(1, max(cycles, default=0) + 1):
        kept = Signal(sum(len(values[n]) for n in waiting), name=f"{name}_{stage}", reset_less=True)
        m.d.sync += kept.eq(held)  # the lower part, where this one is shorter
        parts = _cut(kept, [len(values[n]) for n in waiting])
        while waiting and cycles[waiting[-1]] == stage:
            found[waiting.pop()] = parts.pop()
        held = kept
    return found


def _cut(vector: Value, widths: list[int]) -> list[Value]:
    """Return the parts of a vector, from the low end."""
    ends = list(accumulate(widths))
    return [vector[end - width : end] for end, width in zip(ends, widths, strict=True)]
