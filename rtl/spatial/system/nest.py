"""Address generator: counters of a loop nest and the sums of strides that it keeps."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from dataflows.spatial.array import LONGEST_OUTER, MOST_OUTER
from dataflows.spatial.system.nests import MOST_INNER_LOOPS
from rtl.spatial.system import layouts
from rtl.spatial.system.layouts import Sum

__all__ = ["Nest", "advanced", "choose"]


class Nest(wiring.Component):
    """Walk the inner loops of a pass, and the outer loops from the first that matters on (`LoopNest`).

    Parameters
    ----------
    sums : tuple of Sum
        What is kept.

    Members
    -------
    start : In
        Begin a layer; the sums take the values of `base`.
    prog, lasts : In
        See `rtl.spatial.system.layouts.nest`; extents less one of the outer loops.
    base : In
        First values.
    step : In
        Go on.
    here : Out
        The sums.
    last, tile_last, final : Out
        Whether this is the last iteration of a pass, of a tile in the buffer, of the layer.
    """

    def __init__(self, *, sums: tuple[Sum, ...]) -> None:
        self.sums = sums
        values = layouts.sums_layout(sums)
        super().__init__({
            "start": In(1), "prog": In(layouts.nest(sums)), "lasts": In(layouts.outer_lasts()), "base": In(values),
            "step": In(1), "here": Out(values), "last": Out(1), "tile_last": Out(1), "final": Out(1),
        })  # fmt: skip

    def elaborate(self, platform: Any) -> Module:
        """Count, and add the difference of the loop that advances."""
        m = Module()
        inner = [Signal(self.prog.inner[n].last.shape(), name=f"inner_{n}") for n in range(MOST_INNER_LOOPS)]
        outer = [Signal(LONGEST_OUTER.bit_length(), name=f"outer_{n}") for n in range(MOST_OUTER)]
        inside, outside = Signal(MOST_INNER_LOOPS), Signal(MOST_OUTER)
        m.d.comb += [
            inside.eq(Cat(counter != self.prog.inner[n].last for n, counter in enumerate(inner))),
            outside.eq(Cat((counter != self.lasts[n]) & (self.prog.change <= n) for n, counter in enumerate(outer))),
            self.last.eq(~inside.any()), self.final.eq(self.last & ~outside.any()),
            self.tile_last.eq(self.last & ~Cat(outside[n] & (n < self.prog.tile_change) for n in range(MOST_OUTER)).any()),
        ]  # fmt: skip
        advances = Cat(inside, outside)
        deltas = [*(loop.delta for loop in self.prog.inner), *self.prog.outer]
        delta = choose(m, advances, deltas, "delta")
        with m.If(self.step):
            m.d.sync += advanced(self.sums, self.here, delta)
            _count(m, [*inner, *outer], advances)
        with m.If(self.start):
            m.d.sync += [self.here.eq(self.base), *(counter.eq(0) for counter in (*inner, *outer))]
        return m


def choose(m: Module, advances: Any, deltas: list[Any], name: str) -> Any:
    """Return the difference of the innermost loop that advances; any where none does."""
    chosen = Signal(deltas[0].shape(), name=name)
    first = Signal(len(deltas), name=f"{name}_first")
    m.d.comb += first.eq(advances & -advances)  # the lowest bit that is set
    found: Any = 0
    for bit, delta in zip(first, deltas, strict=True):
        found |= Mux(bit, delta.as_value(), 0)
    m.d.comb += chosen.as_value().eq(found)
    return chosen


def advanced(sums: tuple[Sum, ...], held: Any, delta: Any) -> list[Any]:
    """Return the statements that add a difference to registers; a bank carries into its row."""
    found = []
    for each in sums:
        if each.banks:
            bank = held[f"{each.name}_bank"] + delta[f"{each.name}_bank"]
            over = bank >= each.banks
            found += [
                held[f"{each.name}_bank"].eq(Mux(over, bank - each.banks, bank)),
                held[each.name].eq(held[each.name] + delta[each.name] + over),
            ]  # fmt: skip
        else:
            found.append(held[each.name].eq(held[each.name] + delta[each.name]))
    return found


def _count(m: Module, counters: list[Signal], advances: Any) -> None:
    """Count the innermost counter that can, and set all inside it back."""
    for at, counter in enumerate(counters):
        untouched = ~advances[:at].any() if at else 1
        with m.If(untouched & advances[at]):
            m.d.sync += counter.eq(counter + 1)
        with m.Elif(untouched):
            m.d.sync += counter.eq(0)
