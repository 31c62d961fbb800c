"""What the search gained over human designs, split into its causes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from dataflows.workload import Network
from dse.baselines import Baseline
from dse.evaluate import map_exactly
from mappers.base import Objective, objective_value
from mappers.naive import NaiveMapper
from mappers.network import NetworkMapping


@dataclass(frozen=True, slots=True)
class MappedBaseline:
    """A baseline with two mappings of the network, both on exact cycles: the first that fits, and the best found."""

    baseline: Baseline
    naive: NetworkMapping
    searched: NetworkMapping

    def to_dict(self, objective: str) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        acc = self.baseline.accelerator
        return {
            "name": self.baseline.name, "design": acc.name, "source": self.baseline.source, **totals(self.searched),
            "value": value(self.searched, objective), "naive": totals(self.naive) | {"value": value(self.naive, objective)},
            "buffer_bytes": acc.buffer_bytes, "accelerator": acc.to_dict(),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Gain:
    """Factors by which the objective fell; `total` is `mapping` times `hardware`.

    Attributes
    ----------
    total : float
        The best baseline mapped by the fixed rule over the winner.
    mapping : float
        What searching mappings is worth against the fixed rule of `mappers.naive`, each on the baseline that suits it best.
        It compares two mappers of this suite, and nobody else's.
    hardware : float
        The best baseline over the winner, both with searched mappings.
    """

    total: float
    mapping: float
    hardware: float

    @classmethod
    def of(cls, naive: float, searched: float, winner: float) -> Gain:
        """Split the gain from three values of the objective."""
        return cls(naive / winner, naive / searched, searched / winner)

    @classmethod
    def over(cls, known: Sequence[MappedBaseline], winner: NetworkMapping, objective: str) -> Gain:
        """Split the gain of `winner` over all baselines; the fixed rule gets the baseline on which it does best."""
        naive = value(best_naive(known, objective).naive, objective)
        return cls.of(naive, value(best_searched(known, objective).searched, objective), value(winner, objective))

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return asdict(self)


def best_naive(known: Sequence[MappedBaseline], objective: str) -> MappedBaseline:
    """Return the baseline that is best with mappings of the fixed rule."""
    return min(known, key=lambda each: value(each.naive, objective))


def best_searched(known: Sequence[MappedBaseline], objective: str) -> MappedBaseline:
    """Return the baseline that is best with searched mappings."""
    return min(known, key=lambda each: value(each.searched, objective))


def map_baseline(baseline: Baseline, network: Network, objective: Objective) -> MappedBaseline:
    """Map a baseline both ways."""
    acc = baseline.accelerator
    naive = map_exactly(network, acc, objective, NaiveMapper())
    return MappedBaseline(baseline, naive, map_exactly(network, acc, objective))


def value(mapped: NetworkMapping, objective: str) -> float:
    """Return the objective of a whole network."""
    return objective_value(objective, mapped.energy_pj, mapped.cycles)


def totals(mapped: NetworkMapping) -> dict[str, Any]:
    """Return cycles, energy and their product for the whole network."""
    return {"cycles": mapped.cycles, "energy_pj": mapped.energy_pj, "edp": mapped.edp}
