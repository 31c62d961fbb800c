"""The hardware that the tool knows: PEs, vector lanes, one bandwidth for all networks, and energies relative to a MAC."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from dataflows.errors import SpecError

L1_MACS = 1.68
"""Energy of an access to a PE's buffer, in multiply-accumulates (codesign reference, 4.9)."""
L2_MACS = 18.61
"""Energy of an access to the shared buffer, in multiply-accumulates."""
MAC_PJ = 0.23
"""pJ of a multiply-accumulate behind the energies that the tool prints today; its tables of 2020 are made with 904."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What directives are mapped onto.

    Attributes
    ----------
    pes : int
        Processing elements.
    simd : int
        Multiply-accumulates that a PE makes in a cycle.
    noc_bw : int or None
        Words a cycle of every network, None for no limit.
    noc_latency : int
        Cycles until the first word arrives.
    offchip_bw : int or None
        Words a cycle from outside into the shared buffer, None for no limit.
    double_buffered : bool
        Whether words travel while others are computed with.
    mac_pj : float
        pJ of a multiply-accumulate; all other energies are multiples of it.
    """

    pes: int
    simd: int = 1
    noc_bw: int | None = None
    noc_latency: int = 1
    offchip_bw: int | None = None
    double_buffered: bool = True
    mac_pj: float = MAC_PJ

    def __post_init__(self) -> None:
        for name in ("pes", "simd", "noc_bw", "noc_latency", "offchip_bw"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or value < 1):
                raise SpecError(f"maestro.{name}", value, "a positive integer", "correct the value")
        if not 0 < self.mac_pj < math.inf:
            raise SpecError("maestro.mac_pj", self.mac_pj, "a positive number of pJ", "correct the value")

    def travel(self, words: int) -> int:
        """Return the cycles that `words` take through one network: the latency, then a word group a cycle."""
        if words == 0 or self.noc_bw is None:
            return self.noc_latency - (words == 0)
        return self.noc_latency + -(-words // self.noc_bw) - 1

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return asdict(self)
