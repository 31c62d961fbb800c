"""Delay lines."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, Module, Signal, Value

__all__ = ["delay", "skewed"]


def delay(m: Module, value: Signal, cycles: int, name: str, *, reset: bool = False) -> Signal:
    """Return `value` as it was `cycles` cycles ago; valid bits want `reset`, data do not."""
    for stage in range(cycles):
        later = Signal.like(value, name=f"{name}_{stage + 1}", reset_less=not reset)
        m.d.sync += later.eq(value)
        value = later
    return value


def skewed(m: Module, values: Sequence[Value], cycles: Sequence[int], name: str) -> list[Value]:
    """Return every value as it was so many cycles ago; data, which nothing resets.

    One register per cycle holds all that still have to wait, so that a triangle of n lanes is n registers. Those that leave
    first are on top: what stays is the lower part, as it was.
    """
    found = list(values)
    waiting = sorted((n for n, count in enumerate(cycles) if count), key=lambda n: cycles[n], reverse=True)
    held: Value = Cat(values[n] for n in waiting)
    for stage in range(1, max(cycles, default=0) + 1):
        kept = Signal(sum(len(values[n]) for n in waiting), name=f"{name}_{stage}", reset_less=True)
        m.d.sync += kept.eq(held)  # the lower part, where this one is shorter
        held, top = kept, len(kept)
        while waiting and cycles[waiting[-1]] == stage:
            n = waiting.pop()
            found[n] = kept[top - len(values[n]) : top]
            top -= len(values[n])
    return found
