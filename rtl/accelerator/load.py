"""Load engine: reads a step's scales, weights and inputs into the buffers."""

from __future__ import annotations

from amaranth import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out

from rtl.accelerator.burst import Burst
from rtl.accelerator.layouts import LOAD, PROGRAM
from rtl.library import Modules, place

SCALE, WEIGHT, INPUT, END = range(4)
SEGMENT = data.StructLayout({"kind": 2, "slot": 2, "planes": 16, "rows": 16, "cols": 24})
QUEUE_DEPTH = 16
"""Segments in flight: at most two steps of four segments, and the one being pushed."""


class LoadRequests(wiring.Component):
    """Issue the read requests of one step after the other; five cycles a step, plus one per beat.

    Members
    -------
    steps : In(stream of LOAD)
        What to load.
    credit : In(1)
        A buffer half came free: compute issued its last read of a step.
    hold : In(1)
        Do not start another step.
    want, grant, freed : Out(1), In(1), Out(1)
        Of the memory port, see `BusOrder`.
    store_next, last_step : Out(1)
        Marks of the step that wants the port.
    valid, addr, ready : Out(1), Out(32), In(1)
        Read requests.
    segments : Out(stream of SEGMENT)
        What the response side must expect, in request order; END closes a step.
    """

    def __init__(self, *, input_beats: int, modules: Modules | None = None) -> None:
        self.input_beats, self.modules = input_beats, modules
        super().__init__(
            {
                "steps": In(stream.Signature(LOAD)), "credit": In(1), "reset_credit": In(1), "hold": In(1), "prog": In(PROGRAM),
                "want": Out(1), "grant": In(1), "freed": Out(1), "store_next": Out(1), "last_step": Out(1),
                "valid": Out(1), "addr": Out(32), "ready": In(1),
                "segments": Out(stream.Signature(SEGMENT)),
            }
        )  # fmt: skip

    def elaborate(self, platform: object) -> Module:
        m = Module()
        burst = place(self.modules, m, "burst", "burst", Burst)
        credits = Signal(2, init=2)
        step = Signal(LOAD, reset_less=True)
        with m.If(self.reset_credit):
            m.d.sync += credits.eq(2)
        with m.Else():
            m.d.sync += credits.eq(credits + self.credit - self.grant)
        m.d.comb += [
            self.want.eq(self.steps.valid & (credits != 0) & ~self.hold), self.steps.ready.eq(self.grant),
            self.store_next.eq(self.steps.payload.store_next), self.last_step.eq(self.steps.payload.last_step),
            self.valid.eq(burst.active), self.addr.eq(burst.addr), burst.step.eq(burst.active & self.ready),
        ]  # fmt: skip
        done = burst.step & burst.last
        phases = (
            (SCALE, step.scale_addr, step.scale_beats, step.scale_slot),
            (WEIGHT, step.weight_addr, step.weight_beats, step.weight_half),
        )
        segment = self.segments
        with m.FSM(name="load"):
            with m.State("WAIT"):
                with m.If(self.grant):
                    m.d.sync += step.eq(self.steps.payload)
                    m.next = "SCALE"
            for (kind, addr, beats, slot), name, after in zip(phases, ("SCALE", "WEIGHT"), ("WEIGHT", "INPUT"), strict=True):
                with m.State(name):
                    m.d.comb += [burst.base.eq(addr), burst.planes.eq(1), burst.rows.eq(1), burst.beats.eq(beats)]
                    m.d.comb += [segment.payload.kind.eq(kind), segment.payload.slot.eq(slot), segment.payload.cols.eq(beats)]
                    m.d.comb += [segment.payload.planes.eq(1), segment.payload.rows.eq(1)]
                    with m.If(beats != 0):
                        m.d.comb += [burst.start.eq(1), segment.valid.eq(1)]
                        m.next = f"{name}_RUN"
                    with m.Else():
                        m.next = after
                with m.State(f"{name}_RUN"), m.If(done):
                    m.next = after
            with m.State("INPUT"):
                m.d.comb += [
                    burst.base.eq(step.input_addr), burst.planes.eq(step.planes), burst.rows.eq(step.rows),
                    burst.beats.eq(step.cols * self.input_beats),
                    burst.row_pitch.eq(self.prog.input_row_pitch), burst.plane_pitch.eq(self.prog.input_plane_pitch),
                    segment.payload.kind.eq(INPUT), segment.payload.slot.eq(step.input_half), segment.payload.cols.eq(step.cols),
                    segment.payload.planes.eq(step.planes), segment.payload.rows.eq(step.rows),
                ]  # fmt: skip
                with m.If(step.planes != 0):
                    m.d.comb += [burst.start.eq(1), segment.valid.eq(1)]
                    m.next = "INPUT_RUN"
                with m.Else():
                    m.next = "END"
            with m.State("INPUT_RUN"), m.If(done):
                m.next = "END"
            with m.State("END"):
                m.d.comb += [segment.valid.eq(1), segment.payload.kind.eq(END), self.freed.eq(1)]
                m.next = "WAIT"
        return m


