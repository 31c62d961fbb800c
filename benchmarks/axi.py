"""Cycles behind AXI: real layers under the standard mapper's mapping, between the schedule and the limit of docs/axi.md.

Run with ``python -m benchmarks.axi [LATENCY...]``. The memory is cocotbext-axi's with a beat in every cycle and per
direction; every run verifies all outputs and counts, with random pauses too.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import yaml

from dataflows.arch import Accelerator
from dataflows.axi import AxiOptions
from dataflows.workload import Layer
from mappers.search import SearchMapper
from sim.axi.verify import verify_axi_layers
from sim.cases import LayerCase
from sim.tensors import random_tensors
from systolith.specs import accelerator
from systolith.versions import provenance

SEED = 1
DESIGNS = ("ws-8x8", "os-8x8")
LATENCIES = (32, 100)
LAYERS = (
    Layer.conv("conv3x3", K=32, C=32, H=14, W=14, R=3, S=3, padding=1),
    Layer.conv("conv1x1", K=64, C=64, H=14, W=14, R=1, S=1),
    Layer.conv("depthwise", K=64, C=64, G=64, H=14, W=14, R=3, S=3, padding=1),
    Layer.gemm("gemm", M=64, N=64, K=256),
)


def measure(acc: Accelerator, axi: AxiOptions) -> Iterator[dict[str, Any]]:
    """Return one row per layer."""
    cases = []
    for layer in LAYERS:
        found = SearchMapper().map(layer, acc, "latency")
        tensors = random_tensors(found.layer, np.random.default_rng(SEED), acc_bits=acc.array.acc_bits)
        cases.append(LayerCase(layer.name, found.layer, found.tiling, tensors))
    report = verify_axi_layers(acc, axi, cases, seed=SEED)
    for case in report.cases:
        row = {key: value for key, value in case.to_dict().items() if key.startswith("cycles_") or key.endswith("_wait")}
        yield {"layer": case.name, **row, "over_model": f"{case.cycles_axi / case.cycles_model - 1:.2%}", "passed": report.passed}


def main() -> None:
    """Print all rows as YAML."""
    latencies = [int(text) for text in sys.argv[1:]] or LATENCIES
    rows = {
        f"{name}, latency {latency}": list(measure(replace(acc, memory=replace(acc.memory, latency=latency)), AxiOptions()))
        for name in DESIGNS for acc in (accelerator(name),) for latency in latencies
    }  # fmt: skip
    yaml.safe_dump({**rows, **provenance(SEED)}, sys.stdout, sort_keys=False)


if __name__ == "__main__":
    main()
