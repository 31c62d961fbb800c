"""How fast complete accelerators are simulated, and what takes the time: a whole layer under the standard run, several times.

    python -m benchmarks.simulation ws:rows=32,cols=32 os:rows=32,cols=32 --repeats 3
    python -m benchmarks.simulation ws:rows=32,cols=32 --profile

The best of the repeats counts, in CPU seconds of the run phase. ``--profile`` needs Linux' ``perf``; it watches the simulator.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import yaml

from benchmarks.speed import LAYER, SEED, simulation
from dataflows.errors import SpecError
from systolith.specs import accelerator
from systolith.versions import provenance

DEFAULT = ("ws:rows=32,cols=32", "os:rows=32,cols=32")
GROUPS = (
    ("array", r"^Vtop_\w*(row|column|pe)_*nba|array__DOT__"),
    ("interface to Python", r"[Vv]pi|[Gg]pi"),
    ("rest of the design and memory", r"^Vtop_"),
)
"""Parts of a simulator by the names of its functions, the first that matches."""
_LINE = re.compile(r"^\s*([\d.]+)%\s+\[.\]\s+(\S+)")


def best(name: str, repeats: int) -> dict[str, Any]:
    """Simulate `benchmarks.speed.LAYER` `repeats` times; return the fastest run and what it means for each multiplier."""
    runs = [simulation(name) for _ in range(repeats)]
    fastest = max(runs, key=lambda run: int(str(run["cycles_per_cpu_second"])))
    array, rate = accelerator(name).array, int(str(fastest["cycles_per_cpu_second"]))
    return {
        **fastest, "passed": all(run["passed"] for run in runs), "multipliers": array.rows * array.cols,
        "ns_per_multiplier_and_cycle": round(1e9 / rate / (array.rows * array.cols), 2),
    }  # fmt: skip


def profile(name: str) -> dict[str, float]:
    """Return the shares of the simulator's own CPU time, in percent.

    Raises
    ------
    SpecError
        ``perf`` is missing, or may not look.
    """
    with tempfile.TemporaryDirectory(prefix="systolith-") as scratch:
        found = Path(scratch) / "perf.data"
        command = ["perf", "record", "-q", "-F", "1999", "-o", str(found), "--"]
        try:
            subprocess.run([*command, sys.executable, "-m", "benchmarks.simulation", name], check=True, capture_output=True)
            text = subprocess.run(
                ["perf", "report", "-i", str(found), "--stdio", "--comm", "bench", "-F", "overhead,symbol"],
                check=True, capture_output=True, text=True,
            ).stdout  # fmt: skip
        except (OSError, subprocess.CalledProcessError) as error:
            raise SpecError("--profile", str(error), "a working perf", "install Linux' perf, or leave --profile out") from None
    shares: dict[str, float] = defaultdict(float)
    for line in filter(None, map(_LINE.match, text.splitlines())):
        part = next((part for part, pattern in GROUPS if re.search(pattern, line[2])), "other")
        shares[part] += float(line[1])
    total = sum(shares.values()) or 1.0
    return {part: round(100 * share / total, 1) for part, share in sorted(shares.items(), key=lambda each: -each[1])}


def main() -> None:
    """Print all figures as YAML."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.simulation", description="Speed of the simulation of accelerators."
    )
    parser.add_argument("arch", nargs="*", default=list(DEFAULT), help="accelerators")
    parser.add_argument("--repeats", type=int, default=1, help="runs of each, of which the best counts")
    parser.add_argument("--profile", action="store_true", help="say which part of the simulator takes the time")
    arguments = parser.parse_args()
    try:
        figures = {name: best(name, max(1, arguments.repeats)) for name in arguments.arch}
        shares = {"share of CPU time, percent": {name: profile(name) for name in arguments.arch}} if arguments.profile else {}
    except SpecError as error:
        sys.exit(f"error: {error}")
    yaml.safe_dump({"layer": LAYER.name, **figures, **shares, **provenance(SEED)}, sys.stdout, sort_keys=False)
    if not all(row["passed"] for row in figures.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
