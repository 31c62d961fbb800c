"""Tiny random problems whose mappings can all be listed."""

from __future__ import annotations

import random
from dataclasses import replace

from dataflows.nest.architecture import Architecture, Axis, Fanout, StorageLevel, Triple
from dataflows.nest.rules import TENSORS, Rules
from dataflows.workload import Layer

DIMS = "NGKCPQRS"


def layer(rng: random.Random) -> Layer:
    """Return a layer of few loops."""
    size = dict.fromkeys(DIMS, 1)
    for dim in rng.sample(DIMS, rng.choice((2, 2, 3))):
        size[dim] = rng.choice((2, 3, 4, 6) if dim not in "RS" else (2, 3))
    stride, dilation = rng.choice((1, 1, 2)), rng.choice((1, 1, 2))
    high = (size["P"] - 1) * stride + (size["R"] - 1) * dilation + 1
    wide = (size["Q"] - 1) * stride + (size["S"] - 1) * dilation + 1
    return Layer("tiny", **size, H=high, W=wide, stride=(stride, stride), dilation=(dilation, dilation))


def energies(rng: random.Random, scale: float) -> Triple:
    """Return energies of about a scale."""
    if rng.random() < 0.5:
        return (scale, scale, scale)
    return (scale * rng.uniform(0.3, 2), scale * rng.uniform(0.3, 2), scale * rng.uniform(0.3, 2))


def network(rng: random.Random) -> Fanout:
    """Return no instances side by side, a row or an array."""
    names = rng.choice(((), (), ("rows",), ("cols",), ("rows", "cols")))
    axes = tuple(Axis(name, rng.choice((2, 3, 4)), rng.choice((DIMS, DIMS, "KCPQ", "GKR"))) for name in names)
    return Fanout(
        axes, multicast=rng.random() < 0.8, reduction=rng.random() < 0.8, links=rng.random() < 0.3,
        hop_pj=rng.choice((0.0, 0.0, 0.3)), add_pj=rng.choice((0.0, 0.1)),
    )  # fmt: skip


def level(rng: random.Random, number: int, depth: int) -> StorageLevel:
    """Return a level; the first is the outermost."""
    held = TENSORS if number == 0 or rng.random() < 0.5 else rng.sample(TENSORS, rng.choice((1, 2)))
    scale = 100.0 / 8**number
    found = StorageLevel(f"m{number}", frozenset(held), energies(rng, scale), energies(rng, scale), fanout=network(rng))
    if number:
        found = replace(
            found, capacity_bits=8 * rng.choice((2, 4, 8, 16, 48)), buffering=rng.choice(("ideal", "ideal", "double"))
        )
    if rng.random() < 0.4:
        found = replace(found, bandwidth=rng.choice((0.25, 0.5, 1.0, 2.0)))
    elif rng.random() < 0.2:
        found = replace(found, read_bandwidth=rng.choice((0.5, 1.0)), write_bandwidth=rng.choice((0.5, 1.0)))
    if rng.random() < 0.15:
        found = replace(found, row_bits=rng.choice((8, 16, 32)))
    if rng.random() < 0.15:
        found = replace(found, block_words=rng.choice((4, 16)))
    return found


def architecture(rng: random.Random) -> Architecture:
    """Return one to four levels."""
    depth = rng.choice((1, 2, 3, 3, 3, 3, 4))
    levels = tuple(level(rng, number, depth) for number in range(depth))
    return Architecture("tiny", levels, 1.0, psum_bits=rng.choice((None, 16, 24)), leakage_pj=rng.choice((0.0, 0.0, 2.0)))


def rules(rng: random.Random) -> Rules:
    """Return counting rules, mostly the usual ones."""
    if rng.random() < 0.6:
        return Rules()
    return Rules(
        rng.choice(("timeloop", "physical")), rng.choice(("box", "exact")), rng.choice(("timeloop", "strict")),
        rng.choice(("none", "once")),
    )  # fmt: skip
