"""How good the standard mapper is, and how fast: against random search, a fixed rule and the array's peak.

Run with ``make bench``. EDP is of the whole network by exact cycles; utilisation is of the array's peak.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import yaml

from dataflows.networks import network
from dataflows.schedule import schedule
from mappers.base import OBJECTIVES
from mappers.naive import NaiveMapper
from mappers.network import map_network, rank_exactly
from mappers.random_mapper import RandomMapper
from mappers.search import SearchMapper
from systolith.specs import accelerator
from systolith.versions import provenance

SEED = 1
NETWORKS = ("resnet50", "ocr_det", "mobilenet_v2", "bert_base")
ARCH = "ws-16x16"
SMALL = "ws-8x8"


def compare(name: str) -> dict[str, Any]:
    """Map one network with every mapper."""
    acc, net = accelerator(ARCH), network(name)
    rows: dict[str, Any] = {}
    for mapper in (SearchMapper(), RandomMapper(), NaiveMapper()):
        started = time.process_time()
        mapped = map_network(net, acc, mapper, seed=SEED, exact_cycles=lambda *job: schedule(*job).cycles)
        rows[mapper.name] = {"edp_pj_cycles": mapped.edp, "cpu_seconds": round(time.process_time() - started, 2)}
        rows[mapper.name]["utilization"] = round(net.macs / mapped.cycles / acc.array.macs, 3)
    best = rows["search"]["edp_pj_cycles"]
    return rows | {"edp_over_search": {name: round(row["edp_pj_cycles"] / best, 3) for name, row in rows.items()}}


def single_layers() -> dict[str, Any]:
    """Count layers, each with every objective, for which random search finds a better mapping, by exact cycles."""
    acc, gains, pairs = accelerator(SMALL), [], 0
    layers = [layer for name in NETWORKS for layer, _ in network(name).distinct()]
    for layer in layers:
        for objective in OBJECTIVES:
            found, random = (
                rank_exactly(mapper.map(layer, acc, objective, SEED), acc, lambda *job: schedule(*job).cycles).value
                for mapper in (SearchMapper(), RandomMapper())
            )
            pairs += 1
            gains += [found / random - 1] if random < found * (1 - 1e-12) else []
    return {"pairs": pairs, "random_better": len(gains), "at_most": round(max(gains, default=0.0), 4)}


def main() -> None:
    """Print all figures as YAML."""
    figures = {**{name: compare(name) for name in NETWORKS}, f"single layers on {SMALL}": single_layers()}
    yaml.safe_dump({**figures, **provenance(SEED)}, sys.stdout, sort_keys=False)


if __name__ == "__main__":
    main()
