"""The memory map of a network: layer programs, scales, weights, then activations, all in beats from one base."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dataflows.arch import Accelerator
from dataflows.compile.allocate import allocate, most_alive
from dataflows.compile.layout import tensor_beats
from dataflows.compile.lifetimes import Lifetime, lifetimes
from dataflows.graph import Graph

ALIGN_BYTES = 64
"""Everything begins at a multiple of this: no cache line of the host holds two things."""


@dataclass(frozen=True, slots=True)
class Region:
    """Beats `first` to `first + beats - 1`."""

    first: int
    beats: int

    @property
    def end(self) -> int:
        """The beat behind."""
        return self.first + self.beats


@dataclass(frozen=True, slots=True)
class Activations:
    """Where activation tensors lie.

    Attributes
    ----------
    region : Region
        All of them.
    tensors : dict of str to Region
        Each one.
    alive : dict of str to Lifetime
        When what is there is valid.
    most_alive_beats : int
        Beats alive during the operation that needs most, alignment included: no map needs less.
    """

    region: Region
    tensors: dict[str, Region]
    alive: dict[str, Lifetime]
    most_alive_beats: int


def alignment(acc: Accelerator) -> int:
    """Return the beats of which all addresses are multiples."""
    return max(1, ALIGN_BYTES // acc.memory.bus_bytes)


def place_activations(graph: Graph, acc: Accelerator, base: int, *, keep_all: bool = False) -> Activations:
    """Place the tensors of a graph from beat `base` on; see `dataflows.compile.allocate`."""
    unit = alignment(acc)
    alive = lifetimes(graph, keep_all=keep_all)
    beats = {name: tensor_beats(graph.tensor(name), acc) for name in alive}
    sizes = {name: -(-size // unit) for name, size in beats.items()}
    plan = allocate(sizes, alive)
    tensors = {name: Region(base + unit * plan.offsets[name], beats[name]) for name in alive}
    return Activations(Region(base, unit * plan.total), tensors, alive, unit * most_alive(sizes, alive))


def place_in_order(sizes: Mapping[str, int], acc: Accelerator, base: int) -> tuple[dict[str, Region], int]:
    """Place pieces one after the other, aligned; return them and the aligned beat behind the last."""
    unit, at, placed = alignment(acc), base, {}
    for name, beats in sizes.items():
        placed[name] = Region(at, beats)
        at += -(-beats // unit) * unit
    return placed, at
