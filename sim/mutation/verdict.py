"""What a bench says about a mutant, and what became of it in the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, Literal

from dataflows.errors import CheckFailed
from sim.mutation.mutants import Mutant
from sim.verify import CaseResult

__all__ = ["EVERY", "Status", "Verdict", "failed_checks", "order", "verdicts"]

EVERY = 50
"""After so many mutants the design as it is runs again: what one mutant leaves behind must not fail the next."""
Status = Literal["killed", "equivalent", "unknown", "survived"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a mutant.

    Attributes
    ----------
    mutant : Mutant
    status : str
        ``killed`` by a bench; else what the solver says: ``equivalent``, ``survived`` (it can be told from the design) or
        ``unknown``. Before the solver is asked: ``unknown``.
    how : str
        Of a killed one, the first check that failed; of others, what the solver found.
    jobs : int
        Layers that ran, the one that failed included.
    """

    mutant: Mutant
    status: Status
    how: str
    jobs: int = 0


def order(mutants: Sequence[Mutant]) -> list[int]:
    """Return the selector values to run: the design as it is first, last and after every `EVERY` mutants."""
    numbers = [0]
    for at, mutant in enumerate(mutants, 1):
        numbers.append(mutant.number)
        if at % EVERY == 0 or at == len(mutants):
            numbers.append(0)
    return numbers


def verdicts(mutants: Sequence[Mutant], found: Sequence[dict[str, Any]]) -> list[Verdict]:
    """Return the verdicts of a bench that ran `order`.

    Parameters
    ----------
    mutants : sequence of Mutant
    found : sequence of dict
        Of every run ``number``, ``failed`` (the check, empty if none) and ``jobs``.

    Raises
    ------
    CheckFailed
        The design as it is failed, so that no verdict means anything; or a run is missing.
    """
    wanted = order(mutants)
    for number, run, at in zip(wanted, found, count(), strict=False):
        if run["number"] != number:
            raise CheckFailed(f"run {at} was of mutant {run['number']}, not of {number}")
        if not number and run["failed"]:
            raise CheckFailed(f"the design without mutants fails ({run['failed']}, layer {run['jobs']}, run {at})")
    if len(found) != len(wanted):
        raise CheckFailed(f"{len(found)} of {len(wanted)} runs came to an end")
    by_number = {mutant.number: mutant for mutant in mutants}
    return [
        Verdict(by_number[run["number"]], "killed" if run["failed"] else "unknown", run["failed"], run["jobs"])
        for run in found
        if run["number"]
    ]


def failed_checks(found: CaseResult) -> str:
    """Name the checks that failed."""
    checks = {
        "sums": found.mismatches, "cycles": found.cycles_rtl not in (None, found.cycles_model), "counts": not found.counts_equal,
    }  # fmt: skip
    return " and ".join(name for name, failed in checks.items() if failed)
