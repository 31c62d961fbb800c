"""Tile sequencer: walks the tile loops of a layer program and hands each engine its descriptors."""

from __future__ import annotations

from amaranth import Cat, Module, Mux, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from dataflows.program import LEVELS
from rtl.accelerator.layouts import COMPUTE, LOAD, POST, PROGRAM, STORE

STEP_CYCLES = 3
"""Cycles between two steps when no queue is full."""


class Sequencer(wiring.Component):
    """Produce one load and one compute descriptor per step, one post and one store descriptor per output tile.

    A step is one iteration of the six tile loops. Addresses advance by the deltas of the loop that steps; input
    windows are clipped to the image, and what is clipped becomes a negative start for the array's address walk.

    Parameters
    ----------
    input_beats : int
        Beats per input word.

    Members
    -------
    start : In(1)
        Begin a layer; `program` must stay stable until the layer is done.
    load, compute, post, store : Out(stream)
        Descriptors. Steps that do not finish an output tile send nothing to post and store.
    """

    def __init__(self, *, input_beats: int) -> None:
        self.input_beats = input_beats
        super().__init__(
            {
                "start": In(1), "program": In(PROGRAM),
                "load": Out(stream.Signature(LOAD)), "compute": Out(stream.Signature(COMPUTE)),
                "post": Out(stream.Signature(POST)), "store": Out(stream.Signature(STORE)),
            }
        )  # fmt: skip

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        prog = self.program
        last = Signal(LEVELS)
        fresh, running = Signal(), Signal()
        changed = Signal(LEVELS)
        addr = {name: Signal(32, name=f"{name}_addr") for name in ("input", "weight", "scale", "output")}
        pos = {name: Signal(signed(18), name=f"{name}_pos") for name in "yx"}
        self._loops(m, last, changed, fresh, running, addr, pos)

        # Loads of this step, and the copies of each double buffer they go to.
        loads = {name: Signal(name=f"loads_{name}") for name in ("input", "weight", "scale")}
        for name, flag in loads.items():
            m.d.comb += flag.eq(fresh | (changed & prog[f"{name}_relevant"]).any())
        input_half, weight_half, out_half = Signal(init=1), Signal(init=1), Signal(init=1)
        slot = Signal(2, init=3)
        first_of_tile = Signal()
        index_c = self.index[0]
        m.d.comb += first_of_tile.eq(index_c == 0)
        edge = {name: Signal(name=f"edge_{name}") for name in ("block", "p", "q", "c")}
        for name in ("block", "p", "q"):
            m.d.comb += edge[name].eq(last.bit_select(prog[f"level_{name}"], 1))
        m.d.comb += edge["c"].eq(last[0])
        tile = {
            name: Mux(edge[which], prog[f"{name}_edge"], prog[f"{name}_full"])
            for name, which in (("blocks", "block"), ("c", "c"), ("p", "p"), ("q", "q"), ("window_h", "p"), ("window_w", "q"))
        }
        clip = {axis: self._clip(m, axis, pos[axis], tile[f"window_{hw}"], prog[size]) for axis, hw, size in (
            ("y", "h", "height"), ("x", "w", "width"))}  # fmt: skip

        out = {name: Signal(layout, name=f"{name}_next") for name, layout in
               (("load", LOAD), ("compute", COMPUTE), ("post", POST), ("store", STORE))}  # fmt: skip
        skip_rows, skip_cols = clip["y"][0], clip["x"][0]
        skipped_beats, skipped_words = Signal(32), Signal(18)
        packed = Signal()
        m.d.comb += packed.eq(prog.packed > 1)
        four = Cat(edge["c"], edge["block"])
        weight_beats = _pick(m, four, [prog.weight_beats_ff, prog.weight_beats_fe, prog.weight_beats_ef, prog.weight_beats_ee], 24)
        pixels = _pick(m, Cat(edge["q"], edge["p"]), [prog.pixels_ff, prog.pixels_fe, prog.pixels_ef, prog.pixels_ee], 17)
        final = Signal()
        with m.FSM(name="tile"):
            with m.State("IDLE"):
                with m.If(self.start):
                    m.d.sync += [input_half.eq(1), weight_half.eq(1), out_half.eq(1), slot.eq(3), running.eq(1)]
                    m.next = "CLIP"
            with m.State("CLIP"):
                m.d.sync += [
                    input_half.eq(input_half ^ loads["input"]), weight_half.eq(weight_half ^ loads["weight"]),
                    slot.eq(slot + loads["scale"]), out_half.eq(out_half ^ first_of_tile),
                    skipped_beats.eq(skip_rows * prog.input_row_pitch + skip_cols * self.input_beats),
                    skipped_words.eq(skip_rows * prog.tile_pitch + skip_cols), final.eq(last.all()),
                ]  # fmt: skip
                m.next = "FORM"
            with m.State("FORM"):
                empty = (clip["y"][1] == 0) | (clip["x"][1] == 0)
                planes = Mux(packed, tile["blocks"], tile["c"])
                m.d.sync += [
                    out["load"].eq(0), out["compute"].eq(0),
                    out["load"].scale_addr.eq(addr["scale"]),
                    out["load"].scale_beats.eq(Mux(loads["scale"], Mux(edge["block"], prog.scale_beats_edge, prog.scale_beats_full), 0)),
                    out["load"].scale_slot.eq(slot),
                    out["load"].weight_addr.eq(addr["weight"]), out["load"].weight_half.eq(weight_half),
                    out["load"].weight_beats.eq(Mux(loads["weight"], weight_beats, 0)),
                    out["load"].input_addr.eq(addr["input"] + skipped_beats), out["load"].input_half.eq(input_half),
                    out["load"].planes.eq(Mux(loads["input"] & ~empty, planes, 0)),
                    out["load"].rows.eq(clip["y"][1]), out["load"].cols.eq(clip["x"][1]),
                    out["compute"].input_half.eq(input_half), out["compute"].weight_half.eq(weight_half),
                    out["compute"].acc_half.eq(out_half), out["compute"].first.eq(first_of_tile), out["compute"].last.eq(last[0]),
                    out["compute"].blocks.eq(tile["blocks"]), out["compute"].c_blocks.eq(tile["c"]),
                    out["compute"].p.eq(tile["p"]), out["compute"].q.eq(tile["q"]),
                    out["compute"].height.eq(clip["y"][1]), out["compute"].width.eq(clip["x"][1]),
                    out["compute"].start_y.eq(-skip_rows), out["compute"].start_x.eq(-skip_cols),
                    out["compute"].start_addr.eq(-skipped_words),
                    out["post"].half.eq(out_half), out["post"].blocks.eq(tile["blocks"]), out["post"].pixels.eq(pixels),
                    out["post"].scale_slot.eq(slot),
                    out["store"].addr.eq(addr["output"]), out["store"].blocks.eq(tile["blocks"]), out["store"].half.eq(out_half),
                    out["store"].p.eq(tile["p"]), out["store"].q.eq(tile["q"]), out["store"].final.eq(final),
                ]  # fmt: skip
                m.next = "PUSH"
            with m.State("PUSH"):
                ends_tile = out["compute"].last
                room = self.load.ready & self.compute.ready & self.post.ready & self.store.ready
                m.d.comb += [
                    self.load.valid.eq(room), self.compute.valid.eq(room),
                    self.post.valid.eq(room & ends_tile), self.store.valid.eq(room & ends_tile), self.advance.eq(room),
                ]  # fmt: skip
                with m.If(room):
                    m.next = "CLIP"
                    with m.If(final):
                        m.d.sync += running.eq(0)
                        m.next = "IDLE"
        m.d.comb += [getattr(self, name).payload.eq(value) for name, value in out.items()]
        return m

    def _loops(self, m: Module, last: Signal, changed: Signal, fresh: Signal, running: Signal, addr: dict, pos: dict) -> None:
        """Loop counters, and the addresses and positions that advance with them."""
        prog = self.program
        self.advance = Signal()
        self.index = [Signal(16, name=f"index_{level}") for level in range(LEVELS)]
        m.d.comb += [last[level].eq(self.index[level] == prog[f"extent_{level}"] - 1) for level in range(LEVELS)]
        with m.If(self.start):
            m.d.sync += [index.eq(0) for index in self.index]
            m.d.sync += [fresh.eq(1), changed.eq(0)]
            m.d.sync += [value.eq(prog[f"{name}_base"]) for name, value in (*addr.items(), *pos.items())]
        with m.Elif(self.advance):
            m.d.sync += fresh.eq(0)
            for level in reversed(range(LEVELS)):
                with m.If(last[:level].all() & ~last[level] if level else ~last[0]):
                    m.d.sync += [index.eq(0) for index in self.index[:level]]
                    m.d.sync += [self.index[level].eq(self.index[level] + 1), changed.eq((2 << level) - 1)]
                    m.d.sync += [value.eq(value + prog[f"{name}_delta_{level}"]) for name, value in (*addr.items(), *pos.items())]

    @staticmethod
    def _clip(m: Module, axis: str, start: Signal, extent: Signal, size: Signal) -> tuple[Signal, Signal]:
        """Cut the window [start, start + extent) to [0, size): return what is skipped in front and what is left."""
        skip, left = Signal(8, name=f"skip_{axis}"), Signal(16, name=f"left_{axis}")
        end = Signal(signed(19), name=f"end_{axis}")
        low = Mux(start < 0, 0, start)
        m.d.comb += [
            skip.eq(Mux(start < 0, -start, 0)),
            end.eq(Mux(start + extent > size, size, start + extent)),
            left.eq(Mux(end > low, end - low, 0)),
        ]
        return skip, left


def _pick(m: Module, select: Signal, values: list[Signal], bits: int) -> Signal:
    """Return a `bits`-wide signal equal to values[select]."""
    chosen = Signal(bits)
    with m.Switch(select):
        for code, value in enumerate(values):
            with m.Case(code):
                m.d.comb += chosen.eq(value)
    return chosen
