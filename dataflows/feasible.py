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


@dataclass(frozen=True, slots=True)
class Change:
    """A change of the hardware that is enough to map layers, and of which no part can be left out or made smaller.

    Attributes
    ----------
    fields : tuple of (str, int or bool, int or bool, str)
        Field, its value, the least with which the layers can be mapped, and the unit.
    layers : int
        Layers that were mapped with it to check it.
    """

    fields: tuple[tuple[str, int, int, str], ...]
    layers: int

    def __str__(self) -> str:
        parts = [f"{name} {_said(after)} instead of {_said(before)} {unit}".rstrip() for name, before, after, unit in self.fields]
        what = "the layer" if self.layers == 1 else f"all {self.layers} layers"
        return f"smallest change that makes it feasible: {', '.join(parts)} (checked by mapping {what})"

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        fields = [dict(zip(("field", "before", "after", "unit"), each, strict=True)) for each in self.fields]
        return {"fields": fields, "layers_checked": self.layers}


def _said(value: int) -> str:
    return str(value).lower() if isinstance(value, bool) else amount(value)


class InfeasibleError(SystolithError):
    """A well-formed request that cannot be met; carries every reason found, and names the first `MOST_NAMED`.

    Where it is known, it carries and names the smallest change of the hardware that is enough, too.
    """

    exit_code = 1

    def __init__(self, reasons: list[Infeasible], change: Change | None = None) -> None:
        self.reasons, self.change = reasons, change
        more = len(reasons) - MOST_NAMED
        named = "; ".join(str(reason) for reason in reasons[:MOST_NAMED])
        ends = [f"and {more} more reasons"] * (more > 0) + [str(change)] * (change is not None)
        super().__init__("; ".join([f"no valid mapping: {named}", *ends]))
