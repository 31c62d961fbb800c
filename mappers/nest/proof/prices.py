"""What every word of a flow costs at least: energy, and the time of each port that is looked at.

Exact for levels that are accessed word by word; rows count as full as the sizes allow, compressed tensors as free, and so do
accesses that zeros save, so that sums of these never exceed what `dataflows.nest.cost` charges.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import NamedTuple

from dataflows.mapping import Level, Loop, Mapping
from dataflows.nest.accesses import per_word, width
from dataflows.nest.architecture import Architecture, StorageLevel
from dataflows.nest.counts import MAC
from dataflows.nest.limits import effort
from dataflows.nest.nest import Nest, bind
from dataflows.nest.rules import TENSORS, Rules
from dataflows.workload import DIMS, Layer
from mappers.nest.proof.lattice import divisors

__all__ = ["INPUTS", "OUT", "Coefficients", "Price", "least_prices", "outermost", "word_bits"]

INPUTS, OUT = 1, 2
"""Number of the inputs and of the outputs among the tensors."""
LOOKED_AT = 2
"""How many levels, from the outermost, have the time of their ports in the bound."""


class Coefficients(NamedTuple):
    """Price of one flow: of a word read from (or, for outputs, brought to) the parent, of one at the child, of a first sum."""

    parent: float
    child: float
    first: float


def outermost(layer: Layer, arch: Architecture) -> Nest:
    """Bind the mapping with all loops at the outermost level: what does not fit there fits nowhere."""
    loops = tuple(Loop(dim, getattr(layer, dim)) for dim in DIMS)
    return bind(layer, arch, Mapping((Level(arch.levels[0].name, loops),)))


@dataclass(frozen=True, slots=True)
class Price:
    """One thing that adds up over flows; levels are numbered from the innermost.

    Attributes
    ----------
    read, write : tuple of tuple of float
        Price of a word, by level and tensor.
    last : float
        What the last write of an output at the outermost level costs less than that of a partial sum.
    hop, add : tuple of float
        Price of a word that the network below a level copies or passes on, and of one that it adds.
    base : float
        Price of a multiply-accumulate.
    strict : bool
        Whether sums are filled and drained by the strict rule.
    apart : tuple of bool
        Whether instances below a level bring their sums one by one. Of such the strict rule fills one only, which is left out.
    linked : bool
        Whether inputs are passed on somewhere, so that reads may be taken as fewer than there are: a hop then costs no more
        than a read.
    """

    read: tuple[tuple[float, ...], ...]
    write: tuple[tuple[float, ...], ...]
    last: float
    hop: tuple[float, ...]
    add: tuple[float, ...]
    base: float
    strict: bool
    apart: tuple[bool, ...]
    linked: bool

    def flow(self, tensor: int, parent: int, child: int) -> Coefficients:
        """Return the price of a flow; see `dataflows.nest.counts`."""
        read, write = self.read[parent][tensor], self.write[parent][tensor]
        fill, drain = (0.0, 0.0) if child == MAC else (self.write[child][tensor], self.read[child][tensor])
        hop = self.hop[parent]
        if tensor != OUT:
            hop = min(hop, read) if self.linked and tensor == INPUTS else hop
            return Coefficients(read - hop, fill + hop, 0.0)
        hop += self.add[parent]
        less = self.last if parent == len(self.read) - 1 else 0.0
        if self.strict and child != MAC:
            again = 0.0 if any(self.apart[child + 1 : parent + 1]) else fill
            return Coefficients(read + write + again - hop, drain + hop, read + again + less)
        return Coefficients(read + write - hop, fill + hop, read + less)


def word_bits(nest: Nest, rules: Rules, level: int) -> tuple[float, ...]:
    """Return the bits that a word of each tensor takes at a level at least; a compressed one may take none."""
    storage = nest.storage[level]
    found = []
    for tensor, form in zip(TENSORS, storage.formats, strict=True):
        bits = width(nest, level, tensor, rules)
        wide = bits.final if level == len(nest.storage) - 1 else bits.partial
        if storage.row_bits is not None:  # whole rows
            wide = storage.row_bits * _rows(nest, level, tensor, wide)
        found.append(wide if form.kind == "dense" else 0)
    return tuple(found)


def least_prices(layer: Layer, arch: Architecture, rules: Rules) -> tuple[Price, ...]:
    """Return the price in pJ, and in cycles of each port of the two outermost levels."""
    nest = outermost(layer, arch)
    depth = len(nest.storage)
    scale = [[_accesses(nest, rules, level, tensor) for tensor in TENSORS] for level in range(depth)]
    idle = arch.datapath is not None and bool(arch.datapath.gate | arch.datapath.skip)
    if idle and min(layer.weight_density, layer.input_density) < 1:
        scale = [[(0.0, 0.0)] * 3 for _ in range(depth)]
    energy = _price(nest, rules, scale, [(each.read_pj, each.write_pj) for each in nest.storage])
    fanouts = [each.fanout for each in nest.storage]
    energy = Price(
        energy.read, energy.write, energy.last, tuple(each.hop_pj for each in fanouts), tuple(each.add_pj for each in fanouts),
        arch.mac_pj * effort(layer, arch).energy, energy.strict, energy.apart, energy.linked,
    )  # fmt: skip
    found = [energy]
    if any(level.buffering == "single" for level in arch.levels):
        return (energy,)  # filling is apart from the ports' time
    for level in range(depth - 1, max(depth - 1 - LOOKED_AT, -1), -1):
        instances = 1
        for outer in arch.levels[: depth - 1 - level]:
            instances *= outer.fanout.size
        for read, write in _ports(nest.storage[level]):
            cycles = [((0.0,) * 3, (0.0,) * 3)] * depth
            cycles[level] = ((read / instances,) * 3, (write / instances,) * 3)
            found.append(_price(nest, rules, scale, cycles))
    return tuple(found)


def _ports(level: StorageLevel) -> list[tuple[float, float]]:
    """Return (cycles of a read, cycles of a write) for every limited port."""
    if level.bandwidth is not None:
        return [(1 / level.bandwidth, 1 / level.bandwidth)]
    found = []
    if level.read_bandwidth is not None:
        found.append((1 / level.read_bandwidth, 0.0))
    if level.write_bandwidth is not None:
        found.append((0.0, 1 / level.write_bandwidth))
    return found


Table = list[tuple[tuple[float, ...], tuple[float, ...]]]


def _price(nest: Nest, rules: Rules, scale: list[list[tuple[float, float]]], each: Table) -> Price:
    """Return the price of accesses per word; `scale` has (accesses of a partial sum or other word, of an output)."""
    depth = len(nest.storage)
    read = tuple(tuple(pj * part[0] for pj, part in zip(each[at][0], scale[at], strict=True)) for at in range(depth))
    write = tuple(tuple(pj * part[0] for pj, part in zip(each[at][1], scale[at], strict=True)) for at in range(depth))
    partial, final = scale[-1][OUT]
    none = (0.0,) * depth
    nets = [level.fanout for level in nest.storage]
    apart = tuple(net.size > 1 and not net.reduction for net in nets)
    linked = any(net.size > 1 and net.links for net in nets)
    return Price(read, write, each[-1][1][OUT] * (partial - final), none, none, 0.0, rules.psums == "strict", apart, linked)


def _accesses(nest: Nest, rules: Rules, level: int, tensor: str) -> tuple[float, float]:
    """Return the least accesses per word of partial sums and other words, and of outputs that are complete."""
    storage, bits = nest.storage[level], width(nest, level, tensor, rules)
    if storage.formats[TENSORS.index(tensor)].kind != "dense":
        return 0.0, 0.0
    if storage.row_bits is None:
        return bits.partial / bits.final, 1.0
    return _rows(nest, level, tensor, bits.partial), _rows(nest, level, tensor, bits.final)


def _rows(nest: Nest, level: int, tensor: str, bits: int) -> float:
    """Return the least accesses per word in rows: of all units that could be delivered together, the one that fills rows best.

    A unit is a product of extents along the row dimensions, and what the innermost level delivers at once goes to multipliers.
    """
    storage = nest.storage[level]
    sizes = [getattr(nest.layer, dim) for dim in storage.row_dims[TENSORS.index(tensor)]]
    units = {math.prod(extents) for extents in itertools.product(*(divisors(size) for size in sizes))}
    if level == 0:
        units = {unit for unit in units if unit <= storage.fanout.size}
    return min(accesses / words for accesses, words in (per_word(storage, unit, bits) for unit in units))
