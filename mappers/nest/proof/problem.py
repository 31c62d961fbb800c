"""What a layer asks of an architecture, in numbers per multiply-accumulate."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dataflows.nest import window
from dataflows.nest.architecture import Architecture, StorageLevel
from dataflows.nest.limits import effort
from dataflows.nest.rules import TENSORS, Rules
from dataflows.workload import DIMS, Layer
from mappers.base import Objective, objective_value
from mappers.nest.proof.lattice import Lattice
from mappers.nest.proof.prices import INPUTS, OUT, Price, least_prices, outermost, word_bits
from mappers.nest.proof.windows import Direction

__all__ = ["FREE", "LABELS", "N", "G", "K", "C", "P", "Q", "R", "S", "INPUTS", "OUT", "Label", "Problem"]  # noqa: RUF022

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
N, G, K, C, P, Q, R, S = range(len(DIMS))
FREE: tuple[tuple[int, ...], ...] = ((N, P, Q), (K,), (C, R, S))
"""Dimensions that do not select among the words of weights, inputs and outputs: each belongs to one tensor, G to none."""
_USED: tuple[tuple[int, ...], ...] = ((G, K, C, R, S), (), (N, G, K, P, Q))
HUGE = 1e200
"""More cycles than there are; no price makes of it what is no number."""
ROUNDED = 1 + 1e-12
"""What a size may exceed a capacity by: bits of a word in rows are fractions."""
Label = tuple[int, int]
"""A tensor whose free dimensions are the innermost loops of a level, and the very innermost of them."""
LABELS: tuple[Label, ...] = tuple((tensor, dim) for tensor, dims in enumerate(FREE) for dim in dims)


@dataclass(slots=True)
class Problem:
    """A layer on an architecture.

    Attributes
    ----------
    layer, arch, rules, objective
        What is minimised, where.
    price : float or None
        pJ per cycle: then energy plus price times cycles is minimised instead.
    lattice : Lattice
        Its tiles.
    prices : tuple of Price
        Energy, then the time of ports.
    macs : float
        Multiply-accumulates of the lattice, padding included.
    storage : tuple of StorageLevel
        Levels, innermost first.
    touched : float
        Words of the inputs that are used: what any tiles bring together. A box round all of them can have more, in the gaps
        that a stride or a dilation leaves between the tiles.
    """

    layer: Layer
    arch: Architecture
    rules: Rules
    objective: Objective
    price: float | None = None
    lattice: Lattice = field(init=False)
    prices: tuple[Price, ...] = field(init=False)
    macs: float = field(init=False)
    storage: tuple[StorageLevel, ...] = field(init=False)
    rows: Direction = field(init=False)
    cols: Direction = field(init=False)
    labels: tuple[Label, ...] = field(init=False)
    outputs: float = field(init=False)
    touched: float = field(init=False)
    effort: float = field(init=False)
    held: tuple[Floats, ...] = field(init=False)
    bits: tuple[tuple[float, ...], ...] = field(init=False)

    def __post_init__(self) -> None:
        ly = self.layer
        self.lattice = Lattice([getattr(ly, dim) for dim in DIMS])
        self.macs = float(math.prod(self.lattice.sizes))
        self.storage = self.arch.levels[::-1]
        self.prices = least_prices(ly, self.arch, self.rules)
        nest = outermost(ly, self.arch)
        self.bits = tuple(word_bits(nest, self.rules, level) for level in range(len(self.storage)))
        box = self.rules.window == "box"
        self.rows = Direction(self.lattice, P, R, ly.stride[0], ly.dilation[0], box)
        self.cols = Direction(self.lattice, Q, S, ly.stride[1], ly.dilation[1], box)
        self.labels = tuple(label for label in LABELS if self.lattice.sizes[label[1]] > 1) or LABELS[:1]
        self.effort = float(effort(ly, self.arch).cycles)
        self.held = tuple(self.words(self.lattice.all, tensor) for tensor in range(len(TENSORS)))
        self.outputs = float(self.held[OUT][-1]) / self.macs
        rows = window.touched(ly.P, ly.R, ly.stride[0], ly.dilation[0], box=False)
        cols = window.touched(ly.Q, ly.S, ly.stride[1], ly.dilation[1], box=False)
        self.touched = float(ly.N * ly.G * ly.C * window.words(rows, cols))

    @property
    def depth(self) -> int:
        """Levels."""
        return len(self.storage)

    @property
    def keeps_nothing(self) -> bool:
        """Whether the bound takes every word of the inputs to be fetched once only: the rule of what stays is another."""
        return self.rules.halo != "timeloop"

    def unrolls_windows(self, level: int) -> bool:
        """Tell whether instances below a level can have windows of the inputs that lie apart."""
        moving = {DIMS[dim] for dim in (P, Q, R, S) if self.lattice.sizes[dim] > 1}
        return any(axis.size > 1 and moving & set(axis.dims) for axis in self.storage[level].fanout.axes)

    def words(self, tiles: Ints, tensor: int) -> Floats:
        """Return the words of a tensor in tiles, (n,)."""
        extents = self.lattice.extents(tiles)
        if tensor == INPUTS:
            rows, cols = self.rows.size[tiles[:, P], tiles[:, R]], self.cols.size[tiles[:, Q], tiles[:, S]]
            return extents[:, [N, G, C]].prod(axis=1) * rows * cols
        return extents[:, _USED[tensor]].prod(axis=1).astype(np.float64)

    def fits(self, level: int, holds: frozenset[int]) -> NDArray[np.bool_]:
        """Tell which tiles of the lattice fit one instance of a level that holds these tensors."""
        storage, ok = self.storage[level], np.ones(len(self.lattice), dtype=bool)
        if storage.capacity_bits is None:
            return ok
        sizes = {tensor: storage.copies * self.bits[level][tensor] * self.held[tensor] for tensor in holds}
        if not isinstance(storage.capacity_bits, tuple):
            return np.sum([np.zeros(len(ok)), *sizes.values()], axis=0) <= storage.capacity_bits * ROUNDED
        for tensor, bits in sizes.items():
            room = storage.capacity_bits[tensor]
            if room is not None:
                ok &= bits <= room * ROUNDED
        return ok

    def per_mac(self, tensor: int) -> Floats:
        """Return words that fill the tiles of the lattice over the whole run, per multiply-accumulate, if nothing stays."""
        if tensor == INPUTS and self.keeps_nothing:
            return np.full(len(self.lattice), self.touched / self.macs)
        return self.held[tensor] / self.lattice.extents(self.lattice.all).prod(axis=1)

    def value(self, sums: Floats, used: Ints | int) -> Floats:
        """Return the objective.

        Parameters
        ----------
        sums : ndarray, float64, (n, prices)
            Energy and time per multiply-accumulate.
        used : ndarray or int
            Multipliers in use.
        """
        cycles = np.maximum(self.effort / used, sums[:, 1:].max(axis=1, initial=0.0))
        if self.objective == "latency" and self.price is None:
            return np.where(sums[:, 0] < np.inf, cycles * self.macs, np.inf)  # infinite energy: it does not fit
        energy = sums[:, 0] + self.arch.leakage_pj * cycles if self.arch.leakage_pj else sums[:, 0]  # not 0 times infinity
        return self.worth(energy * self.macs, cycles * self.macs)

    def worth(self, energy_pj: Floats, cycles: Floats) -> Floats:
        """Return the objective of known energies and cycles."""
        if self.price is not None:
            return energy_pj + self.price * np.minimum(cycles, HUGE)
        return objective_value(self.objective, energy_pj, cycles)
