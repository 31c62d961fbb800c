"""The space of loop nests: its size, its list, its draws and its neighbours agree, and leave nothing better out."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from dataflows.errors import SpecError
from dataflows.feasible import InfeasibleError
from dataflows.mapping import Level, Loop, Mapping
from dataflows.nest.architecture import Architecture, Axis, Fanout, StorageLevel
from dataflows.nest.batch import evaluate_points
from dataflows.nest.cost import evaluate
from dataflows.nest.points import Points
from dataflows.nest.presets import PRESETS
from dataflows.nest.presets.common import same
from dataflows.nest.rules import TENSORS
from dataflows.workload import Layer
from mappers.nest.base import Options
from mappers.nest.neighbours import exchanges, neighbours, shrunk
from mappers.nest.space import NestSpace

ALL = frozenset(TENSORS)


def small(sizes: tuple[int, int] = (2, 3), dims: str = "NGKCPQRS") -> Architecture:
    """Three levels, a few PEs, room for little."""
    return Architecture("small", (
        StorageLevel("dram", ALL, same(20.0), same(21.0), fanout=Fanout((Axis("planes", 2, "N"),))),
        StorageLevel("glb", frozenset(("inputs", "outputs")), same(3.0), same(2.0), capacity_bits=300,
                     fanout=Fanout((Axis("rows", sizes[0]), Axis("cols", sizes[1], dims)))),
        StorageLevel("rf", ALL, same(1.0), same(1.0), capacity_bits=60),
    ), 1.0)  # fmt: skip


CASES = [
    (Layer.gemm("gemm", M=4, N=3, K=2), small()),
    (Layer.gemm("gemm", M=5, N=2, K=4), small(dims="KC")),
    (Layer.conv("conv", K=2, C=2, H=3, W=1, R=2, S=1), small((1, 4))),
    (Layer.conv("depthwise", G=2, K=2, C=2, H=4, W=1, R=2, S=1), small((3, 1), "G")),
]


def keys(points: Points) -> list[bytes]:
    """Name mappings by what tells them apart: extents, residency, and the order of loops but the innermost level's."""
    longer = np.take_along_axis(points.time > 1, points.order.astype(np.intp), axis=2)
    order = np.take_along_axis(points.order, np.argsort(longer, axis=2, kind="stable"), axis=2)
    order = np.where(np.sort(longer, axis=2), order, -1)
    order[:, -1] = -1
    parts = (points.time, points.space, order, points.holds)
    rows = np.concatenate([np.asarray(part, dtype=np.int64).reshape(len(points), -1) for part in parts], axis=1)
    return [row.tobytes() for row in rows]


def listed(space: NestSpace) -> Points:
    return Points.join(list(space.all()))


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("bypass", [False, True])
@pytest.mark.parametrize(("layer", "arch"), CASES)
def test_size_is_the_length_of_the_list(layer, arch, bypass, padded):
    space = NestSpace(layer, arch, Options(bypass, padded))
    if space.size > 60_000:
        pytest.skip("long")
    points = listed(space)
    assert len(points) == space.size
    assert len(set(keys(points))) == len(points)
    assert len(np.unique(np.concatenate([points.time, points.space], axis=1), axis=0)) == space.tilings
    roomy = Architecture(arch.name, tuple(without_capacity(level) for level in arch.levels), 1.0)
    assert evaluate_points(layer, roomy, points).fits.all()


def without_capacity(level: StorageLevel) -> StorageLevel:
    return StorageLevel(level.name, level.holds, fanout=level.fanout)


@pytest.mark.parametrize("padded", [False, True])
def test_draws_are_in_the_list_and_all_tilings_are_drawn_equally_often(padded):
    layer, arch = CASES[0]
    space = NestSpace(layer, arch, Options(padded=padded))
    points = listed(space)
    drawn = space.draw(30_000, np.random.default_rng(1))
    assert set(keys(drawn)) <= set(keys(points))
    tilings, times = np.unique(np.concatenate([drawn.time, drawn.space], axis=1), axis=0, return_counts=True)
    assert len(tilings) == space.tilings
    expected = len(drawn) / len(tilings)
    freedom = len(tilings) - 1
    assert abs(((times - expected) ** 2 / expected).sum() - freedom) < 5 * math.sqrt(2 * freedom)  # five deviations of chi square
    held, times = np.unique(drawn.holds, axis=0, return_counts=True)
    assert len(held) == len(space.residencies) == 2**5
    assert times.min() > 0.8 * times.mean()


