"""The PEs along the last axis of an array, as one module that is emitted once."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from amaranth.hdl import Module, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from dataflows.spatial.array import SpatialArray, SpatialAxis
from rtl.library import Modules, place
from rtl.spatial import layouts
from rtl.spatial.pe import SpatialPE, chained
from rtl.spatial.sequencer import OPERANDS

__all__ = ["SpatialLine"]


class SpatialLine(wiring.Component):
    """A row of PEs that pass on, along their axis, what they share.

    Parameters
    ----------
    array : SpatialArray
    modules : Modules or None
        See `rtl.library.place`.

    Members
    -------
    ctl, ctl_o : In, Out
        Control for the first PE, and the same a cycle later.
    weights, inputs, weights_o, inputs_o : In, Out
        One packet, for the first PE, where the line shares a port; else one for each PE.
    weights_extents, inputs_extents, tag_shift, tag_i, tag_o
        As of a PE; the tags go through all of them.
    weights_next, inputs_next, weights_past, inputs_past : In, Out, arrays
        As of every PE, from and for the lines next to this one along linked axes; only where there are such.
    sums_i, sums_o : In, Out, arrays
        Where sums leave through registers: what every PE adds to, and the results. Where the line itself is the chain, there
        is one result and nothing to add to.
    own : Out, array
        Where they leave through trees: the sums that are called for.
    """

    def __init__(self, *, array: SpatialArray, modules: Modules | None = None) -> None:
        self.array, self.modules = array, modules
        self.axis = array.axes[-1]
        total, size = signed(array.acc_bits), self.axis.size
        control, tag = layouts.control(array), layouts.tag(array)
        ports: dict[str, Any] = {"ctl": In(control), "ctl_o": Out(control)}
        for tensor in OPERANDS:
            packet: Any = layouts.packet(array, tensor)
            shape = packet if self.axis in array.shared(tensor) else data.ArrayLayout(packet, size)
            ports |= {tensor: In(shape), f"{tensor}_o": Out(shape)}
            if array.fields(tensor):
                ports[f"{tensor}_extents"] = In(layouts.fields(array, tensor))
            if self._beyond(tensor):
                words: Any = data.ArrayLayout(layouts.neighbours(array, tensor, self._beyond(tensor)), size)
                ports |= {f"{tensor}_next": In(words), f"{tensor}_past": Out(words)}
        ports |= {"tag_shift": In(1), "tag_i": In(tag), "tag_o": Out(tag)}
        if not chained(array):
            ports["own"] = Out(data.ArrayLayout(total, size))
        elif self.is_chain:
            ports["sums_o"] = Out(data.ArrayLayout(total, 1))
        else:
            ports |= {"sums_i": In(data.ArrayLayout(total, size)), "sums_o": Out(data.ArrayLayout(total, size))}
        super().__init__(ports)

    def _beyond(self, tensor: str) -> list[SpatialAxis]:
        """Linked axes that lead to other lines."""
        return [axis for axis in self.array.linked(tensor) if axis != self.axis]

    @property
    def is_chain(self) -> bool:
        """Whether sums add up along this line, from PE to PE."""
        shared = self.array.shared("outputs")
        return chained(self.array) and bool(shared) and shared[0] == self.axis

    def elaborate(self, platform: Any) -> Module:
        """Place the PEs and wire neighbours."""
        m = Module()
        array, size = self.array, self.axis.size
        pes = [place(self.modules, m, f"pe_{n}", "spatial_pe", SpatialPE, array=array, modules=self.modules) for n in range(size)]
        self._along(m, pes, "ctl")
        for tensor in OPERANDS:
            if self.axis in array.shared(tensor):
                self._along(m, pes, tensor)
            else:
                own, passed = getattr(self, tensor), getattr(self, f"{tensor}_o")
                m.d.comb += [getattr(pe, tensor).eq(own[n]) for n, pe in enumerate(pes)]
                m.d.comb += [passed[n].eq(getattr(pe, f"{tensor}_o")) for n, pe in enumerate(pes)]
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

    def _along(self, m: Module, pes: list[Any], name: str) -> None:
        """Lead one thing through the line: a register per hop, or a wire."""
        entering: Any = getattr(self, name)
        for pe in pes:
            m.d.comb += getattr(pe, name).eq(entering)
            if self.axis.delay:
                entering = getattr(pe, f"{name}_o")
        m.d.comb += getattr(self, f"{name}_o").eq(getattr(pes[0], f"{name}_o"))

    def _neighbours(self, m: Module, pes: list[Any], tensor: str) -> None:
        """Give every PE what the next one took; the last one has none, and is told so."""
        if self.axis in self.array.linked(tensor):
            name = self.axis.name
            for pe, after in pairwise(pes):
                m.d.comb += getattr(pe, f"{tensor}_next")[name].eq(getattr(after, f"{tensor}_past")[name])
            m.d.comb += getattr(pes[-1], f"{tensor}_next")[name].eq(0)
        for axis in self._beyond(tensor):
            for n, pe in enumerate(pes):
                m.d.comb += getattr(pe, f"{tensor}_next")[axis.name].eq(getattr(self, f"{tensor}_next")[n][axis.name])
                m.d.comb += getattr(self, f"{tensor}_past")[n][axis.name].eq(getattr(pe, f"{tensor}_past")[axis.name])

    def _sums(self, m: Module, pes: list[Any]) -> None:
        if not chained(self.array):
            m.d.comb += [self.own[n].eq(pe.own) for n, pe in enumerate(pes)]
        elif self.is_chain:
            m.d.comb += [pe.sum_i.eq(before.sum_o) for before, pe in pairwise(pes)]
            m.d.comb += self.sums_o[0].eq(pes[-1].sum_o)
        else:
            for n, pe in enumerate(pes):
                m.d.comb += [pe.sum_i.eq(self.sums_i[n]), self.sums_o[n].eq(pe.sum_o)]
