"""The suite's own mappers on one job, each run in a process of its own, as the peers are."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from benchmarks.peers_jobs import find
from mappers.nest.base import NestMapper
from mappers.nest.local import LocalNestMapper
from mappers.nest.optimal import OptimalMapper
from mappers.nest.random_mapper import RandomNestMapper

SEED = 0
MAPPERS: dict[str, NestMapper] = {"optimal": OptimalMapper(), "local": LocalNestMapper(), "random": RandomNestMapper()}


def run(name: str, mapper: str) -> dict[str, Any]:
    """Map one job."""
    (job,) = find(name)
    began = time.process_time()
    found = MAPPERS[mapper].map(job.layer, job.arch, "edp", seed=SEED)
    seconds = time.process_time() - began
    cost = found.cost
    return {
        "energy_pj": cost.energy_pj, "cycles": cost.cycles, "edp": cost.edp, "cpu_s": seconds, "evaluated": found.evaluated,
        "space": found.space, "gap": found.gap, "mapping": found.mapping.to_dict()["levels"],
    }  # fmt: skip


if __name__ == "__main__":
    given = json.load(sys.stdin)
    print("\n" + json.dumps(run(given["name"], given["mapper"])))