def test_nothing_better_is_left_out():
    """Every mapping that can be written with a loop per dimension, level and axis, one by one with the scalar model."""
    layer, full = Layer.gemm("gemm", M=4, N=2, K=2), small((2, 2))
    top = StorageLevel("dram", ALL, same(20.0), same(21.0), fanout=full.levels[1].fanout)
    arch = Architecture("two", (top, full.levels[2]), 1.0)
    best = math.inf
    slots = [(0, None), (0, "rows"), (0, "cols"), (1, None)]
    splits = {
        dim: [row for row in itertools.product(range(1, size + 1), repeat=4) if math.prod(row) == size]
        for dim, size in (("K", 2), ("C", 2), ("Q", 4))
    }
    count = 0
    for k, c, q in itertools.product(*splits.values()):
        loops: dict[tuple[int, str | None], list[Loop]] = {slot: [] for slot in slots}
        for dim, row in (("K", k), ("C", c), ("Q", q)):
            for slot, extent in zip(slots, row, strict=True):
                if extent > 1:
                    loops[slot].append(Loop(dim, extent, axis=slot[1]))
        if any(math.prod(loop.extent for loop in loops[slot]) > 2 for slot in slots[1:3]):
            continue
        beside = loops[slots[1]] + loops[slots[2]]
        for outer, held in itertools.product(
            itertools.permutations(loops[slots[0]]), ("", "W", "I", "O", "WI", "WO", "IO", "WIO")
        ):
            count += 1
            mapping = Mapping((Level("dram", (*outer, *beside)), Level(f"rf[{held}]", tuple(loops[slots[3]]))))
            try:
                best = min(best, evaluate(layer, arch, mapping).edp)
            except InfeasibleError:
                continue
    space = NestSpace(layer, arch)
    assert space.size == count
    figures = evaluate_points(layer, arch, listed(space))
    assert np.where(figures.fits, figures.energy_pj * figures.cycles, np.inf).min() == pytest.approx(best, rel=1e-12)


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("around", [neighbours, exchanges])
def test_neighbours_are_other_mappings_of_the_space(around, padded):
    layer, arch = CASES[1]
    space = NestSpace(layer, arch, Options(padded=padded))
    known = set(keys(listed(space)))
    points = space.draw(40, np.random.default_rng(3))
    near, owners = around(space, points)
    assert len(near) == len(owners) > 0
    names = keys(points)
    for key, owner in zip(keys(near), owners, strict=True):
        assert key in known
        assert key != names[owner]


def test_neighbours_change_one_thing_and_lead_everywhere():
    layer, arch = CASES[0]
    space = NestSpace(layer, arch)
    known = listed(space)
    index = {key: at for at, key in enumerate(keys(known))}
    reached, front = {0}, [0]
    while front:
        near, owners = neighbours(space, known[np.array(front)])
        changed = (space.factors(near) != space.factors(known[np.array(front)])[owners]).sum(axis=(1, 2))
        assert set(np.unique(changed)) <= {0, 2}  # a factor left one place and went to another
        front = sorted({index[key] for key in keys(near)} - reached)
        reached |= set(front)
    assert len(reached) == space.size


def test_shrinking_ends_with_all_loops_outside():
    space = NestSpace(*CASES[1])
    rng = np.random.default_rng(0)
    points = space.draw(30, rng)
    for _ in range(20):
        points = shrunk(space, points, rng)
    assert (points.time[:, 0] == space.sizes).all()
    assert (points.time[:, 1:] == 1).all()
    assert (points.space == 1).all()


def test_points_and_factors_are_two_views():
    space = NestSpace(*CASES[1])
    points = space.draw(50, np.random.default_rng(2))
    again = space.points(space.factors(points), points.order, points.holds)
    assert (again.time == points.time).all()
    assert (again.space == points.space).all()


def test_without_bypass_everything_stays():
    layer, arch = CASES[0]
    space = NestSpace(layer, arch, Options(bypass=False))
    assert (space.draw(10, np.random.default_rng(0)).holds == space.can_hold).all()
    assert len(space.residencies) == 1
    near, _ = neighbours(space, space.smallest())
    assert (near.holds == space.can_hold).all()


def test_sizes_of_the_documentation():
    layer = Layer.conv("r50_c2_3x3", K=64, C=64, H=56, W=56, R=3, S=3, padding=1)
    found = {
        name: [f"{value:.1e}".replace("e+", "e") for padded in (False, True)
               for space in (NestSpace(layer, PRESETS[name](), Options(padded=padded)),) for value in (space.tilings, space.size)]
        for name in ("tri256", "eyeriss")
    }  # fmt: skip
    assert found == {
        "tri256": ["4.0e09", "1.1e14", "4.5e12", "9.7e17"], "eyeriss": ["2.4e09", "3.4e13", "3.0e12", "3.6e17"],
    }  # fmt: skip


def test_only_multiply_accumulates():
    with pytest.raises(SpecError, match="multiply-accumulates"):
        NestSpace(Layer("pool", G=4, K=1, C=1, P=4, Q=4, R=2, S=2, op="max"), PRESETS["tri256"]())
