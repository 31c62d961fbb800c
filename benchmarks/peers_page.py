"""The table of `docs/peers.md` from the results: ``python -m benchmarks.peers_page``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.peers import RESULTS
from benchmarks.peers_jobs import JOBS

Answer = dict[str, Any]
HEAD = (
    "job",
    "optimal, proved",
    "random",
    "local",
    "AccelForge, even",
    "AccelForge",
    "our best there",
    "ZigZag",
    "its best here",
)


def beside(answer: Answer | None, best: Answer) -> str:
    """Return EDP over the optimum, and CPU seconds."""
    if answer is None:
        return ""
    if "failed" in answer:
        return answer["failed"]
    return f"{answer['edp'] / best['edp']:.4g}, {answer['cpu_s']:.3g} s"


def in_ours(answer: Answer | None, best: Answer) -> str:
    """Return our EDP of a peer's mapping over the optimum."""
    if answer is None or "failed" in answer:
        return ""
    own = answer["in_our_model"]
    return "uneven" if "refused" in own else f"{own['edp'] / best['edp']:.4g}"


def line(name: str, job: dict[str, Answer]) -> list[str]:
    """Return one row."""
    best = job["optimal"]
    proved = "" if best["gap"] == 0 else f" (gap {best['gap']:.2%})"
    first = f"{best['energy_pj'] / 1e6:,.1f} uJ, {best['cycles']:,}{proved}, {best['cpu_s']:.2f} s"
    tools = [beside(job.get(tool), best) for tool in ("random", "local", "accelforge-even", "accelforge", "zigzag")]
    there = job.get("accelforge-model", {})
    tools.insert(-1, f"{there['edp'] / best['edp']:.4g}" if "edp" in there else "")
    return [f"`{name}`", first, *tools, in_ours(job.get("zigzag"), best)]


def main() -> None:
    """Print the table."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else RESULTS
    data = json.loads(path.read_text())
    rows = [list(HEAD), ["---"] * len(HEAD)] + [
        line(job.name, data["jobs"][job.name]) for job in JOBS if "optimal" in data["jobs"].get(job.name, {})
    ]
    for row in rows:
        sys.stdout.write("| " + " | ".join(row) + " |\n")


if __name__ == "__main__":
    main()
