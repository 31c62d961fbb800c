"""Why nothing of a layer fits a system: what the mapping that asks for least lacks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dataflows.feasible import Infeasible, InfeasibleError
from dataflows.spatial.system.compile import NO_CONFLICT, compile_system
from dataflows.spatial.system.spec import SpatialSystem
from dataflows.workload import DIMS, Layer
from mappers.system.core import core_of
from mappers.system.cuts import cuts_of, strain
from mappers.system.nests import Nest, nest_of
from mappers.system.spatial import choices


def smallest(layer: Layer, system: SpatialSystem) -> Nest | list[Infeasible]:
    """Return a mapping that fits, or what the one that lacks least lacks, as parts of what there is."""
    reasons: list[list[Infeasible]] = []
    for _, nest in sorted(_least(layer, system), key=lambda each: each[0]):
        try:
            compile_system(layer, system, nest.mapping)
        except InfeasibleError as error:
            reasons.append(error.reasons)
        else:
            return nest
    # Ports that meet in one bank are no lack of anything: another way to unroll the array has none.
    lacks = [each for each in reasons if not any(reason.unit == NO_CONFLICT for reason in each)]
    if not reasons:
        count = sum(getattr(layer, dim) > 1 for dim in DIMS)
        return [Infeasible("sequencer", count, 0, "loops that can be walked", "split the layer", layer.name)]
    return (lacks or reasons)[0]


def _least(layer: Layer, system: SpatialSystem) -> Iterator[tuple[float, Nest]]:
    """Yield, for every way to unroll the array, how much the tile that lacks least lacks, and its mapping."""
    for choice in choices(layer, system.array):
        core = core_of(layer, system, choice, dict.fromkeys(DIMS, 1))
        cuts = None if core is None else cuts_of(layer, system, core, fitting=False)
        if core is None or cuts is None or not len(cuts):
            continue
        over = np.maximum(strain(layer, system, core, cuts.inside) - 1, 0).sum(axis=0)
        at = int(np.argmin(over))
        yield float(over[at]), nest_of(core, *cuts.at(at), "outputs", "K")
