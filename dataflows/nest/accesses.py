"""From words to accesses: what every memory is charged for.

A level without `row_bits` is accessed word by word. With them, one access moves a row of as many words as fit side by side;
each delivery begins with a new row, so a unit of `u` words with `e` in a row takes ``ceil(u / e)`` accesses (precision
reference, 10.1). Compressed tensors take the share of accesses that their format takes of the bits. At the multipliers,
what is gated or skipped is not accessed (sparse reference, 12).
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import NamedTuple

from dataflows.nest.architecture import StorageLevel
from dataflows.nest.counts import MAC, Counts, Flow
from dataflows.nest.nest import Nest
from dataflows.nest.rules import TENSORS, Rules
from dataflows.nest.zeros import active_share, density

Number = int | Fraction | float
Ratio = tuple[int, int]


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
        ly, path = nest.layer, nest.arch.datapath
        own = (ly.weight_bits, ly.input_bits, ly.output_width)[at]
        own = own if path is None else path.stored_bits(own)
    if tensor != "outputs" or rules.psums != "strict":
        return Width(own, own)
    return Width(max(own, nest.arch.psum_bits or 0), own)


def per_word(level: StorageLevel, unit: int, bits: int) -> Ratio:
    """Return (accesses, words): what words of `bits` take in rows, where every `unit` of words begins with a new one."""
    assert level.row_bits is not None
    if bits > level.row_bits:
        return -(-bits // level.row_bits), 1
    return -(-unit // (level.row_bits // bits)), unit


def charges(nest: Nest, counts: Counts, rules: Rules) -> list[Charge]:
    """Return the charges of all flows.

    The last write of every output at the outermost level has the width of outputs, all others that of partial sums.
    """
    found = []
    wide = rules.psums == "strict" and nest.arch.psum_bits is not None
    idle = nest.arch.datapath is not None and bool(nest.arch.datapath.gate | nest.arch.datapath.skip)
    for flow in counts.flows:
        tensor, parent, child = flow.tensor, flow.parent, flow.child
        counted = not wide or tensor != "outputs"
        if counted and nest.storage[parent].plain and not (idle and child == MAC):
            found.append(Charge(flow, parent, flow.reads, flow.updates))
        else:
            found.append(_scaled(nest, counts, rules, flow, parent, flow.reads, flow.updates))
        if child != MAC:
            if counted and nest.storage[child].plain:
                found.append(Charge(flow, child, flow.drains, flow.fills))
            else:
                found.append(_scaled(nest, counts, rules, flow, child, flow.drains, flow.fills))
    return found


def _scaled(nest: Nest, counts: Counts, rules: Rules, flow: Flow, level: int, reads: int, writes: int) -> Charge:
    partial, final = rates(nest, counts, rules, level, flow.tensor)
    last = flow.first if level == len(nest.storage) - 1 else 0
    found = scaled(reads, partial), scaled(writes - last, partial), scaled(last, final)
    shares = stored_shares(nest, counts, rules, level, flow.tensor)
    active = active_share(nest, flow.tensor, level) if flow.child == MAC else 1.0
    if shares == (1, 1) and active == 1:
        return Charge(flow, level, found[0], found[1] + found[2])
    read, written, completed = (float(part) for part in found)
    return Charge(flow, level, read * shares[0] * active, (written * shares[0] + completed * shares[1]) * active)


def scaled(words: int, ratio: Ratio) -> int | Fraction:
    """Return the accesses of so many words: a whole number, but for sums that are wider than a word."""
    accesses, rest = divmod(words * ratio[0], ratio[1])
    return accesses if not rest else Fraction(words * ratio[0], ratio[1])


def rates(nest: Nest, counts: Counts, rules: Rules, level: int, tensor: str) -> tuple[Ratio, Ratio]:
    """Return (accesses, dense words) of a tensor at a level: of partial sums, and of all else."""
    storage, bits = nest.storage[level], width(nest, level, tensor, rules)
    if storage.row_bits is None:
        return (bits.partial, bits.final), (1, 1)
    unit = counts.units[level][tensor]
    partial = per_word(storage, unit, bits.partial)
    return partial, partial if bits.final == bits.partial else per_word(storage, unit, bits.final)


def stored_shares(nest: Nest, counts: Counts, rules: Rules, level: int, tensor: str) -> tuple[float, float]:
    """Return the expected bits of a tensor in its format over its dense bits: of partial sums, and of all else.

    A tile is a block of its own. Sums are dense, whatever becomes of them.
    """
    form = nest.storage[level].formats[TENSORS.index(tensor)]
    if form.kind == "dense":
        return 1, 1
    words, bits = counts.tiles[level][tensor], width(nest, level, tensor, rules)
    found = form.ratio(density(nest, tensor), bits.final, words)
    return form.ratio(1.0, bits.partial, words) if tensor == "outputs" else found, found


def tile_bits(nest: Nest, counts: Counts, rules: Rules, level: int) -> list[int]:
    """Return the bits that the tiles of one instance take, per tensor; whole rows where the level has rows.

    Sums are as wide as the accumulator (strict), but for the outermost level, where they end as outputs. Of a compressed
    tile, the expected bits: room for the worst one is the architect's to leave.
    """
    storage, tiles = nest.storage[level], counts.tiles[level]
    if storage.plain and rules.psums != "strict":
        return [tiles.get(tensor, 0) * (bits or 0) for tensor, bits in zip(TENSORS, storage.word_bits, strict=True)]
    found = []
    for tensor in TENSORS:
        if tensor not in tiles:
            found.append(0)
            continue
        bits = width(nest, level, tensor, rules)
        wide = bits.final if level == len(nest.storage) - 1 else bits.partial
        if storage.plain:
            found.append(tiles[tensor] * wide)
            continue
        last = level == len(nest.storage) - 1
        share = stored_shares(nest, counts, rules, level, tensor)[last]
        if storage.row_bits is None:
            found.append(math.ceil(tiles[tensor] * wide * share))
        else:
            rows = scaled(tiles[tensor], per_word(storage, counts.units[level][tensor], wide))
            found.append(math.ceil(rows * share) * storage.row_bits)
    return found
