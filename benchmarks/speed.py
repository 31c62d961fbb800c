"""How fast the suite itself is: costs of single mappings, simulation of complete accelerators, generation of large ones.

Run with ``make bench``. Figures are of this machine and this moment; CPU seconds move less than wall time.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from itertools import product
from random import Random
from statistics import median
from typing import Any

import numpy as np
import yaml

from dataflows.cost import evaluate
from dataflows.mapping import Level, Mapping
from dataflows.nest.cost import evaluate as evaluate_nest
from dataflows.nest.presets import PRESETS
from dataflows.nest.text import parse_compact
from dataflows.schedule import schedule
from dataflows.tech import technology
from dataflows.tiling import OUTER_DIMS, Tiling, violations
from dataflows.workload import Layer
from mappers.search import SearchMapper
from rtl.export import verilog
from sim.cases import LayerCase
from sim.tensors import random_tensors
from sim.verify import verify_layers
from systolith.specs import accelerator
from systolith.versions import provenance

SEED = 1
LAYER = Layer.conv("conv3x3", K=64, C=64, H=56, W=56, R=3, S=3, padding=1)
SIMULATED = ("ws-16x16", "os-16x16")
COSTED = ("ws-16x16", "os-16x16")
NESTS = {
    "gemmini_dosa": "L3 P28 K2 Q14 ; L2 K16X ; L1 K2 R3 S3 Q4 C4 P2 C16X ; L0",
    "eyeriss": "L2 K8 C4 P7 ; L1[I] Q56 C4 P4X P2X R3X ; L0 K8 C4 S3",
}
"""Mappings of `LAYER`, three and four levels deep."""
REPEATS = 7
GENERATED = ("ws-16x16", "ws:rows=64,cols=64", "os:rows=64,cols=64")


def evaluations(cost: Callable[[Any], object], mappings: Sequence[Any]) -> int:
    """Return evaluations per CPU second of one core, one mapping after the other: the median of several repeats."""
    rates = []
    for _ in range(REPEATS):
        started = time.process_time()
        for mapping in mappings:
            cost(mapping)
        rates.append(len(mappings) / (time.process_time() - started))
    return round(median(rates))


def machine_cost(name: str) -> int:
    """Cost every fitting tiling of a grid of mode `machine`: counts, bound, energy and area."""
    acc, tech = accelerator(name), technology()
    orders = (OUTER_DIMS, ("G", "N", "P", "Q", "K"))
    sizes = product((1, 2, 4), (1, 2, 4), range(1, 57, 3), (1, 2, 5, 7, 8, 14, 28, 56), orders)
    tilings = [each for each in (Tiling(*size) for size in sizes) if not violations(LAYER, acc, each)]
    return evaluations(lambda tiling: evaluate(LAYER, acc, tiling, tech), tilings)


def nest_cost(name: str) -> int:
    """Cost mode `timeloop`: bind, count, check capacities, ports and energy of one nest in 300 random loop orders."""
    arch, rng = PRESETS[name](), Random(SEED)
    nest = parse_compact(NESTS[name], arch)
    orders = [
        Mapping(tuple(Level(level.name, tuple(rng.sample(level.loops, len(level.loops)))) for level in nest.levels))
        for _ in range(300)
    ]
    return evaluations(lambda mapping: evaluate_nest(LAYER, arch, mapping), orders)


def simulation(name: str) -> dict[str, object]:
    """Run one whole layer under the search mapper's mapping; cycles per CPU second count the run phase only."""
    acc = accelerator(name)
    found = SearchMapper().map(LAYER, acc)
    tensors = random_tensors(found.layer, np.random.default_rng(SEED), acc_bits=acc.array.acc_bits)
    report = verify_layers(acc, [LayerCase(LAYER.name, found.layer, found.tiling, tensors)])
    cycles = schedule(found.layer, acc, found.tiling).cycles
    return {"passed": report.passed, "cycles": cycles, "cycles_per_cpu_second": round(report.cycles_per_cpu_second)}


def generation(name: str) -> dict[str, object]:
    """Time the Verilog of one accelerator."""
    started, cpu = time.perf_counter(), time.process_time()
    text = verilog(accelerator(name))
    return {
        "seconds": round(time.perf_counter() - started, 2),
        "own_cpu_seconds": round(time.process_time() - cpu, 2),
        "bytes": len(text.encode()),
    }


def main() -> None:
    """Print all figures as YAML."""
    figures = {
        "cost machine evaluations per CPU second": {name: machine_cost(name) for name in COSTED},
        "cost timeloop evaluations per CPU second": {name: nest_cost(name) for name in NESTS},
        "simulation": {name: simulation(name) for name in SIMULATED},
        "generation": {name: generation(name) for name in GENERATED},
    }
    yaml.safe_dump({**figures, **provenance(SEED)}, sys.stdout, sort_keys=False)
    if not all(row["passed"] for row in figures["simulation"].values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
