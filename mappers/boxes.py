"""Sets of tilings as boxes, and figures that no tiling of a box is below.

A box is a size of blocks, an order of the tile loops or any order, and ranges of channel blocks, rows and columns. Every figure
is a function of `dataflows.batch.Features` that never falls when a feature grows, so a box is bounded by features that are
each no larger than those of any of its tilings: numbers of tiles from the largest sizes, first loads from the smallest, and
windows and last tiles, which rise and fall with the size, from minima over the range. The buffers cut ranges short: rows that
fit beside the fewest columns and channels, and so on. A box of one tiling has the tiling's own figures.
"""

from __future__ import annotations

from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from dataflows.batch import Batch, Features, Ints
from dataflows.limits import most_pitch
from dataflows.tiling import Tiling, capacity, relevant, window
from mappers.space import ORDERS, even_sizes

PARTS = 8
"""Into so many parts a range is cut."""
ANY = -1
"""Place of an order that is not chosen yet."""
FIELDS = ("blocks", "order", "first c", "last c", "first p", "last p", "first q", "last q")
"""Rows of an array of boxes, which has a column per box; c counts in `Space.channels`, an order in `Space.orders`."""
DIMS = ("G", "K", "N", "P", "Q")


class Lowest:
    """Minima over ranges of a row of numbers, each from two overlapping stretches whose lengths are powers of two."""

    def __init__(self, values: Ints) -> None:
        rows = [np.asarray(values, dtype=np.int64)]
        for level in range(len(values).bit_length() - 1):
            before, step = rows[-1], 1 << level
            after = before.copy()
            after[:-step] = np.minimum(before[:-step], before[step:])
            rows.append(after)
        self.table = np.array(rows)
        # Level of a length: its logarithm, rounded down.
        self.level = np.array([max(n.bit_length() - 1, 0) for n in range(len(values) + 1)])

    def over(self, first: Ints, last: Ints) -> Ints:
        """Return the minimum of values[first..last], ends included."""
        level = self.level[last - first + 1]
        return np.minimum(self.table[level, first], self.table[level, last - (1 << level) + 1])


