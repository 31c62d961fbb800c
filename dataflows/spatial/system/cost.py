"""What one layer costs on a system under one mapping: exact cycles, and what moves at every level."""

from __future__ import annotations

from math import prod
from typing import Any

from dataflows.mapping import Mapping
from dataflows.nest.architecture import Architecture, StorageLevel
from dataflows.nest.rules import TENSORS
from dataflows.spatial.cost import cost_of
from dataflows.spatial.program import tile_extents
from dataflows.spatial.system.compile import compile_system
from dataflows.spatial.system.counts import count
from dataflows.spatial.system.placement import place_layer
from dataflows.spatial.system.program import SystemProgram
from dataflows.spatial.system.schedule import schedule
from dataflows.spatial.system.spec import SpatialSystem
from dataflows.workload import Layer

MODE = "system"
SCHEMA = 1


def architecture(system: SpatialSystem) -> Architecture:
    """Return the levels as the language of loop nests has them: memory, buffers in front of the PEs, PEs."""
    inside = system.array.architecture(system.name)
    dram = StorageLevel("dram", frozenset(TENSORS), word_bits=inside.levels[0].word_bits)
    return Architecture(system.name, (dram, *inside.levels), mac_pj=0.0, psum_bits=system.array.acc_bits)


def evaluate(layer: Layer, system: SpatialSystem, mapping: Mapping, program_beats: int) -> dict[str, Any]:
    """Cost one layer; return the JSON form.

    Parameters
    ----------
    layer, system, mapping : Layer, SpatialSystem, Mapping
        What runs where and how, levels ``dram``, ``stream`` and ``pe``.
    program_beats : int
        Beats of a program of this system and its tags.

    Raises
    ------
    SpecError
        For a mapping that does not belong to the layer and the array.
    InfeasibleError
        For limits of array or buffers that the mapping exceeds.
    """
    program = compile_system(layer, system, mapping)
    timing = schedule(program, place_layer(program, program_beats))
    counters = count(program, timing, program_beats)
    active = sum(tag.active for tag in program.array.tags.values())
    beats = sum(value for name, value in counters.items() if name.startswith("dram_"))
    times = {"compute": timing.array_busy, "memory": beats * system.memory.interval, "post": timing.post_busy}
    inside = cost_of(program.array)
    times |= {f"{tensor} ports": inside.times[tensor] for tensor in TENSORS}
    bound = max(times, key=times.__getitem__)
    return {
        "schema": SCHEMA, "layer": layer.name, "mode": MODE, "cycles": timing.cycles, "bound_cycles": times[bound],
        "energy_pj": None, "area_um2": None, "macs": layer.macs, "padded_macs": timing.array_busy * active,
        "utilization": layer.macs / (timing.cycles * system.array.pes), "bound": bound, "cycles_by_limit": times,
        "levels": _levels(program, counters, inside.words), "active_pes": active, "counters": counters, "check": None,
    }  # fmt: skip


def _levels(program: SystemProgram, counters: dict[str, int], ports: dict[str, int]) -> dict[str, Any]:
    """Return words per level and tensor: in memory whole beats, at the ports of the array those of ports in use."""
    system = program.system
    dram = {
        tensor: {
            "reads": counters.get(f"dram_{tensor}_reads", 0) * system.beat_words(tensor),
            "writes": counters.get(f"dram_{tensor}_writes", 0) * system.beat_words(tensor),
        }
        for tensor in TENSORS
    }
    tiles = {"weights": program.weight_rows * system.row_words, "inputs": program.inputs.words, "outputs": program.outputs.words}
    stream = {
        tensor: {"reads": ports[tensor] * (tensor != "outputs"), "writes": ports[tensor] * (tensor == "outputs"),
                 "tile_words": tiles[tensor]}
        for tensor in TENSORS
    }  # fmt: skip
    nest = program.array.nest
    return {"dram": dram, "stream": stream, "pe": {each: {"tile_words": prod(tile_extents(nest, each))} for each in TENSORS}}
