"""Boxes of tilings: bounds that no tiling is below, and nothing lost in cutting."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.arch import Accelerator, Array, Memory
from dataflows.batch import Batch
from dataflows.cost import evaluate
from dataflows.program import program_beats
from dataflows.tech import technology
from dataflows.tiling import OUTER_DIMS, Blocking, Tiling, violations
from dataflows.workload import Layer
from mappers.boxes import FIELDS, Lowest, Space
from mappers.branch import Search
from tests.mappers.test_search import tight
from tests.strategies import any_layers

TECH = technology()


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=40), st.data())
def test_minima_over_ranges(values, data):
    first = data.draw(st.integers(0, len(values) - 1))
    last = data.draw(st.integers(first, len(values) - 1))
    assert Lowest(np.array(values)).over(np.array([first]), np.array([last])) == [min(values[first : last + 1])]


def spaces(layer, acc):
    batch = Batch(layer, acc, TECH, program_beats(acc))
    return Space(batch), Space(batch, every=True)


def walked(layer, acc, tiling):
    """Tile sizes and the loops of several iterations: what decides which steps are walked."""
    counts = tiling.counts(layer, Blocking.of(layer, acc))
    return (tiling.blocks, tiling.c_blocks, tiling.p, tiling.q, *(dim for dim in tiling.order if counts[dim] > 1))


@settings(max_examples=60)
@given(any_layers(most=5), tight())
def test_cutting_on_and_on_gives_every_legal_tiling_once(layer, acc):
    layer = layer.flattened()
    if violations(layer, acc, Tiling(1, 1, 1, 1)):
        return
    bk, space = Blocking.of(layer, acc), spaces(layer, acc)[1]
    sizes = product(*(range(1, most + 1) for most in (bk.walked, bk.c_blocks, layer.P, layer.Q)))
    legal = [size for size in sizes if not violations(layer, acc, Tiling(*size))]
    found, boxes = [], space.whole()
    while boxes.shape[1]:
        single = space.single(boxes)
        points = boxes[:, single]
        first = space.first_of_same(points) == points[1]
        found += [walked(layer, acc, space.tiling(point)) for point in points[:, first].T]
        boxes = space.cut(space.split(boxes[:, ~single])) if not single.all() else boxes[:, :0]
    assert len(found) == len(set(found))
    orders = list(permutations(OUTER_DIMS))
    assert set(found) == {walked(layer, acc, Tiling(*size, order)) for size in legal for order in orders}


def test_rounded_energies_of_bounds_are_not_above_those_of_tilings():
    """Leakage of more cycles than the bound's, added to an energy that leaked already, once was a last digit too much."""
    layer = Layer("gemm", K=1, C=2, P=1, Q=4, R=1, S=1)
    acc = Accelerator("tight", Array(1, 1), Memory(4), 16, 72, 9, 1, 1)
    for space in spaces(layer.flattened(), acc):
        search, boxes = Search(space, near=True), [space.whole()]
        while boxes:
            box = boxes.pop()
            for one in (box[:, [at]] for at in range(box.shape[1])):
                low, exact = search.price(one), search.price(space.largest(one))
                assert all(below[0] <= above[0] for below, above in zip(low, exact, strict=True))
                if not space.single(one).all():
                    boxes.append(space.cut(space.split(one)))


@settings(max_examples=120)
@given(any_layers(most=12), tight(), st.booleans(), st.booleans(), st.data())
def test_no_tiling_of_a_box_is_below_its_bound(layer, acc, every, near, data):
    """From the whole space down to one tiling: bounds only rise, and end at the tiling's own figures."""
    layer = layer.flattened()
    if violations(layer, acc, Tiling(1, 1, 1, 1)):
        return
    space = spaces(layer, acc)[every]
    search = Search(space, near=near)
    box = space.whole()
    box = box[:, [data.draw(st.integers(0, box.shape[1] - 1))]]
    figures = [search.price(box)]
    while not space.single(box).all():
        inside = space.largest(box)
        assert not violations(layer, acc, space.tiling(inside[:, 0]))
        assert all(low[0] <= exact[0] for low, exact in zip(figures[-1], search.price(inside), strict=True))
        parts = space.cut(space.split(box))
        assert parts.shape[0] == len(FIELDS)
        box = parts[:, [data.draw(st.integers(0, parts.shape[1] - 1))]]
        figures.append(search.price(box))
    energy, cycles = np.array(figures)[:, :, 0].T
    assert (np.diff(energy) >= 0).all()
    assert (np.diff(cycles) >= 0).all()
    cost = evaluate(layer, acc, space.tiling(box[:, 0]), TECH, program_beats=program_beats(acc))
    assert cycles[-1] >= cost.bound_cycles
    if not near:
        assert cycles[-1] == cost.bound_cycles
        assert energy[-1] == pytest.approx(cost.energy_pj, rel=1e-12)
