"""Counting of the ISCA 2016 framework: a tensor's accesses at every level and their energy (dense reference, 4.1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dataflows.errors import SpecError
from dataflows.workload import Layer

DRAM, BUFFER, ARRAY, RF, MAC = 200, 6, 2, 1, 1
MOST_STEPS = 2_000
"""Sizes of one parameter that are tried; a batch of a million images has no more."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One group of a layer: images, filters, channels, output rows and columns, filter rows and columns, strides."""

    N: int
    M: int
    C: int
    E: int
    F: int
    R: int
    S: int
    U: int
    V: int

    @classmethod
    def of(cls, layer: Layer) -> Problem:
        """Read a layer; the rows of a matrix product are images.

        Raises
        ------
        SpecError
            For dilated filters.
        """
        if layer.dilation != (1, 1):
            raise SpecError(f"{layer.name}.dilation", layer.dilation, "(1, 1): the paper has no dilation", "leave the layer out")
        if layer.kind == "gemm":
            return cls(layer.N * layer.Q, layer.K, layer.C, 1, 1, 1, 1, 1, 1)
        return cls(layer.N, layer.K, layer.C, layer.P, layer.Q, layer.R, layer.S, *layer.stride)

    @property
    def macs(self) -> int:
        """Multiply-accumulates."""
        return self.outputs * self.terms

    @property
    def terms(self) -> int:
        """Products in a sum; weights of a filter."""
        return self.C * self.R * self.S

    @property
    def outputs(self) -> int:
        """Output words."""
        return self.N * self.M * self.E * self.F

    @property
    def weights(self) -> int:
        """Weights."""
        return self.M * self.terms

    def rows(self, e: int) -> int:
        """Return the input rows of `e` output rows, border included."""
        return (e - 1) * self.U + self.R

    def cols(self, f: int) -> int:
        """Return the input columns of `f` output columns."""
        return (f - 1) * self.V + self.S

    def all_rows(self, e: int) -> int:
        """Return the input rows of all strips of at most `e` output rows, shared rows once for each."""
        return _over(self.E, e, self.rows)

    def all_cols(self, f: int) -> int:
        """Return the input columns of all parts of at most `f` output columns."""
        return _over(self.F, f, self.cols)


@dataclass(frozen=True, slots=True)
class Chip:
    """Rows and columns of PEs, words of the buffer, and words of a PE's register file."""

    rows: int
    cols: int
    buffer: int
    rf: int

    @property
    def pes(self) -> int:
        """Processing elements."""
        return self.rows * self.cols


@dataclass(frozen=True, slots=True)
class Accesses:
    """Accesses of a tensor by level.

    The splits a, b, c, d of the paper's formulas give, for inputs, ``dram`` = a words, ``buffer`` = a b, ``array`` = a b c,
    ``rf`` = a b c d; for sums 2a - 1, 2a (b - 1), a b (c - 1) and 2 a b c (d - 1). A level that a dataflow does not use for a
    tensor has none.
    """

    dram: float = 0
    buffer: float = 0
    array: float = 0
    rf: float = 0

    @property
    def energy(self) -> dict[str, float]:
        """Energy by level in multiply-accumulates."""
        return {"dram": DRAM * self.dram, "buffer": BUFFER * self.buffer, "array": ARRAY * self.array, "rf": RF * self.rf}


def sums(problem: Problem, rounds: float, chain: float, in_rf: bool) -> Accesses:
    """Return the accesses of partial sums: `rounds` through the buffer, `chain` terms added from PE to PE in each.

    Sums that stay in a register file are read and written there for every product.
    """
    outputs = problem.outputs
    return Accesses(outputs, 2 * (rounds - 1) * outputs, rounds * (chain - 1) * outputs, 2 * problem.macs if in_rf else 0)


@dataclass(frozen=True, slots=True)
class Plan:
    """A mapping of one group with its accesses.

    Attributes
    ----------
    problem : Problem
        What is computed.
    weights, inputs, outputs : Accesses
        By tensor.
    cycles : int
        Steps of the array; bandwidth never binds in the paper.
    text : str
        The parameters that were chosen.
    """

    problem: Problem
    weights: Accesses
    inputs: Accesses
    outputs: Accesses
    cycles: int
    text: str

    @property
    def energy_by_level(self) -> dict[str, float]:
        """Energy in multiply-accumulates: ``mac``, ``dram``, ``buffer``, ``array``, ``rf``."""
        parts = [tensor.energy for tensor in (self.weights, self.inputs, self.outputs)]
        return {"mac": float(MAC * self.problem.macs)} | {level: sum(part[level] for part in parts) for level in parts[0]}

    @property
    def energy(self) -> float:
        """Energy in multiply-accumulates."""
        w, x, y = self.weights, self.inputs, self.outputs
        outer = DRAM * self.dram_words + BUFFER * (w.buffer + x.buffer + y.buffer)
        return MAC * self.problem.macs + outer + ARRAY * (w.array + x.array + y.array) + RF * (w.rf + x.rf + y.rf)

    @property
    def dram_words(self) -> float:
        """Words over the memory port, reads and writes."""
        return self.weights.dram + self.inputs.dram + self.outputs.dram


def steps(whole: int, most: int) -> list[int]:
    """Return the sizes up to `most` that are the smallest for their number of rounds over `whole`.

    Raises
    ------
    SpecError
        If there are more than `MOST_STEPS`: every one would be tried with every other parameter.
    """
    found: list[int] = []
    size, most = 1, min(whole, most)
    while size <= most:
        if len(found) == MOST_STEPS:
            raise SpecError(
                "sizes to try", f"more than {MOST_STEPS:,}", f"at most {MOST_STEPS:,}", "split the layer, first its images"
            )
        found.append(size)
        rounds = -(-whole // size)
        size = most + 1 if rounds == 1 else -(-whole // (rounds - 1))
    return found


def largest(whole: int, most: int) -> int:
    """Return the last of `steps`, for `most` of at least 1."""
    return -(-whole // -(-whole // min(whole, most)))


def _over(whole: int, part: int, size: Callable[[int], int]) -> int:
    full, rest = divmod(whole, part)
    return full * size(part) + (size(rest) if rest else 0)
