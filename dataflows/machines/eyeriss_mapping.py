"""Row-stationary mappings on the chip Eyeriss v1: what fits, and what was published (dense reference, 3.1 to 3.4, 3.8)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dataflows.errors import SpecError
from dataflows.feasible import Infeasible, InfeasibleError
from dataflows.machines.isca16_counts import largest, steps
from dataflows.workload import Layer

ROWS, COLS = 12, 14
BANKS, BANK_BYTES, WORD_BYTES = 25, 4096, 2
FILTER_WORDS, INPUT_WORDS, SUM_WORDS = 224, 12, 24


@dataclass(frozen=True, slots=True)
class RowStationary:
    """A mapping; letters are the paper's.

    Attributes
    ----------
    m : int
        Output channels whose sums stay in the global buffer.
    n : int
        Images of a pass.
    e : int
        Output rows of a strip: the width of a PE set.
    p, q : int
        Filters and channels interleaved in a PE.
    r, t : int
        PE sets for different channels, whose sums are added, and for different filters.
    """

    m: int
    n: int
    e: int
    p: int
    q: int
    r: int
    t: int


@dataclass(frozen=True, slots=True)
class Shape:
    """A layer as the chip sees it, sizes of one group; rows and columns of the input with their border."""

    layer: Layer

    def __post_init__(self) -> None:
        layer = self.layer
        if layer.dilation != (1, 1):
            raise SpecError(f"{layer.name}.dilation", layer.dilation, "(1, 1): the chip has no dilation", "leave the layer out")
        limits = (("PE rows", layer.R, ROWS, "rows"), ("input scratchpad", layer.S, INPUT_WORDS, "words"))
        lacks = [
            Infeasible(level, need, most, unit, "split the filter", layer.name)
            for level, need, most, unit in limits
            if need > most
        ]
        if lacks:
            raise InfeasibleError(lacks)

    @property
    def width(self) -> int:
        """Columns of the input that are read, border included."""
        return (self.layer.Q - 1) * self.layer.stride[1] + self.layer.S

    def height(self, rows: int) -> int:
        """Return the input rows of a strip of `rows` output rows."""
        return (rows - 1) * self.layer.stride[0] + self.layer.R

    def strips(self, e: int) -> tuple[tuple[int, int], ...]:
        """Return (output rows, how many strips have so many)."""
        whole, rest = divmod(self.layer.P, e)
        return tuple(each for each in ((e, whole), (rest, 1 if rest else 0)) if each[1])

    def buffer_banks(self, by: RowStationary) -> tuple[int, int]:
        """Return the banks of the global buffer for sums and for inputs; a bank belongs to one of them."""
        e = min(by.e, self.layer.P)
        sums = by.n * min(by.m, self.layer.K) * e * self.layer.Q * WORD_BYTES
        inputs = by.n * by.q * by.r * self.height(e) * self.width * WORD_BYTES
        return -(-sums // BANK_BYTES), -(-inputs // BANK_BYTES)


def sets_that_fit(filter_rows: int, e: int) -> int:
    """Return how many PE sets of `filter_rows` x `e` the array has room for; wide ones are cut into stacked segments."""
    segments = -(-e // COLS)
    return ROWS // (segments * filter_rows) * (COLS // e if segments == 1 else 1)


def violations(shape: Shape, by: RowStationary) -> list[Infeasible]:
    """Return what does not fit."""
    layer = shape.layer
    sums, inputs = shape.buffer_banks(by)
    limits = (
        ("filter scratchpad", by.p * by.q * layer.S, FILTER_WORDS, "words", "lower p or q"),
        ("input scratchpad", by.q * layer.S, INPUT_WORDS, "words", "lower q"),
        ("sum scratchpad", by.p, SUM_WORDS, "words", "lower p"),
        ("PE sets", by.r * by.t, sets_that_fit(layer.R, by.e), "sets", "lower r, t or e"),
        ("global buffer", sums + inputs, BANKS, "banks", "lower m, n or e"),
        ("filters in the array", by.p * by.t, max(by.m, 1), "filters", "lower p or t, or raise m"),
    )
    return [Infeasible(level, need, most, unit, fix, layer.name) for level, need, most, unit, fix in limits if need > most]


_CONV4 = RowStationary(64, 4, 13, 16, 3, 2, 2)
ALEXNET = {
    (11, 4, 55, 3, 96): RowStationary(96, 1, 7, 16, 1, 1, 2),
    (5, 1, 27, 48, 128): RowStationary(64, 1, 27, 16, 2, 1, 1),
    (3, 1, 13, 256, 384): RowStationary(64, 4, 13, 16, 4, 1, 4),
    (3, 1, 13, 192, 192): _CONV4,
    (3, 1, 13, 192, 128): _CONV4,
}
"""The printed mappings of AlexNet by filter, stride, output rows, channels and filters of a group."""
CONV3_OF_THE_GLB_FIGURE = _CONV4
"""With the printed mapping of CONV3 the global buffer cannot have the printed traffic; with this one it has."""
VGG16 = {
    224: RowStationary(16, 1, 13, 4, 1, 1, 4),
    112: RowStationary(32, 1, 13, 8, 1, 1, 4),
    56: RowStationary(64, 1, 13, 16, 2, 1, 4),
    28: RowStationary(64, 1, 14, 16, 4, 1, 4),
}
"""Mappings of VGG-16 by output rows. They are not printed. e follows from the printed active PEs, m from the buffer, q r from
the printed ratio of the buffer's traffic (1, 1, 2, 4); with r = 1, t and p are what remains: t sets, and p t = m."""


def published(layer: Layer) -> RowStationary | None:
    """Return the mapping of a layer of AlexNet or VGG-16; n is no more than the images there are."""
    if layer.R != layer.S or layer.P != layer.Q or layer.stride[0] != layer.stride[1]:
        return None
    found = ALEXNET.get((layer.R, layer.stride[0], layer.P, layer.C, layer.K))
    if found is None and (layer.R, layer.stride[0], layer.G) == (3, 1, 1) and (layer.C == 3 or layer.C % 64 == 0):
        found = VGG16.get(layer.P) if layer.K % 64 == 0 else None
    if found is None or found.n <= layer.N:
        return found
    return RowStationary(found.m, layer.N, found.e, found.p, found.q, found.r, found.t)


def candidates(shape: Shape) -> Iterator[RowStationary]:
    """Yield mappings that fit, with as many filters in the global buffer as there is room for.

    PE sets fill the array: t is as large as r leaves room for. Of parameters that give the same number of rounds only the
    smallest is tried.
    """
    layer = shape.layer
    for e in steps(layer.P, COLS * (ROWS // layer.R)):
        sets = sets_that_fit(layer.R, e)
        for r in steps(layer.C, sets):
            for q in steps(-(-layer.C // r), INPUT_WORDS // layer.S):
                t = largest(layer.K, sets // r)
                image = q * r * shape.height(e) * shape.width * WORD_BYTES
                for p in steps(-(-layer.K // t), min(SUM_WORDS, FILTER_WORDS // (q * layer.S))):
                    for n in steps(layer.N, BANKS * BANK_BYTES // image):
                        inputs = shape.buffer_banks(RowStationary(0, n, e, p, q, r, t))[1]
                        room = (BANKS - inputs) * BANK_BYTES // (n * e * layer.Q * WORD_BYTES)
                        m = layer.K if room >= layer.K else room // (p * t) * (p * t)
                        if m > 0:
                            yield RowStationary(max(m, p * t), n, e, p, q, r, t)
