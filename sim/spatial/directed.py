"""Cases of what is rare among random ones: drawn until they show what is looked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from math import prod
from random import Random
from typing import Any

import numpy as np

from dataflows.errors import CheckFailed
from dataflows.feasible import InfeasibleError
from dataflows.mapping import Level, Loop, Mapping
from dataflows.nest.rules import TENSORS
from dataflows.spatial.array import MOST_OUTER, SpatialArray
from dataflows.spatial.program import REDUCED, SpatialProgram, compile_spatial, tile_extents
from dataflows.workload import Layer
from sim.spatial.cases import KINDS, MOST_STEPS, SpatialCase, padded, random_operands, random_program

__all__ = ["directed_cases", "filling_programs", "words_used"]

SEARCHES = 200
FILLING, MOST_FILLING = 400, 12
Word = tuple[tuple[int, ...], str, int, int]


def directed_cases(array: SpatialArray, seed: int) -> list[SpatialCase]:
    """Return cases of what is rare among random ones.

    Outputs that leave unfinished and are visited again, with the loop of the visits at every place; several groups of outputs
    on one port, whose tiles take several iterations; all words of all PEs.
    """
    rng, numpy_rng = Random(seed), np.random.default_rng(seed)
    visits = _search(rng, array, lambda program: _visiting(program) is not None)
    groups = [_search(rng, array, lambda program: program.slots > 1 and program.changes[2] > 0 and program.tiles("outputs") > 2)]
    programs = [program for program in groups if program]
    if visits:
        moved = (_with_visits_at(visits, at, rng) for at in range(MOST_OUTER))
        programs += [program for program in moved if program]
    programs += filling_programs(array, rng)
    return [
        SpatialCase(f"directed_{number}", program, *random_operands(program, numpy_rng))
        for number, program in enumerate(programs)
    ]


def _search(rng: Random, array: SpatialArray, wanted: Callable[[SpatialProgram], bool]) -> SpatialProgram | None:
    """Draw programs until one is wanted; None if none comes."""
    for number in range(SEARCHES):
        try:
            program = random_program(rng, array, list(KINDS)[number % len(KINDS)])
        except CheckFailed:
            continue
        if wanted(program):
            return program
    return None


def _visiting(program: SpatialProgram) -> int | None:
    """Return the innermost loop that visits outputs again; None if there is none."""
    places = (at for at, loop in enumerate(program.outer) if loop.dim in REDUCED and at > program.changes[2])
    return next(places, None)


def _with_visits_at(program: SpatialProgram, place: int, rng: Random) -> SpatialProgram | None:
    """Pad a program so that the loop of its visits gets a place; None if too many loops are on one side of it."""
    for _ in range(SEARCHES):
        moved = padded(program, rng)
        if moved.outer[place].extent > 1 and moved.outer[place].dim in REDUCED and place > moved.changes[2]:
            return moved
    return None


def filling_programs(array: SpatialArray, rng: Random) -> Iterator[SpatialProgram]:
    """Yield programs, each of which uses words of PEs that none before it has used."""
    used: set[Word] = set()
    found = 0
    for _ in range(FILLING):
        program = _filling(array, rng)
        words = words_used(program) - used if program else set()
        if program and len(words) > len(used) / 50:
            used |= words
            found += 1
            yield program
        if found == MOST_FILLING:
            return


def words_used(program: SpatialProgram) -> set[Word]:
    """Return the places in the PEs' storage that a program writes: PE, tensor, half, word."""
    active = [place for place, tag in program.tags.items() if tag.active]
    found: set[Word] = set()
    for tensor in TENSORS:
        words, halves = prod(tile_extents(program.nest, tensor)), min(2, program.tiles(tensor))
        found |= set(product(active, (tensor,), range(halves), range(words)))
    return found


def _filling(array: SpatialArray, rng: Random) -> SpatialProgram | None:
    """Draw a layer that fills all axes; None if the array does not take it."""
    spatial = [Loop(rng.choice(axis.dims), axis.size, 1, axis.name) for axis in array.axes if axis.size > 1]
    inner = [Loop(rng.choice("KCQSRP"), rng.choice((2, 3, 4, 6, 12))) for _ in range(rng.randint(0, 2))]
    outer = [Loop(rng.choice("NKCPQ"), rng.choice((2, 3))) for _ in range(rng.randint(1, 3))]
    sizes: dict[str, Any] = dict.fromkeys("NGKCPQRS", 1)
    for loop in (*spatial, *inner, *outer):
        sizes[loop.dim] *= loop.extent
    bits: dict[str, Any] = {"input_bits": array.input_bits, "weight_bits": array.weight_bits}
    layer = replace(Layer("conv", 1, 1, 1, 1, **bits), **sizes, H=0, W=0)
    try:
        program = compile_spatial(layer, array, Mapping((Level("stream", (*outer, *spatial)), Level("pe", tuple(inner)))))
    except InfeasibleError:
        return None
    return program if program.iterations * program.steps <= MOST_STEPS else None
