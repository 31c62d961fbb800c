"""How fast the suite itself is: simulation of complete accelerators, and generation of large ones.

Run with ``make bench``. Figures are of this machine and this moment; CPU seconds move less than wall time.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import yaml

from dataflows.schedule import schedule
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
GENERATED = ("ws-16x16", "ws:rows=64,cols=64", "os:rows=64,cols=64")


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
        "simulation": {name: simulation(name) for name in SIMULATED},
        "generation": {name: generation(name) for name in GENERATED},
    }
    yaml.safe_dump({**figures, **provenance(SEED)}, sys.stdout, sort_keys=False)
    if not all(row["passed"] for row in figures["simulation"].values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
