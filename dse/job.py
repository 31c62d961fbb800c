"""What one exploration is asked to do."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from dataflows.arch import Dataflow
from dataflows.workload import Network
from dse.budget import Budget
from mappers.base import Objective


@dataclass(frozen=True, slots=True)
class Job:
    """One exploration, checked and complete.

    Attributes
    ----------
    name : str
        Title of the report.
    network : str
        Preset, path or inline layer, see `dataflows.networks.network`.
    budget : Budget
        What the accelerator may use.
    shapes : tuple of int or None
        (H, W) of the network's input.
    image : str
        ``skimage:NAME`` or a path: calibration and test data of verification.
    evaluations, seed : int
        Hardware points to evaluate, seed of everything random.
    dataflows : tuple of str
        Dataflows to choose from.
    objective : str
        ``edp``, ``energy`` or ``latency``.
    verify_layers : tuple of str or None
        Layers to run through the Verilog; None picks `verify_count` of them.
    verify_count : int
        See there.
    spec : dict
        The specification as the user gave it, kept in the result.
    """

    name: str
    network: str
    budget: Budget
    shapes: tuple[int, int] | None = None
    image: str = "skimage:page"
    evaluations: int = 300
    seed: int = 0
    dataflows: tuple[Dataflow, ...] = ("ws", "os")
    objective: Objective = "edp"
    verify_layers: tuple[str, ...] | None = None
    verify_count: int = 4
    spec: dict[str, Any] = field(default_factory=dict, compare=False, hash=False)

    def identity(self, network: Network) -> dict[str, Any]:
        """Return what the trials of a search depend on; the number of evaluations is left out: more continue fewer."""
        layers = json.dumps([layer.to_dict() for layer in network.layers])
        return {
            "network": hashlib.sha256(layers.encode()).hexdigest(), "budget": self.budget.to_dict(), "seed": self.seed,
            "dataflows": list(self.dataflows), "objective": self.objective,
        }  # fmt: skip
