"""What mappers of loop nests do before they search: check the request, and find out whether any mapping fits."""

from __future__ import annotations

from dataflows.errors import SpecError
from dataflows.feasible import InfeasibleError
from dataflows.nest.architecture import Architecture
from dataflows.nest.cost import violations
from dataflows.nest.counts import count
from dataflows.nest.nest import bind
from dataflows.nest.rules import Rules
from dataflows.workload import Layer
from mappers.base import OBJECTIVES
from mappers.nest.base import Options
from mappers.nest.space import NestSpace

__all__ = ["opened"]


def opened(layer: Layer, arch: Architecture, objective: str, rules: Rules | None, options: Options | None) -> NestSpace:
    """Return the space of a request.

    Raises
    ------
    InfeasibleError
        If no mapping fits, since the smallest does not: the levels that lack, and how much.
    SpecError
        If the objective is unknown or the layer cannot be mapped on a loop nest.
    """
    if objective not in OBJECTIVES:
        raise SpecError("objective", objective, ", ".join(OBJECTIVES), "choose one of these")
    space = NestSpace(layer, arch, options)
    rules = rules or Rules()
    nest = bind(layer, arch, space.smallest().mapping(arch, 0))
    if reasons := violations(nest, count(nest, rules), rules):
        raise InfeasibleError(reasons)
    return space
