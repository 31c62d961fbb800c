"""Tiny problems whose best mapping an earlier bound, or an earlier list of choices, left out: each against all mappings."""

from __future__ import annotations

import pytest

from dataflows.nest.architecture import Architecture, Axis, Fanout, StorageLevel
from dataflows.nest.rules import TENSORS, Rules
from dataflows.workload import Layer
from mappers.base import Objective
from mappers.nest import optimal
from mappers.nest.base import Options
from mappers.nest.exhaustive import ExhaustiveMapper
from mappers.nest.optimal import OptimalMapper
from mappers.nest.proof import orders as proof_orders

ENTIRE = Options(bypass=False)


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the optimum to the proof: a local search before it would find it in spaces this small."""
    monkeypatch.setattr(optimal, "LOCAL", 1)


def level(
    name: str, read: float, write: float, words: int | None = None, *, holds: tuple[str, ...] = TENSORS,
    fanout: Fanout | None = None,
) -> StorageLevel:  # fmt: skip
    """Return a level of 8-bit words."""
    bits, reads, writes = None if words is None else 8 * words, (read, read, read), (write, write, write)
    return StorageLevel(name, frozenset(holds), reads, writes, capacity_bits=bits, fanout=fanout or Fanout())


def layer(
    stride: int = 1, dilation: int = 1, *, N: int = 1, K: int = 1, C: int = 1, P: int = 1, Q: int = 1, R: int = 1,
) -> Layer:  # fmt: skip
    """Return a layer of these loops; stride and dilation along the rows."""
    return Layer("tiny", N=N, K=K, C=C, P=P, Q=Q, R=R, stride=(stride, 1), dilation=(dilation, 1))


def compare(
    layer: Layer, levels: tuple[StorageLevel, ...], objective: Objective, rules: Rules | None = None,
    options: Options | None = None,
) -> None:  # fmt: skip
    """Hold the optimal mapper against the exhaustive one."""
    arch = Architecture("tiny", levels, 0.0)
    best = ExhaustiveMapper().map(layer, arch, objective, rules=rules, options=options)
    found = OptimalMapper().map(layer, arch, objective, rules=rules, options=options)
    assert found.value == pytest.approx(best.value, rel=1e-9)
    assert found.gap == 0


def test_level_inside_that_holds_nothing() -> None:
    """All loops of the level around it count, whatever they are free for."""
    levels = (level("dram", 1, 1), level("glb", 40, 40, 6), level("rf", 20, 20, 4, holds=()))
    compare(layer(N=2, K=3, Q=2), levels, "energy", options=ENTIRE)


def test_systolic_skew_depends_on_how_axes_share() -> None:
    """Four channels are two hops from end to end as 2 x 2, and three as 4 x 1."""
    array = Fanout((Axis("rows", 4, "KC"), Axis("cols", 4, "KC")), skew="systolic")
    levels = (level("dram", 1, 2), level("glb", 1, 1, 16, fanout=array))
    compare(layer(C=4), levels, "edp", Rules(ramp="once"), ENTIRE)


def test_box_round_everything_has_gaps_that_no_tile_has() -> None:
    """Rows 5 apart: a box round all three has eleven."""
    spread = Fanout((Axis("rows", 2),))
    levels = (level("dram", 200, 100, fanout=spread), level("glb", 25, 6, 8))
    compare(
        Layer("tiny", K=1, C=1, P=3, Q=1, S=3, stride=(5, 3), dilation=(4, 1)), levels, "energy", Rules(halo="physical"), ENTIRE
    )


def test_hop_that_costs_more_than_a_read() -> None:
    """Reads that may be fewer than there are must not become hops."""
    array = Fanout((Axis("rows", 4),), links=True, hop_pj=200.0)
    levels = (level("dram", 200, 50), level("glb", 25, 25, 16, fanout=array))
    compare(layer(2, K=3, P=2, R=3), levels, "edp", Rules(halo="physical", window="exact"), ENTIRE)


def test_strict_sums_that_are_not_added_on_their_way() -> None:
    """Of instances that bring their sums one by one, the strict rule fills one."""
    array = Fanout((Axis("rows", 3, "CR"), Axis("cols", 4, "CR")), reduction=False)
    sums = (0.0, 0.0, 0.1), (0.0, 0.0, 9.0), (0.0, 0.0, 1.0)
    levels = (
        StorageLevel("dram", frozenset(TENSORS), sums[0], sums[1], fanout=array),
        StorageLevel("glb", frozenset(TENSORS), sums[0], sums[2], capacity_bits=32),
    )
    arch = Architecture("tiny", levels, 0.0, leakage_pj=20.0)
    best = ExhaustiveMapper().map(layer(K=4, C=3, R=2), arch, "energy", rules=Rules(psums="strict"))
    found = OptimalMapper().map(layer(K=4, C=3, R=2), arch, "energy", rules=Rules(psums="strict"))
    assert (found.value, found.gap) == (pytest.approx(best.value, rel=1e-9), 0)


def test_dilated_window_keeps_more_of_a_longer_step() -> None:
    """Rows 0, 2 and 4 share none with themselves a step further, and two with themselves two steps further."""
    array = Fanout((Axis("rows", 4, "P"),))
    levels = (
        level("dram", 200, 100), level("glb", 5, 10, 16, fanout=array), level("mid", 5, 5, 16, holds=("outputs",)),
        level("rf", 1, 1, 4, holds=("inputs", "outputs")),
    )  # fmt: skip
    compare(layer(1, 2, P=8, R=3), levels, "energy", Rules(window="exact"), ENTIRE)


def test_loops_between_linked_multipliers() -> None:
    """How far apart multipliers work decides what they pass on, also where no buffer is between them."""
    array = Fanout((Axis("rows", 2), Axis("cols", 2)), links=True)
    levels = (level("dram", 100, 100, fanout=array), level("rf", 12, 12, 8, holds=()))
    compare(layer(2, P=4, R=4), levels, "energy", options=ENTIRE)


def test_physical_halo_minds_every_order() -> None:
    """What windows share from step to step depends on all loops above them, not on the innermost alone."""
    levels = (level("dram", 200, 100), level("glb", 12, 25, 4))
    compare(layer(P=3, Q=2, R=2), levels, "energy", Rules(halo="physical"), ENTIRE)


def test_orders_that_are_not_tried_leave_the_bound_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proof where there are too many, but a bound that holds."""
    monkeypatch.setattr(proof_orders, "ORDERS", 1)
    levels = (level("dram", 200, 100), level("glb", 12, 25, 4))
    arch, rules, small = Architecture("tiny", levels, 0.0), Rules(halo="physical"), layer(P=3, Q=2, R=2)
    best = ExhaustiveMapper().map(small, arch, "energy", rules=rules, options=ENTIRE)
    found = OptimalMapper().map(small, arch, "energy", rules=rules, options=ENTIRE)
    assert found.bound is not None
    assert found.bound <= best.value < found.value
    assert found.gap
