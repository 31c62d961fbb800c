"""Adders and registers that add up the sums of PEs that share a port, beside the chains inside the PEs."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.library import Modules, place

__all__ = ["Adders", "SpatialSum", "add_few", "add_up"]

MOST_LEVELS = 3
"""Levels of a tree of vectors in one module: its text grows with the lanes and 2**levels."""
MOST_BITS = 1 << 15
"""Bits that go into one module, if that is more than one lane."""


class Adders(wiring.Component):
    """Add vectors lane by lane, pairwise.

    Parameters
    ----------
    count, lanes, bits : int
        Vectors, lanes of each, bits of a lane; sums wrap.

    Members
    -------
    terms : In, count * lanes * bits bits
        The first vector in the low bits.
    total : Out, lanes * bits bits
    """

    def __init__(self, *, count: int, lanes: int, bits: int) -> None:
        self.count, self.lanes, self.bits = count, lanes, bits
        super().__init__({"terms": In(count * lanes * bits), "total": Out(lanes * bits)})

    def elaborate(self, platform: Any) -> Module:
        """Build a tree for each lane."""
        m = Module()
        totals = []
        for lane in range(self.lanes):
            values: list[Any] = [self.terms.word_select(n * self.lanes + lane, self.bits) for n in range(self.count)]
            while len(values) > 1:
                sums = [(a + b)[: self.bits] for a, b in zip(values[::2], values[1::2], strict=False)]
                values = sums + values[len(sums) * 2 :]
            totals.append(values[0])
        m.d.comb += self.total.eq(Cat(totals))
        return m


class SpatialSum(wiring.Component):
    """Add up the words of one vector (see `add_up`).

    Parameters
    ----------
    count, bits : int
        Words and their bits.
    chain, hops, every, modules
        As of `add_up`.

    Members
    -------
    terms : In, count * bits bits
        The first word in the low bits.
    total : Out, bits bits
    """

    def __init__(self, *, count: int, bits: int, chain: bool, hops: int, every: int, modules: Modules | None) -> None:
        self.count, self.bits, self.modules = count, bits, modules
        self.chain, self.hops, self.every = chain, hops, every
        super().__init__({"terms": In(count * bits), "total": Out(bits)})

    def elaborate(self, platform: Any) -> Module:
        """Build the chain or the tree."""
        m = Module()
        words: list[Value] = [self.terms.word_select(n, self.bits) for n in range(self.count)]
        how = {"chain": self.chain, "hops": self.hops, "every": self.every, "name": "along"}
        m.d.comb += self.total.eq(add_up(self.modules, m, words, self.bits, **how))
        return m


def add_up(
    modules: Modules | None, m: Module, vectors: list[Value], bits: int, *, chain: bool, hops: int, every: int, name: str,
    level: int = 0,
) -> Value:  # fmt: skip
    """Add vectors lane by lane: along a chain with a register for each of them, or by a tree with registers in it.

    Parameters
    ----------
    modules : Modules or None
        See `rtl.library.place`.
    m : Module
        Where to build it.
    vectors : list of Value
        All of the same lanes, of `bits` bits each.
    bits : int
        Sums wrap.
    chain : bool
        The first vector enters first, every other one a cycle later than the one before.
    hops, every : int
        Of a tree: registers in all, one of them at the end, the others behind every `every` levels (0: no others).
    name : str
        What names begin with.
    level : int
        Levels of a tree that the vectors have behind them.
    """
    if chain:
        total = _register(m, vectors[0], f"{name}_0")
        for hop, vector in enumerate(vectors[1:], 1):
            total = _register(m, add_few(modules, m, [total, vector], bits, f"{name}_add_{hop}"), f"{name}_{hop}")
        return total
    left = hops
    while len(vectors) > 1:
        if level and every and level % every == 0 and left > 1:
            vectors = [_register(m, vector, f"{name}_{level}_{n}") for n, vector in enumerate(vectors)]
            left -= 1
        at_once = min(every - level % every, MOST_LEVELS) if every else MOST_LEVELS
        groups = [vectors[at : at + (1 << at_once)] for at in range(0, len(vectors), 1 << at_once)]
        vectors = [add_few(modules, m, group, bits, f"{name}_add_{level}_{n}") for n, group in enumerate(groups)]
        level += at_once
    return _register(m, vectors[0], name)


def add_few(modules: Modules | None, m: Module, vectors: list[Value], bits: int, name: str) -> Value:
    """Add a few vectors lane by lane, without a register, in modules of some lanes each."""
    if len(vectors) == 1:
        return vectors[0]
    count, width = len(vectors), len(vectors[0])
    most = max(1, MOST_BITS // (count * bits)) * bits
    totals = []
    for part, low in enumerate(range(0, width, most)):
        high = min(low + most, width)
        size = {"count": count, "lanes": (high - low) // bits, "bits": bits}
        kind = "spatial_adders_" + "x".join(map(str, size.values()))
        adders = place(modules, m, f"{name}_{part}", kind, Adders, **size)
        m.d.comb += adders.terms.eq(Cat(vector[low:high] for vector in vectors))
        totals.append(adders.total)
    return Cat(totals)


def _register(m: Module, value: Value, name: str) -> Signal:
    held = Signal(len(value), name=name, reset_less=True)
    m.d.sync += held.eq(value)
    return held
