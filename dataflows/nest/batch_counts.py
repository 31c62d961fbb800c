"""Words that move, for many mappings at a time: `dataflows.nest.counts` term by term.

Which level feeds which differs between mappings. A flow is therefore counted for every pair of levels that could be parent and
child, and is 0 for the mappings in which they are not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from dataflows.nest.batch_chunk import Chunk, product, scale
from dataflows.nest.batch_window import Mask, Num, RowSets, Term
from dataflows.nest.counts import MAC
from dataflows.nest.rules import RELEVANT, TENSORS, WINDOW
from dataflows.workload import DIMS

_IN = TENSORS.index("inputs")


@dataclass(slots=True)
class Flows:
    """Words of one tensor between two levels; fields as in `dataflows.nest.counts.Flow`, arrays or one number for all.

    `here` says in which mappings the two are parent and child: the others have zeros.
    """

    tensor: str
    parent: int
    child: int
    here: Mask | bool
    reads: Num
    updates: Num = 0.0
    fills: Num = 0.0
    drains: Num = 0.0
    shared: Num = 0.0
    added: Num = 0.0
    first: Num = 0.0
    once: Num = 0.0
    once_inside: Num = 0.0


class Words:
    """Tiles and flows of a chunk.

    Attributes
    ----------
    tiles : list of list
        Words of the tile of one instance, by level and tensor; whether the tensor stays there or not.
    unions : dict
        Words into linked instances by child and linked loops, once they are counted.
    """

    def __init__(self, chunk: Chunk) -> None:
        self.chunk = chunk
        self.networks = any(level.fanout.hop_pj or level.fanout.add_pj for level in chunk.levels)
        self.unions: dict[tuple[int, tuple[tuple[int, str], ...]], tuple[Num, Num]] = {}
        self.windows = [self._window(level) for level in range(chunk.depth)]
        relevant = [chunk.rows(RELEVANT[tensor]) for tensor in TENSORS]
        self.planes = [product(tile, chunk.rows("NGC")) for tile in chunk.tiles]
        self.tiles: list[list[Num]] = []
        for level, tile in enumerate(chunk.tiles):
            words = [product(tile, rows) for rows in relevant]
            rows, cols = self.windows[level]
            words[_IN] = self.planes[level] * (rows.size() * cols.size())
            self.tiles.append(words)

    def _window(self, level: int, more: tuple[list[Term], list[Term]] = ([], [])) -> tuple[RowSets, RowSets]:
        """Return the input rows and columns of a tile, or of tiles that lie `more` apart."""
        chunk, ly, box = self.chunk, self.chunk.plan.layer, self.chunk.plan.rules.window == "box"
        found = []
        for axis, (out, taps) in enumerate(("PR", "QS")):
            outputs, filters = chunk.extent(level, out), chunk.extent(level, taps)
            stride, dilation = float(ly.stride[axis]), float(ly.dilation[axis])
            terms: list[Term] = [(outputs, stride), (filters, dilation)]
            if box:
                terms = [((outputs - 1) * stride + (filters - 1) * dilation + 1, 1.0)]
            found.append(RowSets([*terms, *more[axis]], chunk.suspects))
        return found[0], found[1]

    def flows(self) -> Iterator[Flows]:
        """Yield all flows, by tensor."""
        chunk = self.chunk
        for at, tensor in enumerate(TENSORS):
            for parent in range(chunk.depth):
                open_: Mask | bool = chunk.holds[parent][at]
                for child in range(parent - 1, MAC - 1, -1):
                    if open_ is False:
                        break
                    held: Mask | bool = True if child == MAC else chunk.holds[child][at]
                    here = _both(open_, held)
                    if here is not False:
                        edge = _Edge(self, tensor, parent, child, here)
                        yield edge.outputs() if tensor == "outputs" else edge.operands()
                    open_ = _both(open_, _not(held))

    def unit(self, flow: Flows) -> Num:
        """Words that one delivery of a flow brings along the parent's row dimensions."""
        chunk = self.chunk
        dims = chunk.levels[flow.parent].row_dims[TENSORS.index(flow.tensor)]
        words: Num = 1.0 if flow.child == MAC else product(chunk.tiles[flow.child], chunk.rows(dims))
        for level in range(flow.child + 1, flow.parent + 1):
            words = words * chunk.spread(level, dims)
        return words


