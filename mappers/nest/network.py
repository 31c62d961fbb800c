"""Mapping a whole network on loop nests: equal shapes once, and for the EDP all layers together.

Energy of a network times its cycles is no sum over layers, and what is best layer by layer is not best together. As in
`mappers.network_edp`, a price of a cycle makes it one: every layer is mapped for the least energy plus price times cycles, with a
proof, and the sum of these bounds the network's EDP (`mappers.pareto.bound_at`). The price is moved to the quotient of the
best choice so far until it settles.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from dataflows.feasible import InfeasibleError
from dataflows.nest.architecture import Architecture
from dataflows.nest.rules import Rules
from dataflows.workload import Layer, Network
from mappers.base import Objective, objective_value
from mappers.nest.base import NestMapper, NestResult, Options
from mappers.nest.jobs import Job, Progress, run
from mappers.nest.optimal import ROUNDING, OptimalMapper
from mappers.pareto import Choice, Point, bound_at, combine

__all__ = ["NestNetwork", "map_nests"]

ROUNDS = 6
"""Prices tried at most; they settle after two or three."""


@dataclass(frozen=True, slots=True)
class NestNetwork:
    """All layers of a network on one architecture; totals count every occurrence.

    Attributes
    ----------
    network, architecture, objective : str
        What was mapped, where, and what for.
    layers : tuple of (str, int, NestResult)
        Name, how often it occurs, and the mapping of every distinct layer.
    seconds : float
        Wall time.
    bound : float or None
        No mappings of the layers give the network a smaller value; None where nothing is known.
    not_begun : tuple of str
        Layers that an interrupt came before: their mappings are ones that fit, no more.
    """

    network: str
    architecture: str
    objective: Objective
    layers: tuple[tuple[str, int, NestResult], ...]
    seconds: float
    bound: float | None
    not_begun: tuple[str, ...] = ()

    @property
    def cycles(self) -> int:
        """Cycles of all layers, one after the other."""
        return sum(count * result.cost.cycles for _, count, result in self.layers)

    @property
    def energy_pj(self) -> float:
        """Energy of all layers."""
        return math.fsum(count * result.cost.energy_pj for _, count, result in self.layers)

    @property
    def value(self) -> float:
        """Value of the objective for the network."""
        return objective_value(self.objective, self.energy_pj, self.cycles)

    @property
    def gap(self) -> float | None:
        """How far `value` may be above the least there is, as a fraction."""
        if self.bound is not None and self.bound >= self.value * (1 - ROUNDING):
            return 0.0
        return self.value / self.bound - 1 if self.bound else None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form of a map result."""
        return {
            "arch": self.architecture, "network": self.network, "mode": "timeloop", "objective": self.objective,
            "layers": [result.to_dict(name, count) for name, count, result in self.layers],
            "total": {
                "cycles": self.cycles, "energy_pj": self.energy_pj, "edp": self.energy_pj * self.cycles,
                "macs": sum(count * result.cost.macs for _, count, result in self.layers), "seconds": self.seconds,
                "gap": self.gap, "optimal": self.gap == 0,
                "interrupted": any(result.interrupted for _, _, result in self.layers), "not_begun": list(self.not_begun),
            },
        }  # fmt: skip


