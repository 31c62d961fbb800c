"""Energy and area of a system from a technology table: what its counters count, and what happens in the PEs.

As for the other accelerators (`dataflows.cost`) every memory is CACTI's and logic is scaled from published blocks; control,
rotators and crossbars are not in the tables. A PE reads both operands and its sum, and writes the sum, for every
multiply-accumulate.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from dataflows.cost import SRAM_PORTS
from dataflows.nest.pricing import REGISTER_BITS
from dataflows.nest.rules import TENSORS
from dataflows.spatial.array import SpatialArray
from dataflows.spatial.program import SpatialProgram
from dataflows.spatial.system.coding import LENGTH_BITS
from dataflows.spatial.system.geometry import lanes
from dataflows.spatial.system.spec import SpatialSystem
from dataflows.tech import Technology

Prices = dict[str, tuple[tuple[str, str, float], ...]]
"""Per event, where its energy is spent: level, tensor, pJ."""
EnergyByLevel = dict[str, dict[str, float]]


@dataclass(frozen=True, slots=True)
class Ports:
    """What a mapping uses of the array's ports.

    Attributes
    ----------
    used : dict
        ``{tensor: ports in use}``.
    words : int
        Different words of the input buffer that its ports read in a cycle.
    active : int
        PEs in use.
    """

    used: dict[str, int]
    words: int
    active: int


def ports_of(program: SpatialProgram) -> Ports:
    """Return what a program uses of the ports."""
    found = {tensor: [lane for lane in lanes(program, tensor) if lane is not None] for tensor in TENSORS}
    return Ports({tensor: len(each) for tensor, each in found.items()}, len(set(found["inputs"])), program.nest.pes)


def events(
    system: SpatialSystem, ports: Ports, beats: Mapping[str, Any], deliveries: Mapping[str, Any], exchanges: Mapping[str, Any],
    compute: Any, post: Any, updates: Any, cycles: Any, filled: Any = None,
) -> dict[str, Any]:  # fmt: skip
    """Return how often what happens in a layer that costs energy; works on numbers and on arrays.

    Parameters
    ----------
    beats : mapping
        Beats of ``weights``, ``inputs``, ``outputs``, ``program`` and ``scales`` over the memory port.
    deliveries : mapping
        Cycles in which the ports of each tensor move words.
    exchanges : mapping
        Words that a PE in use takes, of weights and of inputs.
    compute, post, updates, cycles : int or array
        Cycles in which PEs compute, in which sums are requantised, in which sums are added to what is there, and all cycles.
    filled : int or array, optional
        Beats written to the input buffer, if they are not those over the port.
    """
    used = ports.used
    macs = compute * ports.active
    return {
        **{f"dram {name}": number for name, number in beats.items()},
        "fill inputs": beats["inputs"] if filled is None else filled,
        "read weights": deliveries["weights"], "read inputs": deliveries["inputs"] * ports.words,
        "write sums": deliveries["outputs"] * used["outputs"], "read sums": updates * used["outputs"],
        "drain sums": post * system.post_lanes,
        **{f"port {tensor}": deliveries[tensor] * used[tensor] for tensor in TENSORS},
        **{f"take {tensor}": exchanges[tensor] * ports.active for tensor in TENSORS[:2]},
        "macs": macs, "cycles": cycles,
    }  # fmt: skip


@lru_cache(maxsize=64)
def prices(system: SpatialSystem, tech: Technology) -> Prices:
    """Return the energy of every event of a system."""
    array, beat = system.array, tech.dram_pj(system.beat_bits)
    weights, inputs, sums, scales = (_memory(tech, *each[1:]) for each in memories(system)[:4])
    local = [_storage(array, tensor, tech) for tensor in TENSORS]
    mac = tech.mac_pj(array.input_bits, array.weight_bits, array.acc_bits)
    found: Prices = {
        "dram weights": (("dram", "weights", beat), ("stream", "weights", weights[1])),
        "dram inputs": (("dram", "inputs", beat),),
        "fill inputs": (("stream", "inputs", system.beat_words("inputs") * inputs[1]),),
        "dram outputs": (("dram", "outputs", beat),), "dram program": (("dram", "program", beat),),
        "dram scales": (("dram", "scales", beat), ("scales", "scales", scales[1] / system.scale_beats)),
        "read weights": (("stream", "weights", weights[0] * system.row_parts),),
        "read inputs": (("stream", "inputs", inputs[0]),),
        "write sums": (("stream", "outputs", sums[1]),), "read sums": (("stream", "outputs", sums[0]),),
        "drain sums": (
            ("stream", "outputs", sums[0]), ("scales", "scales", scales[0] / system.post_lanes),
            ("post", "outputs", tech.requantise_pj(array.acc_bits)),
        ),
        "macs": (
            ("array", "macs", mac), ("pe", "weights", local[0][0]), ("pe", "inputs", local[1][0]),
            ("pe", "outputs", local[2][0] + local[2][1]),
        ),
        "take weights": (("pe", "weights", local[0][1]),), "take inputs": (("pe", "inputs", local[1][1]),),
        "cycles": tuple(("leakage", part, pj) for part, pj in leakage_per_cycle(system, tech).items()),
    }  # fmt: skip
    for tensor in TENSORS:
        found[f"port {tensor}"] = (("array", tensor, _hops_pj(array, tensor, tech)),)
    return found


def energy_by_level(found: Mapping[str, Any], system: SpatialSystem, tech: Technology) -> EnergyByLevel:
    """Return ``{level: {tensor: pJ}}`` of events (`events`)."""
    energy: EnergyByLevel = {}
    for event, parts in prices(system, tech).items():
        for level, tensor, pj in parts:
            into = energy.setdefault(level, {})
            into[tensor] = into.get(tensor, 0.0) + found[event] * pj
    return energy


def total(found: Mapping[str, Any], system: SpatialSystem, tech: Technology) -> Any:
    """Return pJ of events; works on numbers and on arrays."""
    return sum(found[event] * sum(pj for _, _, pj in parts) for event, parts in prices(system, tech).items())


def memories(system: SpatialSystem) -> list[tuple[str, int, int, int]]:
    """Return the buffers as they are built: name, how many memories, words of each, width (`rtl/spatial/system`)."""
    weight_rows = 2 * -(-system.rows("weights") // system.rows_per_beat)
    return [
        ("weights", system.row_parts, weight_rows, system.beat_bits),
        ("inputs", system.banks("inputs"), 2 * system.rows("inputs"), system.array.input_bits),
        ("outputs", 2 * system.banks("outputs"), system.rows("outputs"), system.array.acc_bits),
        ("scales", 1, -(-system.channels // system.post_lanes), system.post_lanes * system.scale_lane_bits),
        *_tables(system),
    ]


def _tables(system: SpatialSystem) -> list[tuple[str, int, int, int]]:
    """Return the two tables of lengths of coded rows."""
    if not system.coding:
        return []
    return [("lengths", 2 * system.table_entries, -(-system.coding.rows // system.table_entries), LENGTH_BITS)]


@lru_cache(maxsize=64)
def area_by_part(system: SpatialSystem, tech: Technology) -> dict[str, float]:
    """Return um2 of PEs, their storage, the requantisers and every buffer."""
    array = system.array
    found = {
        "array": array.pes * tech.pe_area_um2(array.input_bits, array.weight_bits),
        "pe": array.pes * sum(_storage(array, tensor, tech)[2] for tensor in TENSORS),
        "post": system.post_lanes * tech.post_lane_area_um2(array.acc_bits),
    }
    for name, number, words, bits in memories(system):
        found[name] = number * tech.sram_area_um2(words, bits, SRAM_PORTS)
    return found


def leakage_per_cycle(system: SpatialSystem, tech: Technology) -> dict[str, float]:
    """Return pJ that logic (with the storage of the PEs) and buffers leak in a cycle of the table's clock."""
    areas = area_by_part(system, tech)
    sram = sum(number * tech.sram_leakage_mw(words, bits, SRAM_PORTS) for _, number, words, bits in memories(system))
    per_cycle = 1000 / tech.value("clock_mhz")  # mW over MHz is nJ
    return {"logic": tech.logic_leakage_mw(areas["array"] + areas["pe"] + areas["post"]) * per_cycle, "sram": sram * per_cycle}


