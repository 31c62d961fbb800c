"""What an explanation of a mapping says: how full memories are, what takes the cycles, and what more hardware would buy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dataflows.feasible import Infeasible
from mappers.base import Objective

__all__ = ["TINY", "Explanation", "Larger", "Proof", "Room", "Worth"]

TINY = 1e-9
"""Shares of a value that sums of floating-point numbers may be off by: less is nothing."""
Number = int | float


@dataclass(frozen=True, slots=True)
class Larger:
    """A neighbour of the mapping with a larger tile.

    Attributes
    ----------
    change : str
        What is larger, as ``K 4 -> 8``.
    lacks : tuple of Infeasible
        What does not fit, and by how much; empty if it fits.
    value : float or None
        The objective's value if it fits.
    """

    change: str
    lacks: tuple[Infeasible, ...]
    value: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        lacks = [{"level": each.level, "needs": each.demand, "has": each.bound, "unit": each.unit} for each in self.lacks]
        return {"change": self.change, "fits": not self.lacks, "lacks": lacks, "value": self.value}


@dataclass(frozen=True, slots=True)
class Room:
    """How full a memory is.

    Attributes
    ----------
    level : str
        The memory, with the tensor where it has room for each tensor apart.
    used, size : int
        What one instance takes, all copies of a double buffer, and what there is.
    unit : str
        Unit of both.
    larger : tuple of Larger
        Neighbours with a larger tile here.
    """

    level: str
    used: int
    size: int
    unit: str
    larger: tuple[Larger, ...] = ()

    @property
    def full(self) -> float:
        """Share that is taken."""
        return self.used / self.size

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {
            "level": self.level, "used": self.used, "size": self.size, "unit": self.unit, "full": self.full,
            "larger": [each.to_dict() for each in self.larger],
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Worth:
    """What a change of the hardware buys.

    Attributes
    ----------
    field : str
        What is changed, as ``glb.capacity_bits`` or ``bus_bytes``.
    step : str
        By how much, in words.
    before, after : int, float or None
        Old and new amount; None: without limit.
    unit : str
        Unit of both.
    base : float
        The objective's value before.
    kept : float
        Its value with the same mapping on the changed hardware, whose memories may be dearer to access.
    value : float
        Its value with the best mapping found there; never above `kept`.
    lower : float
        No mapping there has a smaller value.
    """

    field: str
    step: str
    before: Number | None
    after: Number | None
    unit: str
    base: float
    kept: float
    value: float
    lower: float

    @property
    def worth(self) -> float:
        """Share of the objective that is saved; negative where dearer accesses outweigh what better mappings save."""
        return _share(self.base - self.value, self.base)

    @property
    def most(self) -> float:
        """No mapping saves more than this share."""
        return _share(self.base - self.lower, self.base)

    @property
    def by_mapping(self) -> float:
        """Share that another mapping saves: never negative."""
        return _share(self.kept - self.value, self.base)

    @property
    def proved(self) -> bool:
        """Whether no mapping saves more than `worth`."""
        return self.most <= self.worth + TINY

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {
            "field": self.field, "step": self.step, "before": self.before, "after": self.after, "unit": self.unit,
            "value": self.value, "lower_bound": self.lower, "worth": self.worth, "worth_at_most": self.most,
            "worth_of_mapping": self.by_mapping, "proved": self.proved,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Proof:
    """What is known about the optimum.

    Attributes
    ----------
    space : float
        Mappings in the space.
    fitting : bool
        Whether these are only mappings that fit.
    evaluated : int
        Mappings, and sets of mappings, looked at.
    lower : float
        No mapping has a smaller value.
    gap : float
        How far the value may be above the optimum; 0: it is the optimum.
    """

    space: float
    fitting: bool
    evaluated: int
    lower: float
    gap: float

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {
            "space": self.space, "space_fits": self.fitting, "evaluated": self.evaluated, "lower_bound": self.lower,
            "gap": self.gap, "optimal": self.gap == 0,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a mapping is the best, and what would make it better.

    Attributes
    ----------
    layer : str
        The layer's name.
    objective : str
        What was minimised.
    value : float
        Its value.
    cycles, work : int
        Cycles of the mapping, and those of all multipliers at work without a pause.
    bound : str
        What takes the cycles: ``compute``, or a level's port.
    times : dict
        Cycles of every candidate.
    proof : Proof
        What is known about the optimum.
    rooms : tuple of Room
        Memories of limited size, outermost first.
    ceiling : Worth or None
        What memories and ports without limit would buy together; None where hardware cannot be so, or the user ended it before.
    worths : tuple of Worth
        What single steps would buy; empty where the ceiling is nothing already.
    interrupted : bool
        Whether the user ended it before all steps were looked at.
    """

    layer: str
    objective: Objective
    value: float
    cycles: int
    work: int
    bound: str
    times: dict[str, int]
    proof: Proof
    rooms: tuple[Room, ...]
    ceiling: Worth | None
    worths: tuple[Worth, ...]
    interrupted: bool = False

    @property
    def pays(self) -> tuple[Worth, ...]:
        """Steps that are worth something, the best first."""
        return tuple(sorted((each for each in self.worths if each.worth > TINY), key=lambda each: -each.worth))

    @property
    def binding(self) -> tuple[str, ...]:
        """Fields whose limit keeps the objective up, the one that is worth most first."""
        return tuple(dict.fromkeys(each.field for each in self.pays))

    @property
    def exhausted(self) -> bool:
        """Whether it is proved that no step of any memory or port is worth anything."""
        if self.interrupted:
            return False
        if self.ceiling is not None and self.ceiling.most <= TINY:
            return True
        return all(each.most <= TINY for each in self.worths)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form, ``explain`` of a map result."""
        return {
            "layer": self.layer, "objective": self.objective, "value": self.value, "cycles": self.cycles,
            "compute_floor": self.work, "bound": self.bound, "cycles_by_limit": self.times, "proof": self.proof.to_dict(),
            "levels": [each.to_dict() for each in self.rooms], "binding": list(self.binding), "exhausted": self.exhausted,
            "ceiling": None if self.ceiling is None else self.ceiling.to_dict(),
            "sensitivity": [each.to_dict() for each in self.worths], "interrupted": self.interrupted,
        }  # fmt: skip


def _share(part: float, whole: float) -> float:
    share = part / whole if whole else 0.0
    return 0.0 if abs(share) <= TINY else share
