"""What one layer costs on one accelerator under one tiling: cycles, energy, area and the accesses behind them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

from dataflows.arch import Accelerator, MemoryLevel
from dataflows.bound import bound
from dataflows.counts import LANE_REGISTERS, Counts, Levels, count
from dataflows.execute import walk
from dataflows.feasible import InfeasibleError
from dataflows.fields import COEFFICIENT_BITS
from dataflows.tech import Technology, technology
from dataflows.tiling import Tiling, violations
from dataflows.workload import Layer

SCHEMA = 1
EnergyByLevel = dict[str, dict[str, float]]
LOGIC = ("array", "edges", "lanes", "post")
"""Parts of the area that are no memories."""
SRAM_PORTS = 2
"""Every buffer is read and written in the same cycle (`rtl/sram.py`): one port for each."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Cost of one layer.

    Attributes
    ----------
    layer : str
        Its name.
    cycles : int or None
        Exact cycles from the schedule; None where only the bound was computed.
    bound_cycles : int
        Ideal-overlap bound, never more than `cycles`.
    energy_pj, area_um2 : float
        Energy of the layer, area of the accelerator.
    energy_by_level : dict
        ``{level: {tensor: pJ}}``; ``array`` holds operand hops and ``macs``, ``post`` the requantisers, ``leakage`` what
        ``logic`` and ``sram`` leak in all cycles (the bound where there are no exact ones).
    macs : int
        Useful multiply-accumulates.
    utilization : float
        Useful multiply-accumulates over what the array could do in `cycles` (the bound where there are none).
    bound : str
        What binds: ``compute`` or the name of a level.
    levels : dict
        ``{level: {tensor: {"reads", "writes"}}}``, DRAM in beats.
    check : dict or None
        ``{"equal": bool, ...}`` when the counts were compared with the walker's.
    technology : str
        Name of the energy and area table.
    """

    layer: str
    cycles: int | None
    bound_cycles: int
    energy_pj: float
    area_um2: float
    energy_by_level: EnergyByLevel
    macs: int
    utilization: float
    bound: str
    levels: Levels
    check: dict[str, Any] | None = None
    technology: str = ""

    @property
    def latency_cycles(self) -> int:
        """Exact cycles where known, else the bound."""
        return self.bound_cycles if self.cycles is None else self.cycles

    @property
    def edp(self) -> float:
        """Energy-delay product, pJ x cycles."""
        return self.energy_pj * self.latency_cycles

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form that scripts rely on."""
        return {
            "schema": SCHEMA, "layer": self.layer, "mode": "machine", "cycles": self.cycles,
            "bound_cycles": self.bound_cycles, "energy_pj": self.energy_pj, "edp": self.edp, "area_um2": self.area_um2,
            "energy_by_level": self.energy_by_level, "macs": self.macs, "utilization": self.utilization,
            "bound": self.bound, "levels": self.levels, "check": self.check, "technology": self.technology,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rates:
    """Energy of one event on one accelerator.

    Attributes
    ----------
    levels : dict
        ``{level: (pJ per read, pJ per write)}``.
    array : dict
        pJ per register write by operand.
    mac_pj, post_pj : float
        One multiply-accumulate; one word of `cols` outputs through the post unit.
    lanes : dict
        pJ per register write of a lane of the path past the array.
    lane_pj : float
        One operation of such a lane, priced as a multiply-accumulate of its widths.
    leakage : dict
        pJ per cycle that ``logic`` and ``sram`` leak at the table's clock.
    """

    levels: dict[str, tuple[float, float]]
    array: dict[str, float]
    mac_pj: float
    post_pj: float
    lanes: dict[str, float]
    lane_pj: float
    leakage: dict[str, float]


@lru_cache(maxsize=256)
def rates(acc: Accelerator, tech: Technology) -> Rates:
    """Return the energy per event of `acc`."""
    levels = {}
    for level in (*acc.levels(), *acc.tables()):
        if level.name == "dram":
            levels[level.name] = (tech.dram_pj(level.word_bits), tech.dram_pj(level.word_bits))
        else:
            size = level.words // srams(level), level.word_bits, SRAM_PORTS
            levels[level.name] = (tech.sram_read_pj(*size), tech.sram_write_pj(*size))
    array = acc.array
    hops = {
        "inputs": tech.register_pj(array.input_bits),
        "weights": tech.register_pj(array.weight_bits),
        "psums": tech.register_pj(array.acc_bits),
    }
    if array.product_held:
        hops["products"] = tech.register_pj(array.product_bits)
    mac = tech.mac_pj(array.input_bits, array.weight_bits, array.acc_bits)
    operand, coefficient = lane_bits(acc)
    lanes = {name: tech.register_pj(bits) for name, bits in zip(LANE_REGISTERS, (*lane_bits(acc), array.acc_bits), strict=True)}
    lane = tech.mac_pj(operand, coefficient, array.acc_bits)
    post = array.cols * tech.requantise_pj(array.acc_bits)
    return Rates(levels, hops, mac, post, lanes, lane, leakage_per_cycle(acc, tech))


def lane_bits(acc: Accelerator) -> tuple[int, int]:
    """Return the widths of a lane's operands on the path past the array: input less zero point, coefficient."""
    return acc.array.input_bits + 1, max(COEFFICIENT_BITS, acc.array.weight_bits + 1)


def operands_per_beat(acc: Accelerator) -> dict[str, Fraction]:
    """Return the most operands of each tensor that a beat of the memory port carries."""
    array = acc.array
    bits = {"weights": array.weight_bits, "inputs": array.input_bits, "outputs": array.input_bits}
    return {tensor: Fraction(acc.beat_bits, each) for tensor, each in bits.items()}


def srams(level: MemoryLevel) -> int:
    """Return how many memories hold a level: the accumulator's halves and the lanes' tables are apart, all others share one."""
    return level.copies if level.name in {"accumulator", "activation_table"} else 1


def energy_by_level(counts: Counts, acc: Accelerator, tech: Technology, cycles: int) -> EnergyByLevel:
    """Return pJ by level and tensor of counted work that takes `cycles` (codesign reference, 4.6)."""
    rate = rates(acc, tech)
    energy: EnergyByLevel = {}
    for level, tensors in counts.levels.items():
        read, write = rate.levels[level]
        energy[level] = {name: n["reads"] * read + n["writes"] * write for name, n in tensors.items()}
    channelwise = LANE_REGISTERS[0] in counts.array
    each = rate.lanes if channelwise else rate.array
    energy["array"] = {name: n * each[name] for name, n in counts.array.items()}
    energy["array"]["macs"] = counts.macs * (rate.lane_pj if channelwise else rate.mac_pj)
    energy["post"] = {"outputs": counts.levels["output_buffer"]["outputs"]["writes"] * rate.post_pj}
    energy["leakage"] = {part: cycles * pj for part, pj in rate.leakage.items()}
    return energy


def area_by_part(acc: Accelerator, tech: Technology) -> dict[str, float]:
    """Return um2 of the array and its edges, the lanes past it, the post unit, its tables and every buffer (all copies)."""
    array = acc.array
    rows, cols = array.rows, array.cols
    waiting_inputs = rows * rows if array.outputs_stay else rows * (rows - 1) // 2  # lanes held at the edges
    waiting_weights = cols * (cols + 1) // 2 if array.outputs_stay else cols * (cols - 1) // 2
    held = array.product_bits if array.product_held else 0  # the table's PE multiplies and adds in one cycle
    parts = {
        "array": array.macs * (tech.pe_area_um2(array.input_bits, array.weight_bits) + tech.register_area_um2(held)),
        "edges": tech.register_area_um2(waiting_inputs * array.input_bits + waiting_weights * array.weight_bits),
        "lanes": acc.channel_lanes * tech.pe_area_um2(*lane_bits(acc)),
        "post": acc.post_lanes * tech.post_lane_area_um2(array.acc_bits),
    }
    for level in (*acc.levels(), *acc.tables()):
        if level.name != "dram":
            parts[level.name] = srams(level) * tech.sram_area_um2(level.words // srams(level), level.word_bits, SRAM_PORTS)
    return parts


@lru_cache(maxsize=256)
def area_um2(acc: Accelerator, tech: Technology) -> float:
    """Return the accelerator's area."""
    return sum(area_by_part(acc, tech).values())


def leakage_per_cycle(acc: Accelerator, tech: Technology) -> dict[str, float]:
    """Return pJ that ``logic`` (array, edges, post unit) and ``sram`` (all buffers) leak in a cycle of the table's clock."""
    areas = area_by_part(acc, tech)
    memories = [(srams(level), level) for level in (*acc.levels(), *acc.tables()) if level.name != "dram"]
    sram_mw = sum(n * tech.sram_leakage_mw(level.words // n, level.word_bits, SRAM_PORTS) for n, level in memories)
    logic_mw = tech.logic_leakage_mw(sum(areas[part] for part in LOGIC))
    per_cycle = 1000 / tech.value("clock_mhz")  # mW over MHz is nJ
    return {"logic": logic_mw * per_cycle, "sram": sram_mw * per_cycle}


def evaluate(
    layer: Layer,
    acc: Accelerator,
    tiling: Tiling,
    tech: Technology | None = None,
    *,
    cycles: int | None = None,
    program_beats: int = 0,
    check: bool = False,
    table: bool = False,
) -> Cost:
    """Cost one layer under one tiling.

    Parameters
    ----------
    layer : Layer
        The layer as it is mapped (see `Layer.flattened`).
    acc : Accelerator
        The hardware.
    tiling : Tiling
        The mapping.
    tech : Technology, optional
        Energy and area table; 45 nm by default.
    cycles : int, optional
        Exact cycles, from the schedule.
    program_beats : int
        Beats of the layer program.
    check : bool
        Walk the nest too and compare the counts; slow for large layers.
    table : bool
        Whether outputs are looked up in an activation table; its beats belong to `program_beats`.

    Raises
    ------
    InfeasibleError
        If a tile does not fit its buffer.
    """
    reasons = violations(layer, acc, tiling)
    if reasons:
        raise InfeasibleError(reasons)
    tech = tech or technology()
    counts = count(layer, acc, tiling, program_beats, table)
    limits = bound(layer, acc, tiling, counts)
    latency = limits.cycles if cycles is None else cycles
    energy = energy_by_level(counts, acc, tech, latency)
    return Cost(
        layer=layer.name,
        cycles=cycles,
        bound_cycles=limits.cycles,
        energy_pj=sum(sum(tensors.values()) for tensors in energy.values()),
        area_um2=area_um2(acc, tech),
        energy_by_level=energy,
        macs=counts.macs,
        utilization=counts.macs / (latency * acc.array.macs),
        bound=limits.binds,
        levels=counts.levels,
        check=_check(layer, acc, tiling, counts, program_beats, table) if check else None,
        technology=tech.name,
    )


def _check(layer: Layer, acc: Accelerator, tiling: Tiling, counts: Counts, program_beats: int, table: bool) -> dict[str, Any]:
    walked = walk(layer, acc, tiling, program_beats, table)
    differences = [
        f"{level}.{tensor}.{kind}: {counts.levels[level][tensor][kind]} counted, {n} walked"
        for level, tensors in walked.levels.items()
        for tensor, kinds in tensors.items()
        for kind, n in kinds.items()
        if counts.levels[level][tensor][kind] != n
    ]
    differences += [
        f"array.{operand}: {counts.array[operand]} counted, {n} walked"
        for operand, n in walked.array.items()
        if counts.array[operand] != n
    ]
    return {"equal": not differences and walked.macs == counts.macs, "differences": differences}
