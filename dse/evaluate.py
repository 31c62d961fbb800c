"""One trial: a network mapped on one accelerator, and its figures."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from dataflows.arch import Accelerator
from dataflows.cost import area_um2
from dataflows.schedule import schedule
from dataflows.tech import technology
from dataflows.tiling import Tiling
from dataflows.workload import Layer, Network
from mappers.base import Mapper, Objective, objective_value
from mappers.network import NetworkMapping, map_network
from mappers.search import SearchMapper


@dataclass(frozen=True, slots=True)
class Trial:
    """What one evaluation found; totals over all layers of the network.

    Attributes
    ----------
    accelerator : Accelerator
        The hardware point.
    cycles : int
        Exact cycles (`dataflows.schedule`), all layers one after the other.
    energy_pj, area_um2 : float
        Energy of the network, area of the accelerator.
    """

    accelerator: Accelerator
    cycles: int
    energy_pj: float
    area_um2: float

    @property
    def edp(self) -> float:
        """Energy of the network times its cycles, pJ x cycles."""
        return self.energy_pj * self.cycles

    def value(self, objective: str) -> float:
        """Return what the search minimises."""
        return objective_value(objective, self.energy_pj, self.cycles)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {
            "design": self.accelerator.name, "cycles": self.cycles, "energy_pj": self.energy_pj, "edp": self.edp,
            "area_um2": self.area_um2, "accelerator": self.accelerator.to_dict(),
        }  # fmt: skip

    def record(self) -> dict[str, Any]:
        """Return what a study stores; `from_record` is its inverse."""
        return {"accelerator": self.accelerator.to_dict(), **{k: asdict(self)[k] for k in ("cycles", "energy_pj", "area_um2")}}

    @classmethod
    def from_record(cls, data: dict[str, Any]) -> Trial:
        """Read what `record` wrote."""
        return cls(**{**data, "accelerator": Accelerator.from_dict(data["accelerator"])})


def exact_cycles(layer: Layer, acc: Accelerator, tiling: Tiling) -> int:
    """Return the cycles that the hardware takes."""
    return schedule(layer, acc, tiling).cycles


def map_exactly(network: Network, acc: Accelerator, objective: Objective = "edp", mapper: Mapper | None = None) -> NetworkMapping:
    """Map a network; the mapper searches on the bound and its shortlist is ranked by exact cycles."""
    return map_network(network, acc, mapper or SearchMapper(), objective, exact_cycles=exact_cycles)


def evaluate(network: Network, acc: Accelerator, objective: Objective = "edp", mapper: Mapper | None = None) -> Trial:
    """Evaluate one hardware point: exact cycles of the mappings that are best by the bound."""
    mapped = map_exactly(network, acc, objective, mapper or SearchMapper(shortlist=1))
    return Trial(acc, mapped.cycles, mapped.energy_pj, area_um2(acc, technology()))
