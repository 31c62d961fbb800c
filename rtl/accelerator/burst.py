"""Address generator for memory transactions: three nested loops of beats."""

from __future__ import annotations

from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class Burst(wiring.Component):
    """Walk planes x rows x beats and give one beat address at a time.

    Members
    -------
    start : In(1)
        Load the loop bounds; the first address is valid in the next cycle. No bound may be zero.
    base, row_pitch, plane_pitch : In(32)
        In beats; beats of a row are adjacent.
    planes, rows, beats : In(16), In(16), In(24)
        Loop bounds, taken with `start`.
    addr : Out(32)
        Address of the current beat while `active`.
    active : Out(1)
        An address is waiting.
    step : In(1)
        The current address was used; advance.
    last : Out(1)
        The current address is the final one.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "start": In(1), "base": In(32), "row_pitch": In(32), "plane_pitch": In(32), "planes": In(16),
                "rows": In(16), "beats": In(24), "addr": Out(32), "active": Out(1), "step": In(1), "last":
                Out(1)
            }
        )  # fmt: skip

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plane, row, beat = (Signal(n, name=name, reset_less=True) for n, name in ((16, "plane"), (16, "row"), (24, "beat")))
        row_addr = Signal(32, reset_less=True)
        plane_addr = Signal(32, reset_less=True)
        rows, beats, row_pitch, plane_pitch = (
            Signal(bits, name=f"kept_{name}", reset_less=True)
            for name, bits in (("rows", 16), ("beats", 24), ("row_pitch", 32), ("plane_pitch", 32))
        )
        row_ends, plane_ends = Signal(), Signal()
        m.d.comb += [row_ends.eq(beat == 0), plane_ends.eq(row_ends & (row == 0)), self.last.eq(plane_ends & (plane == 0))]
        with m.If(self.start):
            m.d.sync += [
                self.active.eq(1), self.addr.eq(self.base), row_addr.eq(self.base), plane_addr.eq(self.base),
                plane.eq(self.planes - 1), row.eq(self.rows - 1), beat.eq(self.beats - 1),
                rows.eq(self.rows - 1), beats.eq(self.beats - 1),
                row_pitch.eq(self.row_pitch), plane_pitch.eq(self.plane_pitch),
            ]  # fmt: skip
        with m.Elif(self.step):
            m.d.sync += [self.addr.eq(self.addr + 1), beat.eq(beat - 1)]
            with m.If(row_ends):
                next_row = row_addr + row_pitch
                m.d.sync += [self.addr.eq(next_row), row_addr.eq(next_row), row.eq(row - 1), beat.eq(beats)]
            with m.If(plane_ends):
                next_plane = plane_addr + plane_pitch
                m.d.sync += [
                    self.addr.eq(next_plane), row_addr.eq(next_plane), plane_addr.eq(next_plane),
                    plane.eq(plane - 1), row.eq(rows),
                ]  # fmt: skip
            with m.If(self.last):
                m.d.sync += self.active.eq(0)
        return m
