"""Mapping the layers of a network one by one: a tiling for every name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from dataflows.arch import Accelerator
from dataflows.feasible import Infeasible, InfeasibleError
from dataflows.tiling import Tiling
from dataflows.workload import Layer
from mappers.base import ExactCycles, Mapper, Objective, native_cycles
from mappers.naive import NaiveMapper
from mappers.network import rank_exactly


def map_layers(
    layers: Mapping[str, Layer], acc: Accelerator, mapper: Mapper, objective: Objective = "latency", seed: int = 0,
    exact_cycles: ExactCycles = native_cycles,
) -> dict[str, Tiling]:  # fmt: skip
    """Return the best tiling of every layer by exact cycles; equal shapes are mapped once.

    The mapper's shortlist is ranked, and with it the tiling that a fixed rule gives: the shortlist is that of a bound, which
    does not see what every tile costs beside its work, and large tiles have few of these costs.

    Parameters
    ----------
    layers : mapping of str to Layer
        By name.
    acc : Accelerator
        The hardware.
    mapper : Mapper
        Finds the shortlist.
    objective : str
        ``edp``, ``energy`` or ``latency``, per layer.
    seed : int
        Given to the mapper.
    exact_cycles : callable
        (layer, accelerator, tiling) -> cycles.

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
            large = NaiveMapper().map(layer, acc, objective, seed).tiling
            known[key] = rank_exactly(replace(result, shortlist=(*result.shortlist, large)), acc, exact_cycles).tiling
        found[name] = known[key]
    if reasons:
        raise InfeasibleError(reasons)
    return found
