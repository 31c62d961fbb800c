"""What the mapper of systems returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dataflows.mapping import Mapping
from dataflows.workload import Layer
from mappers.base import Objective, objective_value

__all__ = ["SystemResult"]


@dataclass(frozen=True, slots=True)
class SystemResult:
    """The best mapping that the mapper found.

    Attributes
    ----------
    layer : Layer
        What was mapped.
    mapping : Mapping
        Levels ``dram``, ``stream`` and ``pe``, as `dataflows.spatial.system.compile.compile_system` takes them.
    cost : dict
        Its cost (`dataflows.spatial.system.cost.evaluate`); cycles are exact.
    objective : str
        What was minimised: ``edp``, ``energy`` or ``latency``.
    evaluated : int
        Mappings ranked by bounds.
    scheduled : int
        Mappings evaluated exactly.
    seconds : float
        Wall time.
    stopped : str
        Why the search ended: ``done``, ``time``, ``evaluations`` or ``interrupted``.
    history : tuple of (int, float)
        (exact evaluations so far, best value so far), whenever the best improved.
    """

    layer: Layer
    mapping: Mapping
    cost: dict[str, Any]
    objective: Objective
    evaluated: int
    scheduled: int
    seconds: float
    stopped: str = "done"
    history: tuple[tuple[int, float], ...] = ()

    @property
    def value(self) -> float:
        """The objective's value: pJ x cycles, pJ or cycles."""
        return objective_value(self.objective, self.cost["energy_pj"], self.cost["cycles"])

    def to_dict(self, name: str = "", count: int = 1) -> dict[str, Any]:
        """Return the JSON form of one layer of a map result; nothing is proved, so there is no gap."""
        cost = self.cost
        return {
            "name": name or self.layer.name, "count": count, "cycles": cost["cycles"], "bound_cycles": cost["bound_cycles"],
            "energy_pj": cost["energy_pj"], "edp": cost["edp"], "optimal": False, "gap": None, "evaluated": self.evaluated,
            "scheduled": self.scheduled, "seconds": self.seconds, "stopped": self.stopped, "utilization": cost["utilization"],
            "bound": cost["bound"], "cycles_by_limit": cost["cycles_by_limit"], "active_pes": cost["active_pes"],
            "mapping": self.mapping.to_dict(),
        }  # fmt: skip
