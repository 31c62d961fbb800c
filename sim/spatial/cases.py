"""Random layers and mappings that an array takes: small, awkward, different every seed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataflows.errors import CheckFailed
from dataflows.feasible import InfeasibleError
from dataflows.mapping import Level, Loop, Mapping
from dataflows.spatial.array import MOST_INNER, MOST_OUTER, SpatialArray
from dataflows.spatial.program import InnerLoop, OuterLoop, SpatialProgram, compile_spatial
from dataflows.workload import Layer

KINDS = {
    "conv": "NKCPQRSPQRS", "strided": "KCPQRSPQ", "dilated": "KCPQRSRS", "line": "KQSQSQS", "grouped": "GGKCPQRS",
    "depthwise": "GGNPQRSPQRS", "gemm": "KCQKCQ", "pointwise": "NKCPQPQ", "gemv": "KCKC", "first": "KPQRSPQRS",
}  # fmt: skip
"""Dimensions that grow, by kind of layer."""
MOST_MACS = 240
MOST_MACS_PER_PE = 12
MOST_STEPS = 600
TRIES = 4000


@dataclass(frozen=True, slots=True, eq=False)
class SpatialCase:
    """A layer to run.

    Attributes
    ----------
    name : str
        For messages.
    program : SpatialProgram
        Layer, array and mapping.
    weights, inputs : ndarray of int
        (G, K, C, R, S) and (N, G, C, H, W).
    """

    name: str
    program: SpatialProgram
    weights: NDArray[np.int64]
    inputs: NDArray[np.int64]


def random_cases(array: SpatialArray, number: int, seed: int) -> list[SpatialCase]:
    """Return `number` cases, the kinds in turn.

    Raises
    ------
    CheckFailed
        If no layer was found that the array takes, as when a PE has room for nothing that its axes unroll.
    """
    rng, numpy_rng = Random(seed), np.random.default_rng(seed)
    cases = []
    for index in range(number):
        kind = list(KINDS)[index % len(KINDS)]
        program = random_program(rng, array, kind)
        if index % 2:
            program = padded(program, Random(f"{seed} {index}"))
        cases.append(SpatialCase(f"{index}_{kind}", program, *random_operands(program, numpy_rng)))
    return cases


def random_program(rng: Random, array: SpatialArray, kind: str) -> SpatialProgram:
    """Draw layers and mappings until the array takes one."""
    for _ in range(TRIES):
        layer = random_layer(rng, kind, array)
        try:
            program = compile_spatial(layer, array, random_mapping(rng, layer, array))
        except InfeasibleError:
            continue
        if program.iterations * program.steps <= MOST_STEPS:
            return program
    raise CheckFailed(f"no {kind} layer was found that the array takes in {TRIES} tries: {array}")


def padded(program: SpatialProgram, rng: Random) -> SpatialProgram:
    """Put loops of one iteration between the others until the array has no room for more: the same layer elsewhere.

    Layers of few operations have few loops; so every loop of the sequencer gets its turn.
    """
    outer, inner, where = [], [], []
    places = set(rng.sample(range(MOST_OUTER), len(program.outer)))
    left = list(program.outer)
    for at in range(MOST_OUTER):
        if at in places:
            where.append(at)
            outer.append(left.pop(0))
        else:
            outer.append(OuterLoop(rng.choice("NKC"), 1, 0))
    changes = tuple(where[change] if change < len(where) else MOST_OUTER for change in program.changes)
    places, rest = set(rng.sample(range(MOST_INNER), len(program.inner))), list(program.inner)
    for at in range(MOST_INNER):
        inner.append(rest.pop(0) if at in places else InnerLoop(rng.choice("NKC"), 1, (0, 0, 0)))
    return replace(program, outer=tuple(outer), inner=tuple(inner), changes=(changes[0], changes[1], changes[2]))


def random_layer(rng: Random, kind: str, array: SpatialArray) -> Layer:
    """Draw a layer of a few multiply-accumulates for each PE, with borders, at the array's widths."""
    sizes: dict[str, Any] = dict.fromkeys("NGKCPQRS", 1)
    if kind in ("grouped", "depthwise"):
        sizes["G"] = 2
    most = max(MOST_MACS, MOST_MACS_PER_PE * array.pes)
    steps = (1, 1, 2, 3) if most == MOST_MACS else (1, 2, 3, *(axis.size - 1 for axis in array.axes))
    for _ in range(rng.randint(4, 12)):
        dim = rng.choice(KINDS[kind])
        before = sizes[dim]
        sizes[dim] += rng.choice(steps)
        if np.prod(list(sizes.values())) > most:
            sizes[dim] = before
    stride = (rng.choice((2, 3)), rng.choice((1, 2))) if kind == "strided" else (1, 1)
    dilation = (rng.choice((2, 3)), rng.choice((1, 2))) if kind == "dilated" else (1, 1)
    bits: dict[str, Any] = {"input_bits": array.input_bits, "weight_bits": array.weight_bits}
    layer = replace(Layer(kind, 1, 1, 1, 1, stride=stride, dilation=dilation, **bits), **sizes, H=0, W=0)
    if kind in ("gemm", "gemv", "pointwise"):
        return layer
    top, left, bottom, right = (rng.choice((0, 0, 1, 2)) for _ in range(4))
    return replace(layer, padding=(top, left, bottom, right), H=0, W=0)


def random_mapping(rng: Random, layer: Layer, array: SpatialArray) -> Mapping:
    """Split every dimension over axes, outer loops and loops of the PEs, now and then past its size; in any order."""
    room = {axis.name: axis.size for axis in array.axes}
    inside = rng.choice((0.0, 0.2, 0.5)) if max(array.l1_words) > 1 else 0.1
    stream: list[Loop] = []
    inner: list[Loop] = []
    for dim in rng.sample("NGKCPQRS", 8):
        left = getattr(layer, dim)
        while left > 1:
            axes = [axis.name for axis in array.axes if dim in axis.dims and room[axis.name] > 1]
            if axes and rng.random() < 0.85:
                axis = rng.choice(axes)
                extent = min(room[axis], rng.choice((left, left, rng.randint(2, left))))
                room[axis] //= extent
                stream.append(Loop(dim, extent, 1, axis))
            else:
                extent = rng.choice((left, left, min(left, rng.choice((2, 3)))))
                (inner if rng.random() < inside else stream).append(Loop(dim, extent))
            left = -(-left // extent)
    rng.shuffle(stream)
    rng.shuffle(inner)
    return Mapping((Level("stream", tuple(stream)), Level("pe", tuple(inner))))


def random_operands(program: SpatialProgram, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw signed operands at the array's widths, extremes included."""
    ly, array = program.layer, program.array
    shapes = ((ly.G, ly.K, ly.C, ly.R, ly.S), (ly.N, ly.G, ly.C, ly.H, ly.W))
    found = []
    for shape, bits in zip(shapes, (array.weight_bits, array.input_bits), strict=True):
        low = -(1 << bits - 1)
        found.append(np.where(rng.random(shape) < 0.1, low, rng.integers(low, -low, shape)))
    return found[0], found[1]
