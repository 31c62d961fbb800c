"""Cycles and energy of a loop nest with perfect overlap: cost mode ``timeloop`` (codesign reference, 4.6).

No ramp is added at start and end; `dataflows.cost` has the mode of the hardware that this suite builds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from dataflows.feasible import Infeasible, InfeasibleError
from dataflows.mapping import Mapping
from dataflows.nest.architecture import Architecture
from dataflows.nest.counts import Counts, count
from dataflows.nest.limits import Charge, Words, charges, limits
from dataflows.nest.nest import Nest, bind
from dataflows.nest.rules import TENSORS, Rules
from dataflows.workload import Layer

SCHEMA = 1
MODE = "timeloop"
EnergyByLevel = dict[str, dict[str, float]]


@dataclass(frozen=True, slots=True)
class NestCost:
    """Cost of one layer under one mapping.

    Attributes
    ----------
    layer : str
        Its name.
    cycles : int
        Compute or the busiest level, whichever takes longer, plus the filling of single-buffered levels.
    energy_pj : float
        Sum of `energy_by_level`.
    energy_by_level : dict
        ``{level: {tensor: pJ}}``, and ``mac``, ``network`` and ``leakage``.
    macs : int
        Useful multiply-accumulates.
    padded_macs : int
        Those that are executed.
    utilization : float
        Useful multiply-accumulates over what the whole array could do in `cycles`.
    bound : str
        What binds: ``compute``, a level, or ``fill of`` a level.
    times : dict
        Cycles of every candidate that could bind.
    levels : dict
        ``{level: {tensor: {"reads", "writes", "tile_words"}}}``, outermost level first.
    area_um2 : float or None
        Area of the architecture, where it is known.
    rules : Rules
        The rules it was counted by.
    check : dict or None
        ``{"equal": bool, "differences": [...]}`` when the counts were compared with the walker's.
    technology : str
        Where the energies come from.
    """

    layer: str
    cycles: int
    energy_pj: float
    energy_by_level: EnergyByLevel
    macs: int
    padded_macs: int
    utilization: float
    bound: str
    times: dict[str, int]
    levels: dict[str, dict[str, dict[str, int]]]
    area_um2: float | None
    rules: Rules
    check: dict[str, Any] | None = None
    technology: str = ""

    @property
    def edp(self) -> float:
        """Energy-delay product, pJ x cycles."""
        return self.energy_pj * self.cycles

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form that scripts rely on."""
        return {
            "schema": SCHEMA, "layer": self.layer, "mode": MODE, "cycles": self.cycles, "bound_cycles": self.cycles,
            "energy_pj": self.energy_pj, "edp": self.edp, "area_um2": self.area_um2,
            "energy_by_level": self.energy_by_level, "macs": self.macs, "padded_macs": self.padded_macs,
            "utilization": self.utilization, "bound": self.bound, "cycles_by_limit": self.times, "levels": self.levels,
            "rules": {"halo": self.rules.halo, "window": self.rules.window, "psums": self.rules.psums}, "check": self.check,
            "technology": self.technology,
        }  # fmt: skip


def evaluate(
    layer: Layer, arch: Architecture, mapping: Mapping, rules: Rules | None = None, *, check: bool = False
) -> NestCost:
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
    reasons = violations(nest, counts, rules)
    if reasons:
        raise InfeasibleError(reasons)
    return cost_of(nest, counts, rules, _check(nest, counts, rules) if check else None)


def cost_of(nest: Nest, counts: Counts, rules: Rules, checked: dict[str, Any] | None = None) -> NestCost:
    """Cost a nest whose words are counted; its tiles are not checked against the capacities."""
    charged = charges(nest, counts, rules)
    times = limits(nest, counts, charged)
    overlapped = {name: t for name, t in times.items() if not name.startswith("fill of ")}
    bound = max(overlapped, key=overlapped.__getitem__)
    cycles = overlapped[bound] + sum(times.values()) - sum(overlapped.values())
    energy = energy_by_level(nest, counts, charged, cycles)
    return NestCost(
        layer=nest.layer.name,
        cycles=cycles,
        energy_pj=math.fsum(pj for tensors in energy.values() for pj in tensors.values()),
        energy_by_level=energy,
        macs=nest.layer.macs,
        padded_macs=counts.macs,
        utilization=nest.layer.macs / (cycles * nest.arch.pes),
        bound=max(times, key=times.__getitem__),
        times=times,
        levels={level.name: words for level, words in zip(nest.arch.levels, reversed(counts.levels), strict=True)},
        area_um2=nest.arch.area_um2,
        rules=rules,
        check=checked,
        technology=nest.arch.source or nest.arch.name,
    )


def violations(nest: Nest, counts: Counts, rules: Rules) -> list[Infeasible]:
    """Return the levels whose tiles do not fit one instance, outermost first; partial sums at their width (strict)."""
    found = []
    for index in reversed(range(len(nest.storage))):
        level = nest.storage[index]
        if level.capacity_bits is None:
            continue
        bits = level.word_bits
        if rules.psums == "strict" and index < len(nest.storage) - 1:
            bits = (*bits[:2], max(bits[2], nest.arch.psum_bits or 0))
        demands = [level.copies * width * counts.tiles[index].get(tensor, 0) for tensor, width in zip(TENSORS, bits, strict=True)]
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


def energy_by_level(nest: Nest, counts: Counts, charged: list[Charge], cycles: int) -> EnergyByLevel:
    """Return pJ by level and tensor, outermost level first."""
    energy: EnergyByLevel = {level.name: {} for level in nest.arch.levels}
    words: dict[tuple[int, str], list[Words]] = {}
    for flow, index, reads, writes in charged:
        total = words.setdefault((index, flow.tensor), [0, 0])
        total[0] += reads
        total[1] += writes
    for (index, tensor), (reads, writes) in words.items():
        level, at = nest.storage[index], TENSORS.index(tensor)
        pj = float(reads) * level.read_pj[at] + float(writes) * level.write_pj[at]
        if level.block_words > 1 and reads + writes:
            pj *= math.ceil((reads + writes) / level.block_words) * level.block_words / float(reads + writes)
        energy[level.name][tensor] = pj
    energy["mac"] = {"macs": counts.macs * nest.arch.mac_pj}
    nets = [level.fanout for level in nest.storage]
    energy["network"] = {
        "hops": math.fsum((flow.shared + flow.added) * nets[flow.parent].hop_pj for flow in counts.flows),
        "adds": math.fsum(flow.added * nets[flow.parent].add_pj for flow in counts.flows),
    }
    energy["leakage"] = {"leakage": cycles * nest.arch.leakage_pj}
    return energy


def _check(nest: Nest, counts: Counts, rules: Rules) -> dict[str, Any]:
    from dataflows.nest.walk import differences, walk

    found = differences(nest, counts, walk(nest, rules))
    return {"equal": not found, "differences": found}
