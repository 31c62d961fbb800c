"""Arrays of the named dataflows, as points of the connectivity space: axes, storage and ports, nothing else."""

from __future__ import annotations

from collections.abc import Callable

from dataflows.errors import SpecError, suggestion
from dataflows.spatial.array import SpatialArray, SpatialAxis

_ROWS, _COLS, _NONE = frozenset({"rows"}), frozenset({"cols"}), frozenset[str]()
Words = tuple[int, int, int]


def weight_stationary(rows: int, cols: int, words: Words = (1, 1, 1), delay: int = 1) -> SpatialArray:
    """C on rows, K on columns: inputs enter every row, sums leave every column (dense reference, 2.1)."""
    axes = (SpatialAxis("rows", rows, "CRSG", delay), SpatialAxis("cols", cols, "KG", delay))
    return SpatialArray(axes, words, (_COLS, _ROWS, _COLS))


def output_stationary(rows: int, cols: int, words: Words = (1, 1, 1), delay: int = 1) -> SpatialArray:
    """Output pixels on rows, K on columns; sums stay and leave one row after the other (dense reference, 2.3)."""
    axes = (SpatialAxis("rows", rows, "NPQ", delay), SpatialAxis("cols", cols, "KG", delay))
    return SpatialArray(axes, words, (_COLS, _ROWS, _COLS))


def weight_or_output_stationary(rows: int, cols: int, words: Words = (1, 1, 1), delay: int = 1) -> SpatialArray:
    """Weight stationary on one layer, output stationary on the next (as Gemmini's BOTH; dense reference, 9.2).

    Both dataflows have the same ports, so nothing is switched: rows may unroll channels or pixels, and the tags of a PE are
    wide enough for either.
    """
    axes = (SpatialAxis("rows", rows, "NCPQRSG", delay), SpatialAxis("cols", cols, "KG", delay))
    return SpatialArray(axes, words, (_COLS, _ROWS, _COLS))


def input_stationary(rows: int, cols: int, words: Words = (1, 1, 1), delay: int = 1) -> SpatialArray:
    """C on rows, output pixels on columns: weights enter every row, inputs stay (dense reference, 2.4)."""
    axes = (SpatialAxis("rows", rows, "CRSG", delay), SpatialAxis("cols", cols, "NPQ", delay))
    return SpatialArray(axes, words, (_ROWS, _COLS, _COLS))


def row_stationary(rows: int = 12, cols: int = 14, words: Words = (224, 12, 24)) -> SpatialArray:
    """Filter rows (and channels, folded) on rows, output rows (and filters) on columns, as in Eyeriss.

    One multicast network for weights and one for inputs, matched by tag; sums go up the columns. Storage of the published
    chip: 224 weights, 12 inputs, 24 sums (dense reference, 3.1 and 3.6).
    """
    axes = (SpatialAxis("rows", rows, "RCK", 0), SpatialAxis("cols", cols, "PK", 0))
    return SpatialArray(axes, words, (_NONE, _NONE, _COLS), input_bits=16, weight_bits=16, acc_bits=32)


def no_local_reuse(inputs: int, outputs: int) -> SpatialArray:
    """Adder trees over C, one for each of several K, no storage: DianNao, Zhang FPGA'15 (dense reference, 8).

    Inputs are broadcast to all trees, every multiplier has a port for weights.
    """
    axes = (SpatialAxis("rows", inputs, "C", 0), SpatialAxis("cols", outputs, "K", 0))
    return SpatialArray(axes, (1, 1, 1), (_ROWS | _COLS, _ROWS, _COLS))


def nvdla(atomic_c: int, atomic_k: int, stripe: int = 16) -> SpatialArray:
    """C x K trees whose weights are held for a stripe of output pixels (dense reference, 5.2).

    A PE stores the stripe's inputs and sums; in the chip the sums are kept behind the trees.
    """
    axes = (SpatialAxis("rows", atomic_c, "C", 0), SpatialAxis("cols", atomic_k, "KG", 0))
    return SpatialArray(axes, (1, stripe, stripe), (_COLS, _ROWS, _COLS))


def shidiannao(rows: int, cols: int, links: int = 0) -> SpatialArray:
    """Output rows and columns on the two axes, weights broadcast (dense reference, 7).

    Parameters
    ----------
    rows, cols : int
        PEs.
    links : int
        Inputs that a PE remembers for its left and upper neighbours, as in the chip's FIFOs; with S filter columns, stride * S
        serve both. Every PE then has a port of its own too, for what no neighbour has: the chip reads 64 words at a time. 0: no
        links, and one port for each column.
    """
    axes = (SpatialAxis("rows", rows, "PK", 0), SpatialAxis("cols", cols, "QK", 0))
    if not links:
        return SpatialArray(axes, (1, 1, 1), (_NONE, _COLS, _COLS))
    return SpatialArray(axes, (1, 1, 1), (_NONE, _ROWS | _COLS, _COLS), links=((), (("rows", links), ("cols", links))))


def depthwise(rows: int = 4, cols: int = 16, words: Words = (9, 32, 8), delay: int = 0) -> SpatialArray:
    """Pixels (or channels) on rows, groups (or filters) on columns with their own ports: depthwise layers at full width.

    With R x S filter taps a word of the inputs is used R x S times and no more, since no two groups share any. So a port can
    feed up to R x S PEs, less what neighbouring tiles of outputs read twice, and take their sums: four rows keep to that for
    3 x 3 filters if a PE stores the window of four outputs side by side.
    """
    axes = (SpatialAxis("rows", rows, "NCPQ", delay), SpatialAxis("cols", cols, "GKPQ", delay))
    return SpatialArray(axes, words, (_COLS, _COLS, _COLS))


NAMED: dict[str, Callable[..., SpatialArray]] = {
    "array_ws": weight_stationary, "array_os": output_stationary, "array_both": weight_or_output_stationary,
    "array_is": input_stationary, "array_rs": row_stationary,
    "array_nlr": no_local_reuse, "array_nvdla": nvdla, "array_shidiannao": shidiannao,
    "array_dw": depthwise,
}  # fmt: skip


def named(name: str, **sizes: int) -> SpatialArray:
    """Return the array called `name`; raise `SpecError` if there is none."""
    if name not in NAMED:
        raise SpecError("array", name, ", ".join(NAMED), suggestion(name, NAMED, "choose one of these"))
    return NAMED[name](**sizes)
