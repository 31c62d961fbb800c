"""Store engine: writes output tiles from the output buffer to memory."""

from __future__ import annotations

from amaranth import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from rtl.accelerator.burst import Burst
from rtl.accelerator.layouts import PROGRAM, STORE
from rtl.library import Modules, place


class Store(wiring.Component):
    """Write one output tile after the other; a tile takes three cycles and one per beat.

    Parameters
    ----------
    beats : int
        Beats per output word.
    beat_bits, word_bits : int
        Widths of memory port and output word.

    Members
    -------
    tiles : In(stream of STORE)
        Output tiles in order.
    ready : In(1)
        One cycle: a tile's last word is being written to the output buffer.
    emptied : Out(1)
        The tile's last beat was taken by the memory.
    finished : Out(1)
        The same for the layer's last tile.
    want, grant, freed :
        Of the memory port, see `BusOrder`.
    words : In(16)
        Words of the tile in half `read_half`.
    read, read_half, read_addr, read_data :
        Output buffer port; data arrive one cycle after the read and stay.
    """

    def __init__(self, *, beats: int, beat_bits: int, word_bits: int, modules: Modules | None = None) -> None:
        self.beats, self.beat_bits, self.word_bits, self.modules = beats, beat_bits, word_bits, modules
        super().__init__(
            {
                "tiles": In(stream.Signature(STORE)), "prog": In(PROGRAM), "reset": In(1),
                "ready": In(1), "emptied": Out(1), "finished": Out(1),
                "want": Out(1), "grant": In(1), "freed": Out(1),
                "valid": Out(1), "addr": Out(32), "data": Out(beat_bits), "taken": In(1),
                "words": In(16), "read": Out(1), "read_half": Out(1), "read_addr": Out(16), "read_data": In(word_bits),
            }
        )  # fmt: skip

    def elaborate(self, platform: object) -> Module:
        m = Module()
        burst = place(self.modules, m, "burst", "burst", Burst)
        tile = Signal(STORE, reset_less=True)
        ready = Signal(2, name="ready_tiles")
        with m.If(self.reset):
            m.d.sync += ready.eq(0)
        with m.Else():
            m.d.sync += ready.eq(ready + self.ready - self.grant)
        word = Signal(self.beats * self.beat_bits, reset_less=True)
        beat = Signal(range(self.beats + 1))
        next_addr = Signal(16)
        step, word_end = Signal(), Signal()
        m.d.comb += [
            self.want.eq(self.tiles.valid & (ready != 0)), self.tiles.ready.eq(self.grant),
            burst.base.eq(tile.addr), burst.planes.eq(tile.blocks), burst.rows.eq(tile.p), burst.beats.eq(tile.q * self.beats),
            burst.row_pitch.eq(self.prog.output_row_pitch), burst.plane_pitch.eq(self.prog.output_plane_pitch),
            self.addr.eq(burst.addr), self.data.eq(word[: self.beat_bits]), self.read_half.eq(tile.half),
            self.read_addr.eq(next_addr), step.eq(self.valid & self.taken), burst.step.eq(step),
            word_end.eq(beat == self.beats - 1),
        ]  # fmt: skip
        more = next_addr < self.words
        with m.FSM(name="store"):
            with m.State("WAIT"):
                with m.If(self.grant):
                    m.d.sync += [tile.eq(self.tiles.payload), next_addr.eq(0), beat.eq(0)]
                    m.next = "FIRST"
            with m.State("FIRST"):
                m.d.comb += [burst.start.eq(1), self.read.eq(1)]
                m.d.sync += next_addr.eq(1)
                m.next = "SECOND"
            with m.State("SECOND"):
                m.d.comb += self.read.eq(more)
                m.d.sync += [word.eq(self.read_data), next_addr.eq(2)]
                m.next = "RUN"
            with m.State("RUN"):
                m.d.comb += self.valid.eq(1)
                with m.If(step):
                    m.d.sync += [beat.eq(Mux(word_end, 0, beat + 1)), word.eq(word >> self.beat_bits)]
                    with m.If(word_end):
                        m.d.comb += self.read.eq(more)
                        m.d.sync += [word.eq(self.read_data), next_addr.eq(next_addr + 1)]
                    with m.If(burst.last):
                        m.d.comb += [self.emptied.eq(1), self.finished.eq(tile.final), self.freed.eq(1)]
                        m.next = "WAIT"
        return m
