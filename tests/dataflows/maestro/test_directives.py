"""Directives as text and as data."""

from __future__ import annotations

import pytest

from dataflows.errors import SpecError
from dataflows.maestro import NAMED, Cluster, Directives, Map, evaluate
from dataflows.maestro.levels import levels_of, problem_of
from dataflows.workload import Layer

CONV = Layer("conv", K=6, C=5, P=4, Q=4, R=3, S=3)
FILE = """
Dataflow {
    // rows over units
    SpatialMap(1, 1) Y';
    TemporalMap(Sz(S),Sz( S )) S;
    Cluster(2, P);
    SpatialMap(1,1) C;
}
"""


def test_the_form_of_the_tools_files_is_read():
    items = (Map("spatial", 1, 1, "Y'"), Map("temporal", "S", "S", "S"), Cluster(2), Map("spatial", 1, 1, "C"))
    assert Directives.parse(FILE).items == items
    assert Directives.parse(str(Directives.parse(FILE))).items == items
    for known in NAMED.values():
        assert Directives.parse(str(known)).items == known.items


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "at least one"),
        ("SpatialMap(1,1) K; SpacialMap(1,1) C", "directive 2.*SpacialMap.*did you mean 'SpatialMap'"),
        ("SpatialMap(0,1) K", "positive"),
        ("SpatialMap(1,1) Z", "choose one of these dimensions"),
        ("SpatialMap(Sz(Q),1) K", "name a dimension"),
    ],
)
def test_malformed_directives_are_refused(text, words):
    with pytest.raises(SpecError, match=words):
        Directives.parse(text)


@pytest.mark.parametrize(
    ("text", "pes", "words"),
    [
        ("TemporalMap(1,1) K", 4, "level 0.*one or two spatial maps"),
        ("SpatialMap(1,1) K; Cluster(2); TemporalMap(1,1) C", 4, "level 1"),
        ("SpatialMap(1,1) K; SpatialMap(1,1) C; SpatialMap(1,1) R", 4, "one or two"),
        ("SpatialMap(1,1) K; Cluster(8); SpatialMap(1,1) C", 4, "at least 8"),
        ("SpatialMap(1,1) N", 4, "leave this directive out"),
    ],
)
def test_directives_that_do_not_fit_are_refused(text, pes, words):
    with pytest.raises(SpecError, match=words):
        evaluate(CONV, Directives.parse(text), pes)


def test_levels_inherit_what_they_leave_out_and_hold_the_rest_whole():
    text = "SpatialMap(2,2) K; TemporalMap(1,1) X'; Cluster(2); SpatialMap(1,1) C"
    outer, inner = levels_of(problem_of(CONV), Directives.parse(text), 9)
    assert (outer.units, inner.units) == (4, 2)  # the ninth PE is left over
    found = [(loop.dim, loop.size, loop.offset, loop.spatial) for loop in outer.loops]
    held = [("C", 5, 5, False), ("R", 3, 3, False), ("S", 3, 3, False), ("Y", 6, 6, False)]
    assert found == [("K", 2, 2, True), ("X", 3, 1, False), *held]
    assert inner.extents == {"K": 2, "C": 5, "R": 3, "S": 3, "X": 3, "Y": 6}
    names = [(loop.dim, loop.spatial) for loop in inner.loops]
    assert names == [(dim, False) for dim in "YSRXK"] + [("C", True)]


def test_windows_move_by_whole_outputs():
    strided = Layer("strided", K=1, C=1, P=5, Q=9, R=3, S=3, stride=(2, 2))
    text = "SpatialMap(1,1) K; TemporalMap(8,1) X; TemporalMap(3,1) Y"
    (level,) = levels_of(problem_of(strided), Directives.parse(text), 1)
    assert [(loop.size, loop.offset) for loop in level.loops[1:3]] == [(7, 6), (3, 2)]  # three outputs, one output
