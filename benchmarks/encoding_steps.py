"""What a small and a large step in each group of genes does to a good mapping: why encodings differ, or do not.

Run with ``python -m benchmarks.encoding_steps``; a few seconds. From the best vector of a run of 3,000 evaluations one group of
genes is moved by 0.05 (standard deviation), or drawn anew.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import yaml

from benchmarks.mapper_evolution import LAYERS
from dataflows.nest.presets import PRESETS
from dataflows.nest.rules import Rules
from mappers.nest.base import Budget
from mappers.nest.best import Best
from mappers.nest.encoding import ENCODINGS, Encoding
from mappers.nest.evolution import EvolutionNestMapper
from mappers.nest.opening import opened
from systolith.versions import provenance

CASES = (("r50_c2_3x3", "tri256"), ("r50_c2_3x3", "eyeriss"), ("gemm1024", "tri256"), ("gemm1024", "eyeriss"))
SEEDS = range(5)
TRIED = 1000
SMALL = 0.05
CHANGED = 0.01


def steps(layer: Any, arch: Any, kind: Any, seed: int) -> dict[str, tuple[float, float, float]]:
    """Return by group: how many small steps change EDP by more than 1 %, and the median EDP over the best's of both steps."""
    space, rng = opened(layer, arch, "edp", None, None), np.random.default_rng(seed)
    encoding = Encoding(space, Rules(), kind)
    champion, least = EvolutionNestMapper(kind).champion(encoding, Best(space, "edp", Rules(), Budget(evaluations=3000)), seed)
    found = {}
    for name, where in encoding.parts.items():
        size = (TRIED, where.stop - where.start)
        near, far = np.tile(champion, (TRIED, 1)), np.tile(champion, (TRIED, 1))
        near[:, where] += rng.normal(0, SMALL, size)
        far[:, where] = rng.random(size)
        best = Best(space, "edp", Rules(), Budget())
        small, large = (best.values(encoding.decode(genes)[0]) / least for genes in (near, far))
        found[name] = float((np.abs(small - 1) > CHANGED).mean()), float(np.median(small)), float(np.median(large))
    return found


def main() -> None:
    """Print means over seeds as YAML."""
    layers, rows = {layer.name: layer for layer in LAYERS}, {}
    for name, arch in CASES:
        for kind in ENCODINGS:
            runs = [steps(layers[name], PRESETS[arch](), kind, seed) for seed in SEEDS]
            rows[f"{name} on {arch}, {kind}"] = {
                group: [round(float(np.mean([run[group][which] for run in runs])), 2) for which in range(3)] for group in runs[0]
            }
    yaml.safe_dump({**rows, **provenance(SEEDS[0])}, sys.stdout, sort_keys=False, default_flow_style=None)


if __name__ == "__main__":
    main()
