"""What every mapper of loop nests takes and returns."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from dataflows.mapping import Mapping
from dataflows.nest.architecture import Architecture
from dataflows.nest.cost import NestCost
from dataflows.nest.rules import Rules
from dataflows.workload import Layer
from mappers.base import Objective, objective_value

__all__ = ["Budget", "NestMapper", "NestResult", "Options"]


@dataclass(frozen=True, slots=True)
class Options:
    """Which mappings count; see docs/mapping-space.md.

    Attributes
    ----------
    bypass : bool
        Any tensor may pass by any level but the outermost; else every level holds all that it can.
    padded : bool
        Extents of a dimension may multiply to more than its size; else to its size exactly.
    """

    bypass: bool = True
    padded: bool = False


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Budget:
    """When to stop: what is not given does not.

    Attributes
    ----------
    seconds : float or None
        Wall time.
    evaluations : int or None
        Mappings evaluated.
    began : float
        When the clock started.
    halted : callable
        Whether to stop for a reason of the caller's.
    """

    seconds: float | None = None
    evaluations: int | None = None
    began: float = field(default_factory=time.perf_counter)
    halted: Callable[[], bool] = _never

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self.began

    def spent(self, evaluated: int = 0) -> bool:
        """Whether to stop after so many evaluations."""
        late = self.seconds is not None and self.elapsed >= self.seconds
        return late or (self.evaluations is not None and evaluated >= self.evaluations) or self.halted()


@dataclass(frozen=True, slots=True)
class NestResult:
    """The best mapping that a mapper found.

    Attributes
    ----------
    layer : Layer
        What was mapped.
    mapping : Mapping
        The best; every level by its name and with the tensors that stay there (`dataflows.nest.nest.spelled_out`).
    cost : NestCost
        Its cost by the scalar model.
    objective : str
        What was minimised: ``edp``, ``energy`` or ``latency``.
    mapper, seed : str, int
        Who found it.
    evaluated : int
        Mappings evaluated, or for a proof partial mappings looked at.
    seconds : float
        Wall time.
    bound : float or None
        No mapping of the space has a smaller value; None where nothing is known.
    price : float or None
        pJ per cycle, where energy plus price times cycles was minimised: that is then the value.
    space : float
        Mappings in the space, as far as the mapper counts them; 0 where it does not.
    interrupted : bool
        Whether it was stopped by the user before it was done.
    history : tuple of (int, float)
        (evaluations so far, best value so far), whenever the best improved.
    """

    layer: Layer
    mapping: Mapping
    cost: NestCost
    objective: Objective
    mapper: str
    seed: int
    evaluated: int
    seconds: float
    bound: float | None = None
    space: float = 0.0
    interrupted: bool = False
    history: tuple[tuple[int, float], ...] = ()
    price: float | None = None

    @property
    def value(self) -> float:
        """The objective's value: pJ x cycles, pJ or cycles."""
        if self.price is not None:
            return self.cost.energy_pj + self.price * self.cost.cycles
        return objective_value(self.objective, self.cost.energy_pj, self.cost.cycles)

    @property
    def gap(self) -> float | None:
        """How far `value` may be above the optimum, as a fraction of the bound; 0 is proved optimal, None means not known."""
        if self.bound is not None and self.bound >= self.value:
            return 0.0
        return self.value / self.bound - 1 if self.bound else None

    def to_dict(self, name: str = "", count: int = 1) -> dict[str, Any]:
        """Return the JSON form of one layer of a map result."""
        return {
            "name": name or self.layer.name, "count": count, "cycles": self.cost.cycles, "energy_pj": self.cost.energy_pj,
            "edp": self.cost.edp, "optimal": self.gap == 0, "gap": self.gap, "lower_bound": self.bound,
            "evaluated": self.evaluated, "seconds": self.seconds, "utilization": self.cost.utilization,
            "bound": self.cost.bound, "mapping": self.mapping.to_dict(),
        }  # fmt: skip


class NestMapper(Protocol):
    """Finds a mapping of a layer on an architecture."""

    @property
    def name(self) -> str:
        """What the user types."""
        ...

    def map(
        self, layer: Layer, arch: Architecture, objective: Objective = "edp", *, rules: Rules | None = None,
        options: Options | None = None, budget: Budget | None = None, seed: int = 0,
    ) -> NestResult:  # fmt: skip
        """Return the best mapping found; equal arguments give equal mappings, unless time runs out.

        Ctrl-C (`KeyboardInterrupt`) ends the search: the best so far is returned with what is proved about it; it is raised
        again only if there is none yet.

        Raises
        ------
        InfeasibleError
            If no mapping of the space fits, with the level that lacks and how much.
        SpecError
            If the objective is unknown or the layer cannot be mapped on a loop nest.
        """
        ...
