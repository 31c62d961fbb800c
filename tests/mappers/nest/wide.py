"""Tiny random problems of everything that layers, architectures and rules can say."""

from __future__ import annotations

import random
from dataclasses import replace

from dataflows.compression import Format
from dataflows.datapath import Datapath
from dataflows.nest.architecture import Architecture, Axis, Fanout, StorageLevel, Triple
from dataflows.nest.rules import TENSORS, Rules
from dataflows.workload import Layer
from tests.mappers.nest.tiny import DIMS

__all__ = ["architecture", "layer", "rules"]

POOLS = (DIMS, DIMS, "PRKC", "PQRS", "PRQNKC")
UNROLLED = (DIMS, DIMS, "KCPQ", "GKR", "PR", "CRS", "K")


def layer(rng: random.Random) -> Layer:
    """Return a layer of up to four loops, with steps of up to three, any widths and densities."""
    size = dict.fromkeys(DIMS, 1)
    for dim in rng.sample(rng.choice(POOLS), rng.choice((1, 2, 2, 3, 3, 4))):
        size[dim] = rng.choice((2, 3, 4)) if dim in "RS" else rng.choice((2, 3, 4, 6))
    found = Layer("tiny", **size, stride=_steps(rng), dilation=_steps(rng))
    if rng.random() < 0.3:
        bits = rng.choice((4, 8, 16)), rng.choice((2, 4, 8, 16)), rng.choice((None, 8, 16, 32))
        found = replace(found, input_bits=bits[0], weight_bits=bits[1], output_bits=bits[2])
    if rng.random() < 0.3:
        full = rng.choice((1.0, 0.5, 0.1)), rng.choice((1.0, 0.6, 0.2)), rng.choice((1.0, 0.5))
        found = replace(found, input_density=full[0], weight_density=full[1], output_density=full[2])
    return found


def _steps(rng: random.Random) -> tuple[int, int]:
    return (rng.choice((1, 1, 2, 3)), rng.choice((1, 1, 2, 3)))


def _energies(rng: random.Random, scale: float) -> Triple:
    """Return energies that are equal, nothing, something or nothing, or about a scale."""
    kind = rng.random()
    if kind < 0.5:
        return (scale, scale, scale) if kind < 0.4 else (0.0, 0.0, 0.0)
    factors = [rng.choice((0.0, 1.0)) if kind < 0.6 else rng.uniform(0.3, 2) for _ in range(3)]
    return (scale * factors[0], scale * factors[1], scale * factors[2])


def _network(rng: random.Random) -> Fanout:
    names = rng.choice(((), (), ("rows",), ("cols",), ("rows", "cols"), ("rows", "cols", "planes")))
    return Fanout(
        tuple(Axis(name, rng.choice((1, 2, 3, 4)), rng.choice(UNROLLED)) for name in names), rng.random() < 0.75,
        rng.random() < 0.7, rng.random() < 0.4, rng.choice((0.0, 0.0, 0.3, 5.0)), rng.choice((0.0, 0.1, 4.0)),
        rng.choice(("none", "none", "systolic", "tree")),
    )  # fmt: skip


def _level(rng: random.Random, number: int) -> StorageLevel:
    """Return a level; the first is the outermost."""
    held = TENSORS if number == 0 or rng.random() < 0.5 else rng.sample(TENSORS, rng.choice((0, 1, 2)))
    scale = 100.0 / 8 ** (number if rng.random() < 0.75 else rng.choice((0, 1, 2, 3)))
    found = StorageLevel(f"m{number}", frozenset(held), _energies(rng, scale), _energies(rng, scale), fanout=_network(rng))
    return _in_rows(rng, _with_ports(rng, _sized(rng, found, number)))


def _sized(rng: random.Random, level: StorageLevel, number: int) -> StorageLevel:
    """Return the level with a capacity, of all tensors together or of each."""
    if number == 0:
        return replace(level, capacity_bits=rng.choice((*[None] * 20, 16 * 8, 64 * 8, 500 * 8)))
    each = [8 * rng.choice((2, 4, 8, 16, 48)) for _ in range(4)]
    apart = tuple(rng.choice((None, bits)) for bits in each[:3])
    room = rng.choice((each[3], each[3], apart, None))
    return replace(level, capacity_bits=room, buffering=rng.choice(("ideal", "ideal", "double", "single")))


def _with_ports(rng: random.Random, level: StorageLevel) -> StorageLevel:
    kind = rng.random()
    if kind < 0.4:
        return replace(level, bandwidth=rng.choice((0.25, 0.5, 1.0, 2.0, 0.3)))
    if kind < 0.6:
        return replace(level, read_bandwidth=rng.choice((None, 0.5, 1.0)), write_bandwidth=rng.choice((0.3, 0.5, 1.0)))
    return level


def _in_rows(rng: random.Random, level: StorageLevel) -> StorageLevel:
    """Return the level with words of some width, rows of several, blocks, or compressed tensors."""
    kind, words = rng.random(), (rng.choice((4, 8, 16)), rng.choice((4, 8, 16)), rng.choice((4, 8, 16)))
    if kind < 0.2:
        level = replace(level, row_bits=rng.choice((8, 16, 32, 64)), word_bits=rng.choice(((8, 8, 8), (None, None, None), words)))
        if rng.random() < 0.5:
            dims = rng.choice(("K", "C", "CR")), rng.choice(("C", "N", "NC")), rng.choice(("K", "Q", "KPQ"))
            level = replace(level, row_dims=dims)
    elif kind < 0.45:
        level = replace(level, word_bits=words)
    if rng.random() < 0.15:
        level = replace(level, block_words=rng.choice((4, 16)))
    if rng.random() < 0.15:
        kinds = ("dense", "bitmask", "rlc", "csc", "coordinate")
        level = replace(level, formats=(Format(rng.choice(kinds)), Format(rng.choice(kinds)), Format(rng.choice(kinds))))
    return level


def _datapath(rng: random.Random) -> Datapath:
    operands = [frozenset(each) for each in ((), ("weights",), ("inputs",), ("weights", "inputs"))]
    gate = rng.choice(operands)
    return Datapath(
        rng.choice(("parallel", "serial_weights", "serial_both", "composable")), weight_bits=16, input_bits=16,
        storage=rng.choice(("tight", "rounded")), gate=gate, skip=rng.choice(operands) - gate,
    )  # fmt: skip


def architecture(rng: random.Random) -> Architecture:
    """Return one to four levels."""
    levels = tuple(_level(rng, number) for number in range(rng.choice((1, 2, 2, 3, 3, 3, 4, 4))))
    return Architecture(
        "tiny", levels, rng.choice((0.0, 1.0)), rng.choice((None, 16, 24, 4)), rng.choice((0.0, 0.0, 2.0, 50.0)),
        datapath=_datapath(rng) if rng.random() < 0.3 else None,
    )  # fmt: skip


def rules(rng: random.Random) -> Rules:
    """Return counting rules."""
    if rng.random() < 0.4:
        return Rules()
    return Rules(
        rng.choice(("timeloop", "physical")), rng.choice(("box", "exact")), rng.choice(("timeloop", "strict")),
        rng.choice(("none", "once")),
    )  # fmt: skip
