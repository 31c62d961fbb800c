"""Which stored weight word feeds which channel lane, and which of its lanes count.

With groups packed side by side the weights of a block form a block-diagonal matrix. Only the diagonal is stored: one
word per input channel of a group, output channels of all groups in its lanes. Row i then reads word i mod C and
keeps the lanes of its own group.
"""

from __future__ import annotations

from amaranth import Array, Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.accelerator.layouts import PROGRAM


class WeightLanes(wiring.Component):
    """Look-up from channel lane to weight word and lane mask, filled at the start of a layer.

    Parameters
    ----------
    rows, cols : int
        Array size. Filling takes max(rows, cols) cycles.

    Members
    -------
    start, done : In(1), Out(1)
        Fill from the program; `done` is high once filled.
    row : In(range(rows))
        Channel lane.
    word : Out(range(rows))
        Its word within the stored rows of the block and tap.
    used : Out(1)
        The lane carries a channel; otherwise its weights are zero.
    mask : Out(cols)
        Output lanes that share the lane's group, none if unused.
    """

    def __init__(self, *, rows: int, cols: int) -> None:
        self.rows, self.cols = rows, cols
        super().__init__(
            {
                "start": In(1), "done": Out(1), "prog": In(PROGRAM),
                "row": In(range(max(2, rows))), "word": Out(range(max(2, rows))), "used": Out(1), "mask": Out(cols),
            }
        )  # fmt: skip

    def elaborate(self, platform: object) -> Module:
        m = Module()
        prog = self.prog
        length = max(self.rows, self.cols)
        words = [Signal(range(max(2, self.rows)), name=f"word_{i}", reset_less=True) for i in range(self.rows)]
        row_group = [Signal(9, name=f"row_group_{i}", reset_less=True) for i in range(self.rows)]
        lane_group = [Signal(9, name=f"lane_group_{j}", reset_less=True) for j in range(self.cols)]
        step, busy = Signal(range(length + 1)), Signal()
        row_word, row_at, lane_left, lane_at = Signal(9), Signal(9), Signal(9), Signal(9)
        with m.If(self.start):
            m.d.sync += [
                busy.eq(1), self.done.eq(0), step.eq(0), row_word.eq(0), row_at.eq(0), lane_left.eq(0), lane_at.eq(0),
            ]  # fmt: skip
        with m.Elif(busy):
            m.d.sync += [step.eq(step + 1), row_word.eq(row_word + 1), lane_left.eq(lane_left + 1)]
            with m.If(row_word == prog.group_rows - 1):
                m.d.sync += [row_word.eq(0), row_at.eq(row_at + 1)]
            with m.If(lane_left == prog.group_lanes - 1):
                m.d.sync += [lane_left.eq(0), lane_at.eq(lane_at + 1)]
            for i in range(self.rows):
                with m.If(step == i):
                    m.d.sync += [words[i].eq(row_word), row_group[i].eq(row_at)]
            for j in range(self.cols):
                with m.If(step == j):
                    m.d.sync += lane_group[j].eq(lane_at)
            with m.If(step == length - 1):
                m.d.sync += [busy.eq(0), self.done.eq(1)]
        mine = Signal(9)
        m.d.comb += [
            mine.eq(Array(row_group)[self.row]), self.word.eq(Array(words)[self.row]), self.used.eq(mine < prog.packed),
            self.mask.eq(Cat((group == mine) & self.used for group in lane_group)),
        ]  # fmt: skip
        return m
