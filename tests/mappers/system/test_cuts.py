"""What the mapper counts for many mappings at once is what the compiler and the counters say of each."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from dataflows.feasible import InfeasibleError
from dataflows.nest.rules import TENSORS
from dataflows.spatial.system.compile import NO_CONFLICT, compile_system
from dataflows.spatial.system.cost import cost_of, happened, port_cycles
from dataflows.spatial.system.counts import count
from dataflows.spatial.system.energy import ports_of, total
from dataflows.spatial.system.placement import place_layer
from dataflows.spatial.system.program import SystemProgram
from dataflows.spatial.system.schedule import schedule
from dataflows.tech import technology
from mappers.system.core import core_of
from mappers.system.cuts import ORDERS, cuts_of, figures_inside, figures_outside, reuse
from mappers.system.figures import STATIONARY, Outside, figures
from mappers.system.nests import Nest, nest_of
from mappers.system.spatial import choices
from mappers.system.tiles import pe_tiles
from sim.spatial.arrays import NAMED
from sim.spatial.cases import KINDS, random_layer
from sim.spatial.system.systems import random_system, small

BEATS = 77
TECH = technology()


def drawn(seed: int):
    """Return a system, a layer, a core, its cuts, and a few places among them."""
    rng = Random(seed)
    while True:
        system = small(list(NAMED.values())[seed % len(NAMED)]) if seed % 2 else random_system(rng)
        layer = random_layer(rng, list(KINDS)[seed % len(KINDS)], system.array)
        core = core_of(layer, system, rng.choice(choices(layer, system.array)), rng.choice(pe_tiles(layer, system.array)))
        if core is not None and len(cuts := cuts_of(layer, system, core)):
            return rng, system, layer, core, cuts, rng.sample(range(len(cuts)), min(4, len(cuts)))


@pytest.mark.parametrize("seed", range(60))
def test_figures_are_those_of_the_compiled_program(seed):
    rng, system, layer, core, cuts, places = drawn(seed)
    inside = figures_inside(core, cuts)
    for at in places:
        stationary, order = rng.choice(TENSORS), rng.choice(ORDERS)
        nest = nest_of(core, *cuts.at(at), stationary, order)
        try:
            program = compile_system(layer, system, nest.mapping)
        except InfeasibleError as error:
            only_gaps_lack(error)
            continue
        outside = figures_outside(layer, system, cuts, order, BEATS)
        counters = compare_beats(program, outside, at)
        if reused(nest, stationary):
            compare_energy(program, counters, system, inside, outside, stationary, reuse(cuts, stationary, order), at)


def reused(nest: Nest, stationary: str) -> bool:
    """Whether the tensor has a reuse: if not, the nest is that of another, which has."""
    return any(trips > 1 for dim, trips in nest.inside.items() if dim in STATIONARY[stationary])


def only_gaps_lack(error: InfeasibleError) -> None:
    """Gaps that keep ports apart may not fit, or not be possible, and the scales of a layer are no cut's fault."""
    assert all(reason.level in ("l2.inputs", "l2.outputs", "scales") for reason in error.reasons), str(error)


def taken(values, at: int):
    """Return one of many, or what is the same for all."""
    return values if np.ndim(values) == 0 else values[at]


def compare_beats(program: SystemProgram, outside: Outside, at: int) -> dict[str, int]:
    timing = schedule(program, place_layer(program, BEATS))
    counters = count(program, timing, BEATS)
    names = {"weights": "reads", "inputs": "reads", "outputs": "writes", "program": "reads", "scales": "reads"}
    for name, way in names.items():
        assert taken(outside.beats[name], at) == counters[f"dram_{name}_{way}"], name
    return counters


def compare_energy(program, counters, system, inside, outside, stationary, again, at) -> None:
    timing = schedule(program, place_layer(program, BEATS))
    one = figures(system, TECH, inside, outside, stationary, again, np.maximum)
    found = happened(program, timing, counters, ports_of(program.array))
    found = {**found, "cycles": float(one.cycles[at])}
    assert one.energy_pj[at] == pytest.approx(total(found, system, TECH), rel=1e-9)
    busy = max(timing.array_busy, *port_cycles(program.array).values())
    assert one.cycles[at] >= busy


@pytest.mark.parametrize("seed", range(12))
def test_estimates_are_near_the_schedule(seed):
    """A bound that is far above what is possible would hide good mappings."""
    _, system, layer, core, cuts, places = drawn(seed)
    inside = figures_inside(core, cuts)
    for at in places:
        for stationary in TENSORS:
            nest = nest_of(core, *cuts.at(at), stationary, "K")
            if not reused(nest, stationary):
                continue
            try:
                cycles = cost_of(compile_system(layer, system, nest.mapping), BEATS, TECH)["cycles"]
            except InfeasibleError:
                continue
            outside = figures_outside(layer, system, cuts, "K", BEATS)
            one = figures(system, TECH, inside, outside, stationary, reuse(cuts, stationary, "K"), np.maximum)
            assert one.cycles[at] <= 1.02 * cycles + 2 * system.memory.latency


def test_the_reason_is_called_what_the_compiler_calls_it():
    assert NO_CONFLICT == "ports without conflict"
