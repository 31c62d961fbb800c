"""Cost mode ``maestro``: data-centric directives costed as the tool MAESTRO costs them, for comparison only.

Kwon et al., "Understanding reuse, performance, and hardware cost of DNN dataflows", MICRO 2019. Written from the behaviour
of the published tool and its printed tables; what it agrees with is in docs/compatible-modes.md.
"""

from __future__ import annotations

from dataflows.maestro.cost import MaestroCost
from dataflows.maestro.directives import Cluster, Directives, Map
from dataflows.maestro.machine import Machine
from dataflows.maestro.model import evaluate
from dataflows.maestro.named import NAMED

__all__ = ["NAMED", "Cluster", "Directives", "Machine", "MaestroCost", "Map", "evaluate"]
