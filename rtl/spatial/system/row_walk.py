"""Walk over the coded rows of a tile."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.spatial.system.layouts import ADDRESS, COUNT_BITS, ROW_BITS, row_steps

__all__ = ["RowWalk"]

_BITS = {"address": ADDRESS, "row": ROW_BITS}


class RowWalk(wiring.Component):
    """Visit the rows of images, one per step: where each lies, and its number.

    Members
    -------
    start, images, rows : In
        Begin a tile; neither count may be 0.
    first_address, first_row : In
        Of the first row, taken with `start`.
    address_steps, row_steps : In
        From image to image and from row to row; these must stay.
    step, last : In, Out
        Go to the next row; this is the last one.
    address, row : Out
        Where the current row lies, and its number.
    """

    def __init__(self) -> None:
        firsts = {f"first_{name}": In(bits) for name, bits in _BITS.items()}
        steps = {f"{name}_steps": In(row_steps(bits)) for name, bits in _BITS.items()}
        super().__init__({
            "start": In(1), "images": In(COUNT_BITS), "rows": In(COUNT_BITS), **firsts, **steps, "step": In(1), "last": Out(1),
            **{name: Out(bits) for name, bits in _BITS.items()},
        })  # fmt: skip

    def elaborate(self, platform: Any) -> Module:
        """Count down, and keep where the image begins."""
        m = Module()
        images, rows, all_rows = (Signal(COUNT_BITS, name=name) for name in ("images_left", "rows_left", "all_rows"))
        image_over = rows == 1
        m.d.comb += self.last.eq(image_over & (images == 1))
        with m.If(self.step):
            m.d.sync += [rows.eq(Mux(image_over, all_rows, rows - 1)), images.eq(images - image_over)]
        with m.If(self.start):
            m.d.sync += [images.eq(self.images), rows.eq(self.rows), all_rows.eq(self.rows)]
        for name, bits in _BITS.items():
            begin, here = Signal(bits, name=f"{name}_of_image"), getattr(self, name)
            steps = getattr(self, f"{name}_steps")
            following = Mux(image_over, begin + steps.image_step, here + steps.row_step)
            with m.If(self.step):
                m.d.sync += here.eq(following)
                with m.If(image_over):
                    m.d.sync += begin.eq(following)
            with m.If(self.start):
                first = getattr(self, f"first_{name}")
                m.d.sync += [here.eq(first), begin.eq(first)]
        return m
