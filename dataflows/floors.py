"""What no accelerator can beat: multiply-accumulates over multipliers, and every word once. For any cost, computed or imported.

A model that reports less counts something it does not do: a cost that fails here must not be ranked against others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from math import ceil
from typing import Any

from dataflows.errors import SpecError
from dataflows.progressions import summed, within
from dataflows.workload import Layer

Number = int | Fraction


@dataclass(frozen=True, slots=True)
class Floors:
    """Least cycles and words of one layer.

    Attributes
    ----------
    cycles : int
        Multiply-accumulates over multipliers, times the cycles that each takes, rounded up.
    macs : int
        Multiply-accumulates.
    words : dict
        Compulsory traffic of ``weights``, ``inputs`` (only those that are used, no border) and ``outputs``.
    """

    cycles: int
    macs: int
    words: dict[str, int]


@dataclass(frozen=True, slots=True)
class Shortfall:
    """A figure below its floor.

    Attributes
    ----------
    figure : str
        ``cycles``, ``macs``, or a tensor.
    found, floor : float
        What was reported, and the least there can be.
    """

    figure: str
    found: float
    floor: int

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.figure}: {self.found:,} is below the floor of {self.floor:,}"


def floors(layer: Layer, multipliers: int, work: Number = 1) -> Floors:
    """Return the floors of a layer on an array with `multipliers` multipliers.

    Parameters
    ----------
    work : int or Fraction
        Cycles that a multiplier takes for an average multiply-accumulate: below 1 where operands narrower than native fuse or
        zeros are skipped (`dataflows.nest.limits.effort`).

    Raises
    ------
    SpecError
        For an array without multipliers.
    """
    if multipliers < 1:
        raise SpecError("multipliers", multipliers, "a positive integer", "give the array at least one")
    rows = _used(layer.P, layer.R, layer.stride[0], layer.dilation[0], layer.padding[0], layer.H)
    cols = _used(layer.Q, layer.S, layer.stride[1], layer.dilation[1], layer.padding[1], layer.W)
    words = {"weights": layer.weight_words, "inputs": layer.N * layer.G * layer.C * rows * cols, "outputs": layer.output_words}
    return Floors(ceil(Fraction(layer.macs * work, multipliers)), layer.macs, words)


def below_floor(
    layer: Layer,
    multipliers: int,
    *,
    cycles: float | None = None,
    macs: float | None = None,
    words: Mapping[str, float] | None = None,
    work: Number = 1,
    per_unit: Mapping[str, Number] | None = None,
) -> tuple[Shortfall, ...]:
    """Compare figures with their floors.

    Parameters
    ----------
    cycles, macs : float, optional
        As reported; None for not reported.
    words : mapping of str to float, optional
        Traffic of tensors at any level that every word has to pass, dense words: a compressed one counts as one too.
    work : int or Fraction
        As in `floors`.
    per_unit : mapping of str to number, optional
        Words in one unit of `words` where these are no words: those that fit a beat of a bus.

    Returns
    -------
    tuple of Shortfall
        Empty when everything given is possible.
    """
    return _short(floors(layer, multipliers, work), {"cycles": cycles, "macs": macs, **(words or {})}, per_unit or {})


def with_floors(
    layer: Layer, multipliers: int, row: Mapping[str, Any], *, work: Number = 1, per_unit: Mapping[str, Number] | None = None
) -> dict[str, Any]:
    """Return a cost in the JSON form of `systolith cost` with ``floor_cycles`` and ``below_floor``.

    Compared are its cycles, its multiply-accumulates with padding, and reads plus writes of the outermost level; `work` and
    `per_unit` are as in `below_floor`.
    """
    outermost = next(iter(row.get("levels", {}).values()), {})
    found = {tensor: counts["reads"] + counts["writes"] for tensor, counts in outermost.items()}
    least = floors(layer, multipliers, work)
    short = _short(least, {"cycles": row.get("cycles"), "macs": row.get("padded_macs"), **found}, per_unit or {})
    return {**row, "floor_cycles": least.cycles, "below_floor": [each.to_dict() for each in short]}


def _short(least: Floors, found: Mapping[str, float | None], per_unit: Mapping[str, Number]) -> tuple[Shortfall, ...]:
    bounds = {"cycles": least.cycles, "macs": least.macs}
    bounds |= {tensor: ceil(Fraction(words) / per_unit.get(tensor, 1)) for tensor, words in least.words.items()}
    return tuple(
        Shortfall(name, value, floor)
        for name, floor in bounds.items()
        if (value := found.get(name)) is not None and value < floor
    )


def _used(outputs: int, taps: int, stride: int, dilation: int, before: int, size: int) -> int:
    """Rows of the input, without border, that any output uses."""
    return within(summed(((outputs, stride), (taps, dilation))), before, before + size)
