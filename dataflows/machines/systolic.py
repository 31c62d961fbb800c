"""Ideal systolic arrays in closed form: cycles and words of a GEMM (dense reference, 2.2 to 2.6).

A is M x K, B is K x N. Two dimensions lie on ROWS x COLS PEs, the third streams; a fold is one filling of the array. Cycles
run from the first operand at the edge of the array to the last result at its edge, both included. Weight-stationary arrays
hold B and stream M, input-stationary ones are the same with M and N exchanged, output-stationary ones hold C and stream K.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dataflows.errors import SpecError, suggestion
from dataflows.machines.result import MachineCost
from dataflows.nest.scalesim import SPACE, gemm_of
from dataflows.workload import Layer

MODE = "systolic"


@dataclass(frozen=True, slots=True)
class Array:
    """A systolic array and what it holds.

    Attributes
    ----------
    rows, cols : int
        PEs.
    dataflow : str
        ``ws``, ``os`` or ``is``.
    """

    rows: int
    cols: int
    dataflow: str = "ws"

    def __post_init__(self) -> None:
        if self.dataflow not in SPACE:
            raise SpecError("dataflow", self.dataflow, ", ".join(SPACE), suggestion(self.dataflow, SPACE, "choose one of these"))
        if min(self.rows, self.cols) < 1:
            raise SpecError("array", f"{self.rows} x {self.cols}", "positive rows and columns", "correct the size")

    @property
    def latency(self) -> int:
        """Cycles from the first operand at the edge to the first result of the far corner, less one: both skews."""
        return self.rows + self.cols - 2

    def sizes(self, M: int, N: int, K: int) -> tuple[int, int, int]:
        """Return the sizes of the dimensions on rows, on columns, and streaming."""
        given = {"M": M, "N": N, "K": K}
        on_rows, on_cols, streamed = (given[dim] for dim in SPACE[self.dataflow])
        return on_rows, on_cols, streamed

    def folds(self, M: int, N: int, K: int) -> int:
        """Return how often the array is filled."""
        on_rows, on_cols, _ = self.sizes(M, N, K)
        return -(-on_rows // self.rows) * -(-on_cols // self.cols)


def tile(array: Array, stream: int) -> int:
    """Return the cycles of one fold from nothing to nothing: fill, stream and drain; `stream` + 2 ROWS + COLS - 2."""
    return stream + array.rows + array.latency


def plain(array: Array, M: int, N: int, K: int) -> int:
    """Return the cycles without any overlap of folds."""
    return array.folds(M, N, K) * tile(array, array.sizes(M, N, K)[2])


def overlapped(array: Array, M: int, N: int, K: int) -> int:
    """Return the cycles with a second bank of what stays in the PEs.

    Weights (or inputs) of the next fold are shifted in behind the wave, ROWS cycles a fold; sums of the last fold leave on
    the wave of the next one. A fold so takes as long as the longer of its stream and ROWS. A single output fold shorter
    than ROWS has no wave before it to wait for.
    """
    stream, folds = array.sizes(M, N, K)[2], array.folds(M, N, K)
    if array.dataflow == "os":
        return tile(array, stream) if folds == 1 else folds * max(stream, array.rows) + array.rows + array.latency
    return varied(array, [stream] * folds)


def varied(array: Array, streams: Sequence[int]) -> int:
    """Return the cycles of folds with streams of different lengths, weights double-buffered (dense reference, 2.2).

    Raises
    ------
    SpecError
        Without folds, or for accumulators that stay.
    """
    if not streams or array.dataflow == "os":
        raise SpecError("streams", f"{len(streams)} of {array.dataflow}", "one or more folds of ws or is", "use overlapped")
    return array.rows + sum(max(each, array.rows) for each in streams[:-1]) + streams[-1] + array.latency


def swapped_together(array: Array, M: int, N: int, K: int) -> int:
    """Return the cycles where all PEs take their next weights at once, which an empty array has to wait for."""
    return array.rows + array.folds(M, N, K) * (array.sizes(M, N, K)[2] + array.latency)


def accumulate_only(array: Array, K: int) -> int:
    """Return the cycles until all sums of one output-stationary fold are complete, not drained."""
    return K + array.latency


def words(array: Array, M: int, N: int, K: int) -> dict[str, dict[str, int]]:
    """Return words between memory and array, by tensor (dense reference, 2.5); edge tiles move real words only.

    ``A`` and ``B`` have reads, ``C`` has writes and the reads of partial sums.
    """
    on_rows, on_cols, _ = array.sizes(M, N, K)
    down, across = -(-on_rows // array.rows), -(-on_cols // array.cols)
    if array.dataflow == "os":
        a, b, c = M * K * across, K * N * down, 1
    elif array.dataflow == "ws":
        a, b, c = M * K * across, K * N, down
    else:
        a, b, c = M * K, K * N * across, down
    return {"A": {"reads": a, "writes": 0}, "B": {"reads": b, "writes": 0}, "C": {"reads": M * N * (c - 1), "writes": M * N * c}}


def cost(layer: Layer, rows: int, cols: int, dataflow: str = "ws", overlap: str = "yes") -> MachineCost:
    """Cost a layer as a GEMM of N P Q x C R S by C R S x K; groups run one after another, without overlap between them.

    Raises
    ------
    SpecError
        For an unknown dataflow, an array without PEs, or `overlap` other than ``yes`` and ``no``.
    """
    if overlap not in ("yes", "no"):
        raise SpecError("overlap", overlap, "yes or no", "choose one of these")
    array, sizes = Array(rows, cols, dataflow), gemm_of(layer)
    each = (overlapped if overlap == "yes" else plain)(array, *sizes)
    moved = words(array, *sizes)
    names = {"inputs": "A", "weights": "B", "outputs": "C"}
    memory: dict[str, dict[str, float]] = {
        tensor: {way: layer.G * number for way, number in moved[name].items()} for tensor, name in names.items()
    }
    stream, folds = array.sizes(*sizes)[2], array.folds(*sizes)
    exposed = {"stream": folds * stream, "latency": array.latency * (1 if overlap == "yes" else folds)}
    limits: dict[str, float] = {name: layer.G * cycles for name, cycles in exposed.items()}
    limits["fill"] = layer.G * each - sum(limits.values())
    figures: dict[str, Any] = {"folds": layer.G * folds, "plain_cycles": layer.G * plain(array, *sizes)}
    return MachineCost.of(
        layer, MODE, layer.G * each, rows * cols,
        limits=limits, levels={"sram": memory}, figures=figures,
        rules={"rows": rows, "cols": cols, "dataflow": dataflow, "overlap": overlap},
    )  # fmt: skip
