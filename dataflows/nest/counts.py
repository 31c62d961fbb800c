"""Words that move in a loop nest, in closed form (codesign reference, 4.1 to 4.5).

A *flow* is what passes between a level that holds a tensor, the parent, and the next inner one that holds it, the child;
the multipliers are the child of the innermost. Counts are of the whole array: all instances that are in use.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from dataflows.nest import window
from dataflows.nest.nest import Nest, Trip
from dataflows.nest.rules import RELEVANT, TENSORS, WINDOW, Rules
from dataflows.nest.window import Rows

MAC = -1
"""Level number of the multipliers."""
Words = dict[str, dict[str, int]]


class Flow(NamedTuple):
    """Words of one tensor between a parent level and a child level, numbered from the innermost.

    Attributes
    ----------
    tensor, parent, child
        Whose words, between which levels; child is `MAC` at the multipliers.
    reads : int
        Words read from the parent: deliveries, or for outputs partial sums to be continued.
    updates : int
        Outputs written to the parent.
    fills : int
        Words written into the child.
    drains : int
        Outputs read from the child on their way up (strict rule only).
    shared : int
        Deliveries that needed no read of their own: multicast copies and words from a neighbour.
    added : int
        Partial sums that the network added on their way.
    first : int
        Outputs that reach the parent for the first time; updates and reads differ by them.
    once : int
        Words that pass the parent when all children are filled, or emptied, one time.
    once_inside : int
        Words that then pass the children. Both are left 0 at the multipliers.
    """

    tensor: str
    parent: int
    child: int
    reads: int
    updates: int = 0
    fills: int = 0
    drains: int = 0
    shared: int = 0
    added: int = 0
    first: int = 0
    once: int = 0
    once_inside: int = 0


@dataclass(frozen=True, slots=True)
class Counts:
    """All flows of a nest, and what follows from them.

    Attributes
    ----------
    flows : tuple of Flow
        By tensor, from the multipliers outward.
    tiles : tuple of dict
        ``{tensor: words}`` that one instance of each level holds, innermost level first.
    units : tuple of dict
        ``{tensor: words}`` that one delivery brings along the level's row dimensions: they begin with a new row.
    instances : tuple of int
        Instances in use of each level.
    macs : int
        Multiply-accumulates, padding included.
    """

    flows: tuple[Flow, ...]
    tiles: tuple[dict[str, int], ...]
    units: tuple[dict[str, int], ...]
    instances: tuple[int, ...]
    macs: int

    @property
    def levels(self) -> tuple[Words, ...]:
        """``{tensor: {"reads", "writes", "tile_words"}}`` of each level, innermost first; summed over the flows."""
        found: tuple[Words, ...] = tuple(
            {tensor: {"reads": 0, "writes": 0, "tile_words": held} for tensor, held in tile.items()} for tile in self.tiles
        )
        for flow in self.flows:
            parent = found[flow.parent][flow.tensor]
            parent["reads"] += flow.reads
            parent["writes"] += flow.updates
            if flow.child != MAC:
                child = found[flow.child][flow.tensor]
                child["reads"] += flow.drains
                child["writes"] += flow.fills
        return found


def count(nest: Nest, rules: Rules | None = None) -> Counts:
    """Count the words of a nest.

    Parameters
    ----------
    nest : Nest
        From `dataflows.nest.nest.bind`.
    rules : Rules, optional
        Timeloop's by default.
    """
    rules = rules or Rules()
    depth = len(nest.trips)
    instances = [1] * depth
    above: list[tuple[Trip, ...]] = [()] * depth
    for level in range(depth - 2, -1, -1):
        instances[level] = instances[level + 1]
        for _, extent, _, _ in nest.spreads[level + 1]:
            instances[level] *= extent
        above[level] = nest.trips[level + 1] + above[level + 1]
    steps = nest.steps
    flows: list[Flow] = []
    tiles: list[dict[str, int]] = [{} for _ in range(depth)]
    units: list[dict[str, int]] = [{} for _ in range(depth)]
    for tensor in TENSORS:
        child, held = MAC, 1
        for parent in range(depth):
            if tensor not in nest.holds[parent]:
                continue
            edge = _Edge(nest, rules, tensor, parent, child, instances[parent])
            own, union = edge.moved(above[child], held) if child != MAC else (steps, steps * edge.union())
            flows.append(edge.outputs(own, held) if tensor == "outputs" else edge.operands(own, union, held))
            if nest.storage[parent].row_bits is not None:
                units[parent][tensor] = edge.unit()
            tiles[parent][tensor] = held = _tile(nest, parent, tensor, rules)
            child = parent
    return Counts(tuple(flows), tuple(tiles), tuple(units), tuple(instances), steps * nest.pes)


class _Edge:
    """One flow being counted: the instances of the child, sorted by what they have in common.

    `distinct` instances want words of their own, `equal` ones the same, `apart` ones the same one by one, and `linked` ones
    windows of inputs that they pass on.
    """

    __slots__ = ("apart", "child", "distinct", "equal", "linked", "linked_cols", "linked_rows", "nest", "parent", "parents",
                 "rules", "tensor")  # fmt: skip

    def __init__(self, nest: Nest, rules: Rules, tensor: str, parent: int, child: int, parents: int) -> None:
        self.nest, self.rules, self.tensor, self.parent, self.child, self.parents = nest, rules, tensor, parent, child, parents
        self.linked_rows: tuple[tuple[int, int], ...] = ()
        self.linked_cols: tuple[tuple[int, int], ...] = ()
        distinct = equal = apart = linked = 1
        relevant, ly = RELEVANT[tensor], nest.layer
        for level in range(child + 1, parent + 1):
            spreads = nest.spreads[level]
            if not spreads:
                continue
            net = nest.storage[level].fanout
            joins = net.reduction if tensor == "outputs" else net.multicast
            for dim, extent, step, _ in spreads:
                if dim not in relevant:
                    equal *= extent
                    if not joins:
                        apart *= extent
                elif net.links and dim in WINDOW and tensor == "inputs":
                    linked *= extent
                    scale = (ly.stride if dim in "PQ" else ly.dilation)[dim in "QS"]
                    if dim in "QS":
                        self.linked_cols += ((extent, step * scale),)
                    else:
                        self.linked_rows += ((extent, step * scale),)
                else:
                    distinct *= extent
        self.distinct, self.equal, self.apart, self.linked = distinct, equal, apart, linked

    def unit(self) -> int:
        """Words that one delivery brings along the parent's row dimensions."""
        nest, child = self.nest, self.child
        dims = nest.storage[self.parent].row_dims[TENSORS.index(self.tensor)]
        words = 1 if child == MAC else math.prod(nest.tiles[child][dim] for dim in dims)
        for level in range(child + 1, self.parent + 1):
            for dim, extent, _, _ in nest.spreads[level]:
                if dim in dims:
                    words *= extent
        return words

    def union(self) -> int:
        """Words that linked multipliers need in one step."""
        if self.linked == 1:
            return 1
        return window.words(window.spread((), self.linked_rows), window.spread((), self.linked_cols))

    def moved(self, above: tuple[Trip, ...], held: int) -> tuple[int, int]:
        """Words into one child instance, which holds `held`, and into each set of linked instances, over the whole run."""
        if self.tensor != "inputs":
            words = _fetches(above, RELEVANT[self.tensor]) * held
            return words, words
        planes, rows, cols = self.window()
        walk = _window_words if self.rules.halo == "timeloop" else _physical_words
        own = planes * walk(above, rows, cols, self.nest)
        if self.linked == 1:
            return own, own
        rows, cols = window.spread(rows, self.linked_rows), window.spread(cols, self.linked_cols)
        return own, planes * walk(above, rows, cols, self.nest)

    def window(self) -> tuple[int, Rows, Rows]:
        """Planes, rows and columns of the child's input tile."""
        tile = self.nest.tiles[self.child]
        return tile["N"] * tile["G"] * tile["C"], *_masks(self.nest, self.child, self.rules)

    def operands(self, own: int, union: int, held: int) -> Flow:
        """Flow of weights or inputs: one read serves all equal instances (codesign reference, 4.4)."""
        sources = self.distinct * self.apart * self.parents
        sinks = self.linked * self.distinct * self.equal * self.parents
        if self.child == MAC:
            return Flow(self.tensor, self.parent, MAC, union * sources, shared=own * sinks - union * sources)
        once = held
        if self.linked != 1:
            planes, rows, cols = self.window()
            once = planes * window.words(window.spread(rows, self.linked_rows), window.spread(cols, self.linked_cols))
        return Flow(
            self.tensor, self.parent, self.child, union * sources, 0, own * sinks, 0, own * sinks - union * sources,
            once=once * sources, once_inside=held * sinks,
        )  # fmt: skip

    def outputs(self, own: int, held: int) -> Flow:
        """Flow of partial sums (codesign reference, 4.5)."""
        sources = self.distinct * self.apart * self.parents
        sinks = self.distinct * self.equal * self.parents
        every, updates = own * sinks, own * sources
        first = _volume("outputs", self.nest.tiles[-1])
        for spreads in self.nest.spreads[self.parent + 1 :]:
            for dim, extent, _, _ in spreads:
                if dim not in RELEVANT["outputs"]:
                    first *= extent
        if self.child == MAC:
            return Flow("outputs", self.parent, MAC, updates - first, updates, added=every - updates, first=first)
        fills = drains = 0
        if self.rules.psums == "timeloop":
            fills = every
        else:
            fills, drains = own * self.distinct * self.parents - first, every
        return Flow(
            "outputs", self.parent, self.child, updates - first, updates, fills, drains, 0, every - updates, first,
            held * sources, held * sinks,
        )  # fmt: skip


