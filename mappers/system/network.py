"""Mapping a whole network on a system: equal shapes once, totals over all layers."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from dataflows.feasible import Infeasible, InfeasibleError
from dataflows.spatial.system.spec import SpatialSystem
from dataflows.workload import Layer, Network
from mappers.base import Objective
from mappers.nest.base import Budget
from mappers.system.base import SystemResult
from mappers.system.search import SystemMapper

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class SystemNetwork:
    """All layers of a network on one system; totals count every occurrence.

    Attributes
    ----------
    network, system : str
        Their names.
    objective : str
        What was minimised per layer.
    layers : tuple of (str, int, SystemResult)
        Names, how often they occur, and mappings.
    seconds : float
        Wall time.
    """

    network: str
    system: str
    objective: Objective
    layers: tuple[tuple[str, int, SystemResult], ...]
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form of a map result."""
        rows = [result.to_dict(name, count) for name, count, result in self.layers]
        cycles = sum(row["count"] * row["cycles"] for row in rows)
        energy = sum(row["count"] * row["energy_pj"] for row in rows)
        macs = sum(count * result.layer.macs for _, count, result in self.layers)
        total = {"cycles": cycles, "energy_pj": energy, "edp": energy * cycles, "macs": macs, "seconds": self.seconds}
        return {"arch": self.system, "network": self.network, "objective": self.objective, "layers": rows, "total": total}


def map_system(
    network: Network, system: SpatialSystem, objective: Objective = "edp", *, program_beats: int,
    mapper: SystemMapper | None = None, seconds: float | None = None, progress: Progress | None = None,
) -> SystemNetwork:  # fmt: skip
    """Map every distinct layer of a network.

    Parameters
    ----------
    network, system : Network, SpatialSystem
        What is mapped, and where.
    objective : str
        ``edp``, ``energy`` or ``latency``, per layer.
    program_beats : int
        Beats of a program of this system and its tags.
    mapper : SystemMapper, optional
        Who looks.
    seconds : float, optional
        Wall time for each layer.
    progress : callable, optional
        Called with (done, total, text).

    Raises
    ------
    InfeasibleError
        With the reasons of every layer of which nothing fits.
    """
    started, mapper = time.perf_counter(), mapper or SystemMapper()
    reasons: list[Infeasible] = []
    known: dict[Layer, SystemResult] = {}
    found: list[tuple[str, int, SystemResult]] = []
    distinct = network.distinct()
    for done, (layer, count) in enumerate(distinct):
        if progress:
            progress(done, len(distinct), layer.name)
        key = replace(layer, name="", activation="none")  # change nothing that is counted
        if key not in known:
            try:
                known[key] = mapper.map(layer, system, objective, program_beats=program_beats, budget=Budget(seconds=seconds))
            except InfeasibleError as error:
                reasons += error.reasons
                continue
        cost = {**known[key].cost, "layer": layer.name}
        found.append((layer.name, count, replace(known[key], layer=layer, cost=cost)))
    if reasons:
        raise InfeasibleError(reasons)
    return SystemNetwork(network.name, system.name, objective, tuple(found), time.perf_counter() - started)
