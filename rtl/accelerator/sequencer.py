"""Tile sequencer: walks the tile loops of a layer program and hands each engine its descriptors."""

from __future__ import annotations

from typing import Any

from amaranth import Cat, Module, Mux, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from dataflows.program import LEVELS
from dataflows.schedule import STORE_LAG
from rtl.accelerator.layouts import COMPUTE, LOAD, POST, PROGRAM, STORE


class Sequencer(wiring.Component):
    """Produce one load and one compute descriptor per step, one post and one store descriptor per output tile.

    A step is one iteration of the six tile loops and takes three cycles while no queue is full. Addresses advance by the
    deltas of the loop that steps; input windows are clipped to the image, and what is clipped becomes a negative start
    for the array's address walk.

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
                "start": In(1), "prog": In(PROGRAM),
                "load": Out(stream.Signature(LOAD)), "compute": Out(stream.Signature(COMPUTE)),
                "post": Out(stream.Signature(POST)), "store": Out(stream.Signature(STORE)),
            }
        )  # fmt: skip

    def elaborate(self, platform: object) -> Module:
        m = Module()
        prog = self.prog
        last = Signal(LEVELS)
        fresh = Signal()
        changed = Signal(LEVELS)
        addr = {name: Signal(32, name=f"{name}_addr") for name in ("input", "weight", "scale", "output")}
        pos = {name: Signal(signed(18), name=f"{name}_pos") for name in "yx"}
        self._loops(m, last, changed, fresh, addr, pos)

        # Loads of this step, and the copies of each double buffer they go to.
        loads = {name: Signal(name=f"loads_{name}") for name in ("input", "weight", "scale")}
        for name, flag in loads.items():
            m.d.comb += flag.eq(fresh | (changed & prog[f"{name}_relevant"]).any())
        tile = self._tile(m, last, pos)
        copies = {name: Signal(name=f"{name}_copy") for name in ("input", "weight", "out")}
        slot, final, skipped_words, skipped_beats = (
            Signal(bits, name=name) for name, bits in (("slot", 2), ("final", 1), ("skipped_words", 18), ("skipped_beats", 32))
        )
        room = Signal()
        tiles = Signal(range(STORE_LAG + 1))  # output tiles before the current one; stays at STORE_LAG
        m.d.comb += room.eq(self.load.ready & self.compute.ready & self.post.ready & self.store.ready)
        with m.FSM(name="tile"):
            with m.State("IDLE"):
                with m.If(self.start):
                    # The first step flips them all, to half 0 and slot 0.
                    m.d.sync += [copy.eq(1) for copy in copies.values()]
                    m.d.sync += [slot.eq(3), tiles.eq(0)]
                    m.next = "CLIP"
            with m.State("CLIP"):
                m.d.sync += [
                    copies["input"].eq(copies["input"] ^ loads["input"]), copies["weight"].eq(copies["weight"] ^ loads["weight"]),
                    copies["out"].eq(copies["out"] ^ (self.index[0] == 0)), slot.eq(slot + loads["scale"]),
                    skipped_beats.eq(tile["skip_y"] * prog.input_row_pitch + tile["skip_x"] * self.input_beats),
                    skipped_words.eq(tile["skip_y"] * prog.tile_pitch + tile["skip_x"]), final.eq(last.all()),
                ]  # fmt: skip
                m.next = "FORM"
            with m.State("FORM"):
                self._form(m, tile, loads, copies, slot, addr, skipped_beats, skipped_words, last[0], final)
                m.d.sync += self.load.payload.store_next.eq((self.index[0] == 0) & (tiles == STORE_LAG))
                m.next = "PUSH"
            with m.State("PUSH"):
                ends_tile = self.compute.payload.last
                m.d.comb += [
                    self.load.valid.eq(room), self.compute.valid.eq(room),
                    self.post.valid.eq(room & ends_tile), self.store.valid.eq(room & ends_tile), self.advance.eq(room),
                ]  # fmt: skip
                with m.If(room):
                    m.d.sync += tiles.eq(tiles + (ends_tile & (tiles != STORE_LAG)))
                    m.next = "CLIP"
                    with m.If(final):
                        m.next = "IDLE"
        return m

    def _tile(self, m: Module, last: Signal, pos: dict[str, Signal]) -> dict[str, Any]:
        """Sizes of the current tile: full ones, or those of the last tile where a loop is in its last iteration."""
        prog = self.prog
        edge = {name: Signal(name=f"edge_{name}") for name in ("block", "p", "q", "c")}
        for name in ("block", "p", "q"):
            m.d.comb += edge[name].eq(last.bit_select(prog[f"level_{name}"], 1))
        m.d.comb += edge["c"].eq(last[0])
        sizes = {"blocks": "block", "c": "c", "p": "p", "q": "q", "window_h": "p", "window_w": "q", "scale_beats": "block"}
        tile: dict[str, Any] = {
            name: Mux(edge[which], prog[f"{name}_edge"], prog[f"{name}_full"]) for name, which in sizes.items()
        }
        for axis, hw, size in (("y", "h", "height"), ("x", "w", "width")):
            tile[f"skip_{axis}"], tile[size] = self._clip(m, axis, pos[axis], tile[f"window_{hw}"], prog[size])
        combinations = ("ff", "fe", "ef", "ee")
        tile["weight_beats"] = _pick(m, Cat(edge["c"], edge["block"]), [prog[f"weight_beats_{c}"] for c in combinations], 24)
        tile["pixels"] = _pick(m, Cat(edge["q"], edge["p"]), [prog[f"pixels_{c}"] for c in combinations], 17)
        empty = (tile["height"] == 0) | (tile["width"] == 0)
        tile["planes"] = Mux(empty, 0, Mux(prog.packed > 1, tile["blocks"], tile["c"]))
        return tile

    def _form(
        self, m: Module, tile: dict[str, Any], loads: dict[str, Signal], copies: dict[str, Signal], slot: Signal,
        addr: dict[str, Signal], skipped_beats: Signal, skipped_words: Signal, ends_tile: Signal, final: Signal,
    ) -> None:  # fmt: skip
        """Register the four descriptors of the step."""
        load, compute, post, store = (getattr(self, name).payload for name in ("load", "compute", "post", "store"))
        m.d.sync += [
            load.scale_addr.eq(addr["scale"]), load.scale_beats.eq(Mux(loads["scale"], tile["scale_beats"], 0)),
            load.scale_slot.eq(slot),
            load.weight_addr.eq(addr["weight"]), load.weight_beats.eq(Mux(loads["weight"], tile["weight_beats"], 0)),
            load.weight_half.eq(copies["weight"]),
            load.input_addr.eq(addr["input"] + skipped_beats), load.planes.eq(Mux(loads["input"], tile["planes"], 0)),
            load.rows.eq(tile["height"]), load.cols.eq(tile["width"]), load.input_half.eq(copies["input"]),
            load.last_step.eq(final),
            compute.input_half.eq(copies["input"]), compute.weight_half.eq(copies["weight"]), compute.acc_half.eq(copies["out"]),
            compute.first.eq(self.index[0] == 0), compute.last.eq(ends_tile), compute.blocks.eq(tile["blocks"]),
            compute.c_blocks.eq(tile["c"]), compute.p.eq(tile["p"]), compute.q.eq(tile["q"]),
            compute.height.eq(tile["height"]), compute.width.eq(tile["width"]), compute.start_y.eq(-tile["skip_y"]),
            compute.start_x.eq(-tile["skip_x"]), compute.start_addr.eq(-skipped_words),
            post.half.eq(copies["out"]), post.blocks.eq(tile["blocks"]), post.pixels.eq(tile["pixels"]), post.scale_slot.eq(slot),
            store.addr.eq(addr["output"]), store.blocks.eq(tile["blocks"]), store.p.eq(tile["p"]), store.q.eq(tile["q"]),
            store.half.eq(copies["out"]), store.final.eq(final),
        ]  # fmt: skip

    def _loops(self, m: Module, last: Signal, changed: Signal, fresh: Signal, addr: dict, pos: dict) -> None:
        """Loop counters, and the addresses and positions that advance with them."""
        prog = self.prog
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
