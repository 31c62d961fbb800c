"""The page that `benchmarks.mutation` writes."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.mutation_notes import NOTES

WANTED = 0.95
ROOT = Path(__file__).parent.parent
HEAD = """# Mutation run

`make mutation` writes this page ({date}, seed {seed}, {versions}). One pin of one cell of the generated hardware is inverted,
stuck or inverted by a neighbouring bit; then the benches run. **{killed} of the {live} mutants that are not shown equivalent
are killed, {rate:.1%}**; the goal is {wanted:.0%} of every line.

| design | mutants | killed | shown equivalent | unknown | survived | killed of those not equivalent |
|---|---|---|---|---|---|---|
{rows}

## What is done

- Yosys draws the pins (`mutate -list`, its own weights, which spread mutants evenly over cells, wires and lines of source) in
  the flattened netlist of the Verilog that we give away, so that a mutant is wrong in **one** place, not in all sixteen PEs.
  All mutants of a design go into one netlist behind a selector (`mutate -ctrl`) and are one build of the simulator. Clock pins
  and the initial contents of memories are left alone.
- *Killed* means that a check of the ordinary bench fails: an output that differs from NumPy, a cycle, a counter, a beat or the
  end of `busy` that differs from the model, a broken rule of the memory port, or a layer that does not end. Nothing is compared
  with the unmutated hardware. The bench stops at the first layer that fails. Bare arrays: `sim.spatial.verify` (random layers
  and mappings; then with pauses, results that pile up, operands that hardly come, words that belong to nobody; a reset in the
  middle; every loop counter round and round). Accelerator: `sim.verify` (random layers on a regular memory, with and without a
  reset before; with refused, late and piled-up answers; a program that is none) and `sim.large` (layers that take counters and
  addresses as far as they go; sums so close to the edge between two outputs that every bit of bias and multiplier decides).
- The design without mutants runs first, last and after every fiftieth mutant, and must pass: what a mutant leaves behind in
  registers kills no other.
- What no bench kills goes to ABC (`scorr`, `bmc3`, `pdr` of `yosys-abc`): the part that holds the cell, with and without the
  mutant, from its initial values, any inputs in any order, resets included. *Shown equivalent*: no run of the part tells them
  apart. *Survived*: some run of the part does, though perhaps none that the whole design can bring about. *Unknown*: undecided
  when the time was up. The last two count as not killed. "Why" is what we think after reading the statement; the prover did
  not show it.

Which check failed first, of the {killed} that were killed: {checks}.

## Not killed

{lists}
"""


def page(found: list[dict[str, Any]]) -> tuple[str, bool]:
    """Return the page and whether every design reaches the rate."""
    counts = [Counter(verdict["status"] for verdict in design["verdicts"]) for design in found]
    rates = [count["killed"] / max(1, count.total() - count["equivalent"]) for count in counts]
    rows = [
        f"| {design['text']} | {count.total()} | {count['killed']} | {count['equivalent']} | {count['unknown']} | "
        f"{count['survived']} | {rate:.1%} |"
        for design, count, rate in zip(found, counts, rates, strict=True)
    ]
    total = sum(counts, Counter())
    live = total.total() - total["equivalent"]
    checks = Counter(v["how"] for design in found for v in design["verdicts"] if v["status"] == "killed")
    text = HEAD.format(
        date=max((design["date"] for design in found), default="never"), seed=found[0]["seed"] if found else "", wanted=WANTED,
        versions=", ".join(f"{name} {value}" for name, value in found[0]["versions"].items()) if found else "",
        killed=total["killed"], live=live, rate=total["killed"] / max(1, live), rows="\n".join(rows),
        checks=", ".join(f"{name} {number}" for name, number in checks.most_common()),
        lists="\n\n".join(_left(design) for design in found),
    )  # fmt: skip
    return text, bool(rates) and min(rates) >= WANTED


def _left(design: dict[str, Any]) -> str:
    """Return the table of what a design's benches left."""
    left = [verdict for verdict in design["verdicts"] if verdict["status"] in ("survived", "unknown")]
    if not left:
        return f"**{design['text']}**: none."
    lines = [f"**{design['text']}**", "", "| mutant | where | line | prover | why |", "|---|---|---|---|---|"]
    for verdict in left:
        mutant = verdict["mutant"]
        other = f" of bit {mutant['other']}" if mutant["other"] >= 0 else ""
        line = mutant["source"][-1] if mutant["source"] else ""
        said = f"{verdict['status']}, {verdict['how']} | {_why(design['name'], verdict['place'], line)}"
        lines.append(f"| {mutant['number']} {mutant['mode']}{other} | `{verdict['place']}` | {line} | {said} |")
    return "\n".join(lines)


def _why(design: str, place: str, line: str) -> str:
    """Return the note on a place, or on the statement that made it; the statement itself where there is none."""
    statement = _statement(line)
    for designs, pattern, note in NOTES:
        if re.search(designs, design) and (re.search(pattern, place) or re.search(pattern, statement)):
            return note
    return f"`{statement}`".replace("|", "\\|") if statement else ""


def _statement(line: str) -> str:
    name, _, number = line.rpartition(":")
    path = ROOT / name
    if not name or not path.is_file():
        return ""
    lines = path.read_text(encoding="utf-8").splitlines()
    return lines[int(number) - 1].strip() if int(number) <= len(lines) else ""
