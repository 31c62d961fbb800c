"""Mappings costed per CPU second: many at once, and one after the other beside it.

Run with ``python -m benchmarks.mapper_batch [ARCHITECTURE...]``. Mappings are drawn at random from the whole space,
where many do not fit; those that fit are also costed alone. Best of three.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import yaml

from dataflows.feasible import InfeasibleError
from dataflows.nest.batch import evaluate_points
from dataflows.nest.cost import evaluate
from dataflows.nest.points import Points
from dataflows.nest.presets import PRESETS
from dataflows.workload import Layer
from mappers.nest.base import Options
from mappers.nest.space import NestSpace
from systolith.versions import provenance

SEED = 1
ARCHITECTURES = ("tri256", "eyeriss")
DRAWN = 200_000
ALONE = 1_000
REPEATS = 3
LAYER = Layer.conv("r50_c2_3x3", K=64, C=64, H=56, W=56, R=3, S=3, padding=1)


def rate(count: int, work: Callable[[], Any]) -> int:
    """Return how many per CPU second, at best."""
    best = 0.0
    for _ in range(REPEATS):
        started = time.process_time()
        work()
        best = max(best, count / (time.process_time() - started))
    return round(best)


def one_by_one(name: str, points: Points) -> None:
    """Cost mappings with the scalar model, as they are written."""
    arch = PRESETS[name]()
    for at in range(len(points)):
        try:
            evaluate(LAYER, arch, points.mapping(arch, at))
        except InfeasibleError:
            continue


def measure(name: str) -> dict[str, Any]:
    """Return the rates on one architecture."""
    arch = PRESETS[name]()
    row: dict[str, Any] = {}
    for label, options in (("divisors", Options()), ("padded", Options(padded=True))):
        space = NestSpace(LAYER, arch, options)
        points = space.draw(DRAWN, np.random.default_rng(SEED))
        fits = evaluate_points(LAYER, arch, points).fits
        legal = points[np.resize(np.flatnonzero(fits), DRAWN)]
        row[label] = {
            "fit": f"{fits.mean():.2%}",
            "a_second": rate(DRAWN, lambda points=points: evaluate_points(LAYER, arch, points)),
            "a_second_of_those_that_fit": rate(DRAWN, lambda legal=legal: evaluate_points(LAYER, arch, legal)),
            "one_by_one": rate(ALONE, lambda points=points: one_by_one(name, points[:ALONE])),
            "drawn_a_second": rate(DRAWN, lambda space=space: space.draw(DRAWN, np.random.default_rng(SEED))),
        }
    return row


def main() -> None:
    """Print all rows as YAML."""
    rows = {name: measure(name) for name in sys.argv[1:] or ARCHITECTURES}
    yaml.safe_dump({"layer": LAYER.name, **rows, **provenance(SEED)}, sys.stdout, sort_keys=False)


if __name__ == "__main__":
    main()
