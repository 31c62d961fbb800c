"""Accumulator banks: one per array column, so that skewed column results need no straightening."""

from __future__ import annotations

from amaranth import Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.accelerator.issue import ACC
from rtl.library import Modules, place
from rtl.sram import place_sram


class AccumulatorBank(wiring.Component):
    """Two halves of `words` accumulators with read-modify-write, one update per cycle.

    Parameters
    ----------
    words, acc_bits : int
        Of a half; width.
    keeps_largest : bool
        Whether there is a `maximum`.

    Members
    -------
    maximum : In(1)
        An update keeps the larger value instead of the sum.
    ctl, ctl_next : In(ACC), Out(ACC)
        Control one cycle before `value` arrives, and the same one cycle later for the next column.
    value : In(signed(acc_bits))
        The column's result.
    post_read, post_half, post_addr, post_data :
        Read port of the post-processing unit; the data stay until the half is read or updated again.
    """

    def __init__(self, *, words: int, acc_bits: int, keeps_largest: bool, modules: Modules | None) -> None:
        self.words, self.acc_bits, self.keeps_largest, self.modules = words, acc_bits, keeps_largest, modules
        super().__init__(
            {
                "ctl": In(ACC), "ctl_next": Out(ACC), "value": In(signed(acc_bits)), "maximum": In(1),
                "post_read": In(1), "post_half": In(1), "post_addr": In(16), "post_data": Out(acc_bits),
            }
        )  # fmt: skip

    def elaborate(self, platform: object) -> Module:
        m = Module()
        halves = [place_sram(self.modules, m, f"half{h}", depth=self.words, width=self.acc_bits) for h in range(2)]
        total, before, again = Signal(self.acc_bits), Signal(self.acc_bits, reset_less=True), Signal(reset_less=True)
        m.d.sync += [self.ctl_next.eq(self.ctl), before.eq(total)]
        # An address updated twice in a row would read the old sum: use the one just formed.
        m.d.sync += again.eq((self.ctl.addr == self.ctl_next.addr) & (self.ctl.half == self.ctl_next.half) & self.ctl_next.valid)
        old = Mux(again, before, Mux(self.ctl_next.half, halves[1].rdata, halves[0].rdata))
        added = Mux(self.ctl_next.first, 0, old) + self.value
        larger = self.ctl_next.first | (self.value > old.as_signed())
        m.d.comb += [
            total.eq(Mux(self.maximum, Mux(larger, self.value, old), added) if self.keeps_largest else added),
            self.post_data.eq(Mux(self.post_half, halves[1].rdata, halves[0].rdata)),
        ]
        for h, half in enumerate(halves):
            update = self.ctl.valid & ~self.ctl.first & (self.ctl.half == h)
            post = self.post_read & (self.post_half == h)
            m.d.comb += [
                half.re.eq(update | post), half.raddr.eq(Mux(post, self.post_addr, self.ctl.addr)),
                half.we.eq(self.ctl_next.valid & (self.ctl_next.half == h)), half.waddr.eq(self.ctl_next.addr),
                half.wdata.eq(total),
            ]  # fmt: skip
        return m


class Accumulator(wiring.Component):
    """All banks side by side.

    Parameters
    ----------
    cols, words, acc_bits : int
        Banks; words of a half; width.
    channelwise : bool
        Whether there is a path past the array, so that `level` and `maximum` mean something.

    Members
    -------
    ctl : In(ACC)
        Control of column 0; every column delays it by one cycle, unless `level`.
    south : In(cols * acc_bits)
        Results, column c late by c cycles, unless `level`.
    level, maximum : In(1)
        All columns' results come in one cycle, past the array; updates keep the larger value.
    tile_done : Out(1)
        The last accumulation of an output tile is being written.
    post_* :
        Read port over all columns.
    """

    def __init__(self, *, cols: int, words: int, acc_bits: int, channelwise: bool, modules: Modules | None) -> None:
        self.cols, self.words, self.acc_bits, self.channelwise, self.modules = cols, words, acc_bits, channelwise, modules
        super().__init__(
            {
                "ctl": In(ACC), "south": In(cols * acc_bits), "level": In(1), "maximum": In(1), "tile_done": Out(1),
                "post_read": In(1), "post_half": In(1), "post_addr": In(16), "post_data": Out(cols * acc_bits),
            }
        )  # fmt: skip

    def elaborate(self, platform: object) -> Module:
        m = Module()
        ctl = self.ctl
        lanes = []
        for c in range(self.cols):
            bank = place(self.modules, m, f"bank{c}", "accumulator_bank", AccumulatorBank,
                         words=self.words, acc_bits=self.acc_bits, keeps_largest=self.channelwise,
                         modules=self.modules)  # fmt: skip
            m.d.comb += [
                bank.ctl.eq(Mux(self.level, self.ctl, ctl) if self.channelwise else ctl), bank.maximum.eq(self.maximum),
                bank.value.eq(self.south.word_select(c, self.acc_bits)), bank.post_read.eq(self.post_read),
                bank.post_half.eq(self.post_half), bank.post_addr.eq(self.post_addr),
            ]  # fmt: skip
            lanes.append(bank.post_data)
            ctl = bank.ctl_next
        m.d.comb += [self.post_data.eq(Cat(lanes)), self.tile_done.eq(ctl.tag & ctl.valid)]
        return m
