"""Data-centric directives as data: which part of a dimension each unit holds, and how far that part moves.

``SpatialMap(size, offset) D`` gives neighbouring units parts of dimension D, `offset` apart; ``TemporalMap`` gives every unit
the same part, which advances by `offset` in time. The order is that of the loops, outermost first. ``Cluster(size)`` groups the
units below into clusters; what follows it maps within a cluster (MICRO 2019, section 3).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from dataflows.errors import SpecError, suggestion

DIMS = ("N", "K", "C", "Y", "X", "R", "S", "Y'", "X'")
"""Batch, output and input channels, input rows and columns, filter rows and columns, output rows and columns."""
SIZED = ("N", "K", "C", "Y", "X", "R", "S")
Extent = int | str
"""A number, or the name of a dimension whose size in the whole layer is meant."""
_NUMBER = r"(\d+|Sz\(\s*\w+\s*\))"
_MAP = re.compile(rf"(Spatial|Temporal)Map\(\s*{_NUMBER}\s*,\s*{_NUMBER}\s*\)\s*([A-Z]'?)$")
_CLUSTER = re.compile(rf"Cluster\(\s*{_NUMBER}\s*(?:,\s*\w+\s*)?\)$")


@dataclass(frozen=True, slots=True)
class Map:
    """One mapping directive.

    Attributes
    ----------
    kind : str
        ``spatial`` or ``temporal``.
    size, offset : int or str
        Elements held by a unit, and from one part to the next. A string is a dimension: its size in the layer.
    dim : str
        One of `DIMS`.
    """

    kind: Literal["spatial", "temporal"]
    size: Extent
    offset: Extent
    dim: str

    def __post_init__(self) -> None:
        if self.dim not in DIMS:
            raise SpecError(f"{self}", self.dim, ", ".join(DIMS), "choose one of these dimensions")
        for value in (self.size, self.offset):
            _check(str(self), value)

    def __str__(self) -> str:
        return f"{self.kind.capitalize()}Map({_text(self.size)},{_text(self.offset)}) {self.dim}"


@dataclass(frozen=True, slots=True)
class Cluster:
    """Units below are grouped by `size`."""

    size: Extent

    def __post_init__(self) -> None:
        _check(str(self), self.size)

    def __str__(self) -> str:
        return f"Cluster({_text(self.size)})"


@dataclass(frozen=True, slots=True)
class Directives:
    """A dataflow.

    Attributes
    ----------
    name : str
        For messages and results.
    items : tuple of Map or Cluster
        Outermost first.
    depthwise : tuple of Map or Cluster
        What is used for depthwise layers, which have no dimension K; empty when there is nothing.
    """

    name: str
    items: tuple[Map | Cluster, ...]
    depthwise: tuple[Map | Cluster, ...] = ()

    @classmethod
    def parse(cls, text: str, name: str = "dataflow") -> Directives:
        """Read directives separated by semicolons, with ``//`` comments, as the tool's files have them.

        Raises
        ------
        SpecError
            For anything else, with the number of the directive.
        """
        body = re.sub(r"//[^\n]*", "", text)
        wrapped = re.search(r"Dataflow\s*\{([^{}]*)\}", body)
        pieces = [piece.strip() for piece in (wrapped[1] if wrapped else body).split(";")]
        items = tuple(_directive(piece, f"{name}: directive {i}") for i, piece in enumerate(pieces, 1) if piece)
        if not items:
            raise SpecError(name, text, "directives such as SpatialMap(1,1) K; TemporalMap(3,1) Y", "write at least one")
        return cls(name, items)

    def __str__(self) -> str:
        return "; ".join(map(str, self.items))


def _directive(text: str, where: str) -> Map | Cluster:
    if found := _MAP.match(text):
        kind: Literal["spatial", "temporal"] = "spatial" if found[1] == "Spatial" else "temporal"
        return Map(kind, _extent(found[2]), _extent(found[3]), found[4])
    if found := _CLUSTER.match(text):
        return Cluster(_extent(found[1]))
    forms = "SpatialMap(size,offset) D, TemporalMap(size,offset) D or Cluster(size)"
    word = re.match(r"\w*", text)
    fix = suggestion(word[0] if word else "", ("SpatialMap", "TemporalMap", "Cluster"), "correct the directive")
    raise SpecError(where, text, forms, fix)


def _extent(text: str) -> Extent:
    return int(text) if text.isdigit() else text[3:-1].strip()


def _text(value: Extent) -> str:
    return f"Sz({value})" if isinstance(value, str) else str(value)


def _check(where: str, value: Extent) -> None:
    if isinstance(value, str) and value not in SIZED:
        raise SpecError(where, value, ", ".join(SIZED), "name a dimension of the layer")
    if isinstance(value, int) and value < 1:
        raise SpecError(where, value, "a positive integer", "correct the directive")
