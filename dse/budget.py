"""What an accelerator may use, in the units of the hardware."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from dataflows.arch import Memory

MACS_PER_LANE = 32
"""A requantiser lane multiplies 32 by 32 bits and is as large as a dozen 8-bit PEs, so a budget of multipliers limits lanes
too: one for so many multipliers, for searched designs and baselines alike."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits of the search.

    Attributes
    ----------
    macs : int
        Multipliers: rows x cols at most.
    buffer_bytes : int
        All on-chip buffers, both halves, output and scale buffers included (`Accelerator.buffer_bytes`).
    memory : Memory
        Bandwidth and latency of the memory behind the port.
    bits : int
        Operand width of the array.
    """

    macs: int
    buffer_bytes: int
    memory: Memory
    bits: int = 8

    @property
    def lanes(self) -> int:
        """Most requantiser lanes."""
        return max(1, self.macs // MACS_PER_LANE)

    @property
    def acc_bits(self) -> int:
        """Accumulator width of the designs."""
        return 48 if self.bits > 8 else 32

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {**asdict(self), "lanes": self.lanes, "bandwidth_bytes_per_cycle": self.memory.bandwidth_bits_per_cycle / 8}
