"""The picture of a mapping as data: its loops with what each does to every tensor, what the levels hold, what binds.

`dataflows.picture.machine` and `dataflows.picture.timeloop` draw it, `text` and `html` render it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Mark = Literal["new", "stay", "again", "halo", "each", "cast", "sum", "copy", "pass"]
Marks = tuple[Mark, Mark, Mark]
LETTERS = ("W", "I", "O")
"""Order of marks: weights, inputs, outputs."""

MEANING: dict[Mark, str] = {
    "new": "other words every time",
    "stay": "kept by the level below",
    "halo": "only what the window did not cover yet",
    "again": "the same words once more",
    "each": "own words for every instance",
    "cast": "one read for all instances",
    "sum": "added on the way out",
    "copy": "a read for every instance",
    "pass": "neighbours pass on what windows share",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One loop: over time, or over the instances along an axis.

    Attributes
    ----------
    dim, extent, step, axis
        As in `dataflows.mapping.Loop`.
    marks : tuple of str
        What the loop does to weights, inputs and outputs, see `MEANING`.
    """

    dim: str
    extent: int
    step: int
    axis: str | None
    marks: Marks


@dataclass(frozen=True, slots=True)
class Band:
    """The loops of one level, by the name that a mapping gives it."""

    name: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Store:
    """What one instance of a storage level holds.

    Attributes
    ----------
    name : str
        Of the level, or of the memory that one tensor has there.
    words : dict
        ``{tensor letter or name: words of its tile}``.
    used_bits : int
        What the tiles take, all copies.
    size_bits : int or None
        What there is; None is unlimited.
    instances, available : int
        In use, and there.
    """

    name: str
    words: dict[str, int]
    used_bits: int
    size_bits: int | None = None
    instances: int = 1
    available: int = 1

    @property
    def full(self) -> float | None:
        """Share of the size that is used."""
        return None if self.size_bits is None else self.used_bits / self.size_bits


@dataclass(frozen=True, slots=True)
class Picture:
    """A mapping of one layer, ready to be drawn.

    Attributes
    ----------
    name, layer, arch : str
        Name of the layer, its sizes, and what it runs on.
    bands : tuple of Band
        Levels of the nest, outermost first; loops of one iteration are left out.
    stores : tuple of Store
        Storage, outermost first.
    cycles : int
        Cycles of the layer.
    bound : str
        What binds.
    limits : dict
        ``{resource: cycles that it needs}``.
    macs_used, macs : int
        Multipliers in use, and there.
    utilization : float
        Useful multiply-accumulates over what all multipliers could do in `cycles`.
    energy_pj : dict
        ``{level: pJ}``.
    """

    name: str
    layer: str
    arch: str
    bands: tuple[Band, ...]
    stores: tuple[Store, ...]
    cycles: int
    bound: str
    limits: dict[str, int]
    macs_used: int
    macs: int
    utilization: float
    energy_pj: dict[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON gives back: dictionaries, lists, strings and numbers."""
        bands = [
            {"name": band.name, "lines": [{**asdict(line), "marks": list(line.marks)} for line in band.lines]}
            for band in self.bands
        ]
        return {**asdict(self), "bands": bands, "stores": [asdict(store) for store in self.stores]}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Picture:
        """Inverse of `to_dict`."""
        bands = tuple(
            Band(band["name"], tuple(Line(**{**line, "marks": tuple(line["marks"])}) for line in band["lines"]))
            for band in data["bands"]
        )
        return cls(**{**data, "bands": bands, "stores": tuple(Store(**store) for store in data["stores"])})

    @property
    def title(self) -> str:
        """The layer and what it runs on; a name that says no more than the kind of layer is left out."""
        named = "" if self.layer.startswith(f"{self.name}:") else f"{self.name} = "
        return f"{named}{self.layer} on {self.arch}"

    @property
    def marks(self) -> list[Mark]:
        """Every mark that occurs, in the order of `MEANING`."""
        found = {mark for band in self.bands for line in band.lines for mark in line.marks}
        return [mark for mark in MEANING if mark in found]


def shares(energy: dict[str, float]) -> list[tuple[str, float]]:
    """Return every part's share of the sum, largest first, those that would show as 0 % left out."""
    total = sum(energy.values())
    parts = [(name, pj / total) for name, pj in energy.items() if total and pj / total >= 0.005]
    return sorted(parts, key=lambda part: -part[1])


def size(bits: int) -> str:
    """Return a size in bytes where it is a whole number of them, else in bits."""
    return f"{bits:,} bit" if bits % 8 else f"{bits // 8:,} B"


def percent(share: float) -> str:
    """Return a share as whole percents, with a digit more below ten; what is not full is not 100; the space does not break."""
    if share == 0 or share >= 0.0995:
        whole = round(100 * share)
        return f"{99 if whole == 100 and share < 1 else whole}\u00a0%"
    return f"{100 * share:.2g}\u00a0%"


def energy(pj: float) -> str:
    """Return an energy in a unit that fits."""
    for unit, scale in (("J", 1e12), ("mJ", 1e9), ("uJ", 1e6), ("nJ", 1e3)):
        if pj >= scale:
            return f"{pj / scale:.4g} {unit}"
    return f"{pj:.4g} pJ"
