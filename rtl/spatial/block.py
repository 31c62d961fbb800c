"""Some lines of a large array, as one module that is emitted once."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from dataflows.spatial.array import SpatialArray
from rtl.library import Modules, place
from rtl.spatial.line import SpatialLine, lane, line_ports
from rtl.spatial.sequencer import OPERANDS
from rtl.spatial.sums import MOST_LEVELS, add_few

__all__ = ["SpatialBlock", "block_ports", "block_sizes", "levels_in_block"]

LEAST_LINES = 32
"""Lines from which on there are blocks: what an array wires then grows with its blocks and the lines of one, not with all."""
CHAINED_LINES = 16


def block_sizes(array: SpatialArray) -> list[int]:
    """Return the lines of every block along the first axis; an empty list where there are to be no blocks.

    Only two axes, sums that add up along the first one: then all that a block hands on goes to one other, or it is a sum.
    """
    axis, shared = array.axes[0], array.shared("outputs")
    if len(array.axes) != 2 or axis not in shared or axis.size < LEAST_LINES:
        return []
    lines = CHAINED_LINES if axis.delay else 1 << levels_in_block(array)
    whole, rest = divmod(axis.size, lines)
    return [lines] * whole + [rest] * bool(rest)


def levels_in_block(array: SpatialArray) -> int:
    """Return the levels of the tree along the first axis that are built in blocks: none of them ends in a register."""
    axis, shared = array.axes[0], array.shared("outputs")
    if len(array.axes) != 2 or axis not in shared or axis.size < LEAST_LINES or axis.delay:
        return 0
    return min(array.tree_levels or MOST_LEVELS, MOST_LEVELS)


class SpatialBlock(wiring.Component):
    """Lines one after the other; from outside like one line, but along a systolic axis it takes a cycle for each line.

    Parameters
    ----------
    array : SpatialArray
        With `block_sizes`.
    lines : int
    modules : Modules or None
        See `rtl.library.place`.

    Members
    -------
    weights_words, inputs_words : In
        As of `SpatialLine`; where every line has ports of its own, those of all of them, the first in the low bits.
    own : Out
        Where sums leave through trees: those of all lines added up.
    Everything else
        As of `SpatialLine`.
    """

    def __init__(self, *, array: SpatialArray, lines: int, modules: Modules | None = None) -> None:
        self.array, self.lines, self.modules = array, lines, modules
        self.each = {tensor: line_ports(array)[f"{tensor}_words"].shape for tensor in OPERANDS}
        super().__init__(block_ports(array, lines))

    def elaborate(self, platform: Any) -> Module:
        """Place the lines and lead everything from one to the next."""
        m = Module()
        array, every = self.array, {"array": self.array, "modules": self.modules}
        lines = [place(self.modules, m, f"line_{n}", "spatial_line", SpatialLine, **every) for n in range(self.lines)]
        m.d.comb += [line.tag_shift.eq(self.tag_shift) for line in lines]
        self._chain(m, lines, "tag_i", "tag_o")
        systolic = bool(array.axes[0].delay)
        self._lead(m, lines, "heard", systolic)
        for tensor in OPERANDS:
            name = f"{tensor}_words"
            if array.axes[0] in array.ported(tensor):
                words = getattr(self, name)
                m.d.comb += [getattr(line, name).eq(lane(words, n, self.each[tensor])) for n, line in enumerate(lines)]
            else:
                self._lead(m, lines, name, systolic)
            if array.fields(tensor):
                self._lead(m, lines, f"{tensor}_extents", False)
            if array.axes[0] in array.linked(tensor):
                after = f"{tensor}_{{}}_{array.axes[0].name}".format
                self._chain(m, lines[::-1], after("next"), after("past"))
        if systolic:
            self._chain(m, lines, "sums_i", "sums_o")
        else:
            m.d.comb += self.own.eq(add_few(self.modules, m, [line.own for line in lines], array.acc_bits, "add"))
        return m

    def _lead(self, m: Module, lines: list[Any], name: str, systolic: bool) -> None:
        """Lead one thing to all lines, from each to the next or to all at once."""
        if systolic:
            self._chain(m, lines, name, f"{name}_o")
        else:
            m.d.comb += [getattr(line, name).eq(getattr(self, name)) for line in lines]

    def _chain(self, m: Module, lines: list[Any], into: str, out: str) -> None:
        coming = getattr(self, into)
        for line in lines:
            m.d.comb += getattr(line, into).eq(coming)
            coming = getattr(line, out)
        m.d.comb += getattr(self, out).eq(coming)


def block_ports(array: SpatialArray, lines: int) -> dict[str, Any]:
    """Return the members of `SpatialBlock`."""
    ports = line_ports(array)
    own = [f"{tensor}_words" for tensor in OPERANDS if array.axes[0] in array.ported(tensor)]
    return ports | {name: In(ports[name].shape * lines) for name in own}
