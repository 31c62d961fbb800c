"""Passes that are alike are not walked: the schedule is the same as when all are."""

from __future__ import annotations

from random import Random
from unittest.mock import patch

import pytest

from dataflows.arch import Memory
from dataflows.feasible import InfeasibleError
from dataflows.mapping import Level, Loop, Mapping
from dataflows.spatial.array import SpatialArray
from dataflows.spatial.program import SpatialProgram, compile_spatial
from dataflows.spatial.schedule import ArrayRun, schedule
from dataflows.spatial.system.compile import compile_system
from dataflows.spatial.system.placement import place_layer
from dataflows.spatial.system.schedule import schedule as system_schedule
from dataflows.spatial.system.spec import SpatialSystem
from dataflows.workload import Layer
from sim.spatial.arrays import NAMED, random_array
from sim.spatial.cases import KINDS, random_mapping
from sim.spatial.cases import random_program as random_array_program
from sim.spatial.system.cases import random_program
from sim.spatial.system.systems import random_system

SEEDS = range(30)


def long_program(rng: Random, array: SpatialArray) -> SpatialProgram:
    """Return a program with long loops above the PEs."""
    while True:
        sizes = {dim: rng.choice((1, 1, 2, 5, 9)) for dim in "NKCPQRS"}
        layer = Layer("long", **sizes, input_bits=array.input_bits, weight_bits=array.weight_bits)
        try:
            program = compile_spatial(layer, array, random_mapping(rng, layer, array))
        except InfeasibleError:
            continue
        if 200 < program.iterations < 6000:
            return program


def walked(run, *args):
    """Return what `run` returns if every pass is walked."""
    with patch.object(ArrayRun, "alike", new=False):
        return run(*args)


@pytest.mark.parametrize("seed", SEEDS)
def test_arrays_with_long_loops(seed):
    rng = Random(seed)
    array = list(NAMED.values())[seed % len(NAMED)] if seed % 3 else random_array(rng)
    program = long_program(rng, array)
    assert schedule(program) == walked(schedule, program)


@pytest.mark.parametrize("seed", SEEDS)
def test_arrays_and_systems_of_random_programs(seed):
    rng, kind = Random(seed), list(KINDS)[seed % len(KINDS)]
    program = random_array_program(rng, random_array(rng), kind)
    assert schedule(program) == walked(schedule, program)
    whole = random_program(rng, random_system(rng), kind)
    where = place_layer(whole, 100)
    assert system_schedule(whole, where) == walked(system_schedule, whole, where)


@pytest.mark.parametrize("memory", [Memory(16, 1, 4), Memory(8, 3, 40), Memory(16, 2, 1)])
@pytest.mark.parametrize("order", ["CRSPQK", "PQKCRS", "KCRSPQ"])
def test_tiles_of_long_loops(memory, order):
    """Tiles begin late with slow memories; what is skipped begins and ends none."""
    sizes = {"K": 10, "C": 4, "P": 6, "Q": 7, "R": 3, "S": 5}
    layer = Layer("tiles", K=30, C=16, P=12, Q=14, R=3, S=5)
    system = SpatialSystem(NAMED["array_ws"], memory, (16384, 8192, 8192), 1, channels=64)
    inside = (*(Loop(dim, sizes[dim]) for dim in order), Loop("C", 4, 1, "rows"), Loop("K", 3, 1, "cols"))
    outside = Level("dram", (Loop("P", 2), Loop("Q", 2)))
    program = compile_system(layer, system, Mapping((outside, Level("stream", inside), Level("pe", ()))))
    where = place_layer(program, 50)
    found = system_schedule(program, where)
    assert found == walked(system_schedule, program, where)
    assert found.wait_load > 0
