"""What no accelerator can beat: multiply-accumulates over multipliers, and every word once. For any cost, computed or imported.

A model that reports less counts something it does not do: a cost that fails here must not be ranked against others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from dataflows.errors import SpecError
from dataflows.progressions import summed, within
from dataflows.workload import Layer


@dataclass(frozen=True, slots=True)
class Floors:
    """Least cycles and words of one layer.

    Attributes
    ----------
    cycles : int
        Multiply-accumulates over multipliers, rounded up.
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


def floors(layer: Layer, multipliers: int) -> Floors:
    """Return the floors of a layer at full density on an array with `multipliers` multiply-accumulates a cycle.

    Raises
    ------
    SpecError
        For an array without multipliers.
    """
    if multipliers < 1:
        raise SpecError("multipliers", multipliers, "a positive integer", "give the array at least one")
    rows = _used(layer.P, layer.R, layer.stride[0], layer.dilation[0], layer.padding[0], layer.H)
    cols = _used(layer.Q, layer.S, layer.stride[1], layer.dilation[1], layer.padding[1], layer.W)
    words = {"weights": layer.parameters, "inputs": layer.N * layer.G * layer.C * rows * cols, "outputs": layer.output_words}
    return Floors(-(-layer.macs // multipliers), layer.macs, words)


def below_floor(
    layer: Layer,
    multipliers: int,
    *,
    cycles: float | None = None,
    macs: float | None = None,
    words: Mapping[str, float] | None = None,
) -> tuple[Shortfall, ...]:
    """Compare figures with their floors.

    Parameters
    ----------
    cycles, macs : float, optional
        As reported; None for not reported.
    words : mapping of str to float, optional
        Traffic of tensors at any level that every word has to pass.

    Returns
    -------
    tuple of Shortfall
        Empty when everything given is possible.
    """
    least = floors(layer, multipliers)
    pairs = [("cycles", cycles, least.cycles), ("macs", macs, least.macs)]
    pairs += [(tensor, (words or {}).get(tensor), floor) for tensor, floor in least.words.items()]
    return tuple(Shortfall(name, found, floor) for name, found, floor in pairs if found is not None and found < floor)


def below_floor_row(layer: Layer, multipliers: int, row: Mapping[str, Any]) -> tuple[Shortfall, ...]:
    """Compare a cost in the JSON form of `systolith cost`: its cycles, and reads plus writes of the outermost level."""
    outermost = next(iter(row.get("levels", {}).values()), {})
    words = {tensor: counts["reads"] + counts["writes"] for tensor, counts in outermost.items()}
    return below_floor(layer, multipliers, cycles=row.get("cycles"), macs=row.get("padded_macs"), words=words)


def _used(outputs: int, taps: int, stride: int, dilation: int, before: int, size: int) -> int:
    """Rows of the input, without border, that any output uses."""
    return within(summed(((outputs, stride), (taps, dilation))), before, before + size)
