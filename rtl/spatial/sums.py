"""What adds up the sums of PEs that share a port, beside the chains inside the PEs."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.library import Modules, place

__all__ = ["Adders", "SpatialSum"]

MOST_LEVELS = 3
"""Levels of a tree of vectors in one module: its text grows with the lanes and 2**levels."""


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
        for lane in range(self.lanes):
            values: list[Any] = [self.terms.word_select(n * self.lanes + lane, self.bits) for n in range(self.count)]
            while len(values) > 1:
                sums = [(a + b)[: self.bits] for a, b in zip(values[::2], values[1::2], strict=False)]
                values = sums + values[len(sums) * 2 :]
            m.d.comb += self.total.word_select(lane, self.bits).eq(values[0])
        return m


class SpatialSum(wiring.Component):
    """Add vectors lane by lane: along a chain with a register for each of them, or by a tree with registers in it.

    Parameters
    ----------
    count, lanes, bits : int
        As of `Adders`.
    chain : bool
        The first vector enters first, every other one a cycle later than the one before.
    hops, every : int
        Of a tree: registers in all, one of them at the end, the others behind every `every` levels.
    modules : Modules or None
        See `rtl.library.place`.

    Members
    -------
    terms, total
        As of `Adders`.
    """

    def __init__(self, *, count: int, lanes: int, bits: int, chain: bool, hops: int, every: int, modules: Modules | None) -> None:
        self.count, self.lanes, self.bits, self.modules = count, lanes, bits, modules
        self.chain, self.hops, self.every = chain, hops, every
        self.placed = 0
        super().__init__({"terms": In(count * lanes * bits), "total": Out(lanes * bits)})

    def elaborate(self, platform: Any) -> Module:
        """Build the chain or the tree."""
        m = Module()
        terms: list[Value] = [self.terms.word_select(n, self.lanes * self.bits) for n in range(self.count)]
        m.d.comb += self.total.eq(self._chained(m, terms) if self.chain else self._tree(m, terms))
        return m

    def _chained(self, m: Module, terms: list[Value]) -> Value:
        total = self._register(m, terms[0], "hop_0")
        for hop, term in enumerate(terms[1:], 1):
            total = self._register(m, self._add(m, [total, term]), f"hop_{hop}")
        return total

    def _tree(self, m: Module, values: list[Value]) -> Value:
        left, level = self.hops, 0
        while len(values) > 1:
            at_once = min(self.every - level % self.every, MOST_LEVELS) if self.every else MOST_LEVELS
            values = [self._add(m, values[at : at + (1 << at_once)]) for at in range(0, len(values), 1 << at_once)]
            level += at_once
            if self.every and level % self.every == 0 and left > 1:
                values = [self._register(m, value, f"level_{level}_{n}") for n, value in enumerate(values)]
                left -= 1
        return self._register(m, values[0], "sum")

    def _add(self, m: Module, values: list[Value]) -> Value:
        if len(values) == 1:
            return values[0]
        size = {"count": len(values), "lanes": self.lanes, "bits": self.bits}
        name = "spatial_adders_" + "x".join(map(str, size.values()))
        adders = place(self.modules, m, f"adders_{self.placed}", name, Adders, **size)
        self.placed += 1
        m.d.comb += adders.terms.eq(Cat(values))
        return adders.total

    def _register(self, m: Module, value: Value, name: str) -> Signal:
        held = Signal(self.lanes * self.bits, name=name, reset_less=True)
        m.d.sync += held.eq(value)
        return held
