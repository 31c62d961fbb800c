"""Loop nests beside the hardware: what address walks and sequencers are held to."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Mux, Signal

from rtl.formal.bench import Bench


class Counter:
    """A loop counter next to the hardware, and its products with strides.

    Products are kept by addition, and a lemma says that they equal ``count * stride``. That splits what is hard for a solver,
    sums of products, into sums of registers and one product at a time.

    Parameters
    ----------
    bench : Bench
        Where its lemmas go.
    bits : int
        Width of the counter; extents have no more.
    name : str
        Of the loop.
    strides : Value
        By name.
    """

    width = 32
    """Of products."""

    def __init__(self, bench: Bench, bits: int, name: str, **strides: Any) -> None:
        self.at, self.strides = Signal(bits, name=f"loop_{name}"), strides
        self.products = {key: Signal(self.width, name=f"{name}_times_{key}") for key in strides}
        for key in strides:
            bench.lemma(f"{name}_times_{key}", self.products[key] == self[key])

    def __getitem__(self, key: str) -> Any:
        return (self.at * self.strides[key])[: self.width]

    def up(self, amount: Any = 1) -> list[Any]:
        """Count up if `amount`, a bit, is set."""
        products = (self.products[key].eq(self.products[key] + Mux(amount, self.strides[key], 0)) for key in self.strides)
        return [self.at.eq(self.at + amount), *products]

    def back(self) -> list[Any]:
        """Begin again."""
        return [value.eq(0) for value in (self.at, *self.products.values())]

    def copy(self, other: Counter) -> list[Any]:
        """Become what another counter of the same strides is."""
        return [self.at.eq(other.at), *(self.products[key].eq(other.products[key]) for key in self.strides)]


class Nest:
    """Counters of a loop nest, innermost first."""

    def __init__(self, bench: Bench, bits: int, loops: dict[str, tuple[Any, dict[str, Any]]], restart: Any, step: Any) -> None:
        m = bench.module
        self.loops = {name: Counter(bench, bits, name, **strides) for name, (_, strides) in loops.items()}
        ends = {name: self.loops[name].at == extent - 1 for name, (extent, _) in loops.items()}
        self.inside = Cat(self.loops[name].at < extent for name, (extent, _) in loops.items()).all()
        self.last = Cat(ends.values()).all()
        inner: Any = step
        for name, counter in self.loops.items():
            with m.If(restart):
                m.d.sync += counter.back()
            with m.Elif(inner):
                with m.If(ends[name]):
                    m.d.sync += counter.back()
                with m.Else():
                    m.d.sync += counter.up()
            inner = inner & ends[name]

    def __getitem__(self, name: str) -> Counter:
        return self.loops[name]
