"""Explanations of loop nests: more is never worse, and what binds is named where it is known."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

import numpy as np
import pytest

from dataflows.feasible import InfeasibleError
from dataflows.nest.architecture import Architecture, Axis, Fanout, StorageLevel, Triple
from dataflows.nest.batch import evaluate_points
from dataflows.nest.rules import TENSORS, Rules
from dataflows.workload import Layer
from mappers.base import Objective
from mappers.explain.lacking import nest_change
from mappers.explain.model import TINY, Explanation
from mappers.explain.nest import explain_nest
from mappers.explain.nest_knobs import KB, above, knobs, unlimited
from mappers.nest.base import Options
from mappers.nest.optimal import OptimalMapper
from mappers.nest.space import NestSpace
from tests.mappers.nest import tiny

ALL = frozenset(TENSORS)
GEMM = Layer("gemm", K=4, C=4, P=4, Q=1, R=1, S=1, H=4, W=1)


def priced(pj: float) -> Triple:
    """Return one energy for all tensors."""
    return pj, pj, pj


def machine(buffer_bits: int | None, dram_bandwidth: float | None, buffer_pj: float = 1.0, side: int = 2) -> Architecture:
    """Return DRAM, a buffer and an array of side x side multipliers."""
    net = Fanout((Axis("rows", side), Axis("cols", side)))
    dram = StorageLevel("dram", ALL, priced(100.0), priced(100.0), bandwidth=dram_bandwidth)
    buffer = StorageLevel("buffer", ALL, priced(buffer_pj), priced(buffer_pj), capacity_bits=buffer_bits, fanout=net)
    return Architecture("made", (dram, buffer), 1.0)


def explained(arch: Architecture, objective: Objective = "edp", layer: Layer = GEMM) -> Explanation:
    return explain_nest(OptimalMapper().map(layer, arch, objective), arch)


def shallow(rng: random.Random) -> Architecture:
    """Return three levels with some limits."""
    levels = []
    for number, pj in enumerate((100.0, 5.0, 1.0)):
        held = ALL if number < 2 else frozenset(rng.sample(TENSORS, 2))
        size = 8 * rng.choice((4, 8, 48)) if number else None
        level = StorageLevel(f"m{number}", held, priced(pj), priced(pj), capacity_bits=size)
        if rng.random() < 0.5:
            level = replace(level, bandwidth=rng.choice((0.5, 1.0, 2.0)))
        levels.append(replace(level, fanout=Fanout((Axis("rows", rng.choice((2, 3))),)) if number else Fanout()))
    return Architecture("shallow", tuple(levels), 1.0, leakage_pj=rng.choice((0.0, 2.0)))


@pytest.mark.parametrize("seed", range(8))
def test_buying_is_never_worth_less_than_nothing_and_never_more_than_no_limit(seed):
    rng = random.Random(seed)
    layer, arch, rules = tiny.layer(rng), shallow(rng), tiny.rules(rng)
    objective = rng.choice(("edp", "energy", "latency"))
    try:
        result = OptimalMapper().map(layer, arch, objective, rules=rules)
    except InfeasibleError:
        pytest.skip("nothing fits")
    found = explain_nest(result, arch, rules=rules)
    assert found.ceiling is not None
    assert found.value == result.value
    for worth in (*found.worths, found.ceiling):
        assert worth.proved
        assert 0 <= worth.by_mapping <= worth.worth <= found.ceiling.worth + TINY
    for field, group in itertools.groupby(found.worths, key=lambda each: each.field):
        *steps, free = group
        assert free.after is None, field
        amounts = [step.after or 0 for step in steps]
        assert amounts == sorted(amounts)
        shares = [each.worth for each in (*steps, free)]
        assert all(first <= second + TINY for first, second in itertools.pairwise(shares))
    if found.exhausted:
        assert not found.pays
        assert OptimalMapper().map(layer, unlimited(arch), objective, rules=rules).value >= result.value * (1 - TINY)


@pytest.mark.parametrize("seed", [1, 5])
def test_worth_is_that_of_the_best_of_all_mappings(seed):
    rng = random.Random(seed)
    layer = Layer("tiny", K=4, C=2, P=3, Q=1, R=1, S=1, H=3, W=1)
    arch = replace(shallow(rng), leakage_pj=0.0)

    def least(there: Architecture) -> float:
        found = np.inf
        for points in NestSpace(layer, there).all():
            figures = evaluate_points(layer, there, points, Rules())
            found = min(found, np.where(figures.fits, figures.energy_pj * figures.cycles, np.inf).min())
        return float(found)

    found = explained(arch, "edp", layer)
    assert found.value == pytest.approx(least(arch))
    assert found.worths
    turned = {knob.field: knob.turned for knob in knobs(arch)}
    for worth in found.worths:
        assert worth.value == pytest.approx(least(turned[worth.field](worth.after))), (worth.field, worth.step)
        assert worth.worth == pytest.approx(1 - worth.value / found.value, abs=1e-9)


def test_a_small_buffer_binds_the_energy_and_the_step_that_holds_a_tensor_is_found():
    # 16 words of each tensor; three words of room hold one of each. The DRAM must be read again and again.
    found = explained(machine(24, None), "energy")
    assert found.binding == ("buffer.capacity_bits",)
    assert not found.exhausted
    by_step = {worth.step: worth for worth in found.worths}
    assert by_step["1 KB more"].after == 24 + KB
    # With 1 KB all three tensors stay on chip: as good as no limit.
    assert by_step["1 KB more"].worth == pytest.approx(by_step["no limit"].worth)
    assert by_step["next power of two"].after == above(24) == 32
    assert 0 < by_step["next power of two"].worth < by_step["no limit"].worth


def test_a_slow_port_binds_the_latency():
    found = explained(machine(24 + KB, 0.5), "latency")
    assert found.bound == "dram"
    assert found.binding == ("dram.bandwidth",)
    by_step = {(worth.field, worth.step): worth.worth for worth in found.worths}
    # 48 words once, 0.5 a cycle: 96 cycles; doubled 48, 1 byte more 32, and the multipliers take 16.
    assert found.cycles == 96
    assert by_step["dram.bandwidth", "doubled"] == pytest.approx(1 / 2)
    assert by_step["dram.bandwidth", "1 byte per cycle more"] == pytest.approx(2 / 3)
    assert by_step["dram.bandwidth", "no limit"] == pytest.approx(5 / 6)
    assert by_step["buffer.capacity_bits", "no limit"] == 0


def test_where_the_multipliers_bind_nothing_can_be_bought():
    found = explained(machine(24 + KB, 64.0), "latency")
    assert found.bound == "compute"
    assert found.cycles == found.work == 16
    assert found.exhausted
    assert found.worths == ()
    assert found.binding == ()


def test_rooms_say_what_is_taken_and_by_how_much_larger_tiles_do_not_fit():
    arch = machine(80, None)
    result = OptimalMapper().map(GEMM, arch, "energy")
    (room,) = explain_nest(result, arch).rooms
    used = sum(tensor["tile_words"] for tensor in result.cost.levels["buffer"].values())
    assert (room.level, room.used, room.size) == ("buffer", 8 * used, 80)
    assert room.full == room.used / 80
    assert room.larger
    for near in room.larger:
        if near.lacks:
            assert near.value is None
            assert all(lack.level == "buffer" and lack.bound == 80 < lack.demand for lack in near.lacks)
            # The lacking room, and no bit more, is what it takes.
            (lack,) = near.lacks
            wide = replace(arch, levels=(arch.levels[0], replace(arch.levels[1], capacity_bits=int(lack.demand))))
            assert OptimalMapper().map(GEMM, wide, "energy").value <= result.value
        else:
            assert near.value is not None
            assert near.value >= result.value * (1 - TINY)


@pytest.mark.parametrize("seed", range(6))
def test_the_smallest_capacity_is_exact(seed):
    rng = random.Random(seed)
    layer, arch, options = tiny.layer(rng), shallow(rng), Options(bypass=False)
    small = tuple(replace(level, capacity_bits=1) if at else level for at, level in enumerate(arch.levels))
    arch = replace(arch, levels=small)
    change = nest_change([layer], arch, options=options)
    assert change is not None
    sizes = {field.split(".")[0]: after for field, _, after, _ in change.fields}

    def fits(changed: dict[str, int]) -> bool:
        """Whether any mapping fits, of all there are."""
        levels = tuple(replace(level, capacity_bits=changed.get(level.name, level.capacity_bits)) for level in arch.levels)
        there = replace(arch, levels=levels)
        return any(evaluate_points(layer, there, points, Rules()).fits.any() for points in NestSpace(layer, there, options).all())

    assert fits(sizes)
    for name, size in sizes.items():
        assert size > 1
        assert not fits(sizes | {name: size - 1})


def test_nothing_lacks_nothing_changes_and_no_capacity_makes_operands_narrower():
    assert nest_change([GEMM], machine(24, None)) is None
    assert nest_change([GEMM], machine(8, None), options=Options(bypass=False)) is not None


def test_every_limit_has_its_steps():
    per_tensor = StorageLevel("buffer", ALL, capacity_bits=(64, None, 32), read_bandwidth=2.0, write_bandwidth=1.0, row_bits=32)
    arch = Architecture("made", (StorageLevel("dram", ALL), per_tensor), 1.0)
    found = {knob.field: knob for knob in knobs(arch)}
    assert list(found) == [
        "buffer.capacity_bits.weights", "buffer.capacity_bits.outputs", "buffer.read_bandwidth", "buffer.write_bandwidth",
    ]  # fmt: skip
    assert found["buffer.capacity_bits.outputs"].turned(40).levels[1].capacity_bits == (64, None, 40)
    assert found["buffer.read_bandwidth"].steps == (("1 byte per cycle more", 2.25), ("doubled", 4.0))
    assert [level.capacity_bits for level in unlimited(arch).levels] == [None, None]
    assert not any(level.limited for level in unlimited(arch).levels)


def test_ctrl_c_leaves_what_is_known():
    arch = machine(24, 0.5)
    result = OptimalMapper().map(GEMM, arch, "energy")
    seen = []

    def stop(done: int, total: int, text: str) -> None:
        seen.append(text)
        if len(seen) > 2:
            raise KeyboardInterrupt

    found = explain_nest(result, arch, progress=stop)
    assert found.interrupted
    assert not found.exhausted
    assert {worth.field for worth in found.worths} == {"dram.bandwidth"}
    assert explain_nest(replace(result, interrupted=True), arch).worths == ()
