"""What every mapper is and returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from dataflows.arch import Accelerator
from dataflows.cost import Cost
from dataflows.errors import SpecError
from dataflows.feasible import InfeasibleError
from dataflows.schedule import schedule
from dataflows.tiling import Tiling, mapping_of, smallest
from dataflows.workload import Layer

Objective = Literal["edp", "energy", "latency"]
OBJECTIVES: tuple[Objective, ...] = ("edp", "energy", "latency")
ExactCycles = Callable[[Layer, Accelerator, Tiling], int]


def native_cycles(layer: Layer, acc: Accelerator, tiling: Tiling) -> int:
    """Return the exact cycles of a layer on the native memory port."""
    return schedule(layer, acc, tiling).cycles


@dataclass(frozen=True, slots=True)
class MapResult:
    """The best tiling that a mapper found.

    Attributes
    ----------
    layer : Layer
        The layer that was mapped: the flattened form of the one given (`Layer.flattened`); `tiling` belongs to it.
    tiling : Tiling
        The mapping.
    cost : Cost
        Its cost; `cycles` is None unless an exact schedule was asked for.
    objective : str
        What was minimised.
    evaluated : int
        Tilings evaluated.
    seconds : float
        Wall time.
    shortlist : tuple of Tiling
        Best tilings by the bound, `tiling` first unless an exact schedule preferred a later one.
    gap : float or None
        How far `value` may be above the optimum, as a fraction; 0 is proven optimal, None means not known.
    interrupted : bool
        Whether the user ended the search.
    """

    layer: Layer
    tiling: Tiling
    cost: Cost
    objective: Objective
    evaluated: int
    seconds: float
    shortlist: tuple[Tiling, ...] = ()
    gap: float | None = None
    interrupted: bool = False

    @property
    def value(self) -> float:
        """The objective's value: pJ x cycles, pJ or cycles."""
        return objective_value(self.objective, self.cost.energy_pj, self.cost.latency_cycles)

    def to_dict(self, acc: Accelerator, name: str = "", count: int = 1) -> dict[str, Any]:
        """Return the JSON form of one layer of a map result."""
        return {
            "name": name or self.layer.name, "count": count, "cycles": self.cost.latency_cycles,
            "bound_cycles": self.cost.bound_cycles, "energy_pj": self.cost.energy_pj, "edp": self.cost.edp,
            "optimal": self.gap == 0, "gap": self.gap, "evaluated": self.evaluated, "seconds": self.seconds,
            "utilization": self.cost.utilization, "bound": self.cost.bound,
            "mapping": mapping_of(self.layer, acc, self.tiling).to_dict(),
        }  # fmt: skip


class Mapper(Protocol):
    """Finds a tiling of a layer on an accelerator."""

    @property
    def name(self) -> str:
        """What the user types."""
        ...

    def map(self, layer: Layer, acc: Accelerator, objective: Objective = "edp", seed: int = 0) -> MapResult:
        """Return the best tiling found; equal arguments give equal tilings.

        Raises
        ------
        InfeasibleError
            If not even the smallest tile fits.
        SpecError
            If the objective is unknown.
        """
        ...


def objective_value(objective: str, energy_pj: Any, cycles: Any) -> Any:
    """Return what is minimised; works on numbers and on arrays."""
    if objective == "edp":
        return energy_pj * cycles
    return energy_pj if objective == "energy" else cycles


def prepare(layer: Layer, acc: Accelerator, objective: str) -> Layer:
    """Check the request and return the layer to map."""
    if objective not in OBJECTIVES:
        raise SpecError("objective", objective, ", ".join(OBJECTIVES), "choose one of these")
    flat = layer.flattened()
    reasons = smallest(flat, acc)
    if reasons:
        raise InfeasibleError(reasons)
    return flat
