"""Evolution of loop nests: what vectors decode to, and what the search returns."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import permutations
from random import Random

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dataflows.errors import SpecError
from dataflows.nest.batch import evaluate_points
from dataflows.nest.cost import evaluate
from dataflows.nest.presets import PRESETS
from dataflows.nest.rules import Rules
from dataflows.workload import DIMS, Layer
from mappers.nest import evolution
from mappers.nest.base import Budget, Options
from mappers.nest.best import Best
from mappers.nest.encoding import ENCODINGS, Encoding, _permuted
from mappers.nest.evolution import EvolutionNestMapper
from mappers.nest.exhaustive import ExhaustiveMapper
from mappers.nest.space import NestSpace
from tests.dataflows.nest.random_nests import draw_architecture, draw_layer

CONV = Layer.conv("conv", K=64, C=64, H=56, W=56, R=3, S=3, padding=1)


def short():
    return Budget(evaluations=400)


def random_case(seed):
    """A small layer on an architecture whose levels are small too, at times with a room per tensor."""
    rng = Random(seed)
    layer, arch = draw_layer(rng), draw_architecture(rng)
    levels = [arch.levels[0]]
    for level in arch.levels[1:]:
        sizes = [rng.choice((64, 256, 1024, 4096)) for _ in range(3)]
        levels.append(replace(level, capacity_bits=rng.choice((sizes[0], tuple(sizes), None))))
    return layer, replace(arch, levels=tuple(levels))


@settings(max_examples=60, deadline=None)
@example(11862, "importance", True, False, False)  # 8 in three loops of 2 where 3 were asked for
@given(st.integers(0, 1 << 30), st.sampled_from(ENCODINGS), st.booleans(), st.booleans(), st.booleans())
def test_vectors_decode_to_mappings_of_the_space_that_fit(seed, kind, padded, bypass, plain):
    layer, arch = random_case(seed)
    space = NestSpace(layer, arch, Options(bypass=bypass, padded=padded))
    encoding = Encoding(space, Rules(), kind, plain)
    genes = np.random.default_rng(seed).normal(0.5, 0.4, (64, encoding.genes))
    points, legal = encoding.decode(genes)
    factors = space.factors(points)
    product = factors.prod(axis=2)
    assert (product >= space.sizes).all()
    if not padded:
        assert (product == space.sizes).all()
    assert (factors[:, :, : len(space.axes)].prod(axis=1) <= space.room).all()
    for dim, allowed in enumerate(space.allowed):
        assert (factors[:, dim, : len(space.axes)][:, ~np.array(allowed, dtype=bool)] == 1).all()
    assert (np.sort(points.order, axis=2) == np.arange(len(DIMS))).all()
    assert not (points.holds & ~space.can_hold).any()
    if not bypass:
        assert (points.holds == space.can_hold).all()
    if all(level.row_bits is None for level in arch.levels):  # whole rows only the model counts
        assert (evaluate_points(layer, arch, points).fits == legal).all()


@pytest.mark.parametrize("kind", ENCODINGS)
def test_on_presets_everything_is_repaired_and_every_choice_is_drawn(kind):
    space = NestSpace(CONV, PRESETS["eyeriss"]())
    encoding = Encoding(space, Rules(), kind)
    points, legal = encoding.decode(np.random.default_rng(1).random((4000, encoding.genes)))
    assert legal.all()
    assert evaluate_points(CONV, space.arch, points).fits.all()
    used = (points.space > 1).any(axis=0)
    assert (used[:, [size > 1 for size in space.sizes]]).all()
    for at in range(space.depth - 1):
        firsts = points.order[:, at, [size == 1 for size in space.sizes].count(True)]
        assert set(firsts) == {dim for dim, size in enumerate(space.sizes) if size > 1}


def test_the_largest_importance_is_the_outermost_loop_and_the_first_to_be_unrolled():
    layer = Layer("gemm", K=16, C=16, P=1, Q=16)
    space = NestSpace(layer, PRESETS["tri256"]())
    encoding = Encoding(space, Rules())
    genes = encoding.middle()[None].copy()
    assert [DIMS[dim] for dim in encoding.dims] == ["K", "C", "Q"]
    genes[0, :3] = 0.2, 0.9, 0.5  # the order at the outermost level
    genes[0, 6:12] = 0.1, 0.2, 0.3, 0.3, 0.2, 0.1  # of the inner axis, and the outer one
    genes[0, 12:18] = 1.0
    points, _ = encoding.decode(genes)
    assert [DIMS[dim] for dim in points.order[0, 0, -3:]] == ["C", "Q", "K"]
    (outer, inner) = points.space[0]
    assert inner[DIMS.index("Q")] == 16
    assert outer[DIMS.index("K")] == 16


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1 << 30), st.sampled_from(ENCODINGS), st.booleans(), st.booleans())
def test_centring_keeps_the_mapping_and_brings_it_within_reach_of_its_neighbours(seed, kind, padded, plain):
    layer, arch = random_case(seed)
    encoding = Encoding(NestSpace(layer, arch, Options(padded=padded)), Rules(), kind, plain)
    rng = np.random.default_rng(seed)
    genes = rng.normal(0.5, rng.choice([0.1, 0.5, 2.0]), (20, encoding.genes))
    genes[10:] = genes[10:].round(1)  # ties
    centred = np.array([encoding.centred(each) for each in genes])
    (points, legal), (again, legal_too) = encoding.decode(genes), encoding.decode(centred)
    assert (legal == legal_too).all()
    for one, other in ((points.time, again.time), (points.space, again.space), (points.order, again.order)):
        assert (one == other).all()
    assert (points.holds == again.holds).all()
    assert (centred >= 0).all()
    assert (centred <= 1).all()
    assert np.allclose([encoding.centred(each) for each in centred], centred)
    if kind == "importance":
        order = centred[:, encoding.parts["order"]]
        assert ((order >= 0.25) & (order <= 0.75)).all()


@pytest.mark.parametrize("kind", ENCODINGS)
def test_the_box_bounds_all_but_orders(kind):
    encoding = Encoding(NestSpace(CONV, PRESETS["tri256"]()), Rules(), kind)
    genes = np.random.default_rng(4).normal(0.5, 2.0, (50, encoding.genes))
    inside = encoding.boxed(genes)
    listed = encoding.parts["parallel"].stop
    assert (inside[:, listed:] == genes[:, listed:].clip(0, 1)).all()
    assert (inside[:, :listed] == genes[:, :listed]).all()
    assert [part.stop for part in encoding.parts.values()][-1] == encoding.genes
    moved = genes.copy()
    moved[:, :listed] += 5  # the same ranks, the same numbers
    assert (encoding.decode(moved)[0].order == encoding.decode(genes)[0].order).all()


@pytest.mark.parametrize("kind", ENCODINGS)
def test_a_run_begins_at_the_best_vector_but_for_some_genes_or_anywhere(kind):
    encoding = Encoding(NestSpace(CONV, PRESETS["tri256"]()), Rules(), kind)
    rng = np.random.default_rng(3)
    champion = rng.random(encoding.genes)
    kept = np.array([evolution._beginning(encoding, champion, rng) == encoding.centred(champion) for _ in range(2000)])
    near = kept.mean(axis=1) > 0.4  # anywhere nothing is kept, or what happens to be in the middle
    assert near.mean() == pytest.approx(0.8, abs=0.04)
    assert kept[near].mean() == pytest.approx(0.8, abs=0.02)


def test_an_index_counts_orders_lexicographically():

    found = _permuted(np.arange(math.factorial(4)), 4)
    assert found.tolist() == [list(each) for each in permutations(range(4))]


@pytest.mark.parametrize("kind", ENCODINGS)
def test_equal_seeds_give_equal_answers(kind):
    mapper = EvolutionNestMapper(kind)
    first, again, other = (mapper.map(CONV, PRESETS["tri256"](), budget=short(), seed=seed) for seed in (3, 3, 4))
    assert first.mapping == again.mapping
    assert first.history == again.history
    assert first.history != other.history
    assert first.evaluated == 400
    assert first.value == pytest.approx(first.history[-1][1], rel=1e-12)
    assert [value for _, value in first.history] == sorted((value for _, value in first.history), reverse=True)
    assert first.cost == evaluate(CONV, PRESETS["tri256"](), first.mapping)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 1 << 30), st.sampled_from(("edp", "energy", "latency")))
def test_never_better_than_all_mappings(seed, objective):
    layer = Layer("tiny", K=4, C=2, P=1, Q=3)
    _, arch = random_case(seed)
    arch = replace(arch, levels=(arch.levels[0], *arch.levels[-2:][-min(2, len(arch.levels) - 1) :]))
    space = NestSpace(layer, arch)
    if space.size > 300_000:
        return
    best = ExhaustiveMapper().map(layer, arch, objective)
    found = EvolutionNestMapper().map(layer, arch, objective, budget=Budget(evaluations=600), seed=seed)
    assert found.value >= best.value * (1 - 1e-12)
    assert found.value <= best.value * 1.5


def test_finds_the_best_of_a_tiny_space():
    layer, arch = Layer("tiny", K=4, C=4, P=1, Q=4), PRESETS["gemmini_dosa"](dim=2)
    best = ExhaustiveMapper().map(layer, arch)
    assert EvolutionNestMapper().map(layer, arch, budget=Budget(evaluations=3000), seed=1).value == pytest.approx(best.value)


def test_an_interrupt_returns_the_best_so_far(monkeypatch):
    calls = []

    def values(self, points, original=Best.values):
        calls.append(len(points))
        if len(calls) == 6:
            raise KeyboardInterrupt
        return original(self, points)

    monkeypatch.setattr(Best, "values", values)
    found = EvolutionNestMapper().map(CONV, PRESETS["eyeriss"](), seed=2)
    assert found.interrupted
    assert found.evaluated == sum(calls[:5])
    assert found.value == pytest.approx(found.history[-1][1])


def test_an_interrupt_before_anything_is_found_goes_on(monkeypatch):
    def values(self, points):
        raise KeyboardInterrupt

    monkeypatch.setattr(Best, "values", values)
    with pytest.raises(KeyboardInterrupt):
        EvolutionNestMapper().map(CONV, PRESETS["eyeriss"]())


def test_time_ends_the_search():
    found = EvolutionNestMapper().map(CONV, PRESETS["eyeriss"](), budget=Budget(seconds=0.2))
    assert not found.interrupted
    assert found.evaluated > 1


def test_a_layer_of_one_multiplication_has_a_mapping():
    layer = Layer("one", K=1, C=1, P=1, Q=1)
    for options in (Options(), Options(bypass=False)):
        found = EvolutionNestMapper().map(layer, PRESETS["tri256"](), options=options, budget=Budget(evaluations=100))
        assert found.cost.cycles == 1


def test_padded_extents_make_better_use_of_an_array():
    layer = Layer("prime", K=17, C=13, P=1, Q=31)
    exact, padded = (
        EvolutionNestMapper().map(layer, PRESETS["tri256"](), "latency", options=Options(padded=padded), budget=short())
        for padded in (False, True)
    )
    assert padded.cost.cycles < exact.cost.cycles


def test_what_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "cmaes", None)
    with pytest.raises(SpecError, match="cmaes"):
        evolution.require_cma()


def vector(encoding, points, at):
    """A vector that should decode to one mapping."""
    space, dims, found = encoding.space, list(encoding.dims), []
    permuted = [list(each) for each in permutations(range(len(dims)))]
    for level in range(space.depth - 1):
        walked = [dims.index(dim) for dim in points.order[at, level] if dim in dims]
        if encoding.kind == "importance":
            found += [1 - (walked.index(which) + 0.5) / len(dims) for which in range(len(dims))]
        else:
            found.append((permuted.index(walked) + 0.5) / len(permuted))
    factors = space.factors(points)[at]
    spots = [[dim for dim in dims if space.allowed[dim][axis]] for axis in range(len(space.axes))]
    for each in spots:  # any order will do, since amounts say all
        found += [0.5] * len(each) if encoding.kind == "importance" else [0.0]
    for axis, each in enumerate(spots):
        size = space.room[axis]
        found += [min(1.0, math.log(factors[dim, axis] + 0.5) / math.log(size) / 2) if size > 1 else 1.0 for dim in each]
    beside = len(space.axes)
    for level in range(1, space.depth):
        inside = factors[:, beside : beside + space.depth - level].prod(axis=1)
        found += [math.log(inside[dim]) / math.log(space.sizes[dim]) for dim in dims]
    found += [0.75 if points.holds[at, level, tensor] else 0.25 for level, tensor in np.argwhere(space.can_hold) if level > 0]
    return np.array(found)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1 << 30), st.sampled_from(ENCODINGS))
def test_every_mapping_that_fits_has_a_vector(seed, kind):
    layer, arch = random_case(seed)
    space = NestSpace(layer, arch)
    encoding = Encoding(space, Rules(), kind)
    points = space.draw(40, np.random.default_rng(seed))
    points = points[evaluate_points(layer, arch, points).fits]
    if not len(points):
        return
    again, legal = encoding.decode(np.array([vector(encoding, points, at) for at in range(len(points))]))
    assert legal.all()
    assert (again.time == points.time).all()
    assert (again.space == points.space).all()
    assert (again.holds == points.holds).all()
    dims = list(encoding.dims)
    orders = [[[dim for dim in row if dim in dims] for row in each[:-1]] for each in points.order.tolist()]
    assert orders == [[[dim for dim in row if dim in dims] for row in each[:-1]] for each in again.order.tolist()]
