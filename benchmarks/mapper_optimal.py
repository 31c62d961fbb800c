"""Proofs of the best loop nest: whole networks on plain architectures, one convolution on every preset.

``python -m benchmarks.mapper_optimal [networks|presets]`` prints CPU seconds; docs/optimal.md quotes it.
"""

from __future__ import annotations

import resource
import sys
import time
from dataclasses import replace

from dataflows.feasible import InfeasibleError
from dataflows.nest.architecture import Architecture
from dataflows.nest.presets import PRESETS
from dataflows.networks import network
from dataflows.workload import Layer
from mappers.nest.base import Budget, NestResult
from mappers.nest.optimal import OptimalMapper

NETWORKS = ("resnet50", "mobilenet_v2", "bert_base", "ocr_det")
PLAIN = ("tri256", "eyeriss", "naas_nvdla256")
JOBS = (
    Layer("gemm1024", K=1024, C=1024, P=1, Q=1, N=1024, H=1, W=1),
    Layer("r50_conv1", K=64, C=3, P=112, Q=112, R=7, S=7, stride=(2, 2), H=229, W=229),
    Layer("r50_c2_3x3", K=64, C=64, P=56, Q=56, R=3, S=3, H=58, W=58),
)
SECONDS = 10.0
SHORT = 10.0


def shapes(name: str) -> list[Layer]:
    """Return the distinct shapes of a network."""
    layers = [layer for layer in network(name).layers if layer.op == "mac"]
    return list({replace(layer.flattened(), name="", activation="none"): layer.flattened() for layer in layers}.values())


def proof(layer: Layer, arch: Architecture, seconds: float) -> tuple[NestResult, float]:
    """Map a layer; return the result and CPU seconds."""
    began = time.process_time()
    found = OptimalMapper().map(layer, arch, budget=Budget(seconds))
    return found, time.process_time() - began


def table(*heads: str) -> None:
    """Print the head of a table."""
    print("| " + " | ".join(heads) + " |\n|" + "---|" * len(heads))


def networks() -> None:
    """Print a line for every network and architecture."""
    table("network", "architecture", "shapes", "proved", "largest gap", "CPU s, all", "median", "most")
    for name in NETWORKS:
        for preset in PLAIN:
            found = [proof(layer, PRESETS[preset](), SECONDS) for layer in shapes(name)]
            took = sorted(each for _, each in found)
            gaps = [result.gap or 0.0 for result, _ in found]
            times = f"{sum(took):.1f} | {took[len(took) // 2]:.2f} | {took[-1]:.2f}"
            row = f"{len(found)} | {gaps.count(0.0)} | {max(gaps):.2%} | {times}"
            print(f"| {name} | {preset} | {row} |", flush=True)


def presets() -> None:
    """Print a line for every preset: one convolution and, on TRI-256, the jobs that other tools were given."""
    table("architecture", "layer", "cycles", "energy, uJ", "EDP, pJ x cycles", "gap", "space", "looked at", "CPU s")
    jobs = [("tri256", job) for job in JOBS] + [(preset, JOBS[2]) for preset in PRESETS if preset != "tri256"]
    for preset, job in jobs:
        try:
            found, took = proof(job, PRESETS[preset](), SHORT)
        except InfeasibleError as error:
            print(f"| {preset} | {job.name} | does not fit: {error} |")
            continue
        cost = found.cost
        gap = "no bound" if found.gap is None else f"{found.gap:.2%}" if found.gap else "0"
        figures = f"{cost.cycles:,} | {cost.energy_pj / 1e6:,.1f} | {cost.edp:.4g} | {gap} | {found.space:.1e}"
        print(f"| {preset} | {job.name} | {figures} | {found.evaluated:,} | {took:.2f} |", flush=True)


def main(arguments: list[str]) -> None:
    """Print the tables asked for, or both."""
    for name, made in (("networks", networks), ("presets", presets)):
        if not arguments or name in arguments:
            made()
    print(f"largest memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main(sys.argv[1:])
