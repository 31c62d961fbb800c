"""Evolution of loop nests against random search at equal evaluations, both measured from the proved optimum.

Run with ``python -m benchmarks.mapper_evolution``; some ten minutes. A gap is EDP over the optimum's, less 1.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import yaml

from dataflows.nest.architecture import Architecture
from dataflows.nest.presets import PRESETS
from dataflows.nest.rules import Rules
from dataflows.workload import Layer
from mappers.nest.base import Budget
from mappers.nest.best import Best
from mappers.nest.encoding import Encoding
from mappers.nest.evolution import EvolutionNestMapper
from mappers.nest.opening import opened
from mappers.nest.optimal import OptimalMapper
from mappers.nest.random_mapper import RandomNestMapper
from systolith.versions import provenance

BUDGETS = (2_000, 10_000)
ARCHITECTURES = ("tri256", "eyeriss")
LAYERS = (
    Layer.conv("r50_conv1", K=64, C=3, H=224, W=224, R=7, S=7, stride=2, padding=3),
    Layer.conv("r50_c2_3x3", K=64, C=64, H=56, W=56, R=3, S=3, padding=1),
    Layer.conv("r50_c4_1x1", K=1024, C=256, H=14, W=14, R=1, S=1),
    Layer("depthwise96", G=96, K=1, C=1, P=56, Q=56, R=3, S=3),
    Layer("gemm1024", K=1024, C=1024, P=1, Q=1024),
)
Curve = tuple[list[float], float]
"""Best values at the budgets and after a CPU second, and CPU seconds of the largest budget."""


@dataclass(frozen=True)
class Evolved:
    """Evolution with an encoding."""

    mapper: EvolutionNestMapper

    def __call__(self, layer: Layer, arch: Architecture, seed: int) -> Curve:
        """Search once."""
        began = time.process_time()
        found = self.mapper.map(layer, arch, budget=Budget(evaluations=BUDGETS[-1]), seed=seed)
        took = time.process_time() - began
        marks = [*BUDGETS, BUDGETS[-1] / max(took, 1.0)]
        return [min(value for at, value in found.history if at <= mark) for mark in marks], took


def drawn_vectors(layer: Layer, arch: Architecture, seed: int) -> Curve:
    """Decode random vectors of importances: what evolution does without evolution."""
    began = time.process_time()
    space, rng, values = opened(layer, arch, "edp", None, None), np.random.default_rng(seed), []
    best, encoding = Best(space, "edp", Rules(), Budget()), Encoding(space, Rules())
    for budget in BUDGETS:
        best.values(encoding.decode(rng.random((budget - best.evaluated, encoding.genes)))[0])
        values.append(best.value)
    return [*values, values[-1]], time.process_time() - began


def drawn_mappings(layer: Layer, arch: Architecture, seed: int) -> Curve:
    """Draw mappings uniformly."""
    values, took = [], 0.0
    for budget in BUDGETS:
        began = time.process_time()
        values.append(RandomNestMapper().map(layer, arch, budget=Budget(evaluations=budget), seed=seed).value)
        took = time.process_time() - began
    return [*values, values[-1]], took


SEARCHES: dict[str, Callable[[Layer, Architecture, int], Curve]] = {
    "evolution, importance": Evolved(EvolutionNestMapper()),
    "evolution, index": Evolved(EvolutionNestMapper("index")),
    "evolution, importance, plain": Evolved(EvolutionNestMapper(plain=True)),
    "evolution, index, plain": Evolved(EvolutionNestMapper("index", plain=True)),
    "random vectors": drawn_vectors,
    "random mappings": drawn_mappings,
}


def quartiles(gaps: Any) -> list[float]:
    """Return the lower quartile, the median and the upper quartile in per cent."""
    return [round(100 * float(each), 2) for each in np.percentile(gaps, (25, 50, 75))]


def main() -> None:
    """Print all figures as YAML."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=100, help="settings were chosen with seeds 0 to 4")
    given = parser.parse_args()
    seeds = range(given.first_seed, given.first_seed + given.seeds)
    cases = [(layer, PRESETS[name]()) for layer in LAYERS for name in ARCHITECTURES]
    gaps = {name: np.empty((len(cases), len(seeds), len(BUDGETS) + 1)) for name in SEARCHES}
    cpu: dict[str, list[float]] = {name: [] for name in SEARCHES}
    rows: dict[str, Any] = {}
    for at, (layer, arch) in enumerate(cases):
        optimum = OptimalMapper().map(layer, arch)
        assert optimum.gap == 0
        row: dict[str, Any] = {"optimum_pj_cycles": optimum.value, "proof_seconds": round(optimum.seconds, 1)}
        for name, search in SEARCHES.items():
            for number, seed in enumerate(seeds):
                values, took = search(layer, arch, seed)
                gaps[name][at, number] = np.array(values) / optimum.value - 1
                cpu[name].append(took)
            row[name] = {f"{budget}": quartiles(gaps[name][at, :, which]) for which, budget in enumerate(BUDGETS)}
        rows[f"{layer.name} on {arch.name}"] = row
        yaml.safe_dump({f"{layer.name} on {arch.name}": row}, sys.stdout, sort_keys=False, default_flow_style=None)
        sys.stdout.flush()
    yaml.safe_dump(
        {"all": _summary(gaps, cpu), **provenance(given.first_seed)}, sys.stdout, sort_keys=False, default_flow_style=None
    )


def _summary(gaps: dict[str, Any], cpu: dict[str, list[float]]) -> dict[str, Any]:
    """Return gaps over all cases and seeds, and against importance how often each search is better, equal or worse."""
    ours, found = gaps["evolution, importance"], {}
    for name, each in gaps.items():
        row: dict[str, Any] = {"cpu_seconds_of_10000": round(float(np.median(cpu[name])), 2)}
        for which, budget in enumerate([*BUDGETS, "one CPU second"]):
            one, other = each[:, :, which], ours[:, :, which]
            wins = int((other < one - 1e-9).sum()), int((np.abs(other - one) <= 1e-9).sum()), int((other > one + 1e-9).sum())
            row[f"{budget}"] = {
                "gap_percent": quartiles(one), "mean_percent": round(100 * float(np.expm1(np.log1p(one).mean())), 2),
                "proved_optimum_found": round(float((one < 1e-9).mean()), 3), "importance_wins_ties_losses": list(wins),
            }  # fmt: skip
        found[name] = row
    return found


if __name__ == "__main__":
    main()
