"""Cycles and energy of many mappings at once, from what the closed form counts: as good as exact where no engine waits.

Exact are the words on all ports and at every level, and with them the energy but for leakage. Cycles are those of the busiest
engine, with what no overlap hides: program, first tiles, last tile. What they leave out is waiting (`schedule`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from dataflows.nest.rules import TENSORS
from dataflows.spatial.system.energy import Ports, events, total
from dataflows.spatial.system.schedule import ARRIVAL, FEED_LATENCY
from dataflows.spatial.system.spec import SpatialSystem
from dataflows.tech import Technology
from mappers.base import Objective, objective_value

STATIONARY = {"weights": "NPQ", "inputs": "K", "outputs": "CRS"}
"""Loops that leave a tensor's tile alone: innermost outside the PEs, they are its reuse. No dimension leaves two alone."""
STATES = 5
"""Cycles of tile control in a step beside its requests (`dataflows.spatial.system.schedule`)."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Cycles and energy of mappings, as arrays.

    Attributes
    ----------
    cycles, energy_pj : array
        A lower bound but for what overlaps better than it says, and the energy with that.
    """

    cycles: Any
    energy_pj: Any

    def value(self, objective: Objective) -> Any:
        """Return what is minimised."""
        return objective_value(objective, self.energy_pj, self.cycles)


@dataclass(frozen=True, slots=True)
class Inside:
    """What happens between the buffers and the PEs.

    Attributes
    ----------
    ports : Ports
        In use.
    steps, iterations : int or array
        Cycles that PEs compute in an iteration of the outer loops, and how many there are.
    lengths, words : dict
        Per tensor, cycles of an exchange at the ports, and words of it in a PE.
    begun : int or array
        Exchanges of sums after which they are begun, not added to.
    """

    ports: Ports
    steps: Any
    iterations: Any
    lengths: dict[str, Any]
    words: dict[str, Any]
    begun: Any

    def exchanges(self, stationary: str, reuse: Any) -> dict[str, Any]:
        """Return how often each tensor's tiles in the PEs change; that of `stationary` `reuse` times less often."""
        return {tensor: self.iterations // reuse if tensor == stationary else self.iterations for tensor in TENSORS}


@dataclass(frozen=True, slots=True)
class Outside:
    """What happens at the memory port.

    Attributes
    ----------
    beats : dict
        Per tensor, and of ``program`` and ``scales``.
    first, last : int or array
        Beats before the first and after the last multiplication.
    tiles : dict
        Tiles of ``weights`` and ``inputs`` that are read, and ``steps`` of the loops over memory.
    """

    beats: dict[str, Any]
    first: Any
    last: Any
    tiles: dict[str, Any]


def figures(
    system: SpatialSystem, tech: Technology, inside: Inside, outside: Outside, stationary: str, reuse: Any, larger: Any
) -> Figures:
    """Return the figures of mappings; `larger` is NumPy's ``maximum``, or ``max`` for a single one."""
    exchanges = inside.exchanges(stationary, reuse)
    deliveries = {tensor: exchanges[tensor] * inside.lengths[tensor] for tensor in TENSORS}
    compute = inside.iterations * inside.steps
    busy = compute
    for cycles in deliveries.values():
        busy = larger(busy, cycles)
    memory, beats = system.memory, outside.beats
    program = beats["program"] * memory.interval + memory.latency
    moved = (beats["weights"] + beats["inputs"] + beats["outputs"] + beats["scales"]) * memory.interval
    post = beats["outputs"] * system.post_groups
    alone = outside.first * memory.interval + memory.latency + outside.last * max(memory.interval, system.post_groups)
    # Tile control asks for one tile after the other, and for a tile when the one before last has been used up.
    control = moved + STATES * outside.tiles["steps"]
    rest = larger(busy + alone, larger(control, post))
    for tensor in TENSORS[:2]:
        empty = outside.tiles[tensor] * (memory.latency + ARRIVAL + FEED_LATENCY[tensor])
        rest = larger(rest, (empty + beats[tensor] * memory.interval + deliveries[tensor]) // 2)
    cycles = program + rest
    taken = {tensor: exchanges[tensor] * inside.words[tensor] for tensor in TENSORS}
    updates = deliveries["outputs"] - inside.begun * inside.lengths["outputs"]
    found = events(system, inside.ports, beats, deliveries, taken, compute, post, updates, cycles)
    return Figures(cycles, total(found, system, tech))


def product(values: dict[str, Any], dims: str) -> Any:
    """Return the product over some dimensions."""
    return math.prod(values[dim] for dim in dims)