def map_nests(
    network: Network, arch: Architecture, mapper: NestMapper, objective: Objective = "edp", *, rules: Rules | None = None,
    options: Options | None = None, seconds: float | None = None, seed: int = 0, workers: int = 1,
    progress: Progress = lambda done, total, text: None,
) -> NestNetwork:  # fmt: skip
    """Map every distinct layer of a network; the result does not depend on the number of workers.

    Parameters
    ----------
    network, arch : Network, Architecture
        What is mapped, and where.
    mapper : NestMapper
        With `OptimalMapper` the network's EDP is minimised as a whole, else that of each layer.
    objective : str
        ``edp``, ``energy`` or ``latency``.
    rules, options, seed
        As for `NestMapper.map`.
    seconds : float, optional
        Most time for a layer, in each round.
    workers : int
        Processes.
    progress : callable
        Gets layers done, layers in all, and what is being done.

    Raises
    ------
    InfeasibleError
        With the reasons of every layer that cannot be mapped.
    """
    start = time.perf_counter()
    names = network.distinct()
    shapes = list(dict.fromkeys(_shape(layer) for layer, _ in names))
    counts = [sum(count for layer, count in names if _shape(layer) == shape) for shape in shapes]
    job = Job(arch, mapper, objective, rules, options, seconds, seed)
    first = {_shape(layer): layer.name for layer, _ in reversed(names)}
    found, begun = _all(job, shapes, workers, progress, "map", [first[shape] for shape in shapes])
    bound = _bound(found, counts, objective)
    if objective == "edp" and isinstance(mapper, OptimalMapper) and len(shapes) > 1:
        found, bound = _together(job, mapper, shapes, counts, found, workers, progress)
    known = dict(zip(shapes, found, strict=True))
    layers = tuple((layer.name, count, _named(known[_shape(layer)], layer)) for layer, count in names)
    known_of = dict(zip(shapes, begun, strict=True))
    late = tuple(layer.name for layer, _ in names if not known_of[_shape(layer)])
    return NestNetwork(network.name, arch.name, objective, layers, time.perf_counter() - start, bound, late)


def _shape(layer: Layer) -> Layer:
    """Return the layer without what changes no count."""
    return replace(layer.flattened(), name=f"{layer.G}x{layer.K}x{layer.C}", activation="none")


def _named(result: NestResult, layer: Layer) -> NestResult:
    """Return the result for a layer of the same shape."""
    return replace(result, layer=layer.flattened(), cost=replace(result.cost, layer=layer.name))


def _bound(found: list[NestResult], counts: list[int], objective: Objective) -> float | None:
    """Return the sum of the layers' bounds, where the objective is a sum."""
    bounds = [each.bound for each in found if each.bound is not None]
    if len(bounds) < len(found) or (objective == "edp" and len(found) > 1):
        return None
    share = 1 if objective != "edp" else counts[0]
    return math.fsum(bound * count for bound, count in zip(bounds, counts, strict=True)) * share


def _all(
    job: Job, shapes: list[Layer], workers: int, progress: Progress, what: str, names: Sequence[str] = ()
) -> tuple[list[NestResult], list[bool]]:  # fmt: skip
    """Return the mappings of all layers, and which were begun. What layers lack is said of `names`, where these are given."""
    done = run(job, shapes, workers, progress, what)
    called = names or [shape.name for shape in shapes]
    lacks = [(name, each.found) for name, each in zip(called, done, strict=True) if not isinstance(each.found, NestResult)]
    reasons = [replace(reason, subject=name) for name, each in lacks for reason in each]
    if reasons:
        raise InfeasibleError(reasons)
    return [each.found for each in done if isinstance(each.found, NestResult)], [each.begun for each in done]


def _together(
    job: Job, mapper: OptimalMapper, shapes: list[Layer], counts: list[int], first: list[NestResult], workers: int,
    progress: Progress,
) -> tuple[list[NestResult], float]:  # fmt: skip
    """Return mappings for the least EDP of the network, and a bound of it."""
    known = [[each] for each in first]
    choice, bound = _choice(known, counts), 0.0
    for number in range(ROUNDS):
        if any(each.interrupted for results in known for each in results):
            break
        price = choice.energy_pj / choice.cycles
        priced = replace(job, mapper=replace(mapper, price=price))
        found, _ = _all(priced, shapes, workers, progress, f"map together, round {number + 1}:")
        for results, result in zip(known, found, strict=True):
            results.append(result)
        least = math.fsum(count * (each.bound or 0.0) for each, count in zip(found, counts, strict=True))
        bound = max(bound, bound_at(price, least))
        before, choice = choice, _choice(known, counts)
        if bound >= choice.value * (1 - ROUNDING) or choice.value >= before.value:
            break
    return [point.payload for point in choice.points], min(bound, choice.value)


def _choice(known: list[list[NestResult]], counts: list[int]) -> Choice:
    """Return the best choice of all mappings found so far."""
    return combine([[Point(each.cost.energy_pj, each.cost.cycles, each) for each in results] for results in known], counts)
