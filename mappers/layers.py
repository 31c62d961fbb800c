"""Mapping the layers of a network one by one: a tiling for every name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from dataflows.arch import Accelerator
from dataflows.feasible import Infeasible, InfeasibleError
from dataflows.schedule import schedule
from dataflows.tiling import Tiling
from dataflows.workload import Layer
from mappers.base import Mapper, Objective
from mappers.network import rank_exactly


def map_layers(
    layers: Mapping[str, Layer], acc: Accelerator, mapper: Mapper, objective: Objective = "latency", seed: int = 0
) -> dict[str, Tiling]:
    """Return the best tiling of every layer by exact cycles; equal shapes are mapped once.

    Raises
    ------
    InfeasibleError
        With the reasons of every layer that cannot be mapped.
    """
    reasons: list[Infeasible] = []
    known: dict[Layer, Tiling] = {}
    found: dict[str, Tiling] = {}
    for name, layer in layers.items():
        key = replace(layer.flattened(), name="", activation="none")
        if key not in known:
            try:
                result = mapper.map(layer, acc, objective, seed)
            except InfeasibleError as error:
                reasons += error.reasons
                continue
            ranked = rank_exactly(result, acc, lambda one, on, tiling: schedule(one, on, tiling).cycles)
            known[key] = ranked.tiling
        found[name] = known[key]
    if reasons:
        raise InfeasibleError(reasons)
    return found