def _fetches(above: tuple[Trip, ...], relevant: frozenset[str]) -> int:
    """How often a tile is fetched: all loops from the first relevant one outward (codesign reference, 4.2)."""
    times, started = 1, False
    for dim, extent, _ in above:
        started = started or dim in relevant
        if started:
            times *= extent
    return times


def _masks(nest: Nest, level: int, rules: Rules) -> tuple[Rows, Rows]:
    """Rows and columns of the input tile of one instance."""
    ly, tile, box = nest.layer, nest.tiles[level], rules.window == "box"
    rows = window.touched(tile["P"], tile["R"], ly.stride[0], ly.dilation[0], box)
    return rows, window.touched(tile["Q"], tile["S"], ly.stride[1], ly.dilation[1], box)


def _volume(tensor: str, tile: dict[str, int]) -> int:
    """Words of a tile of weights or outputs."""
    if tensor == "weights":
        return tile["G"] * tile["K"] * tile["C"] * tile["R"] * tile["S"]
    return tile["N"] * tile["G"] * tile["K"] * tile["P"] * tile["Q"]


def _tile(nest: Nest, level: int, tensor: str, rules: Rules) -> int:
    tile = nest.tiles[level]
    if tensor != "inputs":
        return _volume(tensor, tile)
    rows, cols = _masks(nest, level, rules)
    return tile["N"] * tile["G"] * tile["C"] * window.words(rows, cols)


