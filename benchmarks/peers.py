"""Our mappers beside those of other tools: the same layers, the same machines, one after the other on one computer.

Run with ``python -m benchmarks.peers [--only NAME,...] [--tools NAME,...] [--limit SECONDS]``; results go to
``benchmarks/results/peers.json``, job by job, and `docs/peers.md` says what they mean. AccelForge and ZigZag run in
environments of their own: give their interpreters by ``SYSTOLITH_ACCELFORGE_PYTHON`` and ``SYSTOLITH_ZIGZAG_PYTHON``,
or ``--accelforge`` and ``--zigzag``. What is not there is skipped.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.peers_jobs import Job, find
from benchmarks.peers_nests import Uneven, costed, of_accelforge, of_zigzag, to_accelforge
from benchmarks.peers_own import MAPPERS, SEED
from dataflows.mapping import SCHEMA, Mapping
from systolith.versions import provenance

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "peers.json"
LIMIT = 120
PEERS = {"accelforge-model": "accelforge", "accelforge-even": "accelforge", "accelforge": "accelforge", "zigzag": "zigzag"}
"""Runs by name, and whose interpreter they take.

``accelforge-even`` is AccelForge's mapper in its space cut to nests like Timeloop's and ours; ``accelforge-model`` is its
cost model on our best mapping.
"""


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Our mappers beside those of other tools.")
    parser.add_argument("--only", metavar="NAME,...", help="jobs whose names (LAYER/ARCHITECTURE) contain one of these")
    parser.add_argument("--tools", metavar="NAME,...", help="some of " + ", ".join([*MAPPERS, *PEERS]))
    parser.add_argument("--limit", type=int, default=LIMIT, metavar="SECONDS", help="CPU time for each job of a peer")
    parser.add_argument("--output", type=Path, default=RESULTS, help="file of the results; jobs in it are kept")
    for peer in sorted(set(PEERS.values())):
        variable = f"SYSTOLITH_{peer.upper()}_PYTHON"
        parser.add_argument(f"--{peer}", default=os.environ.get(variable), metavar="PYTHON", help=f"or {variable}")
    return parser.parse_args()


def call(python: str, script: list[str], given: dict[str, Any], limit: int | None) -> dict[str, Any]:
    """Run a worker with so much CPU time, as few other jobs as can be disturbed; return its answer or what went wrong."""

    def quietly() -> None:
        os.nice(10)
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 5))

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [python, "-W", "ignore", *script], input=json.dumps(given), capture_output=True, text=True, cwd=HERE.parent,
        preexec_fn=quietly, check=False,
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    if done.returncode == 0:
        return {**json.loads(done.stdout.splitlines()[-1]), "process_cpu_s": process}
    if done.returncode < 0 and limit is not None and process >= limit - 1:
        return {"failed": f"not finished in {limit} s", "process_cpu_s": process}
    last = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
    return {"failed": last[-1], "process_cpu_s": process}


def versions(peers: dict[str, str]) -> dict[str, str]:
    """Return the versions of the peers that are there; say which are not."""
    found = {}
    for peer in sorted(set(PEERS.values())):
        answer = {"failed": f"no interpreter: set SYSTOLITH_{peer.upper()}_PYTHON"}
        if peers.get(peer):
            answer = call(peers[peer], [f"benchmarks/peers_{peer}.py"], {}, None)
        if "failed" in answer:
            print(f"{peer}: skipped, {answer['failed']}", flush=True)
        else:
            found[peer] = answer["version"]
    return found


def reevaluated(job: Job, tool: str, answer: dict[str, Any]) -> dict[str, Any]:
    """Return what our model says of a peer's mapping."""
    try:
        mapping = of_zigzag(job, answer) if tool == "zigzag" else of_accelforge(job, answer["nodes"])
    except Uneven as error:
        return {"refused": f"uneven: {error}"}
    return costed(job, mapping)


def measure(job: Job, tool: str, python: str, limit: int, before: dict[str, Any]) -> dict[str, Any]:
    """Run one tool on one job; `before` has the answers of others."""
    if tool in MAPPERS:
        return call(sys.executable, ["-m", "benchmarks.peers_own"], {"name": job.name, "mapper": tool}, None)
    given = {**job.neutral(), "even": tool == "accelforge-even"}
    if tool == "accelforge-model":
        if "mapping" not in before.get("optimal", {}):
            return {"failed": "no mapping of ours to cost"}
        given["nodes"] = to_accelforge(job, Mapping.from_dict({"schema": SCHEMA, "levels": before["optimal"]["mapping"]}))
    answer = call(python, [f"benchmarks/peers_{PEERS[tool]}.py"], given, limit)
    if tool == "accelforge-model":
        return answer
    return answer if "failed" in answer else {**answer, "in_our_model": reevaluated(job, tool, answer)}


def main() -> None:
    """Run every tool on every job, and keep the results as they come."""
    args = arguments()
    paths = {peer: getattr(args, peer) for peer in set(PEERS.values())}
    there = versions({peer: path for peer, path in paths.items() if path})
    chosen = [tool for tool in [*MAPPERS, *PEERS] if tool in MAPPERS or PEERS[tool] in there]
    if args.tools:
        chosen = [tool for tool in chosen if tool in args.tools.split(",")]
    data: dict[str, Any] = json.loads(args.output.read_text()) if args.output.exists() else {"jobs": {}}
    data |= {"date": datetime.now(UTC).date().isoformat(), "limit_cpu_s": args.limit, "peers": {**data.get("peers", {}), **there}}
    data |= provenance(SEED)
    args.output.parent.mkdir(exist_ok=True)
    for tool in chosen:
        for job in find(args.only):
            rows = data["jobs"].setdefault(job.name, {})
            answer = rows[tool] = measure(job, tool, paths.get(PEERS.get(tool, ""), "") or "", args.limit, rows)
            args.output.write_text(json.dumps(data, indent=1) + "\n")
            text = answer.get("failed") or f"EDP {answer['edp']:.5e}, {answer['cpu_s']:.2f} CPU s"
            print(f"{job.name}: {tool}: {text}", flush=True)


if __name__ == "__main__":
    main()
