"""Walk over the box of a tile: images, rows, pixels, beats, in memory and in a banked buffer."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from dataflows.spatial.system.limits import COUNT_BITS
from rtl.spatial.system.layouts import ADDRESS

__all__ = ["COUNTS", "Walk", "plus"]

COUNTS = ("images", "rows", "cols", "beats")
_LEVELS = ("image", "row", "pixel")


class Walk(wiring.Component):
    """Visit all beats of a box, or all groups of words in them, one per step.

    Parameters
    ----------
    shape : data.StructLayout or None
        A place in the buffer (`rtl.spatial.system.layouts.place`); None to walk in memory alone.
    banks, words : int
        Of the buffer; words of one visit.
    memory : bool
        Keep an address in memory too.
    groups : int
        Visits per beat.

    Members
    -------
    start : In
        Take the counts and beginnings; the first visit is due in the next cycle. No count may be 0. May come with the last step.
    images, rows, cols, beats : In
        Counts.
    at, image_pitch, row_pitch, pixel_pitch : In
        First place in the buffer, and distances; these must stay.
    address, image_step, row_step, pixel_step : In
        The same in memory, in beats.
    active, step, last : Out, In, Out
        A visit is due; it was made; it is the last one.
    here, memory_address : Out
        Where it is.
    visit, beat, whole : Out
        Visits and beats since the pixel's first, and whether it is the last of its beat.
    row_last : Out
        Whether it is the last of its row.
    """

    def __init__(
        self, *, shape: data.StructLayout | None, banks: int = 0, words: int = 0, memory: bool = False, groups: int = 1
    ) -> None:
        self.shape, self.banks, self.words, self.memory, self.groups = shape, banks, words, memory, groups
        ports: dict[str, Any] = {"start": In(1), **{name: In(COUNT_BITS) for name in COUNTS}}
        if shape is not None:
            ports |= {"at": In(shape), **{f"{name}_pitch": In(shape) for name in _LEVELS}, "here": Out(shape)}
        if memory:
            ports |= {"address": In(ADDRESS), **{f"{name}_step": In(ADDRESS) for name in _LEVELS}, "memory_address": Out(ADDRESS)}
        ends = {"active": Out(1), "step": In(1), "last": Out(1), "visit": Out(COUNT_BITS), "beat": Out(COUNT_BITS)}
        super().__init__({**ports, **ends, "whole": Out(1), "row_last": Out(1)})

    def elaborate(self, platform: Any) -> Module:
        """Count, and keep where the current pixel, row and image begin."""
        m = Module()
        counters = [Signal(unsigned(COUNT_BITS), name=f"count_{name}") for name in COUNTS]
        lasts = [Signal(unsigned(COUNT_BITS), name=f"last_{name}") for name in COUNTS]
        group = Signal(range(max(2, self.groups)))
        m.d.comb += [self.whole.eq(group == self.groups - 1), self.beat.eq(counters[3])]
        ended = [counter == last for counter, last in zip(counters, lasts, strict=True)]
        pixel_end, row_end, image_end = Signal(), Signal(), Signal()
        m.d.comb += [
            pixel_end.eq(self.whole & ended[3]), row_end.eq(pixel_end & ended[2]), image_end.eq(row_end & ended[1]),
            self.last.eq(image_end & ended[0]), self.row_last.eq(row_end),
        ]  # fmt: skip
        ends = (image_end, row_end, pixel_end)
        with m.If(self.step):
            m.d.sync += [group.eq(Mux(self.whole, 0, group + 1)), self.visit.eq(Mux(pixel_end, 0, self.visit + 1))]
            goes = (image_end, row_end, pixel_end, self.whole)
            for counter, go, over in zip(counters, goes, ended, strict=True):
                with m.If(go):
                    m.d.sync += counter.eq(Mux(over, 0, counter + 1))
            with m.If(self.last):
                m.d.sync += self.active.eq(0)
        if self.shape is not None:
            self._buffer(m, ends)
        if self.memory:
            self._memory(m, ends)
        with m.If(self.start):
            m.d.sync += [self.active.eq(1), group.eq(0), self.visit.eq(0)]
            m.d.sync += [counter.eq(0) for counter in counters]
            m.d.sync += [last.eq(getattr(self, name) - 1) for name, last in zip(COUNTS, lasts, strict=True)]
        return m

    def _buffer(self, m: Module, ends: tuple[Any, ...]) -> None:
        assert self.shape is not None
        begins = [Signal(self.shape, name=f"begin_{name}") for name in _LEVELS]
        one = self.shape.const({"row": self.words // self.banks, "bank": self.words % self.banks})
        after = [plus(m, begin, getattr(self, f"{name}_pitch"), self.banks, f"after_{name}") for begin, name in
                 zip(begins, _LEVELS, strict=True)]  # fmt: skip
        inside = plus(m, self.here, one, self.banks, "inside")
        with m.If(self.step):
            m.d.sync += self.here.eq(inside)
            for level in (2, 1, 0):
                with m.If(ends[level]):
                    m.d.sync += [self.here.eq(after[level]), *(begin.eq(after[level]) for begin in begins[level:])]
        with m.If(self.start):
            m.d.sync += [self.here.eq(self.at), *(begin.eq(self.at) for begin in begins)]

    def _memory(self, m: Module, ends: tuple[Any, ...]) -> None:
        begins = [Signal(ADDRESS, name=f"memory_{name}") for name in _LEVELS]
        with m.If(self.step):
            m.d.sync += self.memory_address.eq(self.memory_address + self.whole)
            for level in (2, 1, 0):
                with m.If(ends[level]):
                    following = begins[level] + getattr(self, f"{_LEVELS[level]}_step")
                    m.d.sync += [self.memory_address.eq(following), *(begin.eq(following) for begin in begins[level:])]
        with m.If(self.start):
            m.d.sync += [self.memory_address.eq(self.address), *(begin.eq(self.address) for begin in begins)]


def plus(m: Module, place: Any, more: Any, banks: int, name: str) -> data.View:
    """Return the place `more` words after `place`; both are rows and banks."""
    found = Signal(place.shape(), name=name)
    bank = place.bank + more.bank
    over = bank >= banks
    m.d.comb += [found.bank.eq(Mux(over, bank - banks, bank)), found.row.eq(place.row + more.row + over)]
    return found
