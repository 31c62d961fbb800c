"""Cycles and energy of a loop nest with perfect overlap: cost mode ``timeloop`` (codesign reference, 4.6).

`dataflows.cost` has the mode of the hardware that this suite builds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from dataflows.errors import SpecError
from dataflows.feasible import Infeasible, InfeasibleError
from dataflows.mapping import Mapping
from dataflows.nest.accesses import Charge, Number, charges, tile_bits
from dataflows.nest.architecture import Architecture
from dataflows.nest.counts import Counts, count
from dataflows.nest.limits import effort, limits, ramp
from dataflows.nest.nest import Nest, bind
from dataflows.nest.rules import TENSORS, Rules
from dataflows.workload import DIMS, LARGEST, Layer

SCHEMA = 1
MODE = "timeloop"
MOST_MACS = LARGEST ** len(DIMS)
"""Those of the largest layer: with more, floating-point numbers end."""
EnergyByLevel = dict[str, dict[str, float]]
_AT = {tensor: at for at, tensor in enumerate(TENSORS)}


@dataclass(frozen=True, slots=True)
class NestCost:
    """Cost of one layer under one mapping.

    Attributes
    ----------
    layer : str
        Its name.
    cycles : int
        Compute or the busiest level, whichever takes longer, plus the filling of single-buffered levels and the ramp.
    energy_pj : float
        Sum of `energy_by_level`.
    energy_by_level : dict
        ``{level: {tensor: pJ}}``, and ``mac``, ``network`` and ``leakage``.
    macs : int
        Useful multiply-accumulates.
    utilization : float
        Useful multiply-accumulates over what the whole array could do in `cycles`, at these widths and zeros.
    bound : str
        What binds: ``compute``, a level, or ``fill of`` a level.
    times : dict
        Cycles of every candidate that could bind.
    counts : Counts
        Words that move.
    accesses : dict
        ``{level: {tensor: (reads, writes)}}``, what energy and ports are charged for: rows where a level has rows,
        compressed where it compresses.
    arch : Architecture
        What it was costed on.
    rules : Rules
        The rules it was counted by.
    check : dict or None
        ``{"equal": bool, "differences": [...]}`` when the counts were compared with the walker's.
    """

    layer: str
    cycles: int
    energy_pj: float
    energy_by_level: EnergyByLevel
    macs: int
    utilization: float
    bound: str
    times: dict[str, int]
    counts: Counts
    accesses: dict[str, dict[str, tuple[Number, Number]]]
    arch: Architecture
    rules: Rules
    check: dict[str, Any] | None = None

    @property
    def edp(self) -> float:
        """Energy-delay product, pJ x cycles."""
        return self.energy_pj * self.cycles

    @property
    def padded_macs(self) -> int:
        """Multiply-accumulates that are executed, padding included."""
        return self.counts.macs

    @property
    def levels(self) -> dict[str, dict[str, dict[str, int]]]:
        """``{level: {tensor: {"reads", "writes", "tile_words"}}}`` in words, outermost level first."""
        return {level.name: words for level, words in zip(self.arch.levels, reversed(self.counts.levels), strict=True)}

    @property
    def technology(self) -> str:
        """Where the energies come from."""
        return self.arch.source or self.arch.name

    @property
    def area_um2(self) -> float | None:
        """Area of the architecture, where it is known."""
        return self.arch.area_um2

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form that scripts rely on."""
        levels: dict[str, dict[str, dict[str, Any]]] = {name: {**tensors} for name, tensors in self.levels.items()}
        for name, tensors in self.accesses.items():
            for tensor, (reads, writes) in tensors.items():
                found = {"read_accesses": _plain(reads), "write_accesses": _plain(writes)}
                levels[name][tensor] = {**levels[name][tensor], **found}
        return {
            "schema": SCHEMA, "layer": self.layer, "mode": MODE, "cycles": self.cycles, "bound_cycles": self.cycles,
            "energy_pj": self.energy_pj, "edp": self.edp, "area_um2": self.area_um2,
            "energy_by_level": self.energy_by_level, "macs": self.macs, "padded_macs": self.padded_macs,
            "utilization": self.utilization, "bound": self.bound, "cycles_by_limit": self.times, "levels": levels,
            "rules": self.rules.to_dict(), "check": self.check, "technology": self.technology,
        }  # fmt: skip


def evaluate(layer: Layer, arch: Architecture, mapping: Mapping, rules: Rules | None = None, *, check: bool = False) -> NestCost:
    """Cost one layer under one mapping.

    Raises
    ------
    SpecError
        For a mapping that does not belong to the layer and the architecture (see `bind`), or, with `check`, one too
        large to walk.
    InfeasibleError
        If a tile does not fit its level.
    """
    nest = bind(layer, arch, mapping)
    rules = rules or Rules()
    counts = count(nest, rules)
    if counts.macs > MOST_MACS:
        raise SpecError("mapping", "a longer number of multiply-accumulates", f"at most {MOST_MACS:.0e}", "pad the layer less")
    reasons = violations(nest, counts, rules)
    if reasons:
        raise InfeasibleError(reasons)
    return cost_of(nest, counts, rules, _check(nest, counts, rules) if check else None)


