"""Affine walks inside a tile: over output pixels and over filter taps.

A read address of the input buffer is the sum of a pixel part and a tap part; so are the row and the column that say
whether the read falls into the padding.
"""

from __future__ import annotations

from amaranth import Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from rtl.accelerator.layouts import PROGRAM

POINT = data.StructLayout({"addr": signed(18), "y": signed(18), "x": signed(18)})
"""Input-buffer address and input row and column, relative to the tile's first stored element."""


class PixelWalk(wiring.Component):
    """Visit the output pixels of a tile, row by row.

    Members
    -------
    p, q : In(16)
        Output rows and columns of the tile.
    origin : In(POINT)
        Input position of the first pixel.
    restart : In(1)
        Go to the first pixel and make it the mark.
    step : In(1)
        Go to the next pixel.
    rewind : In(1)
        With `step`: go back to the mark instead.
    mark : In(1)
        With `step`: the next pixel becomes the mark.
    here : Out(POINT)
        The current pixel.
    last : Out(1)
        The current pixel is the tile's last.
    past : Out(1)
        All pixels were visited since the mark; `here` means nothing.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "p": In(16), "q": In(16), "origin": In(POINT), "prog": In(PROGRAM), "restart": In(1), "step":
                In(1), "rewind": In(1), "mark": In(1), "here": Out(POINT), "last": Out(1), "past": Out(1)
            }
        )  # fmt: skip

    def elaborate(self, platform: object) -> Module:
        m = Module()
        shape = data.StructLayout({"here": POINT, "row_addr": signed(18), "p": 16, "q": 16, "past": 1})
        now, after, marked, first = (Signal(shape, name=name) for name in ("now", "after", "marked", "first"))
        row_end = now.q == self.q - 1
        m.d.comb += [
            first.here.eq(self.origin), first.row_addr.eq(self.origin.addr),
            self.here.eq(now.here), self.past.eq(now.past), self.last.eq(row_end & (now.p == self.p - 1)),
            after.eq(now), after.past.eq(now.past | self.last), after.q.eq(Mux(row_end, 0, now.q + 1)),
        ]  # fmt: skip
        below = now.row_addr + self.prog.stride_y_pitch
        with m.If(row_end):
            m.d.comb += [
                after.p.eq(now.p + 1), after.row_addr.eq(below), after.here.addr.eq(below),
                after.here.y.eq(now.here.y + self.prog.stride_y), after.here.x.eq(self.origin.x),
            ]  # fmt: skip
        with m.Else():
            m.d.comb += [
                after.here.addr.eq(now.here.addr + self.prog.stride_x), after.here.x.eq(now.here.x + self.prog.stride_x),
            ]  # fmt: skip
        with m.If(self.restart):
            m.d.sync += [now.eq(first), marked.eq(first)]
        with m.Elif(self.step):
            m.d.sync += now.eq(Mux(self.rewind, marked, after))
            with m.If(self.mark):
                m.d.sync += marked.eq(after)
        return m


class TapWalk(wiring.Component):
    """Visit channel blocks and filter taps of a block: c outermost, then r, then s.

    Members
    -------
    c_blocks : In(16)
        Channel blocks of the tile.
    restart : In(1)
        Go to the first tap of the first block.
    step : In(1)
        Go to the next tap; after the last one to the first of the next block.
    next_block : In(1)
        With `step` on the last tap: the next pass belongs to the next block. Without it the same block is walked again.
    here : Out(POINT)
        Offset of the current tap.
    first, last : Out(1)
        First and last tap of a block.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "c_blocks": In(16), "prog": In(PROGRAM), "restart": In(1), "step": In(1), "next_block":
                In(1), "here": Out(POINT), "first": Out(1), "last": Out(1)
            }
        )  # fmt: skip

    def elaborate(self, platform: object) -> Module:
        m = Module()
        prog = self.prog
        c, r, s = (Signal(bits, name=name) for name, bits in (("c", 16), ("r", 8), ("s", 8)))
        block_addr, plane_addr, row_addr = (Signal(signed(18), name=f"{name}_addr") for name in ("block", "plane", "row"))
        s_end, r_end, c_end = s == prog.filter_s - 1, r == prog.filter_r - 1, c == self.c_blocks - 1
        m.d.comb += [self.first.eq((c == 0) & (r == 0) & (s == 0)), self.last.eq(s_end & r_end & c_end)]
        with m.If(self.restart):
            m.d.sync += [c.eq(0), r.eq(0), s.eq(0), block_addr.eq(0), plane_addr.eq(0), row_addr.eq(0), self.here.eq(0)]
        with m.Elif(self.step):
            m.d.sync += [
                s.eq(s + 1), self.here.addr.eq(self.here.addr + prog.dilation_x), self.here.x.eq(self.here.x + prog.dilation_x),
            ]  # fmt: skip
            with m.If(s_end):
                below = row_addr + prog.dilation_y_pitch
                m.d.sync += [
                    s.eq(0), r.eq(r + 1), row_addr.eq(below), self.here.addr.eq(below), self.here.x.eq(0),
                    self.here.y.eq(self.here.y + prog.dilation_y),
                ]  # fmt: skip
            with m.If(s_end & r_end):
                behind = plane_addr + prog.tile_plane
                m.d.sync += [
                    r.eq(0), c.eq(c + 1), plane_addr.eq(behind), row_addr.eq(behind),
                    self.here.addr.eq(behind), self.here.y.eq(0),
                ]  # fmt: skip
            with m.If(self.last):
                start = block_addr + Mux(self.next_block, prog.block_plane, 0)
                m.d.sync += [
                    c.eq(0), block_addr.eq(start), plane_addr.eq(start), row_addr.eq(start), self.here.addr.eq(start),
                ]  # fmt: skip
        return m
