"""Delay lines."""

from __future__ import annotations

from amaranth import Module, Signal

__all__ = ["delay"]


def delay(m: Module, value: Signal, cycles: int, name: str, *, reset: bool = False) -> Signal:
    """Return `value` as it was `cycles` cycles ago; valid bits want `reset`, data do not."""
    for stage in range(cycles):
        later = Signal.like(value, name=f"{name}_{stage + 1}", reset_less=not reset)
        m.d.sync += later.eq(value)
        value = later
    return value
