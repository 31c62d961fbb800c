"""How good the mappers of our own accelerators are, and how fast: proofs, local search, random search, a fixed rule.

Run with ``make bench``. EDP is of the whole network by exact cycles; utilisation is of the array's peak.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import yaml

from dataflows.networks import network
from mappers.base import OBJECTIVES, native_cycles
from mappers.naive import NaiveMapper
from mappers.network import map_network, rank_exactly
from mappers.optimal import OptimalMapper
from mappers.random_mapper import RandomMapper
from mappers.search import SearchMapper
from systolith.specs import accelerator
from systolith.versions import provenance

SEED = 1
NETWORKS = ("resnet50", "ocr_det", "mobilenet_v2", "bert_base")
ARCH = "ws-16x16"
PROVED_ON = ("ws-16x16", "os-16x16")
SMALL = "ws-8x8"


def compare(name: str) -> dict[str, Any]:
    """Map one network with every mapper."""
    acc, net = accelerator(ARCH), network(name)
    rows: dict[str, Any] = {}
    for mapper in (OptimalMapper(), SearchMapper(), RandomMapper(), NaiveMapper()):
        started = time.process_time()
        mapped = map_network(net, acc, mapper, seed=SEED, exact_cycles=native_cycles)
        rows[mapper.name] = {"edp_pj_cycles": mapped.edp, "cpu_seconds": round(time.process_time() - started, 2)}
        rows[mapper.name]["utilization"] = round(net.macs / mapped.cycles / acc.array.macs, 3)
    best = rows["search"]["edp_pj_cycles"]
    return rows | {"edp_over_search": {name: round(row["edp_pj_cycles"] / best, 3) for name, row in rows.items()}}


def proofs(name: str) -> dict[str, Any]:
    """Count the layers whose optimum is proved, by the bound and by exact cycles, and compare with search, layer by layer."""
    layers = [layer for layer, _ in network(name).distinct()]
    rows: dict[str, Any] = {}
    for arch in PROVED_ON:
        acc = accelerator(arch)
        for objective in OBJECTIVES:
            seconds, results = [0.0, 0.0], []
            for layer in layers:
                started = time.process_time()
                bound = OptimalMapper().map(layer, acc, objective)
                between = time.process_time()
                exact = OptimalMapper().exactly(layer, acc, objective)
                seconds = [seconds[0] + between - started, seconds[1] + time.process_time() - between]
                found = SearchMapper().map(layer, acc, objective)
                results.append((bound, exact, found, rank_exactly(found, acc, native_cycles)))
            rows[f"{arch} {objective}"] = {
                "layers": len(layers),
                "proved_by_bound": sum(bound.gap == 0 for bound, *_ in results),
                "proved_exactly": sum(exact.gap == 0 for _, exact, *_ in results),
                "largest_gap": max(exact.gap or 0.0 for _, exact, *_ in results),
                "cpu_seconds": {"bound": round(seconds[0], 2), "exact": round(seconds[1], 2)},
                "search_at_most_above": {
                    "bound": round(max(found.value / bound.value for bound, _, found, _ in results) - 1, 4),
                    "exact": round(max(ranked.value / exact.value for _, exact, _, ranked in results) - 1, 4),
                },
            }
    return rows


def networks() -> dict[str, Any]:
    """Compare the least EDP of whole networks with search's, by exact cycles."""
    rows: dict[str, Any] = {}
    for name in NETWORKS:
        for arch in PROVED_ON:
            acc, net = accelerator(arch), network(name)
            best = map_network(net, acc, OptimalMapper(), exact_cycles=native_cycles)
            found = map_network(net, acc, SearchMapper(), exact_cycles=native_cycles)
            rows[f"{name} on {arch}"] = {"gap": best.gap, "search_over_least": round(found.edp / best.edp, 5)}
    return rows


def single_layers() -> dict[str, Any]:
    """Count layers, each with every objective, for which random search finds a better mapping, by exact cycles."""
    acc, gains, pairs = accelerator(SMALL), [], 0
    layers = [layer for name in NETWORKS for layer, _ in network(name).distinct()]
    for layer in layers:
        for objective in OBJECTIVES:
            found, random = (
                rank_exactly(mapper.map(layer, acc, objective, SEED), acc, native_cycles).value
                for mapper in (SearchMapper(), RandomMapper())
            )
            pairs += 1
            gains += [found / random - 1] if random < found * (1 - 1e-12) else []
    return {"pairs": pairs, "random_better": len(gains), "at_most": round(max(gains, default=0.0), 4)}


def main() -> None:
    """Print all figures as YAML."""
    figures: dict[str, Any] = {name: compare(name) for name in NETWORKS}
    figures |= {f"single layers on {SMALL}": single_layers(), "least EDP of networks": networks()}
    figures |= {f"proofs: {name}": proofs(name) for name in NETWORKS}
    yaml.safe_dump({**figures, **provenance(SEED)}, sys.stdout, sort_keys=False)


if __name__ == "__main__":
    main()
