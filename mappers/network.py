"""Mapping a whole network: equal shapes once, totals over all layers."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

from dataflows.arch import Accelerator
from dataflows.cost import Cost, evaluate
from dataflows.feasible import Infeasible, InfeasibleError
from dataflows.program import program_beats
from dataflows.tech import Technology, technology
from dataflows.tiling import Tiling
from dataflows.workload import Layer, Network
from mappers.base import ExactCycles, Mapper, MapResult, Objective, objective_value


@dataclass(frozen=True, slots=True)
class LayerMapping:
    """One distinct layer of a network, how often it occurs, and its mapping."""

    name: str
    count: int
    result: MapResult


@dataclass(frozen=True, slots=True)
class NetworkMapping:
    """All layers of a network on one accelerator; totals count every occurrence.

    Attributes
    ----------
    network, accelerator : str
        Their names.
    objective : str
        What was minimised per layer.
    layers : tuple of LayerMapping
        Distinct layers in order of first appearance.
    seconds : float
        Wall time of mapping.
    """

    network: str
    accelerator: str
    objective: Objective
    layers: tuple[LayerMapping, ...]
    seconds: float

    @property
    def cycles(self) -> int:
        """Cycles of all layers, one after the other; the bound where no exact cycles are known."""
        return sum(each.count * each.result.cost.latency_cycles for each in self.layers)

    @property
    def energy_pj(self) -> float:
        """Energy of all layers."""
        return sum(each.count * each.result.cost.energy_pj for each in self.layers)

    @property
    def edp(self) -> float:
        """Energy of the network times its cycles, not the sum of the layers' products."""
        return self.energy_pj * self.cycles

    @property
    def macs(self) -> int:
        """Useful multiply-accumulates of all layers."""
        return sum(each.count * each.result.cost.macs for each in self.layers)

    @property
    def area_um2(self) -> float:
        """Area of the accelerator."""
        return self.layers[0].result.cost.area_um2 if self.layers else 0.0

    def to_dict(self, acc: Accelerator) -> dict[str, Any]:
        """Return the JSON form of a map result."""
        return {
            "arch": self.accelerator,
            "network": self.network,
            "objective": self.objective,
            "layers": [each.result.to_dict(acc, each.name, each.count) for each in self.layers],
            "total": {
                "cycles": self.cycles, "energy_pj": self.energy_pj, "edp": self.edp, "macs": self.macs,
                "seconds": self.seconds,
            },
        }  # fmt: skip


def map_network(
    network: Network,
    acc: Accelerator,
    mapper: Mapper,
    objective: Objective = "edp",
    seed: int = 0,
    exact_cycles: ExactCycles | None = None,
    tech: Technology | None = None,
) -> NetworkMapping:
    """Map every distinct layer of `network`.

    Parameters
    ----------
    network : Network
        The layers.
    acc : Accelerator
        The hardware.
    mapper : Mapper
        Finds the tilings.
    objective : str
        ``edp``, ``energy`` or ``latency``, per layer.
    seed : int
        Given to the mapper.
    exact_cycles : callable, optional
        The schedule: (layer, accelerator, tiling) -> cycles. The mapper's shortlist is then ranked by it.
    tech : Technology, optional
        Energy table for that ranking; the mapper's own, or 45 nm, by default.

    Raises
    ------
    InfeasibleError
        With the reasons of every layer that cannot be mapped.
    """
    started = time.perf_counter()
    tech = tech or getattr(mapper, "tech", None)
    reasons: list[Infeasible] = []
    known: dict[Layer, MapResult] = {}
    mapped: list[LayerMapping] = []
    for layer, count in network.distinct():
        # Names and activations change no count: layers that differ in nothing else share a mapping.
        key = replace(layer.flattened(), name="", activation="none")
        if key not in known:
            try:
                result = mapper.map(layer, acc, objective, seed)
            except InfeasibleError as error:
                reasons += error.reasons
                continue
            known[key] = rank_exactly(result, acc, exact_cycles, tech) if exact_cycles else result
        result = known[key]
        flat = layer.flattened()
        mapped.append(LayerMapping(layer.name, count, replace(result, layer=flat, cost=replace(result.cost, layer=layer.name))))
    if reasons:
        raise InfeasibleError(reasons)
    return NetworkMapping(network.name, acc.name, objective, tuple(mapped), time.perf_counter() - started)


def rank_exactly(result: MapResult, acc: Accelerator, exact_cycles: ExactCycles, tech: Technology | None = None) -> MapResult:
    """Return `result` with the tiling of its shortlist that is best by exact cycles.

    The bound is never above the schedule, so the walk down a shortlist sorted by the bound stops as soon as no later
    tiling can win, and the optimum of the bound, where it is known, limits how far the result is from the optimum.
    """
    tech, beats = tech or technology(), program_beats(acc)
    best: tuple[float, Tiling, Cost] | None = None
    for tiling in result.shortlist:
        cost = evaluate(result.layer, acc, tiling, tech, program_beats=beats)
        if best is not None and objective_value(result.objective, cost.energy_pj, cost.bound_cycles) >= best[0]:
            break
        cost = evaluate(result.layer, acc, tiling, tech, cycles=exact_cycles(result.layer, acc, tiling), program_beats=beats)
        value = objective_value(result.objective, cost.energy_pj, cost.latency_cycles)
        if best is None or value < best[0]:
            best = (value, tiling, cost)
    if best is None:
        return result
    gap = None if result.gap is None else (1 + result.gap) * best[0] / result.value - 1
    return replace(result, tiling=best[1], cost=best[2], gap=gap)
