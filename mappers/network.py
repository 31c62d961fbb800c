"""Mapping a whole network: equal shapes once, totals over all layers."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from dataflows.arch import Accelerator
from dataflows.cost import Cost, evaluate
from dataflows.feasible import Infeasible, InfeasibleError
from dataflows.program import program_beats
from dataflows.tech import Technology, technology
from dataflows.tiling import Tiling
from dataflows.workload import Layer, Network
from mappers.base import ExactCycles, Mapper, MapResult, Objective, objective_value, prepare
from mappers.network_edp import least_edp
from mappers.optimal import OptimalMapper


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
        What was minimised.
    layers : tuple of LayerMapping
        Distinct layers in order of first appearance.
    seconds : float
        Wall time of mapping.
    lower : float or None
        No mapping of the network has a smaller value of the objective; None where nothing is known.
    """

    network: str
    accelerator: str
    objective: Objective
    layers: tuple[LayerMapping, ...]
    seconds: float
    lower: float | None = None

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
    def value(self) -> float:
        """The objective's value for the network: pJ x cycles, pJ or cycles."""
        return objective_value(self.objective, self.energy_pj, self.cycles)

    @property
    def gap(self) -> float | None:
        """How far `value` may be above the optimum, as a fraction; 0 is proved optimal, None means not known."""
        if self.lower is None:
            return None
        # Sums of the same terms in another order differ by rounding.
        return 0.0 if self.lower >= self.value * (1 - 1e-12) else self.value / self.lower - 1

    @property
    def interrupted(self) -> bool:
        """Whether the user ended the search of a layer."""
        return any(each.result.interrupted for each in self.layers)

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
                "seconds": self.seconds, "optimal": self.gap == 0, "gap": self.gap,
                "interrupted": self.interrupted,
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

    With `OptimalMapper` and the objective ``edp`` it is the network's EDP that is least (`mappers.network_edp`); other
    mappers take every layer for itself. Ctrl-C ends its search, and the best so far is returned with its gap.

    Parameters
    ----------
    network : Network
        The layers.
    acc : Accelerator
        The hardware.
    mapper : Mapper
        Finds the tilings.
    objective : str
        ``edp``, ``energy`` or ``latency``.
    seed : int
        Given to the mapper.
    exact_cycles : callable, optional
        The schedule: (layer, accelerator, tiling) -> cycles. The mapper's shortlist is then ranked by it; the optimal mapper
        searches by it.
    tech : Technology, optional
        Energy table for that ranking; the mapper's own, or 45 nm, by default.

    Raises
    ------
    InfeasibleError
        With the reasons of every layer that cannot be mapped.
    """
    started = time.perf_counter()
    # Names and activations change no count: layers that differ in nothing else share a mapping.
    layers = [(layer, count, replace(layer.flattened(), name="", activation="none")) for layer, count in network.distinct()]
    counts: dict[Layer, int] = {}
    for _, count, key in layers:
        counts[key] = counts.get(key, 0) + count
    _refuse([layer for layer, _, _ in layers], acc, objective)
    if isinstance(mapper, OptimalMapper) and objective == "edp" and len(counts) > 1:
        chosen = least_edp(list(counts), list(counts.values()), acc, mapper, exact_cycles)
        known, lower = dict(zip(counts, chosen.results, strict=True)), chosen.lower
    else:
        known = _one_by_one(counts, acc, mapper, objective, seed, exact_cycles, tech)
        lower = _lower(known, counts, objective)
    mapped = []
    for layer, count, key in layers:
        result = known[key]
        mapped.append(
            LayerMapping(layer.name, count, replace(result, layer=layer.flattened(), cost=replace(result.cost, layer=layer.name)))
        )
    return NetworkMapping(network.name, acc.name, objective, tuple(mapped), time.perf_counter() - started, lower)


def _refuse(layers: Iterable[Layer], acc: Accelerator, objective: Objective) -> None:
    """Raise the reasons of all layers that cannot be mapped, equal ones once."""
    reasons: list[Infeasible] = []
    seen: set[Layer] = set()
    for layer in layers:
        key = replace(layer, name="", activation="none")
        try:
            if key not in seen:
                prepare(layer, acc, objective)
                seen.add(key)
        except InfeasibleError as error:
            reasons += error.reasons
    if reasons:
        raise InfeasibleError(reasons)


def _one_by_one(
    layers: Iterable[Layer], acc: Accelerator, mapper: Mapper, objective: Objective, seed: int, exact_cycles: ExactCycles | None,
    tech: Technology | None,
) -> dict[Layer, MapResult]:  # fmt: skip
    known: dict[Layer, MapResult] = {}
    for layer in layers:
        if not isinstance(mapper, OptimalMapper):
            result = mapper.map(layer, acc, objective, seed)
            known[layer] = (
                rank_exactly(result, acc, exact_cycles, tech or getattr(mapper, "tech", None)) if exact_cycles else result
            )
            continue
        result = mapper.exactly(layer, acc, objective, exact_cycles) if exact_cycles else mapper.map(layer, acc, objective, seed)
        if result.interrupted:  # the layers that are left get what can be had at once
            mapper = replace(mapper, seconds=0.0, steps=0)
        known[layer] = result
    return known


def _lower(known: dict[Layer, MapResult], counts: dict[Layer, int], objective: Objective) -> float | None:
    """Return what no mapping of the network is below, where every layer's gap is known: for EDP only if there is one layer."""
    least = []
    for layer, result in known.items():
        if result.gap is None or (objective == "edp" and len(known) > 1):
            return None
        least.append(counts[layer] ** (2 if objective == "edp" else 1) * result.value / (1 + result.gap))
    return math.fsum(least)


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
