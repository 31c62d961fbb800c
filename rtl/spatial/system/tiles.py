"""Tile control: it walks the loops over memory, reads tiles ahead, and has finished ones written, in a fixed order.

A step of the loops over memory reads the tiles that are new: weights, inputs, and behind those of the first step all scales.
After the first step of output tile t tile t - 2 is written; the last two follow the last step. Whoever has the turn keeps the
memory port until its last beat, so the order does not depend on when memory answers.
"""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from dataflows.spatial.system.limits import MOST_TILE_LOOPS
from dataflows.spatial.system.spec import SpatialSystem
from rtl.library import Modules, place
from rtl.spatial.system import layouts
from rtl.spatial.system.nest import advanced, choose
from rtl.spatial.system.walk import COUNTS, Walk, plus

__all__ = ["INPUT", "SCALE", "TABLE", "TENSORS", "WEIGHT", "Tiles"]

SCALE, WEIGHT, INPUT, TABLE = range(4)
TENSORS = ("weights", "inputs", "outputs")


class Tiles(wiring.Component):
    """Control of one layer.

    Members
    -------
    start, finished : In, Out
        Begin a layer; every output is written.
    prog : In
        The program.
    weights_released, inputs_released, summed, scaled : In
        The array has taken a tile's last beat; a tile's last sum is written; all scales are there.
    loads : Out, stream
        What the beats that are asked for bring (`rtl.spatial.system.layouts.load`).
    valid, address, ready : Out, Out, In
        Read requests.
    store, tile, stored, skipped : Out, Out, In, Out
        Write a tile; it was written; it is outside the layer and needs no writing.
    tabled, row_start, images, rows, from_address, row, row_over, rows_quiet : In, Out, Out, Out, Out, Out, In, In
        Of systems with coders: the table of lengths is there; ask for coded rows (`rtl.spatial.system.coded_reads`); they were
        asked for; all of them have come.
    dump, dumped : Out, In
        The same: write the table of lengths; it was written.
    """

    def __init__(self, *, system: SpatialSystem, modules: Modules | None = None) -> None:
        self.system, self.modules, self.sums = system, modules, layouts.tile_sums(system)
        coded: dict[str, Any] = {}
        if system.coding:
            coded = {
                "tabled": In(1), "row_start": Out(1), "images": Out(layouts.COUNT_BITS), "rows": Out(layouts.COUNT_BITS),
                "from_address": Out(layouts.ADDRESS), "row": Out(layouts.ROW_BITS), "row_over": In(1), "rows_quiet": In(1),
                "dump": Out(1), "dumped": In(1),
            }  # fmt: skip
        super().__init__({
            "start": In(1), "finished": Out(1), "prog": In(layouts.program(system)), "weights_released": In(1),
            "inputs_released": In(1), "summed": In(1), "scaled": In(1), "loads": Out(stream.Signature(layouts.load(system))),
            "valid": Out(1), "address": Out(layouts.ADDRESS), "ready": In(1),
            "store": Out(1), "tile": Out(layouts.store(system)), "stored": In(1), "skipped": Out(1),
            **coded,
        })  # fmt: skip

    def elaborate(self, platform: Any) -> Module:
        """Build the walk over tiles, tokens, and the order of transactions."""
        m = Module()
        self.walk = place(self.modules, m, "requests", "load_walk", Walk, shape=None, memory=True)
        self._loops(m)
        self._tokens(m)
        self._inputs(m)
        self._outputs(m)
        walk, prog = self.walk, self.prog
        m.d.comb += [
            self.valid.eq(walk.active), self.address.eq(walk.memory_address), walk.step.eq(walk.active & self.ready),
            *(getattr(walk, f"{name}_step").eq(prog.input_box[f"{name}_step"]) for name in ("image", "row", "pixel")),
        ]  # fmt: skip
        self.over = Signal(name="over")
        m.d.comb += self.over.eq(walk.step & walk.last)
        self._coded(m)
        with m.FSM(name="order"):
            with m.State("IDLE"), m.If(self.start):
                m.next = "WEIGHTS"
                if self.system.coding:
                    with m.If(self.coded_inputs):
                        m.next = "TABLE"
            if self.system.coding:
                self._table_states(m)
            self._load_states(m)
            self._store_states(m)
        return m

    def _coded(self, m: Module) -> None:
        """Which tensors are coded, the number of the current row, whether the lengths are there."""
        if not self.system.coding:
            self.coded_inputs, self.coded_outputs = Const(0, 1), Const(0, 1)
            return
        self.coded_inputs, self.coded_outputs = self.prog.coded_inputs, self.prog.coded_outputs
        self.table_ready, self.row_number = Signal(name="table_ready"), Signal(layouts.ROW_BITS, name="row_number")
        with m.If(self.tabled):
            m.d.sync += self.table_ready.eq(1)
        with m.If(self.start):
            m.d.sync += self.table_ready.eq(0)
        m.d.comb += [
            self.images.eq(self.counts["images"]), self.rows.eq(self.counts["rows"]),
            self.from_address.eq(Mux(self.empty, self.prog.first_row, self.input_address)),
            self.row.eq(Mux(self.empty, 0, self.row_number)), self.current.row.eq(self.here.output_row),
        ]  # fmt: skip

    def _table_states(self, m: Module) -> None:
        """Read the lengths of coded inputs before anything else; have those of outputs written behind everything else."""
        with m.State("TABLE"):
            m.d.comb += [self.walk.address.eq(self.prog.input_table), self.walk.beats.eq(self.prog.input_table_beats)]
            m.d.comb += self.loads.payload.kind.eq(TABLE)
            self._ask(m, 1, 1, "TABLE_RUN", "", Signal(name="table_taken"), "", "table")
        with m.State("TABLE_RUN"), m.If(self.over):
            m.next = "WEIGHTS"
        with m.State("DUMPING"), m.If(self.dumped):
            m.next = "END"
        with m.State("END"):
            m.d.comb += self.finished.eq(1)
            m.next = "IDLE"

    def _loops(self, m: Module) -> None:
        """Counters of the loops over memory, the sums that they move, and which tensors' tiles are new."""
        nest = self.prog.tiles
        counters = [Signal(loop.last.shape(), name=f"count_{n}") for n, loop in enumerate(nest.loops)]
        self.here = Signal(layouts.sums_layout(self.sums), name="here")
        self.advance, advances = Signal(name="advance"), Signal(MOST_TILE_LOOPS, name="advances")
        self.more = advances.any()
        m.d.comb += advances.eq(Cat(counter != loop.last for counter, loop in zip(counters, nest.loops, strict=True)))
        delta = choose(m, advances, [loop.delta for loop in nest.loops], "delta")
        self.new = Signal(3, name="new", init=7)
        with m.If(self.advance):
            m.d.sync += advanced(self.sums, self.here, delta)
            for at, counter in enumerate(counters):
                inside = ~advances[:at].any() if at else 1
                with m.If(inside):
                    m.d.sync += counter.eq(Mux(advances[at], counter + 1, 0))
            for at, tensor in enumerate(TENSORS):
                change = nest[f"{tensor}_change"]
                m.d.sync += self.new[at].eq(~Cat(advances[n] & (n < change) for n in range(MOST_TILE_LOOPS)).any())
        with m.If(self.start):
            m.d.sync += [self.here.eq(nest.base), self.new.eq(7), *(counter.eq(0) for counter in counters)]

    def _tokens(self, m: Module) -> None:
        """Halves that are free, tiles that are summed, whether scales have come."""
        self.free = {name: Signal(range(3), name=f"{name}_free", init=2) for name in TENSORS[:2]}
        self.taken = {name: Signal(name=f"{name}_taken") for name in TENSORS[:2]}
        self.half = {name: Signal(name=f"{name}_half") for name in TENSORS}
        self.ready_tiles, self.scales_ready = Signal(2, name="ready_tiles"), Signal(name="scales_ready")
        self.scales_asked, self.written = Signal(name="scales_asked"), Signal(name="written")
        released = (self.weights_released, self.inputs_released)
        for name, back in zip(TENSORS[:2], released, strict=True):
            m.d.sync += [self.free[name].eq(self.free[name] + back - self.taken[name])]
            m.d.sync += self.half[name].eq(self.half[name] ^ self.taken[name])
        m.d.comb += self.written.eq(self.store | self.skipped)
        m.d.sync += [self.ready_tiles.eq(self.ready_tiles + self.summed - self.written)]
        m.d.sync += self.half["outputs"].eq(self.half["outputs"] ^ self.written)
        with m.If(self.scaled):
            m.d.sync += self.scales_ready.eq(1)
        with m.If(self.start):
            m.d.sync += [*(free.eq(2) for free in self.free.values()), *(half.eq(0) for half in self.half.values())]
            m.d.sync += [self.ready_tiles.eq(0), self.scales_ready.eq(0), self.scales_asked.eq(0)]

    def _inputs(self, m: Module) -> None:
        """Rows and columns before the image are skipped one by one, what is behind its end is cut off."""
        system, box = self.system, self.prog.input_box
        self.place = Signal(layouts.place(system, "inputs"), name="place")
        self.input_address = Signal(layouts.ADDRESS, name="input_address")
        bits = layouts.COORDINATE_BITS
        self.y, self.x = Signal(bits, name="y"), Signal(bits, name="x")
        self.left = {"rows": Signal(layouts.COUNT_BITS, name="rows_left"), "cols": Signal(layouts.COUNT_BITS, name="cols_left")}
        self.counts = {name: Signal(layouts.COUNT_BITS, name=f"input_{name}") for name in COUNTS}
        self.empty = Signal(name="empty")
        first = {"images": self.here.n, "rows": self.y, "cols": self.x, "beats": self.here.c}
        most = {"images": box.images, "rows": self.left["rows"], "cols": self.left["cols"], "beats": box.beats}
        self.clipped = {name: _clip(m, first[name], most[name], box[f"{name}_limit"], f"in_{name}") for name in COUNTS}
        self.skip_row = plus(m, self.place, box.row_pitch, system.banks("inputs"), "skip_row")
        self.skip_pixel = plus(m, self.place, box.pixel_pitch, system.banks("inputs"), "skip_pixel")

    def _outputs(self, m: Module) -> None:
        """Describe the current output tile; keep those of the two before."""
        box = self.prog.output_box
        shape = layouts.store(self.system)
        self.current, self.kept = Signal(shape, name="current"), [Signal(shape, name=f"kept_{n}") for n in range(2)]
        self.pending, self.keep, self.drop = Signal(2, name="pending"), Signal(name="keep"), Signal(name="drop")
        first = {"images": self.here.n, "rows": self.here.p, "cols": self.here.q, "beats": self.here.k}
        for name in COUNTS:
            count = _clip(m, first[name], box[name], box[f"{name}_limit"], f"out_{name}")
            m.d.comb += self.current[name].eq(count)
        m.d.comb += [self.current.address.eq(self.here.outputs), self.current.scale.eq(self.here.scale)]
        with m.If(self.keep):
            m.d.sync += [self.kept[0].eq(self.current), self.kept[1].eq(self.kept[0])]
        m.d.sync += self.pending.eq(self.pending + self.keep - self.drop)
        m.d.comb += [self.tile.eq(Mux(self.pending == 2, self.kept[1], self.kept[0])), self.tile.half.eq(self.half["outputs"])]
        with m.If(self.start):
            m.d.sync += self.pending.eq(0)

    def _load_states(self, m: Module) -> None:
        """Read what is new in this step."""
        here, prog, walk, load = self.here, self.prog, self.walk, self.loads.payload
        with m.State("WEIGHTS"):
            m.d.comb += [walk.address.eq(here.weights), walk.beats.eq(prog.weight_beats), load.kind.eq(WEIGHT)]
            self._ask(m, self.new[0], self.free["weights"].any(), "WEIGHTS_RUN", "INPUTS", self.taken["weights"], "weights")
        with m.State("WEIGHTS_RUN"), m.If(self.over):
            m.next = "INPUTS"
        with m.State("INPUTS"):
            m.d.sync += [
                self.y.eq(here.y), self.x.eq(here.x), self.input_address.eq(here.inputs), self.place.eq(0),
                self.left["rows"].eq(prog.input_box.rows), self.left["cols"].eq(prog.input_box.cols),
            ]  # fmt: skip
            if self.system.coding:
                m.d.sync += self.row_number.eq(here.input_row)
            m.next = "SCALES"
            with m.If(self.new[1]):
                m.next = "SKIP"
        with m.State("SKIP"):
            self._skip(m)
        with m.State("CLIP"):
            empty = Cat(count == 0 for count in self.clipped.values()).any()
            m.d.sync += [self.counts[name].eq(Mux(empty, 1, count)) for name, count in self.clipped.items()]
            m.d.sync += self.empty.eq(empty)
            with m.If(empty):  # rows that were skipped may lead past the half, into the one that is read
                m.d.sync += self.place.eq(0)
            m.next = "FETCH"
        with m.State("FETCH"):
            m.d.comb += [walk.address.eq(Mux(self.empty, prog.scales, self.input_address)), load.at.eq(self.place)]
            m.d.comb += [load.kind.eq(INPUT), *(getattr(walk, name).eq(count) for name, count in self.counts.items())]
            free, over = self.free["inputs"].any(), self.over
            if self.system.coding:
                free, over = free & (~self.coded_inputs | self.table_ready), over | self.row_over
            self._ask(m, 1, free, "INPUTS_RUN", "", self.taken["inputs"], "inputs")
        with m.State("INPUTS_RUN"), m.If(over):
            m.next = "SCALES"
        with m.State("SCALES"):
            m.d.comb += [walk.address.eq(prog.scales), walk.beats.eq(prog.scale_beats), load.kind.eq(SCALE)]
            self._ask(m, ~self.scales_asked, 1, "SCALES_RUN", "STORE", Signal(name="scales_taken"), "")
        with m.State("SCALES_RUN"):
            m.d.sync += self.scales_asked.eq(1)
            with m.If(self.over):
                m.next = "STORE"

    def _ask(
        self, m: Module, needed: Any, free: Any, run: str, otherwise: str, taken: Signal, tensor: str, name: str = "scales"
    ) -> None:
        """Begin a read transaction when there is room for what it brings; go on at once if nothing is new."""
        walk, load = self.walk, self.loads.payload
        if tensor != "inputs":
            m.d.comb += [getattr(walk, name).eq(1) for name in COUNTS[:3]]
        m.d.comb += [getattr(load, name).eq(getattr(walk, name)) for name in COUNTS]
        if tensor:
            m.d.comb += load.half.eq(self.half[tensor])
        go = Signal(name=f"go_{tensor or name}")
        m.d.comb += [go.eq(needed & free & self.loads.ready), self.loads.valid.eq(needed & free), taken.eq(go)]
        if tensor == "inputs" and self.system.coding:
            m.d.comb += [walk.start.eq(go & ~self.coded_inputs), self.row_start.eq(go & self.coded_inputs)]
        else:
            m.d.comb += walk.start.eq(go)
        with m.If(go):
            m.next = run
        if otherwise:
            with m.Elif(~needed):
                m.next = otherwise

    def _skip(self, m: Module) -> None:
        """Leave out a row or a column before the image in every cycle."""
        box, rows, cols = self.prog.input_box, self.left["rows"], self.left["cols"]
        with m.If(self.y[-1]):
            m.d.sync += [self.y.eq(self.y + 1), self.place.eq(self.skip_row)]
            m.d.sync += [self.left["rows"].eq(rows - rows.any()), self.input_address.eq(self.input_address + box.row_step)]
            if self.system.coding:
                m.d.sync += self.row_number.eq(self.row_number + self.prog.input_rows.row_step)
        with m.Elif(self.x[-1]):
            m.d.sync += [self.x.eq(self.x + 1), self.place.eq(self.skip_pixel)]
            m.d.sync += [self.left["cols"].eq(cols - cols.any()), self.input_address.eq(self.input_address + box.pixel_step)]
        with m.Else():
            m.next = "CLIP"

    def _store_states(self, m: Module) -> None:
        """Have output tiles written: two behind, and the last two at the end."""
        ready = self.ready_tiles.any() & self.scales_ready
        nothing = Cat(self.tile[name] == 0 for name in COUNTS).any()
        with m.State("STORE"):
            with m.If(~self.new[2]):
                m.next = "NEXT"
            with m.Elif(self.pending == 2):
                m.next = "WAIT"
            with m.Else():
                m.d.comb += self.keep.eq(1)
                m.next = "NEXT"
        for wait, run, after in (("WAIT", "STORING", "KEEP"), ("FLUSH", "FLUSHING", "DROP")):
            with m.State(wait):
                with m.If((self.pending == 0) if wait == "FLUSH" else 0):
                    self._finish(m)
                with m.Elif(ready):
                    m.d.comb += [self.store.eq(~nothing), self.skipped.eq(nothing)]
                    m.next = run
                    with m.If(nothing):
                        m.next = after
            with m.State(run), m.If(self.stored):
                m.next = after
        with m.State("KEEP"):
            m.d.comb += [self.keep.eq(1), self.drop.eq(1)]
            m.next = "NEXT"
        with m.State("DROP"):
            m.d.comb += self.drop.eq(1)
            m.next = "FLUSH"
        with m.State("NEXT"):
            m.d.comb += self.advance.eq(1)
            m.next = "WEIGHTS"
            with m.If(~self.more):
                m.next = "FLUSH"

    def _finish(self, m: Module) -> None:
        """Every output is written: the layer is done, but for the lengths of coded ones.

        Beats of a coded row that no tile wants may still be on their way; what comes after `done` would be the next program.
        """
        if not self.system.coding:
            m.d.comb += self.finished.eq(1)
            m.next = "IDLE"
            return
        with m.If(self.rows_quiet):
            m.d.comb += [self.finished.eq(~self.coded_outputs), self.dump.eq(self.coded_outputs)]
            m.next = "IDLE"
            with m.If(self.coded_outputs):
                m.next = "DUMPING"


def _clip(m: Module, first: Any, most: Any, limit: Any, name: str) -> Signal:
    """Return how many of `most` from `first` on are below `limit`; 0 if none is."""
    count, left = Signal(layouts.COUNT_BITS, name=name), Signal(layouts.COORDINATE_BITS + 1, name=f"{name}_left")
    m.d.comb += [left.eq(limit - first), count.eq(Mux(left[-1], 0, Mux(left < most, left, most)))]
    return count
