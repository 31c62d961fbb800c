"""Programs of systems: the nests lead to the words that the streams of the array name, and ports meet in different banks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from random import Random

import pytest

from dataflows.arch import Memory
from dataflows.errors import SpecError
from dataflows.feasible import InfeasibleError
from dataflows.mapping import Level, Loop, Mapping
from dataflows.nest.rules import TENSORS
from dataflows.spatial import named
from dataflows.spatial.program import Coordinates, base
from dataflows.spatial.streams import beats, results
from dataflows.spatial.system.compile import compile_system
from dataflows.spatial.system.geometry import lanes
from dataflows.spatial.system.nests import LoopNest
from dataflows.spatial.system.placement import place_layer
from dataflows.spatial.system.program import SystemProgram, inputs_nest, results_nest, weights_nest
from dataflows.spatial.system.schedule import schedule
from dataflows.spatial.system.spec import SpatialSystem
from dataflows.workload import Layer
from sim.spatial.cases import KINDS
from sim.spatial.system.cases import random_program
from sim.spatial.system.systems import random_system

SEEDS = range(60)


def drawn(seed: int) -> SystemProgram:
    rng = Random(seed)
    return random_program(rng, random_system(rng), list(KINDS)[seed % len(KINDS)])


def walked(nest: LoopNest) -> Iterator[tuple[int, ...]]:
    loops = [*nest.inner, *nest.outer[nest.change :]]
    for each in product(*(range(loop.extent) for loop in loops[::-1])):
        yield tuple(sum(at * loop.strides[n] for at, loop in zip(each[::-1], loops, strict=True)) for n in range(len(nest.walks)))


def origins(program: SystemProgram, tensor: str, change: int) -> Iterator[Coordinates]:
    """Yield where the tile in the buffer begins, for every pass."""
    loops = program.array.outer[change:]
    for each in product(*(range(loop.extent) for loop in loops[::-1])):
        at: dict[str, int] = {}
        for index, (position, loop) in zip(each[::-1], enumerate(loops, change), strict=True):
            if (
                position >= program.depth
                and not (tensor == "outputs" and loop.dim in "CRS")
                and not (tensor == "inputs" and loop.dim == "K")
            ):
                at[loop.dim] = at.get(loop.dim, 0) + index * loop.step
        yield base(program.layer, tensor, at)


def less(one: Coordinates, other: Coordinates) -> Coordinates:
    return tuple(a - b for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("seed", SEEDS)
def test_inputs_are_the_words_of_the_stream(seed):
    program = drawn(seed)
    nest, ports = inputs_nest(program), lanes(program.array, "inputs")
    begin = (each for each in origins(program, "inputs", nest.change) for _ in range(nest.length))
    stream = list(beats(program.array, "inputs"))
    assert len(stream) == nest.length * nest.passes
    for beat, sums, origin in zip(stream, walked(nest), begin, strict=True):
        address, y, x, *fields = sums
        assert tuple(fields) == beat.fields
        for port, word in zip(ports, beat.words, strict=True):
            if port is not None and word is not None:
                assert program.inputs.address(less(word, origin)) == address + program.inputs.address(port)
                assert (word[3], word[4]) == (y + port[3], x + port[4])
                assert 0 <= address + program.inputs.address(port) < program.inputs.words


@pytest.mark.parametrize("seed", SEEDS)
def test_sums_go_where_the_stream_says(seed):
    program = drawn(seed)
    nest, ports = results_nest(program), lanes(program.array, "outputs")
    begin = (each for each in origins(program, "outputs", nest.change) for _ in range(nest.length))
    for words, (address,), origin in zip(results(program.array), walked(nest), begin, strict=True):
        for port, word in zip(ports, words, strict=True):
            if port is not None and word is not None:
                assert program.outputs.address(less(word, origin)) == address + program.outputs.address(port)


@pytest.mark.parametrize("seed", SEEDS)
def test_rows_of_weights_are_told_apart(seed):
    program = drawn(seed)
    nest = weights_nest(program)
    seen: dict[int, object] = {}
    begin = (each for each in origins(program, "weights", nest.change) for _ in range(nest.length))
    for beat, (row, *fields), origin in zip(beats(program.array, "weights"), walked(nest), begin, strict=True):
        assert tuple(fields) == beat.fields
        assert 0 <= row < program.weight_rows
        words = tuple(word and less(word, origin) for word in beat.words)
        assert seen.setdefault(row, words) == words
    assert len(set(seen.values())) == len(seen)


@pytest.mark.parametrize("seed", SEEDS)
def test_ports_meet_in_different_banks(seed):
    program = drawn(seed)
    for tensor, box in (("inputs", program.inputs), ("outputs", program.outputs)):
        places = {box.address(port) for port in lanes(program.array, tensor) if port is not None}
        banks = program.system.banks(tensor)
        assert len({place % banks for place in places}) == len(places)
        # Words of a box have places of their own.
        extents = (range(box.images), range(1), range(box.channels), range(box.rows), range(box.cols))
        assert len({box.address(at) for at in product(*extents)}) == box.images * box.rows * box.cols * box.channels


@pytest.mark.parametrize("seed", range(20))
def test_a_better_memory_never_costs_cycles(seed):
    program = drawn(seed)
    found = []
    for interval, latency in ((1, 1), (1, 9), (2, 9), (2, 60), (5, 60)):
        memory = Memory(program.system.memory.bus_bytes, interval, latency)
        system = replace(program.system, memory=memory)
        found.append(schedule(replace(program, system=system), place_layer(program, 100)).cycles)
    assert found == sorted(found)


def limit(layer: Layer, system: SpatialSystem, dram: tuple[Loop, ...], stream: tuple[Loop, ...]) -> str:
    with pytest.raises(InfeasibleError) as error:
        compile_system(layer, system, Mapping((Level("dram", dram), Level("stream", stream), Level("pe", ()))))
    return str(error.value)


def test_limits_are_named():
    system = SpatialSystem(named.weight_stationary(4, 3), Memory(8))
    layer = Layer.gemm("gemm", M=64, N=24, K=32)
    on = (Loop("C", 4, 1, "rows"), Loop("K", 3, 1, "cols"))
    assert "round one over outputs" in limit(layer, system, (Loop("C", 8), Loop("Q", 2)), (Loop("Q", 32), Loop("K", 8), *on))
    assert "past a beat of inputs" in limit(layer, system, (Loop("C", 8),), (Loop("Q", 64), Loop("K", 8), *on))
    small = replace(system, l2_words=(16, 4096, 4096))
    assert "l2.weights" in limit(layer, small, (), (Loop("Q", 64), Loop("K", 8), Loop("C", 8), *on))
    few = replace(system, channels=16)
    assert "scales" in limit(layer, few, (), (Loop("Q", 64), Loop("K", 8), Loop("C", 8), *on))


def test_what_the_fields_of_a_program_cannot_say_is_refused():
    system = SpatialSystem(named.weight_stationary(4, 3), Memory(8))
    wide = Layer("wide", K=1, C=1, P=1, Q=1, G=600_000)
    assert "beats of a pixel's channels of inputs" in limit(wide, system, (Loop("G", 60_000),), (Loop("G", 10),))
    beyond = (Loop("K", 8), Loop("C", 1, 1, "rows"), Loop("K", 3, 1, "cols"))  # tiles past the end, that would count from 0 again
    past = limit(Layer.gemm("few", M=1, N=4, K=1), system, (Loop("K", 40_000),), beyond)
    assert "beats of a pixel's channels of outputs" in past
    padded = Layer("padded", K=1, C=1, P=1, Q=1, H=1, W=1, R=3, padding=(70_000, 0, 70_000, 0))
    assert "padding" in limit(padded, system, (), (Loop("R", 3),))


def test_levels_are_named():
    system = SpatialSystem(named.weight_stationary(4, 3))
    layer = Layer.gemm("gemm", M=2, N=3, K=4)
    with pytest.raises(SpecError, match="dram, stream, pe"):
        compile_system(layer, system, Mapping((Level("l2", ()),)))
    with pytest.raises(SpecError, match="loops over time"):
        compile_system(layer, system, Mapping((Level("dram", (Loop("C", 4, 1, "rows"),)),)))


def test_specs_are_checked():
    array = named.weight_stationary(4, 3)
    with pytest.raises(SpecError, match="power of two"):
        SpatialSystem(array, post_lanes=3)
    with pytest.raises(SpecError, match="tag"):
        SpatialSystem(array, Memory(4))
    with pytest.raises(SpecError, match="divides a beat"):
        SpatialSystem(replace(array, input_bits=5))
    with pytest.raises(SpecError, match="links"):
        SpatialSystem(named.shidiannao(3, 3, links=2))
    assert {tensor: SpatialSystem(array).rows(tensor) for tensor in TENSORS} == {"weights": 1024, "inputs": 241, "outputs": 410}
