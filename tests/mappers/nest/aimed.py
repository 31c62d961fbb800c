"""Tiny random problems, each kind aimed at something that bounds of the optimal mapper are easily wrong about.

Kinds that an earlier version got wrong are here because random problems of all kinds hit each of them once in thousands.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from dataflows.nest.architecture import Architecture, Axis, Fanout, StorageLevel, Triple
from dataflows.nest.rules import TENSORS, Rules
from dataflows.workload import Layer
from mappers.nest.base import Options
from tests.mappers.nest import tiny, wide

__all__ = ["KINDS", "Case", "draw"]

DIMS = tiny.DIMS


class Case(NamedTuple):
    """A problem."""

    layer: Layer
    arch: Architecture
    rules: Rules
    options: Options


def draw(kind: str, seed: int) -> Case:
    """Return a problem of a kind."""
    rng = random.Random(f"{kind} {seed}")
    return KINDS[kind](rng)


def _layer(
    rng: random.Random, dims: str, loops: int, stride: tuple[int, int] = (1, 1), dilation: tuple[int, int] = (1, 1)
) -> Layer:  # fmt: skip
    """Return a layer of so many loops over some of the dimensions."""
    size = dict.fromkeys(DIMS, 1)
    for dim in rng.sample(dims, loops):
        size[dim] = rng.choice((2, 3) if dim in "RSG" else (2, 3, 4))
    return Layer("tiny", **size, stride=stride, dilation=dilation)


def _energies(rng: random.Random, scale: float) -> Triple:
    return (scale * rng.uniform(0.3, 2), scale * rng.uniform(0.3, 2), scale * rng.uniform(0.3, 2))


def _level(rng: random.Random, number: int, scale: float | None = None) -> StorageLevel:
    """Return a level of a few words that holds all tensors, the outermost without limit."""
    scale = 100.0 / 8**number if scale is None else scale
    words = None if number == 0 else 8 * rng.choice((2, 3, 4, 8, 16))
    return StorageLevel(
        f"m{number}", frozenset(TENSORS), _energies(rng, scale), _energies(rng, scale), capacity_bits=words
    )  # fmt: skip


def _levels(rng: random.Random, depth: int) -> list[StorageLevel]:
    return [_level(rng, number) for number in range(depth)]


def _even(rng: random.Random, depth: int) -> list[StorageLevel]:
    """Return levels of which an inner one may well cost more than an outer one."""
    return [_level(rng, number, rng.choice((1, 5, 20))) for number in range(depth)]


def _axes(rng: random.Random, dims: str = DIMS, count: int = 1) -> tuple[Axis, ...]:
    return tuple(Axis(name, rng.choice((2, 3, 4)), dims) for name in ("rows", "cols", "planes")[:count])


def _steps(rng: random.Random, *choices: int) -> tuple[int, int]:
    return (rng.choice(choices), 1)


def _windows(rng: random.Random) -> Rules:
    return Rules(window=rng.choice(("box", "exact")))


def _case(
    rng: random.Random, layer: Layer, levels: list[StorageLevel], rules: Rules, *, bypass: float = 0.6, leakage_pj: float = 0.0
) -> Case:  # fmt: skip
    options = Options(bypass=rng.random() < bypass)
    return Case(layer, Architecture("tiny", tuple(levels), 0.0, leakage_pj=leakage_pj), rules, options)


def everything(rng: random.Random) -> Case:
    """Any layer, level, network, rule: see `tests.mappers.nest.wide`."""
    return Case(wide.layer(rng), wide.architecture(rng), wide.rules(rng), Options(bypass=rng.random() < 0.75))


def halo_orders(rng: random.Random) -> Case:
    """Physical halo, where every order counts."""
    layer = _layer(rng, "PQRSKCN", rng.choice((3, 4)))
    return _case(rng, layer, _levels(rng, 2), Rules("physical", rng.choice(("box", "exact"))))


def empty_level(rng: random.Random) -> Case:
    """A level that holds nothing, an array anywhere."""
    depth = rng.choice((3, 3, 4))
    levels = _even(rng, depth)
    empty, array = rng.randrange(1, depth), rng.randrange(depth)
    levels[empty] = replace(levels[empty], holds=frozenset())
    levels[array] = replace(levels[array], fanout=Fanout(_axes(rng)))
    return _case(rng, _layer(rng, "NPQKCR", rng.choice((1, 2, 3))), levels, Rules(), bypass=0.2)


def empty_innermost(rng: random.Random) -> Case:
    """An innermost level that holds nothing round one that holds what just fits."""
    levels = _even(rng, 3)
    levels[1] = replace(levels[1], capacity_bits=8 * rng.choice((6, 8, 10, 12, 14, 20)))
    levels[2] = replace(levels[2], holds=frozenset())
    return _case(rng, _layer(rng, "NKCPQ", 3), levels, Rules())


def empty_under_links(rng: random.Random) -> Case:
    """Instances that pass on inputs below the outermost level, with nothing directly inside."""
    levels = _even(rng, 3)
    axes = _axes(rng, rng.choice(("Q", "PQ", "P", "QS")))
    levels[0] = replace(levels[0], fanout=Fanout(axes, links=rng.random() < 0.8))
    levels[1] = replace(levels[1], holds=frozenset())
    stride = (rng.choice((1, 2)), rng.choice((1, 2)))
    return _case(rng, _layer(rng, "PQRSKC", 3, stride), levels, _windows(rng))


def empty_between(rng: random.Random) -> Case:
    """A level that holds nothing, with windows of instances above it and tiles that stay inside it."""
    depth = rng.choice((3, 4))
    levels = _levels(rng, depth)
    empty = rng.randrange(1, depth - 1)
    axes = _axes(rng, rng.choice((DIMS, "PQ", "Q")))
    levels[empty] = replace(levels[empty], holds=frozenset())
    levels[empty - 1] = replace(levels[empty - 1], fanout=Fanout(axes, links=rng.random() < 0.7))
    layer = _layer(rng, "PQRSKC", rng.choice((2, 3)), _steps(rng, 1, 2), _steps(rng, 1, 2))
    return _case(rng, layer, levels, _windows(rng))


def linked_multipliers(rng: random.Random) -> Case:
    """Innermost levels that hold one tensor or none, linked instances round them."""
    levels = _levels(rng, rng.choice((2, 3)))
    held = rng.sample(("weights", "outputs"), rng.choice((0, 0, 1)))
    levels[-1] = replace(levels[-1], holds=frozenset(held))
    levels[-2] = replace(levels[-2], fanout=Fanout(_axes(rng, count=2), links=True))
    layer = _layer(rng, "PRQS", rng.choice((2, 3)), _steps(rng, 1, 2, 3), _steps(rng, 1, 2))
    return _case(rng, layer, levels, _windows(rng))


def links_and_hops(rng: random.Random) -> Case:
    """Links at several levels, hops that cost less or more than a read."""
    depth = rng.choice((2, 3))
    levels = _levels(rng, depth)
    for at in rng.sample(range(depth), rng.choice((1, 2))):
        net = Fanout(_axes(rng), links=True, hop_pj=rng.choice((0.0, 0.5, 20.0, 200.0)))
        levels[at] = replace(levels[at], fanout=net)
    layer = _layer(rng, "PQRSK", rng.choice((2, 3)), _steps(rng, 1, 1, 2))
    return _case(rng, layer, levels, Rules(rng.choice(("timeloop", "physical")), rng.choice(("box", "exact"))))


def skew(rng: random.Random) -> Case:
    """A ramp that depends on how two axes share a dimension."""
    dims = rng.choice((DIMS, "KC"))
    axes = tuple(Axis(name, rng.choice((2, 4, 6)), dims) for name in ("rows", "cols"))
    levels = [_level(rng, 0, 1.0), replace(_level(rng, 1, 0.1), fanout=Fanout(axes, skew="systolic"))]
    return _case(rng, _layer(rng, "KCPR", rng.choice((1, 2))), levels, Rules(ramp="once"))


def gaps(rng: random.Random) -> Case:
    """Boxes round windows that stride or dilation tears apart."""
    depth = rng.choice((2, 3))
    levels = _levels(rng, depth)
    array = rng.randrange(depth)
    levels[array] = replace(levels[array], fanout=Fanout(_axes(rng)))
    stride = (rng.choice((2, 3, 5)), rng.choice((1, 3)))
    layer = _layer(rng, "PQRSK", rng.choice((2, 3)), stride, _steps(rng, 1, 3, 4))
    return _case(rng, layer, levels, Rules(rng.choice(("timeloop", "timeloop", "physical"))))


def dilated(rng: random.Random) -> Case:
    """Windows with gaps, of which a longer step can keep more; instances further out."""
    depth = rng.choice((3, 4))
    size = {"P": rng.choice((4, 6, 8)), "R": rng.choice((2, 3)), "K": rng.choice((1, 2))}
    layer = Layer("tiny", C=1, Q=1, **size, stride=_steps(rng, 1, 1, 2, 3), dilation=_steps(rng, 2, 3, 4))
    levels = _levels(rng, depth)
    array = rng.randrange(depth - 1)
    levels[array] = replace(levels[array], fanout=Fanout(_axes(rng)))
    return _case(rng, layer, levels, Rules(window="exact"))


def dilated_deep(rng: random.Random) -> Case:
    """The same over four levels, of which two let inputs pass by."""
    size = {"P": rng.choice((8, 12)), "R": 3, "K": rng.choice((1, 1, 2))}
    layer = Layer("tiny", C=1, Q=1, **size, dilation=_steps(rng, 2, 4))
    levels = [_level(rng, number, scale) for number, scale in enumerate((100, 10, 5, 1))]
    held = frozenset(rng.sample(TENSORS, rng.choice((1, 2)))) | {"inputs"}
    levels[1] = replace(levels[1], fanout=Fanout((Axis("rows", rng.choice((2, 4)), "P"),)))
    levels[2] = replace(levels[2], holds=frozenset(("outputs",)))
    levels[3] = replace(levels[3], capacity_bits=8 * rng.choice((3, 4, 5, 7)), holds=held)
    return _case(rng, layer, levels, Rules(window="exact"))


def strict(rng: random.Random) -> Case:
    """Strict sums, mostly brought one by one."""
    depth = rng.choice((2, 3))
    levels = _levels(rng, depth)
    for at in rng.sample(range(depth), rng.choice((1, 2))):
        net = Fanout(_axes(rng), reduction=rng.random() < 0.3, hop_pj=rng.choice((0, 3.0)))
        levels[at] = replace(levels[at], fanout=net)
    return _case(rng, _layer(rng, "CRKS", rng.choice((2, 3))), levels, Rules(psums="strict"))


def strict_writes(rng: random.Random) -> Case:
    """The same where nearly nothing but sums costs, and leakage."""
    depth = rng.choice((2, 3))
    levels = [
        replace(_level(rng, number, 1.0), read_pj=(0.0, 0.0, 0.1), write_pj=(0.0, 0.0, rng.choice((1.0, 9.0))))
        for number in range(depth)
    ]  # fmt: skip
    levels[0] = replace(levels[0], fanout=Fanout(_axes(rng, "CR", 2), reduction=False))
    return _case(rng, _layer(rng, "CRK", rng.choice((2, 3))), levels, Rules(psums="strict"), leakage_pj=20.0)


KINDS: dict[str, Callable[[random.Random], Case]] = {
    each.__name__: each
    for each in (
        everything, halo_orders, empty_level, empty_innermost, empty_under_links, empty_between, linked_multipliers,
        links_and_hops, skew, gaps, dilated, dilated_deep, strict, strict_writes,
    )
}  # fmt: skip
