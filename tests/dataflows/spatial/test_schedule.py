"""Programs and schedules of spatial arrays against the language of loop nests, and against properties that must hold."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from dataflows.feasible import InfeasibleError
from dataflows.mapping import Level, Loop, Mapping
from dataflows.nest.counts import count
from dataflows.nest.rules import Rules
from dataflows.spatial import named
from dataflows.spatial.array import SpatialArray
from dataflows.spatial.cost import cost_of
from dataflows.spatial.program import compile_spatial
from dataflows.spatial.schedule import schedule
from dataflows.spatial.streams import beats, results
from dataflows.workload import Layer
from sim.spatial.arrays import random_array
from tests.dataflows.spatial.random_arrays import draw_program

NO_PORTS = (frozenset[str](), frozenset[str](), frozenset[str]())


def drawn(seed: int, **changes):
    rng = Random(seed)
    return draw_program(rng, replace(random_array(rng), **changes), most_macs=400)


@pytest.mark.parametrize("seed", range(80))
def test_words_on_shared_ports_are_those_of_the_loop_nest(seed):
    program = drawn(seed, ports=NO_PORTS)
    flows = {flow.tensor: flow for flow in count(program.nest, Rules(psums="strict")).flows if flow.child == 0}
    model = schedule(program)
    assert model.beats["weights"] == flows["weights"].reads
    assert model.beats["outputs"] == flows["outputs"].updates
    assert model.beats["inputs"] >= flows["inputs"].reads  # no window is kept here


@pytest.mark.parametrize("seed", range(40))
def test_streams_have_the_beats_of_the_schedule(seed):
    program = drawn(seed)
    model = schedule(program)
    assert [sum(1 for _ in beats(program, tensor)) for tensor in ("weights", "inputs")] == [
        model.beats["weights"], model.beats["inputs"],
    ]  # fmt: skip
    assert sum(1 for _ in results(program)) == model.beats["outputs"]


@pytest.mark.parametrize("seed", range(40))
def test_every_result_is_called_for_once_per_visit(seed):
    program = drawn(seed)
    ly, visits = program.layer, {}
    for places in results(program):
        for at in places:
            if at is not None:
                visits[at] = visits.get(at, 0) + 1
    inside = {
        at: n for at, n in visits.items() if all(i < size for i, size in zip(at, (ly.N, ly.G, ly.K, ly.P, ly.Q), strict=True))
    }
    assert len(inside) == ly.output_words
    assert len(set(inside.values())) == 1


@pytest.mark.parametrize("seed", range(60))
def test_no_engine_is_faster_than_its_work(seed):
    program = drawn(seed)
    model = schedule(program)
    assert model.cycles > max(model.compute, *model.beats.values())
    assert model.compute * program.array.pes >= program.layer.macs


@pytest.mark.parametrize("seed", range(60))
def test_a_broadcast_array_is_never_slower(seed):
    program = drawn(seed)
    axes = tuple(replace(axis, delay=0) for axis in program.array.axes)
    fast = compile_again(program, replace(program.array, axes=axes))
    assert schedule(fast).cycles <= schedule(program).cycles
    assert schedule(fast).beats == schedule(program).beats


def compile_again(program, array: SpatialArray):
    """Bind the same loops to another array."""
    nest = program.nest
    spatial = tuple(Loop(s.dim, s.extent, 1, s.axis) for s in reversed(nest.spreads[1]))
    time = [tuple(Loop(t.dim, t.extent) for t in reversed(trips)) for trips in nest.trips]
    # Loops over space lie inside those over time of their level.
    return compile_spatial(program.layer, array, Mapping((Level("stream", time[1] + spatial), Level("pe", time[0]))))


def test_what_does_not_fit_says_what_is_missing():
    array = named.row_stationary(3, 3, words=(2, 3, 1))
    layer = Layer("rows", K=1, C=1, P=3, Q=3, R=3, S=3)
    spatial = (Loop("R", 3, 1, "rows"), Loop("P", 3, 1, "cols"))
    with pytest.raises(InfeasibleError) as caught:
        compile_spatial(layer, array, Mapping((Level("stream", spatial), Level("pe", (Loop("Q", 3), Loop("S", 3))))))
    found = {(reason.level, reason.demand, reason.bound, reason.unit) for reason in caught.value.reasons}
    assert found == {("pe.weights", 3, 2, "words"), ("pe.inputs", 5, 3, "words"), ("pe.outputs", 3, 1, "words")}


def test_sums_cannot_leave_by_ports_that_must_add():
    array = replace(named.weight_stationary(3, 3), ports=(frozenset(), frozenset(), frozenset({"rows", "cols"})))
    layer = Layer.gemm("gemm", M=2, N=3, K=3)
    loops = (Loop("Q", 2), Loop("C", 3, 1, "rows"), Loop("K", 3, 1, "cols"))
    with pytest.raises(InfeasibleError, match="outputs on rows lacks 2 PEs that add"):
        compile_spatial(layer, array, Mapping((Level("stream", loops), Level("pe", ()))))


@pytest.mark.parametrize("name", named.NAMED)
def test_arrays_round_trip(name):
    sizes = {"array_nlr": (4, 3), "array_nvdla": (4, 3)}.get(name, (4, 3))
    array = named.NAMED[name](*sizes)
    assert SpatialArray.from_dict(array.to_dict()) == array


@pytest.mark.parametrize("seed", range(40))
def test_cost_is_bounded_by_its_busiest_engine(seed):
    program = drawn(seed)
    found = cost_of(program)
    assert found.cycles > found.bound_cycles
    assert found.padded_macs >= found.macs
    assert 0 < found.utilization <= 1
    assert found.words["outputs"] >= program.layer.output_words
    data = found.to_dict()
    assert data["cycles_by_limit"][data["bound"]] == data["bound_cycles"]
