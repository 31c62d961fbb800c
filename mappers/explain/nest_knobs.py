"""Steps by which memories and ports of a loop-nest architecture grow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

from dataflows.nest.architecture import Architecture, StorageLevel
from dataflows.nest.rules import TENSORS

__all__ = ["KB", "Knob", "above", "knobs", "unlimited"]

KB = 8 * 1024
"""Bits."""
PORTS = ("bandwidth", "read_bandwidth", "write_bandwidth")
Number = int | float


@dataclass(frozen=True, slots=True)
class Knob:
    """A limit of an architecture.

    Attributes
    ----------
    field : str
        ``LEVEL.FIELD``, with the tensor where there is a limit for each.
    kind : str
        ``capacity`` or ``port``.
    before : int or float
        The limit.
    unit : str
        Its unit.
    steps : tuple of (str, int or float)
        Larger limits, and what they are in words.
    turned : callable
        Returns the architecture with another limit, None for none.
    """

    field: str
    kind: Literal["capacity", "port"]
    before: Number
    unit: str
    steps: tuple[tuple[str, Number], ...]
    turned: Callable[[Any], Architecture]


def above(size: int) -> int:
    """Return the next larger power of two."""
    return 1 << size.bit_length()


def knobs(arch: Architecture) -> list[Knob]:
    """Return all limits of an architecture, outermost level first; energies and area are no function of them here."""
    found = []
    for at, level in enumerate(arch.levels):
        size = level.capacity_bits
        if isinstance(size, tuple):
            for place, tensor in enumerate(TENSORS):
                if size[place] is not None and tensor in level.holds:
                    found.append(_capacity(arch, at, f"{level.name}.capacity_bits.{tensor}", place))
        elif size is not None:
            found.append(_capacity(arch, at, f"{level.name}.capacity_bits", None))
        found += [_port(arch, at, name) for name in PORTS if getattr(level, name) is not None]
    return found


def unlimited(arch: Architecture) -> Architecture:
    """Return the architecture without limits but that of its multipliers."""
    free: dict[str, Any] = {"capacity_bits": None, **dict.fromkeys(PORTS)}
    return replace(arch, levels=tuple(replace(level, **free) for level in arch.levels))


def _capacity(arch: Architecture, at: int, field: str, place: int | None) -> Knob:
    size = arch.levels[at].capacity_bits
    before = size[place] if isinstance(size, tuple) and place is not None else size
    assert isinstance(before, int)

    def turned(after: int | None) -> Architecture:
        if isinstance(size, tuple):
            return _with(arch, at, capacity_bits=tuple(after if here == place else each for here, each in enumerate(size)))
        return _with(arch, at, capacity_bits=after)

    steps = dict.fromkeys(sorted({before + KB, above(before)}), "next power of two")
    steps[before + KB] = "1 KB more"
    return Knob(field, "capacity", before, "bits", tuple((step, after) for after, step in steps.items()), turned)


def _port(arch: Architecture, at: int, name: str) -> Knob:
    level = arch.levels[at]
    before = getattr(level, name)
    steps = (("1 byte per cycle more", before + 8 / _access_bits(level)), ("doubled", 2 * before))
    ordered = tuple(sorted(dict.fromkeys(steps), key=lambda step: step[1]))
    return Knob(
        f"{level.name}.{name}", "port", before, "accesses per cycle", ordered, lambda after: _with(arch, at, **{name: after})
    )


def _access_bits(level: StorageLevel) -> int:
    """Return the bits of an access: of a row, or of the widest word."""
    if level.row_bits is not None:
        return level.row_bits
    return max(
        bits or 1 for tensor, bits in zip(TENSORS, level.word_bits, strict=True) if tensor in level.holds or not level.holds
    )


def _with(arch: Architecture, at: int, **changes: Any) -> Architecture:
    levels = list(arch.levels)
    levels[at] = replace(levels[at], **changes)
    return replace(arch, levels=tuple(levels))
