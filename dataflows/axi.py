"""Options of the AXI shell: what an accelerator's bus looks like, beside the width that `Memory.bus_bytes` gives it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from dataflows.errors import SpecError

PAGE_BYTES = 4096
"""No AXI burst crosses a multiple of this (AMBA AXI specification, A3.4.1)."""

BURST_QUEUE = 4
"""Complete bursts that wait for their address channel, per direction."""

LEAST_LATENCY = 2
"""Cycles from an address to its first beat that the memories of the benches take by themselves."""

_RANGES = {
    "queue_depth": (1, 64),
    "burst_beats": (1, 256),
    "read_bursts": (1, 64),
    "write_bursts": (1, 64),
    "address_bits": (32, 64),
    "id_bits": (1, 16),
}


@dataclass(frozen=True, slots=True)
class AxiOptions:
    """Parameters of the AXI shell.

    Attributes
    ----------
    queue_depth : int
        Layer programs that wait in the descriptor queue.
    burst_beats : int
        Most beats of one burst.
    read_bursts, write_bursts : int
        Most bursts on their way, per direction.
    address_bits : int
        Width of byte addresses.
    id_bits : int
        Width of the ID signals; all transactions have ID 0, so that memory answers in order.
    """

    queue_depth: int = 8
    burst_beats: int = 16
    read_bursts: int = 8
    write_bursts: int = 4
    address_bits: int = 40
    id_bits: int = 4

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            if not low <= getattr(self, name) <= high:
                raise SpecError(f"axi.{name}", getattr(self, name), f"{low} to {high}", "change the value")

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return asdict(self)

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Names of all options."""
        return tuple(field.name for field in fields(cls))


def write_buffer_beats(burst_beats: int) -> int:
    """Return the beats that the write buffer holds: two bursts, one leaving while the next one is collected."""
    return max(4, 2 * burst_beats)
