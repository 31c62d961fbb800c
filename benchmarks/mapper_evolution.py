"""Evolution of loop nests against random search at equal evaluations, both measured from the proved optimum.

Run with ``python -m benchmarks.mapper_evolution [--set SET]``; some ten minutes each. A gap is EDP over the optimum's, less 1.
Set ``first`` is of layers on which settings were chosen, with other seeds; ``second`` of layers and an architecture never used
for that, named before anything was run on them.
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
from scipy.stats import binomtest, wilcoxon

from dataflows.nest.architecture import Architecture
from dataflows.nest.presets import PRESETS
from dataflows.nest.rules import Rules
from dataflows.networks import network
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
SECOND = (
    ("bert_base", "layer0.ffn1", "eyeriss"),
    ("bert_base", "layer0.attention.qk", "tri256"),
    ("bert_base", "layer0.query", "naas_nvdla256"),
    ("mobilenet_v2", "block5.1.expand", "tri256"),
    ("mobilenet_v2", "block2.1.project", "naas_nvdla256"),
    ("mobilenet_v2", "block2.0.dw", "eyeriss"),
    ("resnet50", "gpu_0_res5_1_branch2b", "tri256"),
    ("resnet50", "gpu_0_res5_1_branch2b", "naas_nvdla256"),
    ("ocr_det", "Conv.3", "eyeriss"),
    ("ocr_det", "Conv.82", "naas_nvdla256"),
)
Case = tuple[str, Layer, Architecture]
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


OURS = "evolution, importance"
EQUAL = 1e-9
SEARCHES: dict[str, Callable[[Layer, Architecture, int], Curve]] = {
    OURS: Evolved(EvolutionNestMapper()),
    "evolution, index": Evolved(EvolutionNestMapper("index")),
    "evolution, importance, plain": Evolved(EvolutionNestMapper(plain=True)),
    "evolution, index, plain": Evolved(EvolutionNestMapper("index", plain=True)),
    "random vectors": drawn_vectors,
    "random mappings": drawn_mappings,
}


def cases_of(which: str) -> list[Case]:
    """Return the names, layers and architectures of a set."""
    if which == "first":
        return [(f"{layer.name} on {name}", layer, PRESETS[name]()) for layer in LAYERS for name in ARCHITECTURES]
    layers = {(name, layer.name): layer for name in {each[0] for each in SECOND} for layer in network(name).layers}
    return [(f"{name}, {layer} on {arch}", layers[name, layer], PRESETS[arch]()) for name, layer, arch in SECOND]


def quartiles(gaps: Any) -> list[float]:
    """Return the lower quartile, the median and the upper quartile in per cent."""
    return [round(100 * float(each), 2) for each in np.percentile(gaps, (25, 50, 75))]


def against(ours: Any, other: Any) -> dict[str, Any]:
    """Return how often we are better, equal and worse, and how likely pairs as unequal as that are by chance.

    Two-sided: the sign test of the pairs that differ, and Wilcoxon's signed ranks of all, ties split.
    """
    ours, other = ours.ravel(), other.ravel()
    wins, losses = int((ours < other - EQUAL).sum()), int((ours > other + EQUAL).sum())
    apart = np.where(np.abs(ours - other) > EQUAL, ours - other, 0.0)
    return {
        "wins_ties_losses": [wins, ours.size - wins - losses, losses],
        "p_sign": float(f"{binomtest(wins, wins + losses).pvalue if wins + losses else 1.0:.2g}"),
        "p_wilcoxon": float(f"{np.asarray(wilcoxon(apart, zero_method='zsplit'))[1]:.2g}"),
    }


def main() -> None:
    """Print all figures as YAML."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--set", choices=("first", "second"), default="first")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=100, help="settings were chosen with seeds 0 to 19")
    parser.add_argument("--only", nargs="+", choices=list(SEARCHES), default=list(SEARCHES), help="some searches")
    given = parser.parse_args()
    seeds = range(given.first_seed, given.first_seed + given.seeds)
    cases, searches = cases_of(given.set), {name: SEARCHES[name] for name in SEARCHES if name == OURS or name in given.only}
    gaps = {name: np.empty((len(cases), len(seeds), len(BUDGETS) + 1)) for name in searches}
    cpu: dict[str, list[float]] = {name: [] for name in searches}
    for at, (title, layer, arch) in enumerate(cases):
        optimum = OptimalMapper().map(layer, arch)
        assert optimum.gap == 0
        row: dict[str, Any] = {"optimum_pj_cycles": optimum.value, "proof_seconds": round(optimum.seconds, 1)}
        for name, search in searches.items():
            for number, seed in enumerate(seeds):
                values, took = search(layer, arch, seed)
                gaps[name][at, number] = np.array(values) / optimum.value - 1
                cpu[name].append(took)
            row[name] = {f"{budget}": quartiles(gaps[name][at, :, which]) for which, budget in enumerate(BUDGETS)}
        yaml.safe_dump({title: row}, sys.stdout, sort_keys=False, default_flow_style=None)
        sys.stdout.flush()
    yaml.safe_dump(
        {"all": _summary(gaps, cpu), **provenance(given.first_seed)}, sys.stdout, sort_keys=False, default_flow_style=None
    )


def _summary(gaps: dict[str, Any], cpu: dict[str, list[float]]) -> dict[str, Any]:
    """Return gaps over all cases and seeds, and against importance how often each search is better, equal or worse."""
    found = {}
    for name, each in gaps.items():
        row: dict[str, Any] = {f"cpu_seconds_of_{BUDGETS[-1]}": round(float(np.median(cpu[name])), 2)}
        for which, budget in enumerate([*BUDGETS, "one CPU second"]):
            one = each[:, :, which]
            row[f"{budget}"] = {
                "gap_percent": quartiles(one), "mean_percent": round(100 * float(np.expm1(np.log1p(one).mean())), 2),
                "proved_optimum_found": round(float((one < EQUAL).mean()), 3),
            } | ({} if name == OURS else {"importance": against(gaps[OURS][:, :, which], one)})  # fmt: skip
        found[name] = row
    return found


if __name__ == "__main__":
    main()