class Axis:
    """Rows (0) or columns (1) of the output plane: what depends on the size of a tile along one axis alone."""

    def __init__(self, batch: Batch, axis: int, most: int) -> None:
        layer = batch.layer
        self.outputs, self.size = (layer.P, layer.Q)[axis], (layer.H, layer.W)[axis]
        self.reach, self.stride = window(layer, axis, 1), layer.stride[axis]
        self.limit = most_pitch(layer) if axis else self.size
        self.most = min(self.outputs, most)
        sizes = np.maximum(np.arange(self.most + 1), 1)  # entry 0 is never asked for
        self.tiles = -(-self.outputs // sizes)
        self.windows = Lowest(batch.windows(axis, sizes))
        self.last = Lowest(self.outputs - (self.tiles - 1) * sizes)

    def inputs(self, outputs: Ints) -> Ints:
        """Return input rows or columns that a tile takes in the buffer."""
        return np.minimum(self.size, self.reach + (outputs - 1) * self.stride)

    def within(self, inputs: Ints) -> Ints:
        """Return the most outputs of a tile that takes no more than so many inputs; below 1 for none."""
        inputs = np.minimum(inputs, self.limit)
        return np.where(inputs >= self.size, self.most, (inputs - self.reach) // self.stride + 1)


class Orders:
    """Orders of the tile loops, and which of them walk the same steps.

    Parameters
    ----------
    orders : sequence of tuple of str
        Permutations of N, G, K, P, Q, outermost first; C is innermost.
    """

    def __init__(self, orders: list[tuple[str, ...]]) -> None:
        self.orders = orders
        bit = {dim: 1 << place for place, dim in enumerate((*DIMS, "C"))}
        self.bit = bit
        # Loops inside each loop, as bits.
        self.inside = {
            dim: np.array([sum(bit[each] for each in order[order.index(dim) + 1 :]) + bit["C"] for order in orders])
            for dim in DIMS
        }
        first: dict[tuple[int, tuple[str, ...]], int] = {}
        self.same = np.array([
            [first.setdefault((bits, tuple(dim for dim in order if bits & bit[dim])), place) for bits in range(1 << len(DIMS))]
            for place, order in enumerate(orders)
        ])  # fmt: skip


class Space:
    """Tilings of one layer on one accelerator as boxes, arrays with the rows `FIELDS`.

    Parameters
    ----------
    batch : Batch
        Layer, accelerator and prices.
    every : bool
        All orders that walk different steps and all sizes, for exact cycles; otherwise those that suffice for the bound: the two
        orders of `mappers.space`, and the smallest size of channel blocks for each number of tiles.
    """

    def __init__(self, batch: Batch, *, every: bool = False) -> None:
        self.batch, self.layer, self.acc = batch, batch.layer, batch.acc
        bk, room = batch.blocking, capacity(self.acc)
        self.room = room
        self.p, self.q = (Axis(batch, axis, room["accumulator"]) for axis in (0, 1))
        self.planes = self.layer.N * bk.group_blocks * bk.c_blocks
        self.taps = self.layer.R * self.layer.S * bk.weight_rows
        weight_room = room["weight_buffer"] // self.taps if self.taps else max(bk.c_blocks, bk.walked)
        most = min(bk.c_blocks, weight_room)
        self.channels = np.arange(1, most + 1) if every else np.array(even_sizes(bk.c_blocks, weight_room)[::-1])
        self.most_blocks = min(bk.walked, room["scale_buffer"], weight_room, room["accumulator"])
        self.orders = Orders(self._different() if every else list(ORDERS))
        self.tensors = {tensor: sum(self.orders.bit[dim] for dim in dims) for tensor, dims in relevant(self.layer).items()}

    def _different(self) -> list[tuple[str, ...]]:
        """Orders that differ in loops that can have several iterations."""
        layer, bk, groups = self.layer, self.batch.blocking, self.batch.walks_groups
        most = {"N": layer.N, "G": bk.group_blocks, "K": 1 if groups else bk.k_blocks, "P": layer.P, "Q": layer.Q}
        once = tuple(dim for dim in DIMS if most[dim] == 1)
        return [once + order for order in permutations(dim for dim in DIMS if most[dim] > 1)]

    def whole(self) -> Ints:
        """Return boxes that hold every tiling, none empty."""
        blocks = np.arange(1, self.most_blocks + 1)
        one = np.ones_like(blocks)
        ends = (len(self.channels) - 1, self.p.most, self.q.most)
        rows = [row for first, last in zip((0, 1, 1), ends, strict=True) for row in (one * first, one * last)]
        return self.cut(np.array((blocks, one * ANY, *rows)))

    def cut(self, boxes: Ints) -> Ints:
        """Return boxes without the sizes that fit no buffer, and without boxes that are then empty."""
        blocks, _, c0, c1, p0, p1, q0, q1 = boxes
        area, groups = self.room["accumulator"] // blocks, self.batch.walks_groups
        words = self.room["input_buffer"] // (blocks if groups else self.channels[c0])
        high, wide = self.p.inputs(p0), self.q.inputs(q0)
        boxes = boxes.copy()
        deep = self.room["weight_buffer"] // (blocks * self.taps) if self.taps else self.channels[c1]
        if not groups:
            deep = np.minimum(deep, self.room["input_buffer"] // (high * wide))
        boxes[3] = np.minimum(c1, np.searchsorted(self.channels, deep, side="right") - 1)
        boxes[5] = np.minimum(p1, np.minimum(area // q0, self.p.within(words // wide)))
        boxes[7] = np.minimum(q1, np.minimum(area // p0, self.q.within(words // high)))
        return boxes[:, (boxes[3] >= c0) & (boxes[5] >= p0) & (boxes[7] >= q0)]

    def split(self, boxes: Ints) -> Ints:
        """Return boxes cut into parts: by order first, then along the range that is widest by ratio; none may be single."""
        unordered = boxes[1] == ANY
        chosen = np.repeat(boxes[:, unordered], len(self.orders.orders), axis=1)
        chosen[1] = np.tile(np.arange(len(self.orders.orders)), int(unordered.sum()))
        return np.concatenate((chosen, self._parts(boxes[:, ~unordered])), axis=1)

    def _parts(self, boxes: Ints) -> Ints:
        size = boxes.astype(np.float64)
        size[2:4] += 1  # places count from 0
        along = 2 + 2 * np.argmax(size[3::2] / size[2::2], axis=0)
        column = np.arange(boxes.shape[1])
        first, end = boxes[along, column], boxes[along + 1, column] + 1
        part = np.arange(PARTS + 1)[:, None]
        # Parts of equal ratio: numbers of tiles go by the inverse of the size.
        low = np.maximum(first, 1)
        grown = np.maximum((low * (end / low) ** (part / PARTS)).astype(np.int64), first)
        bounds = np.where(end - first <= PARTS, np.minimum(first + part, end), grown)
        bounds[0], bounds[-1] = first, end
        parts = np.repeat(boxes[None], PARTS, axis=0)
        parts[:, along, column], parts[:, along + 1, column] = bounds[:-1], bounds[1:] - 1
        found = parts.transpose(1, 0, 2).reshape(len(boxes), -1)
        return found[:, (found[2::2] <= found[3::2]).all(axis=0)]

    def single(self, boxes: Ints) -> NDArray[np.bool_]:
        """Tell which boxes are one tiling."""
        return (boxes[2::2] == boxes[3::2]).all(axis=0) & (boxes[1] != ANY)

    def first_of_same(self, points: Ints) -> Ints:
        """Return, for boxes of one tiling, the first order that walks the same steps: loops of one iteration do not count."""
        several = self._several(self._tiles(points), points.shape[1])
        return self.orders.same[points[1], several & ((1 << len(DIMS)) - 1)]

    def largest(self, boxes: Ints) -> Ints:
        """Return from every box one tiling: as many channels as can be, then rows, then columns."""
        points = boxes.copy()
        points[1] = np.maximum(points[1], 0)
        for row in (2, 4, 6):
            points[row] = points[row + 1]
            points = self.cut(points)
            points[row] = points[row + 1]
        points[1] = self.first_of_same(points)
        return points

    def most_words(self, boxes: Ints) -> Ints:
        """Return the words of the largest output tile that a box may hold."""
        return np.minimum(self.room["accumulator"], boxes[0] * boxes[5] * boxes[7])

    def tiling(self, point: Ints) -> Tiling:
        """Return a box of one tiling as that."""
        blocks, order, _, c, _, p, _, q = (int(each) for each in point)
        return Tiling(blocks, int(self.channels[c]), p, q, self.orders.orders[order])

    def features(self, boxes: Ints) -> Features:
        """Return features that are no larger than those of any tiling of a box; `cut` has been applied."""
        blocks, _, c0, _, p0, p1, q0, q1 = boxes
        batch, layer, bk = self.batch, self.layer, self.batch.blocking
        tiles, walked = self._tiles(boxes), -(-self.batch.blocking.walked // blocks)
        # No tile has more outputs than the accumulator holds, whatever the corners of the box say.
        area = np.minimum(p1 * q1, self.room["accumulator"] // blocks)
        pixel_tiles = np.maximum(tiles["P"] * tiles["Q"], -(-layer.P * layer.Q // area))
        windows = self.p.windows.over(p0, p1) * self.q.windows.over(q0, q1)
        last = (bk.walked - (walked - 1) * blocks) * self.p.last.over(p0, p1) * self.q.last.over(q0, q1)
        return Features(
            words=self._words(boxes, tiles, pixel_tiles, windows),
            channel_tiles=(walked if batch.walks_groups else bk.group_blocks * walked) * tiles["C"],
            c_tiles=tiles["C"],
            pixel_tiles=pixel_tiles,
            waves=self._waves(boxes, pixel_tiles),
            first_load=batch.first_load(blocks, self.channels[c0], p0, q0),
            first_tile=batch.first_tile(blocks, p0 * q0, tiles["C"]),
            last=last,
        )

    def _tiles(self, boxes: Ints) -> dict[str, Ints]:
        """Tiles by loop, at least."""
        bk, one = self.batch.blocking, np.ones_like(boxes[0])
        walked = -(-bk.walked // boxes[0])
        groups, k_blocks = (walked, one) if self.batch.walks_groups else (one * bk.group_blocks, walked)
        return {
            "G": groups, "K": k_blocks, "N": one * self.layer.N, "P": self.p.tiles[boxes[5]], "Q": self.q.tiles[boxes[7]],
            "C": -(-bk.c_blocks // self.channels[boxes[3]]),
        }  # fmt: skip

    def _several(self, tiles: dict[str, Ints], count: int) -> Ints:
        """Loops that have several iterations in all tilings of a box, as bits."""
        several = np.zeros(count, dtype=np.int64)
        for dim, bit in self.orders.bit.items():
            several |= np.where(tiles[dim] > 1, bit, 0)
        return several

    def _words(self, boxes: Ints, tiles: dict[str, Ints], pixel_tiles: Ints, windows: Ints) -> dict[str, Ints]:
        """Words fetched from DRAM: once, times the loops that do not select a tensor's tile but have one inside that does."""
        batch = self.batch
        words = {
            "inputs": self.planes * windows,
            "weights": np.full_like(windows, batch.one.weight_words),
            "scales": np.full_like(windows, batch.out_blocks * self.acc.post_groups),
        }
        several = self._several(tiles, len(windows))
        for tensor, selects in self.tensors.items():
            moved = several & selects
            # Of a box of any order only what C moves is sure: it is innermost.
            again = {
                dim: np.where(boxes[1] == ANY, self.orders.bit["C"], inside[boxes[1]]) & moved > 0
                for dim, inside in self.orders.inside.items()
                if not selects & self.orders.bit[dim]
            }
            times = np.ones_like(windows)
            for dim in again.keys() & {"P", "Q"}:
                times *= np.where(again[dim], tiles[dim], 1)
            if "P" in again:
                times = np.where(again["P"] & again["Q"], pixel_tiles, times)
            for dim in again.keys() - {"P", "Q"}:
                times *= np.where(again[dim], tiles[dim], 1)
            words[tensor] *= times
        return words

    def _waves(self, boxes: Ints, pixel_tiles: Ints) -> Ints:
        """Every tile has one at least, and all pixels have theirs."""
        outputs, rows = self.layer.P * self.layer.Q, self.acc.array.rows
        stay = self.acc.array.outputs_stay
        waves = np.maximum(-(-outputs // rows), pixel_tiles) if stay else np.maximum(outputs, pixel_tiles * rows)
        plane = (boxes[4] == boxes[5]) & (boxes[6] == boxes[7])
        waves[plane] = self.batch.waves(boxes[4, plane], boxes[6, plane])
        return waves
