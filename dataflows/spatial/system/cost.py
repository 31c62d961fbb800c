"""What one layer costs on a system under one mapping: exact cycles, and what moves at every level."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Any

from dataflows.mapping import Mapping
from dataflows.nest.architecture import Architecture, StorageLevel
from dataflows.nest.rules import TENSORS
from dataflows.spatial.program import SpatialProgram, tile_extents
from dataflows.spatial.system.coded import CODED, codable, drawn_codes, obstacles
from dataflows.spatial.system.compile import compile_system
from dataflows.spatial.system.counts import count
from dataflows.spatial.system.deliveries import delivery_length
from dataflows.spatial.system.energy import Ports, area_by_part, energy_by_level, events, ports_of
from dataflows.spatial.system.placement import place_layer
from dataflows.spatial.system.program import SystemProgram
from dataflows.spatial.system.schedule import SystemSchedule, schedule
from dataflows.spatial.system.spec import SpatialSystem
from dataflows.tech import Technology, technology
from dataflows.workload import Layer

MODE = "system"
SCHEMA = 1


def architecture(system: SpatialSystem) -> Architecture:
    """Return the levels as the language of loop nests has them: memory, buffers in front of the PEs, PEs."""
    inside = system.array.architecture(system.name)
    dram = StorageLevel("dram", frozenset(TENSORS), word_bits=inside.levels[0].word_bits)
    return Architecture(system.name, (dram, *inside.levels), mac_pj=0.0, psum_bits=system.array.acc_bits)


def evaluate(
    layer: Layer, system: SpatialSystem, mapping: Mapping, program_beats: int, tech: Technology | None = None
) -> dict[str, Any]:
    """Cost one layer; return the JSON form.

    A system with coders codes the tensors whose density is below 1, where the mapping allows it; cycles and beats are those of
    random tensors of that density.

    Parameters
    ----------
    layer, system, mapping : Layer, SpatialSystem, Mapping
        What runs where and how, levels ``dram``, ``stream`` and ``pe``.
    program_beats : int
        Beats of a program of this system and its tags.
    tech : Technology, optional
        Energy and area table; 45 nm by default.

    Raises
    ------
    SpecError
        For a mapping that does not belong to the layer and the array.
    InfeasibleError
        For limits of array or buffers that the mapping exceeds.
    """
    program = compile_system(layer, system, mapping)
    sparse = layer.input_density < 1, layer.output_density < 1
    return cost_of(replace(program, coded=codable(program, sparse)), program_beats, tech or technology())


def cost_of(program: SystemProgram, program_beats: int, tech: Technology) -> dict[str, Any]:
    """Cost a compiled program; see `evaluate`."""
    layer, system = program.layer, program.system
    codes = drawn_codes(program) if any(program.coded) else None
    timing = schedule(program, place_layer(program, program_beats), codes)
    counters = count(program, timing, program_beats)
    ports = ports_of(program.array)
    beats = sum(value for name, value in counters.items() if name.startswith("dram_"))
    times = {"compute": timing.array_busy, "memory": beats * system.memory.interval, "post": timing.post_busy}
    deliveries = port_cycles(program.array)
    times |= {f"{tensor} ports": deliveries[tensor] for tensor in TENSORS}
    bound = max(times, key=times.__getitem__)
    spent = energy_by_level(happened(program, timing, counters, ports), system, tech)
    energy = sum(sum(tensors.values()) for tensors in spent.values())
    words = {tensor: deliveries[tensor] * ports.used[tensor] for tensor in TENSORS}
    return {
        "schema": SCHEMA, "layer": layer.name, "mode": MODE, "cycles": timing.cycles, "bound_cycles": times[bound],
        "energy_pj": energy, "edp": energy * timing.cycles, "area_um2": sum(area_by_part(system, tech).values()),
        "energy_by_level": spent, "macs": layer.macs, "padded_macs": timing.array_busy * ports.active,
        "utilization": layer.macs / (timing.cycles * system.array.pes), "bound": bound, "cycles_by_limit": times,
        "levels": _levels(program, counters, words), "active_pes": ports.active, "counters": counters, "check": None,
        "coded": [tensor for tensor, coded in zip(CODED, program.coded, strict=True) if coded],
        "not_coded": _not_coded(program),
        "technology": tech.name,
    }  # fmt: skip


def _not_coded(program: SystemProgram) -> dict[str, str]:
    """Return why tensors with zeros are not coded on a system with coders."""
    densities = program.layer.input_density, program.layer.output_density
    if program.system.coding is None:
        return {}
    return {
        tensor: "; ".join(map(str, obstacles(program, tensor)))
        for tensor, coded, density in zip(CODED, program.coded, densities, strict=True)
        if density < 1 and not coded and obstacles(program, tensor)
    }


def port_cycles(array: SpatialProgram) -> dict[str, int]:
    """Return the cycles in which the ports of each tensor move words."""
    found = {tensor: array.tiles(tensor) * delivery_length(array, tensor) for tensor in TENSORS[:2]}
    return {**found, "outputs": array.tiles("outputs") * array.output_words * array.slots}


def happened(program: SystemProgram, timing: SystemSchedule, counters: dict[str, int], ports: Ports) -> dict[str, int]:
    """Return the events of a layer that cost energy (`dataflows.spatial.system.energy.events`)."""
    array = program.array
    beats = {name: counters[f"dram_{name}_reads"] for name in ("weights", "inputs", "program", "scales")}
    exchanges = {tensor: array.tiles(tensor) * prod(tile_extents(array.nest, tensor)) for tensor in TENSORS[:2]}
    return events(
        program.system, ports, {**beats, "outputs": counters["dram_outputs_writes"]}, port_cycles(array), exchanges,
        timing.array_busy, timing.post_busy, counters["accumulator_psums_updates"], timing.cycles,
        counters["input_buffer_inputs_writes"],
    )  # fmt: skip


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
