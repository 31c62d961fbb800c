"""Every named array and forty random ones on a real simulator, bare and as systems: the matrix in docs/verification.md.

Run with ``make matrix`` (``make nightly`` does); about forty minutes on two cores, one job on each.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

from dataflows.spatial.array import SpatialArray
from dataflows.spatial.system.spec import SpatialSystem
from sim.spatial.arrays import LINKED, NAMED, random_array, short
from sim.spatial.run import Pauses
from sim.spatial.system.systems import CODING, random_coded, random_system, small
from sim.spatial.system.verify import verify_system
from sim.spatial.verify import verify_array
from systolith.versions import provenance

RANDOM, CODED, CASES, SEED = 40, 10, 10, 1
STALL, PAUSE = 20_000, 200
"""Of 65,536 and of 1,024 cycles: those in which the memory refuses, and those in which it brings nothing."""
PAGE = Path(__file__).parent.parent / "docs" / "verification.md"
HEAD = """# Verification of arrays and systems

`make matrix` writes this page ({date}, seed {seed}, {versions}). Every array below was generated as
Verilog and simulated with Verilator: {cases} random layers each (convolution, strided, dilated, one row, grouped, depthwise,
GEMM, pointwise, matrix times vector, one channel), each with a random mapping; then {cases} more with random pauses, where
cycles are not compared.

An axis is its size, the dimensions it may unroll, and s (systolic) or b (broadcast). Words are those of weights, inputs and
outputs in a PE. Ports are the axes (r, c, p) along which weights, inputs and outputs have one per index.
"""
ARRAYS = """
## Bare arrays

Every sum is compared with NumPy, cycles and beats of every port with the model ([arrays](arrays.md)); the pauses are those of
the streams. **{passed} of {total} arrays without a difference**, {checked:,} sums, {cycles:,} cycles.

| array | axes, storage, ports | layers | mismatches | cycles, RTL | cycles, model | beats equal | with pauses |
|---|---|---|---|---|---|---|---|
"""
SYSTEMS = """
## Systems

Complete accelerators round such arrays ([systems](systems.md)), from tensors in memory to tensors in memory. Every output is
compared with the golden model, cycles and 21 counters (words per level and tensor among them) with the model; then with a memory
that refuses and pauses at random. Coded ones read and write most feature maps as [coded rows](systems.md#coded-feature-maps),
whose every bit is compared. **{passed} of {total} systems without a difference**, {checked:,} outputs, {cycles:,} cycles.

| system | array | layers | mismatches | cycles, RTL | cycles, model | counters equal | with pauses |
|---|---|---|---|---|---|---|---|
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table: the line, whether all agreed, values compared, and simulated cycles that had to be equal."""

    text: str
    passed: bool
    checked: int
    cycles: int


def row(job: tuple[str, int]) -> Row:
    """Verify one array or system by name: ``array_ws``, ``random 3``, ``system_ws``, ``random system 3``, ``coded system 3``."""
    name, seed = job
    label = name.replace(" ", "_")
    if "system" in name:
        system = _system(name)
        array = system.array
        exact = verify_system(system, cases=CASES, seed=seed)
        paused = verify_system(system, cases=CASES, seed=seed + 1, stall=STALL, pause=PAUSE)
    else:
        array = random_array(_drawn(name)) if name.startswith("random") else (NAMED | LINKED)[name]
        exact = verify_array(array, cases=CASES, seed=seed, name=label)
        paused = verify_array(array, cases=CASES, seed=seed + 1, name=label, pauses=Pauses(0.3, 0.3))
    return _line(name, array, exact.cases, paused.cases, exact.passed and paused.passed, paused.passed)


def _system(name: str) -> SpatialSystem:
    if name.startswith("random"):
        return random_system(_drawn(name))
    if name.startswith("coded system "):
        return random_coded(_drawn(name))
    plain = small(NAMED[name.removeprefix("coded ").replace("system", "array")])
    return replace(plain, coding=CODING) if name.startswith("coded") else plain


def _drawn(name: str) -> Random:
    """Return the random numbers of ``random 3``."""
    return Random(int(name.rsplit(maxsplit=1)[-1]))


def _line(name: str, array: SpatialArray, exact: Sequence[Any], paused: Sequence[Any], passed: bool, calm: bool) -> Row:
    both = (*exact, *paused)
    rtl, model = (sum(getattr(case, key) or 0 for case in exact) for key in ("cycles_rtl", "cycles_model"))
    mismatches = sum(case.mismatches for case in both)
    equal = "yes" if all(case.counts_equal for case in exact) else "NO"
    text = f"| {name} | {short(array)} | {len(both)} | {mismatches} | {rtl:,} | {model:,} | {equal} | "
    return Row(text + ("equal |" if calm else "DIFFERENT |"), passed, sum(case.checked for case in both), rtl)


def _table(head: str, rows: Sequence[Row]) -> str:
    summary = head.format(
        passed=sum(row.passed for row in rows), total=len(rows), checked=sum(row.checked for row in rows),
        cycles=sum(row.cycles for row in rows),
    )  # fmt: skip
    return summary + "".join(f"{row.text}\n" for row in rows)


def main() -> None:
    """Verify all and write the page; exit with 1 if anything differs."""
    arrays = [*NAMED, *LINKED, *(f"random {seed}" for seed in range(RANDOM))]
    systems = [name.replace("array", "system") for name in NAMED]
    coded = [f"coded {name}" for name in systems] + [f"coded system {seed}" for seed in range(CODED)]
    systems += [f"random system {seed}" for seed in range(RANDOM)] + coded
    jobs = [(name, SEED + number) for number, name in enumerate(arrays + systems)]
    with ProcessPoolExecutor() as pool:
        rows = []
        for found in pool.map(row, jobs):
            rows.append(found)
            print(found.text, file=sys.stderr, flush=True)
    tools = provenance(SEED)["versions"]
    head = HEAD.format(
        cases=CASES, seed=SEED, date=datetime.now(UTC).date(),
        versions=", ".join(f"{k} {tools[k]}" for k in ("amaranth", "verilator") if k in tools),
    )  # fmt: skip
    text = head + _table(ARRAYS, rows[: len(arrays)]) + _table(SYSTEMS, rows[len(arrays) :])
    PAGE.write_text(text, encoding="utf-8")
    sys.exit(not all(row.passed for row in rows))


if __name__ == "__main__":
    main()
