"""The PEs along the last axis of an array, as one module that is emitted once."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from amaranth.hdl import Cat, Module, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from dataflows.spatial.array import SpatialArray, SpatialAxis
from rtl.delay import delay
from rtl.library import Modules, place
from rtl.spatial import layouts
from rtl.spatial.pe import SpatialPE, a_cycle_later, chained, passes
from rtl.spatial.sequencer import OPERANDS

__all__ = ["SpatialLine", "lane", "line_ports"]


class SpatialLine(wiring.Component):
    """A row of PEs that pass on, along their axis, what they share.

    What there is of every PE is packed, that of the first in the low bits: one vector is one name in the Verilog, and in
    whatever reads it, however long the line is.

    Parameters
    ----------
    array : SpatialArray
    modules : Modules or None
        See `rtl.library.place`.

    Members
    -------
    heard, heard_o : In, Out
        Control and what goes with the words, and the same a cycle later where other axes are systolic.
    weights_words, inputs_words : In
        One word, for the first PE, where the line shares a port; else one for each PE.
    weights_words_o, inputs_words_o : Out
        The same a cycle later, only where they are shared along a systolic axis.
    weights_extents, inputs_extents, tag_shift, tag_i, tag_o
        As of a PE; the tags go through all of them.
    weights_next_rows, weights_past_rows, ... : In, Out
        As of every PE, from and for the lines next to this one along linked axes; only where there are such.
    sums_i, sums_o : In, Out
        Where sums leave through registers: what every PE adds to, and the results. Where the line itself is the chain, there
        is one result and nothing to add to.
    own : Out
        Where they leave through trees: the sums that are called for.
    """

    def __init__(self, *, array: SpatialArray, modules: Modules | None = None) -> None:
        self.array, self.modules = array, modules
        self.axis = array.axes[-1]
        super().__init__(line_ports(array))

    def elaborate(self, platform: Any) -> Module:
        """Place the PEs and wire neighbours."""
        m = Module()
        array, size = self.array, self.axis.size
        pes = [place(self.modules, m, f"pe_{n}", "spatial_pe", SpatialPE, array=array, modules=self.modules) for n in range(size)]
        self._along(m, pes, "heard", self.heard)
        if any(axis.delay for axis in array.axes[:-1]):
            m.d.comb += self.heard_o.eq(pes[0].heard_o if self.axis.delay else a_cycle_later(m, self.heard))
        for tensor in OPERANDS:
            self._words(m, pes, tensor)
            if array.fields(tensor):
                extents = getattr(self, f"{tensor}_extents")
                m.d.comb += [getattr(pe, f"{tensor}_extents").eq(extents) for pe in pes]
            self._neighbours(m, pes, tensor)
        coming: Any = self.tag_i
        for pe in pes:
            m.d.comb += [pe.tag_shift.eq(self.tag_shift), pe.tag_i.eq(coming)]
            coming = pe.tag_o
        m.d.comb += self.tag_o.eq(coming)
        self._sums(m, pes)
        return m

    def _words(self, m: Module, pes: list[Any], tensor: str) -> None:
        """Give PEs their words: those of their own, or what goes through the line."""
        coming, name, bits = getattr(self, f"{tensor}_words"), f"{tensor}_word", layouts.operand_bits(self.array, tensor)
        if self.axis in self.array.shared(tensor):
            self._along(m, pes, name, coming)
        else:
            m.d.comb += [getattr(pe, name).eq(lane(coming, n, bits)) for n, pe in enumerate(pes)]
        if not _leads_on(self.array, tensor):
            return
        if passes(self.array, tensor):
            later = Cat(getattr(pe, f"{name}_o") for pe in (pes[:1] if self.axis in self.array.shared(tensor) else pes))
        else:
            later = delay(m, coming, 1, name)
        m.d.comb += getattr(self, f"{tensor}_words_o").eq(later)

    def _along(self, m: Module, pes: list[Any], name: str, coming: Any) -> None:
        """Lead one thing through the line: by a register per hop, or a wire."""
        for pe in pes:
            m.d.comb += getattr(pe, name).eq(coming)
            if self.axis.delay:
                coming = getattr(pe, f"{name}_o")

    def _neighbours(self, m: Module, pes: list[Any], tensor: str) -> None:
        """Give every PE what the next one took; the last one has none, and is told so."""
        if self.axis in self.array.linked(tensor):
            name = self.axis.name
            for pe, after in pairwise(pes):
                m.d.comb += getattr(pe, f"{tensor}_next")[name].eq(getattr(after, f"{tensor}_past")[name])
            m.d.comb += getattr(pes[-1], f"{tensor}_next")[name].eq(0)
        for axis in _beyond(self.array, tensor):
            coming, bits = getattr(self, f"{tensor}_next_{axis.name}"), layouts.operand_bits(self.array, tensor)
            m.d.comb += [getattr(pe, f"{tensor}_next")[axis.name].eq(lane(coming, n, bits)) for n, pe in enumerate(pes)]
            took = Cat(getattr(pe, f"{tensor}_past")[axis.name] for pe in pes)
            m.d.comb += getattr(self, f"{tensor}_past_{axis.name}").eq(took)

    def _sums(self, m: Module, pes: list[Any]) -> None:
        if not chained(self.array):
            m.d.comb += self.own.eq(Cat(pe.own for pe in pes))
        elif _is_chain(self.array):
            m.d.comb += [pe.sum_i.eq(before.sum_o) for before, pe in pairwise(pes)]
            m.d.comb += self.sums_o.eq(pes[-1].sum_o)
        else:
            m.d.comb += [pe.sum_i.eq(lane(self.sums_i, n, self.array.acc_bits)) for n, pe in enumerate(pes)]
            m.d.comb += self.sums_o.eq(Cat(pe.sum_o for pe in pes))


def lane(vector: Value, number: int, bits: int) -> Value:
    """Return one of the words that a vector packs."""
    return vector[number * bits : (number + 1) * bits]


def line_ports(array: SpatialArray) -> dict[str, Any]:
    """Return the members of `SpatialLine`."""
    axis, total = array.axes[-1], array.acc_bits
    heard, tag = layouts.heard(array), layouts.tag(array)
    ports: dict[str, Any] = {"heard": In(heard)}
    if any(other.delay for other in array.axes[:-1]):
        ports["heard_o"] = Out(heard)
    for tensor in OPERANDS:
        bits = layouts.operand_bits(array, tensor)
        words = bits if axis in array.shared(tensor) else bits * axis.size
        ports[f"{tensor}_words"] = In(words)
        if _leads_on(array, tensor):
            ports[f"{tensor}_words_o"] = Out(words)
        if array.fields(tensor):
            ports[f"{tensor}_extents"] = In(layouts.fields(array, tensor))
        for other in _beyond(array, tensor):
            ports |= {f"{tensor}_next_{other.name}": In(bits * axis.size), f"{tensor}_past_{other.name}": Out(bits * axis.size)}
    ports |= {"tag_shift": In(1), "tag_i": In(tag), "tag_o": Out(tag)}
    if not chained(array):
        return ports | {"own": Out(total * axis.size)}
    if _is_chain(array):
        return ports | {"sums_o": Out(total)}
    return ports | {"sums_i": In(total * axis.size), "sums_o": Out(total * axis.size)}


def _beyond(array: SpatialArray, tensor: str) -> list[SpatialAxis]:
    """Linked axes that lead to other lines."""
    return [axis for axis in array.linked(tensor) if axis != array.axes[-1]]


def _leads_on(array: SpatialArray, tensor: str) -> bool:
    """Whether another line takes the words of this one, a cycle later."""
    return any(axis.delay for axis in array.shared(tensor) if axis != array.axes[-1])


def _is_chain(array: SpatialArray) -> bool:
    """Whether sums add up along a line, from PE to PE."""
    shared = array.shared("outputs")
    return chained(array) and bool(shared) and shared[0] == array.axes[-1]
