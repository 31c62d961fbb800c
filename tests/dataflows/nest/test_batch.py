"""Many mappings at a time cost what the scalar model says of each: random layers, architectures, mappings and rules."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.compression import Format
from dataflows.errors import SpecError
from dataflows.feasible import InfeasibleError
from dataflows.nest import batch
from dataflows.nest.architecture import Architecture, Axis, Fanout, StorageLevel
from dataflows.nest.batch import evaluate_points, unchecked
from dataflows.nest.cost import NestCost, cost_of, evaluate, violations
from dataflows.nest.counts import count
from dataflows.nest.nest import bind
from dataflows.nest.points import Points, directions
from dataflows.nest.presets import PRESETS
from dataflows.nest.rules import TENSORS, Rules
from dataflows.workload import Layer
from tests.dataflows.nest import random_nests

CASES = 80
MAPPINGS = 6
FORMATS = ("dense", "bitmask", "rlc:run_bits=4", "coordinate:segment=4", "csc")
BANDWIDTHS = (None, None, 0.5, 1, 2, 2.4, 1 / 3, 7, 64)


def test_figures_equal_the_scalar_model_as_often_as_not_on_what_does_not_fit():
    seen: Counter[str] = Counter()
    for seed in range(CASES):
        seen += compare(Random(seed))
    assert min(seen["fits"], seen["does not fit"]) > CASES
    assert min(seen["asked"], seen["bandwidth binds"], seen["compressed"], seen["single buffers"], seen["padded"]) > CASES / 10


@settings(max_examples=25)
@given(st.randoms(use_true_random=False))
def test_figures_equal_the_scalar_model_on_shrinkable_cases(rng):
    compare(rng)


@pytest.mark.nightly
@pytest.mark.slow
@pytest.mark.parametrize("part", range(10))
def test_figures_equal_the_scalar_model_at_length(part):
    for seed in range(CASES + part, CASES + 5_000, 10):
        compare(Random(seed))


def compare(rng: Random) -> Counter[str]:
    """Cost some mappings both ways; return what occurred."""
    layer = replace(random_nests.draw_layer(rng), **densities(rng))
    arch = vary(rng, random_nests.draw_architecture(rng))
    rules = replace(random_nests.draw_rules(rng), ramp=rng.choice(("none", "once")))
    points = disturbed(rng, Points.of([random_nests.draw_mapping(rng, layer, arch) for _ in range(MAPPINGS)], arch), arch)
    return equal(layer, arch, points, rules)


def equal(layer: Layer, arch: Architecture, points: Points, rules: Rules) -> Counter[str]:
    found = evaluate_points(layer, arch, points, rules)
    seen: Counter[str] = Counter()
    for at in range(len(points)):
        fits, cost = scalar(layer, arch, points, rules, at)
        case = f"{layer}\n{arch}\n{rules}\n{points.mapping(arch, at)}"
        assert found.fits[at] == fits, case
        if cost is None:
            assert math.isinf(found.energy_pj[at]), case
            continue
        assert found.cycles[at] == cost.cycles, case
        assert found.energy_pj[at] == pytest.approx(cost.energy_pj, rel=1e-12, abs=1e-300), case
        seen["fits" if fits else "does not fit"] += 1
        seen["bandwidth binds"] += cost.bound not in ("compute", "ramp")
        seen["single buffers"] += any(name.startswith("fill of") and took for name, took in cost.times.items())
        seen["compressed"] += any(form.kind != "dense" for level in arch.levels for form in level.formats)
        seen["padded"] += cost.padded_macs > layer.macs
        seen["asked"] += 1
    return seen


def scalar(layer: Layer, arch: Architecture, points: Points, rules: Rules, at: int) -> tuple[bool, NestCost | None]:
    """What the scalar model says: whether the mapping is one, and what it costs if limits are forgotten."""
    nest = unchecked(layer, arch, points, at)
    try:
        cost = cost_of(nest, count(nest, rules), rules)
    except SpecError:
        return False, None
    try:
        checked = evaluate(layer, arch, points.mapping(arch, at), rules)
    except (SpecError, InfeasibleError):
        return False, cost
    assert checked == cost
    return True, cost


def densities(rng: Random) -> dict[str, float]:
    return {f"{name}_density": rng.choice((1.0, 0.5, 0.3)) for name in ("weight", "input", "output")}


def vary(rng: Random, arch: Architecture) -> Architecture:
    """Give an architecture energies, tight capacities, bandwidths, buffers, formats and networks of every kind."""
    plain = rng.random() < 0.3
    levels = []
    for index, level in enumerate(arch.levels):
        pj = [tuple(rng.choice((0.0, 1.0, 0.37, 6.2)) for _ in TENSORS) for _ in range(2)]
        sizes = [rng.choice((None, 64, 256, 1024, 4096)) for _ in TENSORS]
        ports = {"bandwidth": rng.choice(BANDWIDTHS)}
        if rng.random() < 0.3:
            ports = {"read_bandwidth": rng.choice(BANDWIDTHS), "write_bandwidth": rng.choice(BANDWIDTHS)}
        net = {"hop_pj": rng.choice((0, 0.1)), "add_pj": rng.choice((0, 0.2)), "skew": rng.choice(("none", "systolic", "tree"))}
        axes = tuple(replace(axis, dims=rng.choice(("NGKCPQRS", "NGKCPQRS", "KCG", "PQRS"))) for axis in level.fanout.axes)
        levels.append(
            replace(
                level, read_pj=pj[0], write_pj=pj[1], **ports,
                capacity_bits=None if index == 0 else rng.choice((tuple(sizes), rng.choice((None, 256, 2048)))),
                block_words=rng.choice((1, 1, 3, 64)), buffering=rng.choice(("ideal", "ideal", "double", "single")),
                fanout=replace(level.fanout, **net, axes=axes),
                formats=tuple(Format.parse("dense" if plain else rng.choice(FORMATS)) for _ in TENSORS),
            )
        )  # fmt: skip
    path = arch.datapath
    if path is not None and rng.random() < 0.7:
        gate = rng.choice(((), ("weights",), ("inputs",), ("weights", "inputs")))
        skip = rng.choice(((), ("weights",), ("inputs",)))
        path = replace(path, scheme=rng.choice(("parallel", "serial_weights", "composable")), gate=frozenset(gate) - set(skip),
                       skip=frozenset(skip))  # fmt: skip
    psums = rng.choice((None, 24, 32))
    return replace(arch, levels=tuple(levels), leakage_pj=rng.choice((0.0, 0.5)), datapath=path, psum_bits=psums)


def disturbed(rng: Random, points: Points, arch: Architecture) -> Points:
    """Add to the mappings some with other residency, extents moved elsewhere, and loops where there may be none."""
    time, space, holds = points.time.copy(), points.space.copy(), points.holds.copy()
    for at in range(len(points)):
        kind = rng.choice(("extent", "space", "holds"))
        dim, level = rng.randrange(8), rng.randrange(time.shape[1])
        if kind == "extent":
            time[at, level, dim] = rng.choice((1, 2, 3))
        elif kind == "space" and space.shape[1]:
            space[at, rng.randrange(space.shape[1]), dim] = rng.choice((1, 2, 5))
        elif level:
            holds[at, level] = [rng.random() < 0.5 and tensor in arch.levels[level].holds for tensor in TENSORS]
    return Points.join([points, Points(time, space, points.order, holds)])


@pytest.mark.parametrize("name", ["tri256", "eyeriss", "gemmini", "gemmini_dosa", "simba", "tpu_v1"])
def test_presets_never_ask_the_scalar_model(name, monkeypatch):
    """Of a convolution, legal mappings or not, under the default rules."""
    arch = PRESETS[name]()
    layer = Layer.conv("conv", K=64, C=64, H=56, W=56, R=3, S=3, padding=1)
    points = scattered(layer, arch, 100)
    expected = [scalar(layer, arch, points, Rules(), at) for at in range(len(points))]
    monkeypatch.setattr(batch, "_scalar", lambda *_: pytest.fail("asked"))
    found = evaluate_points(layer, arch, points)
    for at, (fits, cost) in enumerate(expected):
        assert cost is not None
        assert (found.fits[at], found.cycles[at]) == (fits, cost.cycles)
        assert found.energy_pj[at] == pytest.approx(cost.energy_pj, rel=1e-12)


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_all_presets_equal_the_scalar_model(name):
    for layer in (
        Layer.conv("strided", K=8, C=6, H=17, W=17, R=3, S=3, stride=2, weight_bits=8, weight_density=0.4, input_density=0.5),
        Layer.conv("depthwise", K=6, C=6, G=6, H=12, W=12, R=5, S=5, dilation=2),
        Layer.gemm("gemm", M=24, N=36, K=30),
    ):
        arch = PRESETS[name]()
        equal(layer, arch, scattered(layer, arch, 15), Rules())
        equal(layer, arch, scattered(layer, arch, 10), Rules("physical", "exact", "strict", "once"))


def scattered(layer: Layer, arch: Architecture, count: int, seed: int = 1) -> Points:
    """Prime factors of every dimension at random places."""
    rng = np.random.default_rng(seed)
    depth, axes = len(arch.levels), len(directions(arch))
    spots = np.ones((count, depth + axes, 8), dtype=np.int64)
    for number, dim in enumerate("NGKCPQRS"):
        left, factor = getattr(layer, dim), 2
        while left > 1:
            while left % factor:
                factor += 1
            left //= factor
            spots[np.arange(count), rng.integers(0, depth + axes, count), number] *= factor
    holds = (rng.random((count, depth, 3)) < 0.5) & [[tensor in level.holds for tensor in TENSORS] for level in arch.levels]
    holds[:, 0] = True
    order = np.argsort(rng.random((count, depth, 8)), axis=2).astype(np.int8)
    return Points(spots[:, :depth], spots[:, depth:], order, holds)


def test_quotients_beside_whole_numbers():
    """A bandwidth of 1.2 is a little less than that: 6 words take 6 cycles, not 5; sums of 24 bits are 1.5 words of 16 each."""
    layer = Layer.gemm("gemm", M=6, N=5, K=4)
    for bandwidth, psum_bits in ((1.2, None), (1.2, 24), (2.4, 24), (0.1, 24)):
        level = StorageLevel("dram", frozenset(TENSORS), word_bits=(16, 16, 16), bandwidth=bandwidth)
        arch = Architecture("one", (level, replace(level, name="rf")), 1.0, psum_bits=psum_bits)
        equal(layer, arch, scattered(layer, arch, 60), Rules(psums="strict"))


def test_huge_counts_are_exact():
    """More words than floating-point numbers count, and more cycles than 64 bits."""
    arch = PRESETS["tri256"]()
    large, larger = (Layer.gemm("large", M=3 * size + 1, N=size, K=size) for size in (2**19, 2**22))
    for layer, cycles in ((large, large.macs), (larger, 2**63 - 1)):
        time = np.ones((1, 3, 8), dtype=np.int64)
        time[0, 0] = [getattr(layer, dim) for dim in "NGKCPQRS"]
        points = Points(time, np.ones((1, 2, 8), dtype=np.int64), np.arange(24, dtype=np.int8).reshape(1, 3, 8) % 8,
                        np.ones((1, 3, 3), dtype=bool))  # fmt: skip
        found = evaluate_points(layer, arch, points)
        exact = evaluate(layer, arch, points.mapping(arch, 0))
        assert found.cycles[0] == min(exact.cycles, 2**63 - 1) == cycles
        assert found.energy_pj[0] == exact.energy_pj
        assert found.fits[0]


def test_a_chunk_does_not_know_the_others():
    arch, layer = PRESETS["eyeriss"](), Layer.conv("conv", K=16, C=8, H=28, W=28, R=3, S=3, padding=1)
    points = scattered(layer, arch, batch.CHUNK + 3)
    found = evaluate_points(layer, arch, points)
    for at in (0, batch.CHUNK - 1, batch.CHUNK, batch.CHUNK + 2):
        alone = evaluate_points(layer, arch, points[at : at + 1])
        assert (alone.energy_pj[0], alone.cycles[0], alone.fits[0]) == (found.energy_pj[at], found.cycles[at], found.fits[at])


def test_no_mappings_have_no_figures():
    arch, layer = PRESETS["tri256"](), Layer.gemm("gemm", M=4, N=4, K=4)
    assert len(evaluate_points(layer, arch, scattered(layer, arch, 4)[:0]).cycles) == 0


def test_a_layer_of_one_product():
    layer = Layer.gemm("one", M=1, N=1, K=1)
    for name in ("tri256", "eyeriss"):
        equal(layer, PRESETS[name](), scattered(layer, PRESETS[name](), 4), Rules())


def test_a_layer_of_one_product_on_one_level():
    arch = Architecture(
        "one", (StorageLevel("memory", frozenset(TENSORS), read_pj=(1.0, 2.0, 4.0), write_pj=(8.0, 8.0, 8.0)),), 16.0
    )
    layer = Layer.gemm("one", M=1, N=1, K=1)
    equal(layer, arch, scattered(layer, arch, 2), Rules())
    assert evaluate_points(layer, arch, scattered(layer, arch, 1)).energy_pj[0] == 1 + 2 + 8 + 16


def test_only_multiply_accumulates():
    layer = Layer("pool", G=4, K=1, C=1, P=4, Q=4, R=2, S=2, op="max")
    with pytest.raises(SpecError, match="multiply-accumulates"):
        evaluate_points(layer, PRESETS["tri256"](), scattered(layer, PRESETS["tri256"](), 2))


def test_levels_that_cannot_hold_a_tensor_and_axes_that_cannot_unroll_a_dimension():
    every = frozenset(TENSORS)
    arch = Architecture("small", (
        StorageLevel("dram", every, fanout=Fanout((Axis("rows", 4, "K"),))), StorageLevel("buffer", frozenset(("weights",))),
    ), 1.0)  # fmt: skip
    layer = Layer.gemm("gemm", M=4, N=4, K=4)
    time = np.ones((4, 2, 8), dtype=np.int64)
    time[:, 0] = [getattr(layer, dim) for dim in "NGKCPQRS"]
    space = np.ones((4, 1, 8), dtype=np.int64)
    holds = np.array([[[1, 1, 1], [1, 0, 0]]] * 4, dtype=bool)
    holds[1, 1, 1] = True  # inputs in the buffer for weights
    holds[2, 0, 2] = False  # outputs nowhere
    space[3, 0, 3] = 4  # C on an axis for K
    time[3, 0, 3] = 1
    points = Points(time, space, np.tile(np.arange(8, dtype=np.int8), (4, 2, 1)), holds)
    assert list(evaluate_points(layer, arch, points).fits) == [True, False, False, False]


def test_unchecked_binds_as_bind_does():
    for seed in range(100):
        rng = Random(seed)
        layer, arch = random_nests.draw_layer(rng), random_nests.draw_architecture(rng)
        points = Points.of([random_nests.draw_mapping(rng, layer, arch)], arch)
        assert unchecked(layer, arch, points, 0) == bind(layer, arch, points.mapping(arch, 0))
        nest = bind(layer, arch, points.mapping(arch, 0))
        assert evaluate_points(layer, arch, points).fits[0] == (not violations(nest, count(nest), Rules()))
