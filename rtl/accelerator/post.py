"""Post-processing unit: bias, requantise, clip and look up an output tile on its way to the output buffer."""

from __future__ import annotations

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from rtl.accelerator.layouts import POST, PROGRAM
from rtl.delay import delay
from rtl.library import Modules, place
from rtl.requantize import MULTIPLIER_BITS, SHIFT_BITS, Requantizer, pipeline_latency
from rtl.sram import place_sram


class PostProcess(wiring.Component):
    """Requantise `lanes` accumulators per cycle; a word of `cols` takes ceil(cols / lanes) cycles.

    Parameters
    ----------
    cols, lanes, acc_bits, output_bits : int
        Geometry.
    tile_blocks : int
        Scale words reserved for a slot, in output blocks.
    table_beats, beat_bits : int
        Beats of the activation table and their width; 0 beats: there is no table.

    Members
    -------
    tiles : In(stream of POST)
        Output tiles in order.
    ready, room : In(1)
        One cycle each: a tile's last accumulation is written; an output buffer half was emptied.
    emptied : Out(1)
        The tile's accumulator half was read.
    done : Out(1)
        The tile's last output word is being written.
    words : Out(array of 2 x 16)
        Words of the tile in each output half.
    acc_*, scale_*, out_* :
        Memory ports; scale and accumulator data arrive one cycle after the read.
    table_* :
        A beat for the tables of all lanes, which is also their word.
    """

    def __init__(
        self, *, cols: int, lanes: int, acc_bits: int, output_bits: int, tile_blocks: int, table_beats: int = 0,
        beat_bits: int = 128, modules: Modules | None = None,
    ) -> None:  # fmt: skip
        self.cols, self.lanes, self.acc_bits, self.output_bits = cols, lanes, acc_bits, output_bits
        self.tile_blocks, self.modules = tile_blocks, modules
        self.table_beats, self.beat_bits = table_beats, beat_bits
        self.groups = -(-cols // lanes)
        self.lane_bits = acc_bits + MULTIPLIER_BITS + SHIFT_BITS
        super().__init__(
            {
                "tiles": In(stream.Signature(POST)), "prog": In(PROGRAM), "reset": In(1),
                "ready": In(1), "room": In(1), "emptied": Out(1), "done": Out(1), "busy": Out(1),
                "acc_read": Out(1), "acc_half": Out(1), "acc_addr": Out(16), "acc_data": In(cols * acc_bits),
                "scale_read": Out(1), "scale_addr": Out(18), "scale_data": In(lanes * self.lane_bits),
                "out_write": Out(1), "out_half": Out(1), "out_addr": Out(16), "out_data": Out(cols * output_bits),
                "table_write": In(1), "table_addr": In(16), "table_data": In(beat_bits),
                "words": Out(data.ArrayLayout(16, 2)),
            }
        )  # fmt: skip

    def elaborate(self, platform: object) -> Module:
        m = Module()
        tile = Signal(POST, reset_less=True)
        ready, room, taken = Signal(2), Signal(2, init=2), Signal()
        pixel, group, block = Signal(17), Signal(range(self.groups + 1)), Signal(9)
        addr, scale_base = Signal(16), Signal(18)
        with m.If(self.reset):
            m.d.sync += [ready.eq(0), room.eq(2)]
        with m.Else():
            m.d.sync += [ready.eq(ready + self.ready - taken), room.eq(room + self.room - taken)]
        group_end, pixel_end, block_end = Signal(), Signal(), Signal()
        m.d.comb += [
            group_end.eq(group == self.groups - 1), pixel_end.eq(group_end & (pixel == tile.pixels - 1)),
            block_end.eq(pixel_end & (block == tile.blocks - 1)),
            self.acc_half.eq(tile.half), self.acc_addr.eq(addr), self.scale_addr.eq(scale_base + group),
        ]  # fmt: skip
        running = Signal()
        slot_words = self.tile_blocks * self.groups
        with m.FSM(name="post"):
            with m.State("WAIT"):
                m.d.comb += [taken.eq(self.tiles.valid & (ready != 0) & (room != 0)), self.tiles.ready.eq(taken)]
                with m.If(taken):
                    m.d.sync += [
                        tile.eq(self.tiles.payload), pixel.eq(0), group.eq(0), block.eq(0), addr.eq(0),
                        scale_base.eq(self.tiles.payload.scale_slot * slot_words),
                    ]  # fmt: skip
                    m.next = "RUN"
            with m.State("RUN"):
                m.d.comb += [running.eq(1), self.acc_read.eq(group == 0), self.scale_read.eq(1)]
                m.d.sync += group.eq(Mux(group_end, 0, group + 1))
                with m.If(group_end):
                    m.d.sync += [pixel.eq(pixel + 1), addr.eq(addr + 1)]
                with m.If(pixel_end):
                    m.d.sync += [pixel.eq(0), block.eq(block + 1), scale_base.eq(scale_base + self.groups)]
                with m.If(block_end):
                    m.d.comb += self.emptied.eq(1)
                    m.d.sync += self.words[tile.half].eq(addr + 1)
                    m.next = "WAIT"
        m.d.comb += self.busy.eq(running)
        self._lanes(m, running, group, group_end & running, block_end & running, tile, addr)
        return m

    @property
    def latency(self) -> int:
        """Cycles from the accumulator read of a word's last group to the cycle in which the word is written."""
        return 2 + pipeline_latency()

    def _lanes(self, m: Module, running: Signal, group: Signal, whole: Signal, last: Signal, tile: Signal, addr: Signal) -> None:
        """Requantisers, and the register in which the groups of a word come together."""
        words, results = self.groups * self.lanes, []
        padded = Cat(self.acc_data, Signal((words - self.cols) * self.acc_bits)) if words > self.cols else self.acc_data
        chosen = Signal(self.lanes * self.acc_bits)
        shown = delay(m, group, 1, "group_shown")
        m.d.comb += chosen.eq(padded.word_select(shown, self.lanes * self.acc_bits))
        looking = Signal()  # clipped values of a layer with a table leave the requantisers
        m.d.comb += looking.eq(self.prog.table & delay(m, running, pipeline_latency(), "clipped", reset=True))
        for lane in range(self.lanes):
            unit = place(
                self.modules, m, f"lane{lane}", "requantizer", Requantizer, acc_bits=self.acc_bits, output_bits=self.output_bits
            )
            scale = self.scale_data.word_select(lane, self.lane_bits)
            m.d.comb += [
                unit.acc.eq(chosen.word_select(lane, self.acc_bits)), unit.bias.eq(scale[: self.acc_bits]),
                unit.multiplier.eq(scale[self.acc_bits :][:MULTIPLIER_BITS]),
                unit.shift.eq(scale[self.acc_bits + MULTIPLIER_BITS :]),
                unit.zero_point.eq(self.prog.output_zero), unit.low.eq(self.prog.clip_low),
                unit.high.eq(self.prog.clip_high), unit.rounding.eq(self.prog.rounding),
            ]  # fmt: skip
            results.append(self._looked_up(m, lane, unit, looking) if self.table_beats else unit.y)
        gathered = Signal(words * self.output_bits, reset_less=True)
        m.d.sync += gathered.eq(Cat(gathered, *results)[self.lanes * self.output_bits :])
        wait = self.latency
        m.d.comb += [
            self.out_write.eq(delay(m, whole, wait, "whole", reset=True)), self.done.eq(delay(m, last, wait, "last", reset=True)),
            self.out_addr.eq(delay(m, addr, wait, "addr")), self.out_half.eq(delay(m, tile.half, wait, "half")),
            self.out_data.eq(gathered),
        ]  # fmt: skip

    def _looked_up(self, m: Module, lane: int, unit: Requantizer, looking: Signal) -> Value:
        """Return the lane's entry of the activation table for its clipped value, or that value if the layer has no table.

        The memory takes its address together with the register behind the clip, so a table costs no cycle. It is read a
        beat of entries at a time, because it is filled by beats.
        """
        entries = 1 << self.output_bits
        width = min(self.beat_bits, entries * self.output_bits)
        table = place_sram(self.modules, m, f"table{lane}", depth=self.table_beats, width=width)
        index, shown = (Cat(y[:-1], ~y[-1]) for y in (unit.next_y, unit.y))  # entry 0 is for the lowest value
        inside = (width // self.output_bits - 1).bit_length()
        m.d.comb += [
            table.we.eq(self.table_write), table.waddr.eq(self.table_addr), table.wdata.eq(self.table_data),
            table.re.eq(looking), table.raddr.eq(index[inside:]),
        ]  # fmt: skip
        return Mux(self.prog.table, table.rdata.word_select(shown[:inside], self.output_bits), unit.y.as_unsigned())


__all__ = ["PostProcess"]
