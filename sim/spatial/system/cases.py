"""Random layers and mappings that a system takes: several tiles in memory, edges, padding, every kind of layer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

import numpy as np
from numpy.typing import NDArray

from dataflows.errors import CheckFailed
from dataflows.feasible import InfeasibleError
from dataflows.mapping import Level, Loop, Mapping
from dataflows.spatial.system.coded import Codes
from dataflows.spatial.system.compile import compile_system
from dataflows.spatial.system.program import SystemProgram
from dataflows.spatial.system.spec import SpatialSystem
from dataflows.workload import Layer
from sim.golden.layer import golden_layer
from sim.spatial.cases import KINDS, random_layer, random_mapping
from sim.spatial.system.coded import layer_codes
from sim.tensors import LayerTensors, random_tensors, with_zeros

MOST_STEPS = 3000
TRIES = 4000


@dataclass(frozen=True, slots=True, eq=False)
class SystemCase:
    """A layer to run: program and tensors."""

    name: str
    program: SystemProgram
    tensors: LayerTensors

    @property
    def golden(self) -> NDArray[np.int64]:
        """The outputs, (N, channels of all groups, P, Q)."""
        return golden_layer(self.program.layer, self.tensors, acc_bits=self.program.array.array.acc_bits)

    @property
    def codes(self) -> Codes:
        """What the coders do, if there are any."""
        if not any(self.program.coded):
            return Codes()
        return layer_codes(self.program, self.tensors, self.golden)


def random_cases(system: SpatialSystem, number: int, seed: int) -> list[SystemCase]:
    """Return `number` cases, the kinds in turn.

    Raises
    ------
    CheckFailed
        If no layer was found that the system takes.
    """
    rng, numbers = Random(seed), np.random.default_rng(seed)
    cases = []
    for index in range(number):
        kind = list(KINDS)[index % len(KINDS)]
        program = random_program(rng, system, kind)
        tensors = random_tensors(program.layer, numbers, acc_bits=system.array.acc_bits)
        if any(program.coded):
            tensors = with_zeros(tensors, numbers)
        cases.append(SystemCase(f"{index}_{kind}", program, tensors))
    return cases


def random_program(rng: Random, system: SpatialSystem, kind: str) -> SystemProgram:
    """Draw layers and mappings until the system takes one; loops over memory ever fewer."""
    for attempt in range(TRIES):
        layer = _widened(rng, random_layer(rng, kind, system.array), system)
        if attempt % 50 > 40:
            layer = random_layer(rng, "gemv", system.array)
        part, loops = _tiled(rng, layer, system) if attempt < TRIES // 2 else (layer, [])
        share = 0.3 * (1 - attempt / TRIES)
        mapping = _with_memory(rng, random_mapping(rng, part, system.array), loops, share)
        coded = (rng.random() < 0.75, rng.random() < 0.75) if system.coding else (False, False)
        try:
            program = compile_system(layer, system, mapping, coded=coded)
        except InfeasibleError:
            continue
        if program.array.iterations * program.array.steps <= MOST_STEPS:
            return program
    remedy = "enlarge its buffers, its scale buffer (channels), or the storage in its PEs"
    raise CheckFailed(f"{system.name}: no {kind} layer was found that it takes, in {TRIES:,} tries; {remedy}")


def _widened(rng: Random, layer: Layer, system: SpatialSystem) -> Layer:
    """Now and then give a layer channels enough for several beats, so that loops over memory may walk them."""
    words = system.beat_words("inputs")
    dim = rng.choice("GKC" if layer.G > 1 else "KC")
    if words > 16 or rng.random() < 0.5:
        return layer
    return replace(layer, **{dim: words * rng.choice((1, 2, 2)) + rng.choice((0, 0, 1, -1))}, H=0, W=0)


def _tiled(rng: Random, layer: Layer, system: SpatialSystem) -> tuple[Layer, list[Loop]]:
    """Return a part of a layer, and the loops over memory that make a whole of parts; channels in whole beats."""
    loops, sizes = [], {}
    for dim in rng.sample("NGKCPQRS", 8):
        size = getattr(layer, dim)
        unit = {"C": system.beat_words("inputs"), "K": system.beat_words("outputs")}.get(dim, 1)
        if size > unit and rng.random() < 0.35:
            sizes[dim] = unit * rng.randint(1, -(-size // unit) - 1)
            loops.append(Loop(dim, -(-size // sizes[dim])))
    rng.shuffle(loops)
    return replace(layer, **sizes, H=0, W=0), loops


def _with_memory(rng: Random, mapping: Mapping, loops: list[Loop], share: float) -> Mapping:
    """Put loops round a mapping at memory, and move some of its outermost ones there too."""
    inside = mapping.level("stream").loops
    time = [loop for loop in inside if loop.axis is None]
    outside = list(loops)
    while time and rng.random() < share:
        outside.append(time.pop(0))
    inside = (*time, *(loop for loop in inside if loop.axis is not None))
    return Mapping((Level("dram", tuple(outside)), Level("stream", inside), mapping.level("pe")))
