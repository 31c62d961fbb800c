"""What a run of a whole network found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class OpResult:
    """Outcome of one operation.

    Attributes
    ----------
    name, op, output : str
        The operation, its kind, and the tensor it makes.
    mismatches, checked : int
        Elements that differ from the golden model, and how many were compared: none where later operations use the memory.
    first_mismatch : str
        Where the first one is, or empty.
    cycles_rtl : int or None
        Counter `axi_cycles` of the layer; None where the host came too late to read it (the total counts all the same).
    cycles_model : int
        Expected.
    """

    name: str
    op: str
    output: str
    mismatches: int
    checked: int
    first_mismatch: str
    cycles_rtl: int | None
    cycles_model: int


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """One image through the network.

    Attributes
    ----------
    keep_all : bool
        Whether every tensor had memory of its own.
    ops : tuple of OpResult
        In order.
    cycles_rtl : int
        Sum of `axi_cycles` over all layers, counted by the hardware.
    span_rtl, span_model : int
        From the first read address on the bus to the interrupt of the last layer: the same and the copying of counters between
        layers, without what passes before the first address.
    counts_different : tuple of str
        Counters whose sum over all layers is not the model's.
    cycles_wall : int
        From before the first descriptor to after the last interrupt, the host's accesses included.
    cpu_seconds : float
        Of the simulation.
    outputs : dict of (N, C, H, W) arrays of int64
        What the network's output tensors hold at the end.
    """

    keep_all: bool
    ops: tuple[OpResult, ...]
    cycles_rtl: int
    span_rtl: int
    span_model: int
    counts_different: tuple[str, ...]
    cycles_wall: int
    cpu_seconds: float
    outputs: dict[str, NDArray[np.int64]]

    @property
    def cycles_model(self) -> int:
        """Sum over all operations."""
        return sum(op.cycles_model for op in self.ops)

    @property
    def mismatches(self) -> int:
        """Elements that differ, over all operations."""
        return sum(op.mismatches for op in self.ops)

    @property
    def checked(self) -> int:
        """Elements compared."""
        return sum(op.checked for op in self.ops)

    @property
    def passed(self) -> bool:
        """Every tensor compared is right, and every cycle is accounted for."""
        cycles = all(op.cycles_rtl in (None, op.cycles_model) for op in self.ops) and self.cycles_rtl == self.cycles_model
        counted = self.span_rtl == self.span_model and not self.counts_different
        return cycles and counted and self.checked > 0 and not self.mismatches

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "keep_all": self.keep_all, "passed": self.passed, "mismatches": self.mismatches, "checked": self.checked,
            "cycles_rtl": self.cycles_rtl, "cycles_model": self.cycles_model, "span_rtl": self.span_rtl,
            "span_model": self.span_model, "counts_different": list(self.counts_different), "cycles_wall": self.cycles_wall,
            "cycles_per_cpu_second": round(self.cycles_wall / self.cpu_seconds) if self.cpu_seconds else None,
            "ops": [asdict(op) for op in self.ops],
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class NetworkReport:
    """Outcome of all images."""

    network: str
    design: str
    simulator: str
    runs: tuple[Run, ...]
    seconds: float

    @property
    def passed(self) -> bool:
        """Every run passed, and there was one."""
        return bool(self.runs) and all(run.passed for run in self.runs)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form of ``verify --network``."""
        return {
            "passed": self.passed, "network": self.network, "design": self.design, "simulator": self.simulator,
            "images": [run.to_dict() for run in self.runs], "seconds": round(self.seconds, 3),
        }  # fmt: skip