def cost_of(nest: Nest, counts: Counts, rules: Rules, checked: dict[str, Any] | None = None) -> NestCost:
    """Cost a nest whose words are counted; its tiles are not checked against the capacities."""
    arch = nest.arch
    charged = charges(nest, counts, rules)
    times = limits(nest, counts, charged)
    overlapped, apart = 0, 0
    for name, took in times.items():
        if name.startswith("fill of "):
            apart += took
        elif took > overlapped:
            overlapped = took
    if rules.ramp == "once":
        times["ramp"] = ramp(nest, counts, rules)
        apart += times["ramp"]
    cycles = overlapped + apart
    accesses = _by_tensor(nest, charged)
    energy = energy_by_level(nest, counts, accesses, cycles)
    return NestCost(
        layer=nest.layer.name,
        cycles=cycles,
        energy_pj=math.fsum([pj for tensors in energy.values() for pj in tensors.values()]),
        energy_by_level=energy,
        macs=nest.layer.macs,
        utilization=nest.layer.macs * float(effort(nest.layer, arch).cycles) / (cycles * arch.pes),
        bound=max(times, key=times.__getitem__),
        times=times,
        counts=counts,
        accesses=accesses,
        arch=arch,
        rules=rules,
        check=checked,
    )


def violations(nest: Nest, counts: Counts, rules: Rules) -> list[Infeasible]:
    """Return operands too wide for the multipliers, and levels whose tiles do not fit one instance, outermost first.

    Partial sums count at their width (strict).
    """
    path, ly = nest.arch.datapath, nest.layer
    found = [] if path is None else path.misfits(ly.weight_bits, ly.input_bits, ly.name)
    for index in reversed(range(len(nest.storage))):
        level = nest.storage[index]
        if level.capacity_bits is None:
            continue
        demands = [level.copies * bits for bits in tile_bits(nest, counts, rules, index)]
        if isinstance(level.capacity_bits, tuple):
            names = [f"{level.name}.{tensor}" for tensor in TENSORS]
            needs = list(zip(names, demands, level.capacity_bits, strict=True))
        else:
            needs = [(level.name, sum(demands), level.capacity_bits)]
        for name, demand, bound in needs:
            if bound is not None and demand > bound:
                remedy = "shrink the tile: move loops of this level or of inner ones outward"
                found.append(Infeasible(name, demand, bound, "bits", remedy, nest.layer.name))
    return found


def _by_tensor(nest: Nest, charged: list[Charge]) -> dict[str, dict[str, tuple[Number, Number]]]:
    """Return ``{level: {tensor: (reads, writes)}}``, outermost level first."""
    found: dict[str, dict[str, tuple[Number, Number]]] = {level.name: {} for level in nest.arch.levels}
    for flow, index, reads, writes in charged:
        level = found[nest.storage[index].name]
        if flow.tensor in level:
            before = level[flow.tensor]
            level[flow.tensor] = before[0] + reads, before[1] + writes
        else:
            level[flow.tensor] = reads, writes
    return found


def energy_by_level(
    nest: Nest, counts: Counts, accesses: dict[str, dict[str, tuple[Number, Number]]], cycles: int
) -> EnergyByLevel:
    """Return pJ by level and tensor, outermost level first."""
    arch = nest.arch
    energy: EnergyByLevel = {}
    for level in arch.levels:
        spent = energy[level.name] = {}
        for tensor, (reads, writes) in accesses[level.name].items():
            at = _AT[tensor]
            pj = float(reads) * level.read_pj[at] + float(writes) * level.write_pj[at]
            if level.block_words > 1 and reads + writes:
                pj *= math.ceil((reads + writes) / level.block_words) * level.block_words / float(reads + writes)
            spent[tensor] = pj
    energy["mac"] = {"macs": counts.macs * arch.mac_pj * effort(nest.layer, arch).energy}
    hops = adds = 0.0
    for flow in counts.flows:
        net = nest.storage[flow.parent].fanout
        hops += (flow.shared + flow.added) * net.hop_pj
        adds += flow.added * net.add_pj
    energy["network"] = {"hops": hops, "adds": adds}
    energy["leakage"] = {"leakage": cycles * arch.leakage_pj}
    return energy


def _plain(number: Number) -> int | float:
    """Return a number that JSON has."""
    return int(number) if number == int(number) else float(number)


def _check(nest: Nest, counts: Counts, rules: Rules) -> dict[str, Any]:
    from dataflows.nest.walk import differences, walk

    found = differences(nest, counts, walk(nest, rules), rules)
    return {"equal": not found, "differences": found}
