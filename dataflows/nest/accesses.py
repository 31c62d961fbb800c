"""From words to accesses: what every memory is charged for.

A level without `row_bits` is accessed word by word. With them, one access moves a row of as many words as fit side by side;
each delivery begins with a new row, so a unit of `u` words with `e` in a row takes ``ceil(u / e)`` accesses (packed words;
precision reference, 10.1).
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import NamedTuple

from dataflows.nest.architecture import StorageLevel
from dataflows.nest.counts import MAC, Counts, Flow
from dataflows.nest.nest import Nest
from dataflows.nest.rules import TENSORS, Rules

Number = int | Fraction | float
OUTPUTS = TENSORS.index("outputs")


class Charge(NamedTuple):
    """Accesses of one flow at one of its two levels: what energy and ports are charged for."""

    flow: Flow
    level: int
    reads: Number
    writes: Number


class Width(NamedTuple):
    """Bits of one stored word: of a partial sum before it is final, and otherwise."""

    partial: int
    final: int


def width(nest: Nest, level: int, tensor: str, rules: Rules) -> Width:
    """Return the stored width of a tensor at a level.

    A width of the architecture goes before the layer's. Under the strict rule sums below the outermost level, and those that
    leave it again, are as wide as the accumulator.
    """
    at = TENSORS.index(tensor)
    own = nest.storage[level].word_bits[at]
    if own is None:
        own = operand_bits(nest, tensor)
    if tensor != "outputs" or rules.psums != "strict":
        return Width(own, own)
    return Width(max(own, nest.arch.psum_bits or 0), own)


def operand_bits(nest: Nest, tensor: str) -> int:
    """Return the width of the layer's operand."""
    ly = nest.layer
    return ly.weight_bits if tensor == "weights" else ly.input_bits


def per_word(level: StorageLevel, unit: int, bits: int) -> Number:
    """Return the accesses of one word of `bits` in a row, where every `unit` of words begins with a new one."""
    assert level.row_bits is not None
    if bits > level.row_bits:
        return -(-bits // level.row_bits)
    words = level.row_bits // bits
    return Fraction(-(-unit // words), unit)


def charges(nest: Nest, counts: Counts, rules: Rules) -> list[Charge]:
    """Return the charges of all flows.

    The last write of every output at the outermost level has the width of outputs, all others that of partial sums.
    """
    found = []
    wide = nest.arch.psum_bits if rules.psums == "strict" else None
    for flow in counts.flows:
        tensor, parent, child = flow.tensor, flow.parent, flow.child
        plain = wide is None or tensor != "outputs"
        if plain and nest.storage[parent].row_bits is None:
            found.append(Charge(flow, parent, flow.reads, flow.updates))
        else:
            found.append(_scaled(nest, counts, rules, flow, parent, flow.reads, flow.updates))
        if child != MAC:
            if plain and nest.storage[child].row_bits is None:
                found.append(Charge(flow, child, flow.drains, flow.fills))
            else:
                found.append(_scaled(nest, counts, rules, flow, child, flow.drains, flow.fills))
    return found


def _scaled(nest: Nest, counts: Counts, rules: Rules, flow: Flow, level: int, reads: int, writes: int) -> Charge:
    partial, final = rates(nest, counts, rules, level, flow.tensor)
    last = flow.first if level == len(nest.storage) - 1 else 0
    return Charge(flow, level, reads * partial, (writes - last) * partial + last * final)


def rates(nest: Nest, counts: Counts, rules: Rules, level: int, tensor: str) -> tuple[Number, Number]:
    """Return the accesses per word of a tensor at a level: of partial sums, and of all else."""
    storage, bits = nest.storage[level], width(nest, level, tensor, rules)
    if storage.row_bits is None:
        return Fraction(bits.partial, bits.final), 1
    unit = counts.units[level][tensor]
    return per_word(storage, unit, bits.partial), per_word(storage, unit, bits.final)


def tile_bits(nest: Nest, counts: Counts, rules: Rules, level: int) -> list[int]:
    """Bits that the tiles of one instance take, per tensor; whole rows where the level has rows.

    Sums are as wide as the accumulator (strict), but for the outermost level, where they end as outputs.
    """
    storage, tiles = nest.storage[level], counts.tiles[level]
    found = []
    for tensor in TENSORS:
        if tensor not in tiles:
            found.append(0)
            continue
        bits = width(nest, level, tensor, rules)
        wide = bits.final if level == len(nest.storage) - 1 else bits.partial
        if storage.row_bits is not None:
            rows = tiles[tensor] * per_word(storage, counts.units[level][tensor], wide)
            found.append(math.ceil(rows) * storage.row_bits)
        else:
            found.append(tiles[tensor] * wide)
    return found