def _memory(tech: Technology, number: int, words: int, bits: int) -> tuple[float, float]:
    """Return the energy of reading and writing a word of one memory."""
    return tech.sram_read_pj(words, bits, SRAM_PORTS), tech.sram_write_pj(words, bits, SRAM_PORTS)


def _storage(array: SpatialArray, tensor: str, tech: Technology) -> tuple[float, float, float]:
    """Return the energy of reading and of writing a word in a PE, and the area of both halves; small ones are flip-flops."""
    at = TENSORS.index(tensor)
    words, bits = array.l1_words[at], (array.weight_bits, array.input_bits, array.acc_bits)[at]
    words = 2 * (1 << (words - 1).bit_length())
    if words * bits <= REGISTER_BITS:
        return (0.0 if words == 2 else tech.register_pj(bits)), tech.register_pj(bits), tech.register_area_um2(words * bits)
    return (
        tech.sram_read_pj(words, bits, SRAM_PORTS), tech.sram_write_pj(words, bits, SRAM_PORTS),
        tech.sram_area_um2(words, bits, SRAM_PORTS),
    )  # fmt: skip


def _hops_pj(array: SpatialArray, tensor: str, tech: Technology) -> float:
    """Return the energy of one word of a port on its way: registers of systolic axes; sums are added on all axes they share."""
    if tensor == "outputs":
        hops = sum(axis.size for axis in array.shared("outputs"))
        return hops * (tech.register_pj(array.acc_bits) + tech.add_pj(array.acc_bits))
    bits = array.weight_bits if tensor == "weights" else array.input_bits
    sizes = [axis.size for axis in array.shared(tensor) if axis.delay]
    return math.prod(sizes) * tech.register_pj(bits) if sizes else 0.0
