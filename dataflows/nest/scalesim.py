"""Cycles as SCALE-Sim reports them: cost mode ``scalesim``, for comparison only.

A GEMM of M x K by K x N is folded onto rows x cols PEs: two dimensions lie on the array, the third streams through it. No
fold overlaps the next and no memory stalls (ISPASS 2020; dense reference, 11). The tool prints the number of the last
cycle, one less than the count; its output-stationary form leaves out the cycles in which results leave the array, `rows` per
fold, which no real array can. What an array needs in truth is in `dataflows.schedule`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dataflows.errors import SpecError
from dataflows.workload import Layer, only_macs

MODE = "scalesim"
SPACE = {"ws": ("K", "N", "M"), "os": ("M", "N", "K"), "is": ("K", "M", "N")}
"""Dimensions on rows, on columns, and streaming, by dataflow."""


@dataclass(frozen=True, slots=True)
class SystolicCost:
    """Cycles of one GEMM on one array.

    Attributes
    ----------
    cycles : int
        As the tool reports them.
    folds : int
        Times the array is filled.
    utilization : float
        Multiply-accumulates over PEs times cycles.
    """

    cycles: int
    folds: int
    utilization: float

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {"mode": MODE, "cycles": self.cycles, "folds": self.folds, "utilization": self.utilization}


def gemm_of(layer: Layer) -> tuple[int, int, int]:
    """Lower a layer to one GEMM: M output pixels, N filters, K taps of a filter; groups are separate GEMMs."""
    return layer.N * layer.P * layer.Q, layer.K, layer.C * layer.R * layer.S


def cycles(layer: Layer, rows: int, cols: int, dataflow: str) -> SystolicCost:
    """Return what SCALE-Sim 3.0.0 reports for a layer without stalls; groups run one after another.

    Raises
    ------
    SpecError
        For a dataflow other than ``ws``, ``os`` and ``is`` or an array without PEs.
    """
    only_macs(layer, "SCALE-Sim")
    if dataflow not in SPACE:
        raise SpecError("dataflow", dataflow, ", ".join(SPACE), "choose one of these")
    if min(rows, cols) < 1:
        raise SpecError("array", (rows, cols), "positive rows and columns", "correct the size")
    sizes = dict(zip("MNK", gemm_of(layer), strict=True))
    on_rows, on_cols, streamed = (sizes[dim] for dim in SPACE[dataflow])
    folds = -(-on_rows // rows) * -(-on_cols // cols) * layer.G
    each = streamed + cols + rows - 2 + (0 if dataflow == "os" else rows)
    total = folds * each - 1
    return SystolicCost(total, folds, layer.macs / (rows * cols * total) if total else 1.0)