def _shift(trip: Trip, nest: Nest) -> tuple[int, int]:
    """(rows, columns) by which one step of a loop moves the input window."""
    dim, _, step = trip
    if dim == "P":
        return step * nest.layer.stride[0], 0
    if dim == "R":
        return step * nest.layer.dilation[0], 0
    if dim == "Q":
        return 0, step * nest.layer.stride[1]
    return (0, step * nest.layer.dilation[1]) if dim == "S" else (0, 0)


def _window_words(above: tuple[Trip, ...], rows: Rows, cols: Rows, nest: Nest) -> int:
    """Input pixels fetched, Timeloop's halo rule: only the innermost loop keeps what two windows share."""
    full = window.words(rows, cols)
    if not above or above[0].dim not in WINDOW:
        return full * _fetches(above, RELEVANT["inputs"])
    down, right = _shift(above[0], nest)
    fresh = full - window.kept(rows, down) * window.kept(cols, right)
    return (full + (above[0].extent - 1) * fresh) * math.prod(trip.extent for trip in above[1:])


def _physical_words(above: tuple[Trip, ...], rows: Rows, cols: Rows, nest: Nest) -> int:
    """Input pixels fetched when every step keeps what the old and the new window share (codesign reference, 4.3)."""
    full = window.words(rows, cols)
    words, outer = full, math.prod(trip.extent for trip in above)
    down = right = 0  # how far the loops inside have moved the window
    lost = False  # a loop inside changes the channel, group or image: nothing is left to keep
    for trip in above:
        outer //= trip.extent
        step_down, step_right = _shift(trip, nest)
        lost = lost or trip.dim in "NGC"
        fresh = full if lost else full - window.kept(rows, step_down - down) * window.kept(cols, step_right - right)
        words += (trip.extent - 1) * outer * fresh
        down, right = down + (trip.extent - 1) * step_down, right + (trip.extent - 1) * step_right
    return words
