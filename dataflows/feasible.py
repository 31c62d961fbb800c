"""Infeasibility as data: which level lacks how much, and what would mend it."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from dataflows.errors import SystolithError

MOST_NAMED = 6
"""Reasons in one message; all of them are in the JSON form."""


@dataclass(frozen=True, slots=True)
class Infeasible:
    """One reason why a request cannot be met.

    Attributes
    ----------
    level : str
        Memory level or resource, e.g. ``"input_buffer"``.
    demand : float
        Smallest amount that would be needed.
    bound : float
        Amount there is.
    unit : str
        Unit of both, e.g. ``"words"``.
    remedy : str
        The change that makes it feasible.
    subject : str
        What was being placed, usually a layer name.
    """

    level: str
    demand: float
    bound: float
    unit: str
    remedy: str
    subject: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return asdict(self)

    def __str__(self) -> str:
        where = f"{self.subject}: " if self.subject else ""
        lacks, needs, has = (amount(value) for value in (self.demand - self.bound, self.demand, self.bound))
        return f"{where}{self.level} lacks {lacks} {self.unit}: needs {needs}, has {has}; {self.remedy}"


def amount(value: float) -> str:
    """Write an amount so that no unit gets lost: whole numbers in full, others with three places or four digits."""
    if not math.isfinite(value):
        return str(value)
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:,.3f}" if abs(value) >= 1 else f"{value:.4g}"


class InfeasibleError(SystolithError):
    """A well-formed request that cannot be met; carries every reason found, and names the first `MOST_NAMED`."""

    exit_code = 1

    def __init__(self, reasons: list[Infeasible]) -> None:
        self.reasons = reasons
        more = len(reasons) - MOST_NAMED
        named = "; ".join(str(reason) for reason in reasons[:MOST_NAMED])
        super().__init__(f"no valid mapping: {named}" + (f"; and {more} more reasons" if more > 0 else ""))