class LoadResponses(wiring.Component):
    """Put arriving beats together to words and write them to the buffers.

    Parameters
    ----------
    beats : dict
        Beats per word of ``scale``, ``weight`` and ``input``.
    beat_bits : int
        Width of the memory port.

    Members
    -------
    segments : In(stream of SEGMENT)
        From the request side.
    valid, data : In(1), In(beat_bits)
        Read data.
    expecting : In(1)
        Read data belong to steps; before, they are the program's.
    write_kind, write_slot, write_addr, write_data : Out
        One buffer word per cycle at most while `write` is 1; the address is relative to the half or slot.
    behind : Out(1)
        Beats are held; no further step may be requested.
    beat, beat_kind : Out(1), Out(2)
        A beat of this kind arrives; for the performance counters.
    loaded : Out(1)
        One cycle per step, when its last word is being written or was written before.
    """

    def __init__(self, *, beats: dict[str, int], beat_bits: int) -> None:
        self.beats = beats
        self.beat_bits = beat_bits
        self.word_beats = max(beats.values())
        super().__init__(
            {
                "segments": In(stream.Signature(SEGMENT)), "prog": In(PROGRAM),
                "valid": In(1), "data": In(beat_bits), "expecting": In(1),
                "write": Out(1), "write_kind": Out(2), "write_slot": Out(2), "write_addr": Out(17),
                "write_data": Out(beat_bits * self.word_beats), "loaded": Out(1), "behind": Out(1),
                "beat": Out(1), "beat_kind": Out(2),
            }
        )  # fmt: skip

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.queue = queue = SyncFIFO(width=SEGMENT.size, depth=QUEUE_DEPTH)
        m.d.comb += [
            queue.w_data.eq(self.segments.payload), queue.w_en.eq(self.segments.valid), self.segments.ready.eq(queue.w_rdy),
        ]  # fmt: skip
        head = data.View(SEGMENT, queue.r_data)
        arriving, here = self._late_beats(m, queue.r_rdy & (head.kind != END))
        m.d.comb += [self.loaded.eq(queue.r_rdy & (head.kind == END)), self.beat.eq(here), self.beat_kind.eq(head.kind)]

        # Beats of a word are shifted in from the top: the word of n beats ends up in the top n beats.
        beat = Signal(range(self.word_beats + 1))
        beats = Signal(range(self.word_beats + 1))
        with m.Switch(head.kind):
            for kind, name in ((SCALE, "scale"), (WEIGHT, "weight"), (INPUT, "input")):
                with m.Case(kind):
                    m.d.comb += beats.eq(self.beats[name])
        shifted = Signal(self.beat_bits * self.word_beats, reset_less=True)
        word = Signal.like(shifted)
        m.d.comb += word.eq((arriving << self.beat_bits * (self.word_beats - 1)) | (shifted >> self.beat_bits))
        whole = here & (beat == beats - 1)
        with m.If(here):
            m.d.sync += [shifted.eq(word), beat.eq(Mux(whole, 0, beat + 1))]

        plane, row, col = Signal(16), Signal(16), Signal(24)
        addr, row_addr, plane_addr = Signal(17), Signal(17), Signal(17)
        row_ends, plane_ends, ends = Signal(), Signal(), Signal()
        cols = Signal(24)
        m.d.comb += cols.eq(head.cols)
        # Scale and weight segments count beats, not words.
        words_end = Signal()
        with m.If(head.kind == INPUT):
            m.d.comb += words_end.eq(col == cols - 1)
        with m.Else():
            m.d.comb += words_end.eq(col + beats == cols)
        m.d.comb += [
            row_ends.eq(words_end), plane_ends.eq(row_ends & (row == head.rows - 1)),
            ends.eq(plane_ends & (plane == head.planes - 1)),
        ]  # fmt: skip
        with m.If(whole):
            m.d.sync += [col.eq(col + Mux(head.kind == INPUT, 1, beats)), addr.eq(addr + 1)]
            with m.If(row_ends):
                below = row_addr + self.prog.tile_pitch
                m.d.sync += [col.eq(0), row.eq(row + 1), addr.eq(below), row_addr.eq(below)]
            with m.If(plane_ends):
                behind = plane_addr + self.prog.tile_plane
                m.d.sync += [row.eq(0), plane.eq(plane + 1), addr.eq(behind), row_addr.eq(behind), plane_addr.eq(behind)]
            with m.If(ends):
                m.d.sync += [plane.eq(0), addr.eq(0), row_addr.eq(0), plane_addr.eq(0)]
        m.d.comb += queue.r_en.eq((whole & ends) | self.loaded)
        m.d.sync += [
            self.write.eq(whole), self.write_kind.eq(head.kind), self.write_slot.eq(head.slot), self.write_addr.eq(addr),
            self.write_data.eq(word),
        ]  # fmt: skip
        return m

    def _late_beats(self, m: Module, wanted: Signal) -> tuple[Signal, Signal]:
        """Keep beats that arrive while an END marker is at the head; return the beat to use and whether it is used.

        A memory with varying delay may answer several steps without a gap between them, but a marker takes a cycle. No
        step is requested while a beat is held, and two are on their way at most, so two beats can be held.
        """
        m.submodules.late = late = SyncFIFO(width=self.beat_bits, depth=4)
        here = wanted & (late.r_rdy | self.valid)
        m.d.comb += [
            late.w_data.eq(self.data), late.w_en.eq(self.valid & self.expecting & (late.r_rdy | ~wanted)), late.r_en.eq(wanted),
        ]  # fmt: skip
        arriving = Signal(self.beat_bits)
        m.d.comb += self.behind.eq(late.r_rdy)
        m.d.comb += arriving.eq(Mux(late.r_rdy, late.r_data, self.data))
        return arriving, here