class _Edge:
    """One flow being counted; see `dataflows.nest.counts`."""

    def __init__(self, words: Words, tensor: str, parent: int, child: int, here: Mask | bool) -> None:
        self.words, self.chunk = words, words.chunk
        self.tensor, self.parent, self.child, self.here = tensor, parent, child, here
        self.at = TENSORS.index(tensor)
        self.joined: Num = 1.0
        self.linked: list[tuple[int, str]] = []
        others = set(DIMS) - RELEVANT[tensor]
        for level in range(child + 1, parent + 1):
            if self.chunk.below[level] is None:
                continue
            net = self.chunk.levels[level].fanout
            if net.reduction if tensor == "outputs" else net.multicast:
                self.joined = self.joined * self.chunk.spread(level, others)
            if net.links and tensor == "inputs":
                self.linked += [(level, dim) for dim in "PQRS" if dim in self.chunk.row]
        self.sinks = self.chunk.pes if child == MAC else self.chunk.instances[child]
        self.sources = self.sinks / self.joined
        self.held: Num = 1.0 if child == MAC else words.tiles[child][self.at]

    def only(self, number: Num) -> Num:
        """Return a number where this is a flow, 0 elsewhere."""
        return number if self.here is True else number * self.here

    def operands(self) -> Flows:
        """Flow of weights or inputs: one read serves all equal instances (codesign reference, 4.4)."""
        own = self._moved(None)
        union, once, sources = own, self.held, self.sources
        if self.linked:
            offsets: tuple[list[Term], list[Term]] = ([], [])
            for level, dim in self.linked:
                count = self.chunk.spread(level, dim)
                step = self.chunk.extent(level - 1, dim) * scale(self.chunk.plan.layer, dim)
                offsets[dim in "QS"].append((count, step))
                sources = sources / count
            key = (self.child, tuple(self.linked))
            if key not in self.words.unions:
                self.words.unions[key] = self._together(offsets)
            union, once = self.words.unions[key]
        own, union = self.only(own), self.only(union)
        reads, fills = union * sources, own * self.sinks
        flow = Flows(self.tensor, self.parent, self.child, self.here, reads)
        if self.words.networks:
            flow.shared = fills - reads
        if self.child != MAC:
            flow.fills = fills
            if self.chunk.plan.rules.ramp == "once":
                flow.once, flow.once_inside = self.only(once * sources), self.only(self.held * self.sinks)
        return flow

    def _together(self, offsets: tuple[list[Term], list[Term]]) -> tuple[Num, Num]:
        """Return the words into one set of linked instances, over the whole run and for one filling."""
        if self.child == MAC:
            rows, cols = (RowSets(terms or [(1.0, 1.0)], self.chunk.suspects) for terms in offsets)
            return self.chunk.steps * (rows.size() * cols.size()), 1.0
        windows = self.words._window(self.child, offsets)
        return self._moved(windows), self.words.planes[self.child] * (windows[0].size() * windows[1].size())

    def _moved(self, windows: tuple[RowSets, RowSets] | None) -> Num:
        """Words into one child instance over the whole run; with `windows`, into instances that need these together."""
        chunk, child = self.chunk, self.child
        if child == MAC:
            return chunk.steps
        if self.tensor != "inputs":
            return chunk.fetches[self.at][child] * self.held
        planes = self.words.planes[child]
        rows, cols = windows or self.words.windows[child]
        full = self.words.tiles[child][_IN] if windows is None else planes * (rows.size() * cols.size())
        if chunk.plan.rules.halo == "physical":
            return _physical(chunk, child, planes, full, rows, cols)
        loop, fetched = chunk.first[child], chunk.fetches[_IN][child] * full
        if loop.moves is False:
            return fetched
        fresh = full - planes * (rows.kept(loop.down) * cols.kept(loop.right))
        slid = (full + (loop.extent - 1) * fresh) * (chunk.above[child] / loop.extent)
        return np.where(loop.moves, slid, fetched)

    def outputs(self) -> Flows:
        """Flow of partial sums (codesign reference, 4.5)."""
        chunk, strict = self.chunk, self.chunk.plan.rules.psums == "strict"
        own = chunk.steps if self.child == MAC else chunk.fetches[self.at][self.child] * self.held
        own = self.only(own)
        every, updates = own * self.sinks, own * self.sources
        first = self.words.tiles[-1][self.at]
        for level in range(self.parent + 1, chunk.depth):
            first = first * chunk.spread(level, "CRS")
        first = self.only(first)
        flow = Flows("outputs", self.parent, self.child, self.here, updates - first, updates, first=first)
        if self.words.networks:
            flow.added = every - updates
        if self.child != MAC:
            flow.fills = every
            if strict:
                apart: Num = self.sinks
                for level in range(self.child + 1, self.parent + 1):
                    apart = apart / chunk.spread(level, "CRS")
                flow.fills, flow.drains = own * apart - first, every
            if chunk.plan.rules.ramp == "once":
                flow.once, flow.once_inside = self.only(self.held * self.sources), self.only(self.held * self.sinks)
        return flow


def _physical(chunk: Chunk, child: int, planes: Num, full: Num, rows: RowSets, cols: RowSets) -> Num:
    """Input words when every step keeps what the old and the new window share (codesign reference, 4.3)."""
    words, outer = full, chunk.above[child]
    down: Num = 0.0
    right: Num = 0.0
    lost: Mask | bool = False
    for level in range(child + 1, chunk.depth):
        ranks = chunk.ranks(level)
        for rank in range(8, 0, -1):
            extent: Num = 1.0
            step_down: Num = 0.0
            step_right: Num = 0.0
            for dim, row in chunk.row.items():
                this = ranks[row] == rank
                if not this.any():
                    continue
                extent = np.where(this, chunk.time[level, row], extent)
                if dim in "NGC":
                    lost = lost | this
                elif dim in WINDOW:
                    shift = chunk.step(level, dim) * scale(chunk.plan.layer, dim)
                    step_down = np.where(this & (dim in "PR"), shift, step_down)
                    step_right = np.where(this & (dim in "QS"), shift, step_right)
            if isinstance(extent, float):
                continue
            outer = outer / extent
            kept = rows.kept(step_down - down) * cols.kept(step_right - right) * ~np.asarray(lost)
            words = words + (extent - 1) * outer * (full - planes * kept)
            down, right = down + (extent - 1) * step_down, right + (extent - 1) * step_right
    return words


def _both(one: Mask | bool, other: Mask | bool) -> Mask | bool:
    """Return where both hold; False where nowhere."""
    if one is False or other is False:
        return False
    if one is True:
        return other
    if other is True:
        return one
    found = np.logical_and(one, other)
    return found if found.any() else False


def _not(one: Mask | bool) -> Mask | bool:
    return not one if isinstance(one, bool) else ~one
