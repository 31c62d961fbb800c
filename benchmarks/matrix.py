"""Every named array and forty random ones on a real simulator: the matrix in docs/verification.md.

Run with ``make matrix`` (``make nightly`` does); about a quarter of an hour on two cores.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from dataflows.spatial.array import SpatialArray
from sim.spatial.arrays import NAMED, random_array, short
from sim.spatial.run import Pauses
from sim.spatial.verify import verify_array
from systolith.versions import provenance

RANDOM, CASES, SEED = 40, 10, 1
PAGE = Path(__file__).parent.parent / "docs" / "verification.md"
HEAD = """# Verification of arrays

`make matrix` writes this page. Every array below was generated as Verilog and simulated with Verilator: {cases} random
layers each (convolution, strided, dilated, one row, grouped, depthwise, GEMM, pointwise, matrix times vector, one channel),
each with a random mapping; then {cases} more with random pauses of all streams, where only values and beats are compared.
Every sum is compared with NumPy, cycles and beats of every port with the model ([arrays](arrays.md)).

{date}, seed {seed}, {versions}: **{passed} of {total} arrays without a difference**, {checked:,} sums, {cycles:,} cycles.

An axis is its size, the dimensions it may unroll, and s (systolic) or b (broadcast). Words are those of weights, inputs and
outputs in a PE. Ports are the axes (r, c, p) along which weights, inputs and outputs have one per index.

| array | axes, storage, ports | layers | mismatches | cycles, RTL | cycles, model | beats equal | with pauses |
|---|---|---|---|---|---|---|---|
"""


def row(name: str, array: SpatialArray, seed: int) -> tuple[str, bool, int, int]:
    """Verify one array; return its line, whether all agreed, sums and cycles."""
    exact = verify_array(array, cases=CASES, seed=seed, name=name.replace(" ", "_"))
    paused = verify_array(array, cases=CASES, seed=seed + 1, name=name.replace(" ", "_"), pauses=Pauses(0.3, 0.3))
    both = (*exact.cases, *paused.cases)
    rtl, model = (sum(getattr(case, key) or 0 for case in exact.cases) for key in ("cycles_rtl", "cycles_model"))
    mismatches = sum(case.mismatches for case in exact.cases)
    equal = "yes" if all(case.counts_equal for case in exact.cases) else "NO"
    text = f"| {name} | {short(array)} | {len(both)} | {mismatches} | {rtl:,} | {model:,} | {equal} | "
    return (
        text + ("equal |" if paused.passed else "DIFFERENT |"),
        exact.passed and paused.passed,
        sum(c.checked for c in both),
        rtl,
    )


def main() -> None:
    """Verify all and write the page; exit with 1 if anything differs."""
    arrays = {**NAMED, **{f"random {seed}": random_array(Random(seed)) for seed in range(RANDOM)}}
    rows = []
    for number, (name, array) in enumerate(arrays.items()):
        rows.append(row(name, array, SEED + number))
        print(rows[-1][0], file=sys.stderr, flush=True)
    passed = sum(ok for _, ok, _, _ in rows)
    tools = provenance(SEED)["versions"]
    head = HEAD.format(
        cases=CASES, seed=SEED, date=datetime.now(UTC).date(), passed=passed, total=len(rows), cycles=sum(r[3] for r in rows),
        checked=sum(r[2] for r in rows), versions=", ".join(f"{k} {tools[k]}" for k in ("amaranth", "verilator") if k in tools),
    )  # fmt: skip
    PAGE.write_text(head + "".join(f"{text}\n" for text, *_ in rows), encoding="utf-8")
    sys.exit(passed != len(rows))


if __name__ == "__main__":
    main()
