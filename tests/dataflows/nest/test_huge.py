"""Sizes of any magnitude take no longer: words grow by the same for every row, so small layers foretell large ones."""

from __future__ import annotations

import pytest

from dataflows.errors import SpecError
from dataflows.mapping import Level, Loop, Mapping
from dataflows.nest.architecture import Architecture, Axis, Fanout, StorageLevel
from dataflows.nest.cost import evaluate
from dataflows.nest.rules import TENSORS, Rules
from dataflows.workload import Layer

ALL = frozenset(TENSORS)
CHAIN = Fanout((Axis("cols", 8),), links=True)
FREE = {"read_pj": (1.0, 1.0, 1.0), "write_pj": (1.0, 1.0, 1.0), "word_bits": (8, 8, 32)}
LEVELS = (
    StorageLevel("dram", ALL, **FREE),
    StorageLevel("buffer", ALL, fanout=CHAIN, **FREE),
    StorageLevel("register", frozenset({"inputs"}), **FREE),
)
ARCH = Architecture("three", LEVELS, 1.0)
NESTS = ("P R P2 ; ;", "P2 ; R P ;", "P ; R P2 ;", "R P2 ; P ;", "P ; R ; P2", "P2 R ; P P2X ;")
"""Loops of every level, outermost first; P alone has as many rows as asked for, R 3."""
HUGE = 10**12


def nest(text: str, rows: int, taps: int = 3) -> Mapping:
    found = []
    for level, loops in zip(LEVELS, text.split(";"), strict=True):
        sizes = {"P": rows, "R": taps}
        found.append(Level(level.name, tuple(
            Loop(loop[0], sizes[loop] if loop in sizes else int(loop[1]), 1, "cols" if loop.endswith("X") else None)
            for loop in loops.split()
        )))  # fmt: skip
    return Mapping(tuple(found))


def levels(text: str, rows: int, rules: Rules, stride: int, dilation: int) -> dict:
    layer = Layer("rows", K=1, C=1, P=2 * rows, Q=1, R=3, stride=(stride, 1), dilation=(dilation, 1))
    return evaluate(layer, ARCH, nest(text, rows), rules).levels


@pytest.mark.parametrize("stride", [1, 2, 7])
@pytest.mark.parametrize("rule", ["box", "exact"])
@pytest.mark.parametrize("halo", ["timeloop", "physical"])
@pytest.mark.parametrize("text", NESTS)
def test_words_of_huge_layers_follow_from_those_of_small_ones(text, halo, rule, stride):
    rules = Rules(halo, rule)
    few, more, huge = (levels(text, rows, rules, stride, 3) for rows in (100, 101, HUGE))
    for level, tensors in huge.items():
        for tensor, words in tensors.items():
            for kind, found in words.items():
                grown = more[level][tensor][kind] - few[level][tensor][kind]
                assert found == few[level][tensor][kind] + (HUGE - 100) * grown, (level, tensor, kind)


def test_a_large_stride_costs_no_memory():
    found = levels("P P2 R ; ;", 1000, Rules(), 10**9, 1)
    assert found["dram"]["inputs"]["tile_words"] == 1999 * 10**9 + 3


def test_irregular_windows_without_closed_form_are_refused():
    layer = Layer("both", K=1, C=1, P=10**6, Q=1, R=10**6, stride=(7, 1), dilation=(3, 1))
    with pytest.raises(SpecError, match="window=box"):
        evaluate(layer, ARCH, nest("R2 P2 ; P R ;", 500_000, 500_000), Rules("physical", "exact"))
