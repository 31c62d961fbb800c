"""Mappings as real vectors that a continuous optimiser can search, after NAAS (codesign reference, 1.2 to 1.4)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dataflows.nest.points import Points
from dataflows.nest.rules import Rules
from dataflows.workload import DIMS
from mappers.nest.chains import Ints
from mappers.nest.footprint import Footprint
from mappers.nest.space import NestSpace

__all__ = ["ENCODINGS", "Encoding", "EncodingName"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
EncodingName = Literal["importance", "index"]
ENCODINGS: tuple[EncodingName, ...] = ("importance", "index")
_STAYS = 0.7
_SPREAD = 0.5
"""Width of the band over which `Encoding.centred` spreads importances."""
_STEPS = 6
"""Halvings that look for the largest tile that fits."""


@dataclass(slots=True)
class Encoding:
    """How a vector of genes from 0 to 1 reads as a mapping.

    Only dimensions longer than 1 have genes. A vector holds, in this order:

    - by level but the innermost, the order of its loops: one importance per dimension, the largest is the outermost loop;
    - by axis, which dimensions are unrolled on it: one importance per dimension that may be, in falling order until the axis is
      full;
    - by axis, how much of it each of these dimensions may take: its power 2 x gene of the axis, so that above a half it is all;
    - by level but the outermost, its tile: one ratio per dimension, to the power of which the layer's extent is taken;
    - by level and tensor that may stay there or not: it stays above a half.

    With the encoding ``index``, every list of importances is one gene, the index of their order among all in lexicographic order.

    The box of 0 to 1 bounds only amounts, ratios and what stays, which are clipped. Of importances only the ranks count. An index
    wraps: above the last order comes the first.

    Tiles are snapped to the divisor of the tile outside that is nearest by its logarithm; in padded spaces they are rounded. What
    does not fit its level is repaired, from the outside in: the tile shrinks, all its dimensions by one power; if even a tile of
    what the array unrolls does not fit, the largest tensor passes by, then the next. Only what still does not fit is illegal.

    Attributes
    ----------
    space : NestSpace
        Where the mappings are from.
    rules : Rules
        How words are counted.
    kind : str
        ``importance`` or ``index``.
    plain : bool
        As NAAS has it: what is unrolled takes all it can, so there are no genes for how much, and ratios are of the extent
        itself, not of its logarithm.
    genes : int
        Length of a vector.
    dims : ndarray
        Numbers of the dimensions that have genes.
    parts : dict of str to slice
        Where the genes are of ``order``, ``parallel``, ``amount``, ``tile`` and ``stay``.
    """

    space: NestSpace
    rules: Rules
    kind: EncodingName = "importance"
    plain: bool = False
    genes: int = field(init=False)
    dims: NDArray[np.intp] = field(init=False)
    parts: dict[str, slice] = field(init=False)
    _lists: list[int] = field(init=False)
    _spots: list[NDArray[np.intp]] = field(init=False)
    _free: Ints = field(init=False)
    _foot: Footprint = field(init=False)
    _divisors: list[Ints] = field(init=False)
    _table: Ints = field(init=False)

    def __post_init__(self) -> None:
        space = self.space
        self.dims = np.array([at for at, size in enumerate(space.sizes) if size > 1], dtype=np.intp)
        self._spots = [self.dims[[space.allowed[at][axis] for at in self.dims]] for axis in range(len(space.axes))]
        held = space.can_hold[1:] if space.options.bypass else np.zeros_like(space.can_hold[1:])
        self._free = np.argwhere(held) + np.array([1, 0])
        self._foot = Footprint(space.layer, space.arch, self.rules)
        self._divisors = [
            np.array([part for part in range(1, size + 1) if size % part == 0], dtype=np.int64) for size in space.sizes
        ]
        most = max(len(self._divisors[at]) for at in self.dims) if len(self.dims) else 1
        self._table = np.array([np.resize(self._divisors[at], most) for at in self.dims], dtype=np.int64).reshape(-1, most)
        levels, spots = space.depth - 1, [len(each) for each in self._spots]
        self._lists = [len(self.dims)] * levels + spots
        listed = self.kind == "importance"
        sizes = {
            "order": len(self.dims) * levels if listed else levels, "parallel": sum(spots) if listed else len(spots),
            "amount": 0 if self.plain else sum(spots), "tile": levels * len(self.dims), "stay": len(self._free),
        }  # fmt: skip
        ends = np.cumsum(list(sizes.values())).tolist()
        self.parts = {name: slice(end - size, end) for (name, size), end in zip(sizes.items(), ends, strict=True)}
        self.genes = ends[-1]

    def middle(self) -> Floats:
        """Return the vector to begin at: all genes in the middle, but tensors rather stay where they can."""
        found = np.full(self.genes, 0.5)
        found[self.parts["stay"]] = _STAYS
        return found

    def anywhere(self, rng: np.random.Generator) -> Floats:
        """Return a vector to begin at anew: no order preferred, all else drawn."""
        found = rng.random(self.genes)
        found[: self.parts["parallel"].stop] = 0.5
        return found

    def boxed(self, genes: Floats) -> Floats:
        """Return vectors with all genes clipped to the box but importances and indices, which it does not bound."""
        found, listed = np.clip(genes, 0.0, 1.0), self.parts["parallel"].stop
        found[..., :listed] = genes[..., :listed]
        return found

    def centred(self, genes: Floats) -> Floats:
        """Return another vector, (genes,), of the same mapping, from which small steps lead to all of its neighbours.

        Importances keep their ranks, evenly spread over the middle half; an index goes to the middle of what decodes to its
        order; whether a tensor stays goes to 0.3 or 0.7. All else is left as it is.
        """
        found, at = self.boxed(genes), 0
        for count in self._lists:
            if self.kind == "importance":
                ranks = np.argsort(np.argsort(-found[at : at + count], kind="stable"))
                found[at : at + count] = 0.5 + _SPREAD * (0.5 - ranks / max(count - 1, 1)) if count > 1 else 0.5
                at += count
            else:
                found[at] = (_numbered(found[at], count) + 0.5) / math.factorial(count)
                at += 1
        stay = self.parts["stay"]
        found[stay] = np.where(found[stay] > 0.5, _STAYS, 1 - _STAYS)
        return found

    def decode(self, genes: Floats) -> tuple[Points, Mask]:
        """Return the mappings of vectors, (n, genes), and which of them fit, as far as can be told without costing them."""
        space, reader = self.space, _Reader(self.boxed(genes))
        orders = [self._order(reader, len(self.dims)) for _ in range(space.depth - 1)]
        ranks = [self._order(reader, len(spots)) for spots in self._spots]
        amounts = [np.ones((len(genes), len(spots))) if self.plain else reader.take(len(spots)) for spots in self._spots]
        factors = np.ones((len(genes), len(DIMS), space.places), dtype=np.int64)
        left = np.tile(np.array(space.sizes, dtype=np.int64), (len(genes), 1))
        for axis, spots in enumerate(self._spots):
            self._unroll(factors[:, :, axis], left, axis, spots[ranks[axis]], np.take_along_axis(amounts[axis], ranks[axis], 1))
        ratios = reader.take((space.depth - 1) * len(self.dims)).reshape(len(genes), space.depth - 1, len(self.dims))
        holds = np.tile(space.can_hold, (len(genes), 1, 1))
        holds[:, self._free[:, 0], self._free[:, 1]] = reader.take(len(self._free)) > 0.5
        legal = self._tile(factors, left, ratios, holds)
        if space.options.padded:
            for at in self.dims:
                factors[:, at] = space.chains.tightened(factors[:, at], space.sizes[at])
            legal &= self._fits(factors, holds)
        order = np.tile(np.arange(len(DIMS), dtype=np.int8), (len(genes), space.depth, 1))
        closed = [at for at in range(len(DIMS)) if at not in self.dims]
        order[:, :, : len(closed)], order[:, :, len(closed) :] = closed, self.dims
        for level, chosen in enumerate(orders):
            order[:, level, len(closed) :] = self.dims[chosen]
        return space.points(factors, order, holds), legal

    def _order(self, reader: _Reader, count: int) -> NDArray[np.intp]:
        """Return permutations, (n, count)."""
        if self.kind == "importance":
            return np.argsort(-reader.take(count), axis=1, kind="stable")
        return _permuted(_numbered(reader.take(1)[:, 0], count), count)

    def _unroll(self, extents: Ints, left: Ints, axis: int, dims: NDArray[np.intp], amounts: Floats) -> None:
        """Fill in extents along an axis, (n, 8), dimensions by falling importance; take them off what is left."""
        each, size = np.arange(len(left)), self.space.room[axis]
        room = np.full(len(left), size, dtype=np.int64)
        for rank in range(dims.shape[1]):
            if room.max() < 2:
                return
            dim = dims[:, rank]
            rest = left[each, dim]
            most = np.minimum(room, np.floor(size ** np.minimum(2 * amounts[:, rank], 1.0) + 1e-9).astype(np.int64))
            if self.space.options.padded:
                found = np.minimum(most, rest)
                found = -(-rest // -(-rest // found))
            else:
                parts = self._table[np.searchsorted(self.dims, dim)]
                found = np.where((rest[:, None] % parts == 0) & (parts <= most[:, None]), parts, 1).max(axis=1)
            extents[each, dim] = found
            left[each, dim] = -(-rest // found)
            room //= found

    def _tile(self, factors: Ints, left: Ints, ratios: Floats, holds: Mask) -> Mask:
        """Fill in the loops over time; repair what does not fit; return what does."""
        space, beside = self.space, len(self.space.axes)
        sizes = np.array(space.sizes, dtype=np.float64)[self.dims]
        wanted = np.log(np.maximum(ratios * sizes, 1.0)) if self.plain else ratios * np.log(sizes)
        outside, legal = left[:, self.dims], np.ones(len(left), dtype=bool)
        for level in range(1, space.depth):
            inner = [at for at, (owner, _) in enumerate(space.axes) if owner >= level]
            spread = factors[:, :, inner].prod(axis=2)
            tile, fits = self._fitted(level, outside, wanted[:, level - 1], spread, holds)
            factors[:, self.dims, beside + space.depth - level] = -(-outside // tile)
            legal &= fits
            outside = tile
        factors[:, self.dims, beside] = outside
        return legal

    def _fits(self, factors: Ints, holds: Mask) -> Mask:
        """Return what fits: loops inside a padded tile may make more of it than was asked for."""
        space, beside = self.space, len(self.space.axes)
        legal = np.ones(len(factors), dtype=bool)
        for level in range(1, space.depth):
            inner = [at for at, (owner, _) in enumerate(space.axes) if owner >= level]
            extents = factors[:, :, [*inner, *range(beside, beside + space.depth - level)]].prod(axis=2)
            legal &= self._foot.fits(level, extents, holds[:, level])
        return legal

    def _fitted(self, level: int, outside: Ints, wanted: Floats, spread: Ints, holds: Mask) -> tuple[Ints, Mask]:
        """Return the tiles over time of a level; let tensors pass by it that leave no room for the smallest."""
        tile = self._snapped(outside, wanted)
        over = np.flatnonzero(~self._foot.fits(level, self._extents(tile, spread), holds[:, level]))
        if not len(over):
            return tile, np.ones(len(tile), dtype=bool)
        outside, wanted, spread, held = outside[over], wanted[over], spread[over], holds[over, level]
        fits = self._foot.fits(level, spread, held)
        if self.space.options.bypass and not fits.all():
            held = self._foot.dropped(level, spread, held)
            holds[over, level] = held
            fits = self._foot.fits(level, spread, held)
        low, high = np.zeros(len(over)), np.ones(len(over))
        found = np.ones_like(outside)
        for _ in range(_STEPS):
            power = (low + high) / 2
            tried = self._snapped(outside, wanted * power[:, None])
            good = self._foot.fits(level, self._extents(tried, spread), held)
            found[good] = tried[good]
            low, high = np.where(good, power, low), np.where(good, high, power)
        tile[over] = found
        legal = np.ones(len(tile), dtype=bool)
        legal[over] = fits
        return tile, legal

    def _extents(self, tile: Ints, spread: Ints) -> Ints:
        """Return the extents of what one instance holds, (n, 8)."""
        extents = spread.copy()
        extents[:, self.dims] *= tile
        return extents

    def _snapped(self, outside: Ints, wanted: Floats) -> Ints:
        """Return the legal tile over time nearest to a wanted one, given by its logarithm, inside another."""
        if self.space.options.padded:
            found = np.clip(np.rint(np.exp(wanted)).astype(np.int64), 1, outside)
            return -(-outside // -(-outside // found))
        far = np.abs(np.log(self._table) - wanted[:, :, None])
        far[outside[:, :, None] % self._table != 0] = np.inf
        return np.take_along_axis(np.broadcast_to(self._table, far.shape), far.argmin(axis=2)[:, :, None], axis=2)[:, :, 0]


class _Reader:
    """Takes genes off vectors, from the left."""

    def __init__(self, genes: Floats) -> None:
        self._genes, self._at = genes, 0

    def take(self, count: int) -> Floats:
        """Return the next genes, (n, count)."""
        self._at += count
        return self._genes[:, self._at - count : self._at]


def _numbered(genes: Floats, count: int) -> Ints:
    """Return which of all orders of so many dimensions genes mean, as numbers from 0."""
    choices = math.factorial(count)
    return np.minimum((genes % 1.0 * choices).astype(np.int64), choices - 1)


def _permuted(index: Ints, count: int) -> NDArray[np.intp]:
    """Return permutations by their index in lexicographic order, (n, count)."""
    rest = np.tile(np.arange(count), (len(index), 1))
    found = np.empty((len(index), count), dtype=np.intp)
    each = np.arange(len(index))
    for at in range(count):
        behind = math.factorial(count - 1 - at)
        chosen, index = np.divmod(index, behind)
        found[:, at] = rest[each, chosen]
        keep = np.ones(rest.shape, dtype=bool)
        keep[each, chosen] = False
        rest = rest[keep].reshape(len(index), -1)
    return found
