"""What a verification behind AXI found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class AxiCase:
    """Outcome of one layer, run twice: alone with regular memory, and in the queue with random pauses.

    Cycles are those of the first run.

    Attributes
    ----------
    name : str
        The layer's.
    mismatches, checked : int
        Output elements of both runs that differ from the golden model, and how many there are.
    first_mismatch : str
        Where the first one is, or empty.
    cycles_axi : int
        From the start of the layer to its last write response; the memory answers after `Memory.latency` cycles.
    cycles_exact : int
        What `dataflows.axi_schedule` says they are.
    cycles_model : int
        The schedule on the native port with the same latency and a beat in every cycle, which `cycles_axi` cannot beat.
    cycles_bound : int
        `dataflows.bound` for the same memory.
    cycles_limit : int
        What `cycles_axi` cannot exceed (docs/axi.md): the schedule with the longest latency of a beat behind the shell, the
        cycles in which something waited for the bus, and the longest way of the last write.
    read_wait, write_wait : int
        Cycles in which a request or a burst waited for the bus.
    counts_equal : bool
        All counters equal the model's.
    """

    name: str
    mismatches: int
    checked: int
    first_mismatch: str
    cycles_axi: int
    cycles_exact: int
    cycles_model: int
    cycles_bound: int
    cycles_limit: int
    read_wait: int
    write_wait: int
    counts_equal: bool

    @property
    def passed(self) -> bool:
        """Values, counts and cycles agree, and cycles are in the order that they must have."""
        in_order = self.cycles_bound <= self.cycles_model <= self.cycles_axi <= self.cycles_limit
        return not self.mismatches and self.counts_equal and in_order and self.cycles_axi == self.cycles_exact

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {**asdict(self), "difference": self.cycles_axi - self.cycles_model, "passed": self.passed}


@dataclass(frozen=True, slots=True)
class AxiReport:
    """Outcome of the whole run; `checks` name what was tried beside the layers, and whether it held."""

    simulator: str
    cases: tuple[AxiCase, ...]
    checks: tuple[tuple[str, bool], ...]
    seconds: float

    @property
    def passed(self) -> bool:
        """Every case and every check passed, and there was a case."""
        return bool(self.cases) and all(case.passed for case in self.cases) and all(held for _name, held in self.checks)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form of ``verify --bus axi``."""
        return {
            "passed": self.passed, "simulator": self.simulator, "bus": "axi", "cases": [case.to_dict() for case in self.cases],
            "checks": [{"name": name, "passed": held} for name, held in self.checks], "seconds": round(self.seconds, 3),
        }  # fmt: skip
