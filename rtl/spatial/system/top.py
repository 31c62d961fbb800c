"""The complete accelerator round an array of any connectivity: control, memory port, and the parts between them."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from dataflows.counters import COUNTER_BITS
from dataflows.program import MAGIC
from dataflows.registers import ERROR_CODES
from dataflows.spatial.system.spec import SpatialSystem
from rtl.accelerator.counters import Counters
from rtl.library import Modules, place
from rtl.spatial.core import SpatialCore
from rtl.spatial.system import layouts
from rtl.spatial.system.coded_reads import CodedReads
from rtl.spatial.system.expand import Expand
from rtl.spatial.system.feed import InputFeeder, WeightFeeder
from rtl.spatial.system.gather import Gather
from rtl.spatial.system.load import Arrivals
from rtl.spatial.system.pack import KIND
from rtl.spatial.system.store import TileStore
from rtl.spatial.system.tiles import Tiles

__all__ = ["ERROR_CODE", "ERROR_PROGRAM", "SystemTop"]

ERROR_PROGRAM = 1
"""Error code: memory holds no program of this engine there."""
ERROR_CODE = ERROR_CODES["coded_row"]
"""Error code: a coded row does not fit its length in the table, or has too few words; outputs are wrong."""


class SystemTop(wiring.Component):
    """Run one layer per `start`: fetch its program and tags, run it, raise `done`.

    The members are those of `rtl.accelerator.top.AcceleratorTop`, so that the same shell goes round it.

    Parameters
    ----------
    system : SpatialSystem
    modules : Modules or None
        See `rtl.library.place`.
    """

    def __init__(self, *, system: SpatialSystem, modules: Modules | None = None) -> None:
        self.system, self.modules = system, modules
        beat = system.beat_bits
        super().__init__({
            "start": In(1), "program_addr": In(layouts.ADDRESS), "busy": Out(1), "done": Out(1), "error": Out(8),
            "counter_index": In(6), "counter_value": Out(COUNTER_BITS),
            "mem_req_valid": Out(1), "mem_req_ready": In(1), "mem_req_write": Out(1), "mem_req_addr": Out(layouts.ADDRESS),
            "mem_req_data": Out(beat), "mem_rsp_valid": In(1), "mem_rsp_data": In(beat),
        })  # fmt: skip

    def elaborate(self, platform: Any) -> Module:
        """Place the parts and connect them."""
        m = Module()
        system, modules = self.system, self.modules

        def part(name: str, kind: type[wiring.Component], **more: Any) -> Any:
            return place(modules, m, name, name, kind, modules=modules, **more)

        core = part("core", SpatialCore, array=system.array, gated=True)
        weights, inputs = part("weight_feeder", WeightFeeder, system=system), part("input_feeder", InputFeeder, system=system)
        gather, store = part("gather", Gather, system=system), part("tile_store", TileStore, system=system)
        tiles, arrivals = part("tiles", Tiles, system=system), part("arrivals", Arrivals, system=system)
        self.begin, self.fetching = Signal(name="begin"), Signal(name="fetching")
        self.fetch_address, self.program_beat = Signal(layouts.ADDRESS, name="fetch_address"), Signal(name="program_beat")
        self.prog = prog = self._program(m, core)
        for each in (weights, inputs, gather, store, tiles, arrivals):
            m.d.comb += each.prog.eq(prog)
        for each in (core, weights, inputs, gather, tiles):
            m.d.comb += each.start.eq(self.begin)
        m.d.comb += core.prog.eq(prog.array)
        wiring.connect(m, weights.beats, core.weights)
        wiring.connect(m, inputs.beats, core.inputs)
        wiring.connect(m, core.results, gather.results)
        wiring.connect(m, tiles.loads, arrivals.loads)
        self._coded(m, tiles, arrivals, store)
        self._buffers(m, arrivals, weights, inputs, store)
        m.d.comb += [
            gather.drained.eq(core.drained), core.may_drain.eq(gather.may_drain), gather.freed.eq(store.done | tiles.skipped),
            tiles.weights_released.eq(weights.released), tiles.inputs_released.eq(inputs.released),
            tiles.summed.eq(gather.summed), tiles.scaled.eq(arrivals.scales_last), store.start.eq(tiles.store),
            store.tile.eq(tiles.tile),
            tiles.stored.eq(store.done), gather.read.eq(store.read), gather.read_half.eq(store.read_half),
            gather.read_at.eq(store.read_at), store.found.eq(gather.found),
        ]  # fmt: skip
        self._control(m, prog, tiles)
        self._port(m, tiles, store, arrivals)
        self._count(m, core, weights, inputs, gather, store, arrivals)
        return m

    def _program(self, m: Module, core: Any) -> Any:
        """Keep the program as it comes, beat by beat, and pass on the tags behind it."""
        system = self.system
        beats, pes = layouts.program_beats(system), system.array.pes
        held = Signal(beats * system.beat_bits, name="held", reset_less=True)
        prog = Signal(layouts.program(system), name="prog")
        self.asked, self.arrived = Signal(range(beats + pes + 1), name="asked"), Signal(range(beats + pes + 1), name="arrived")
        self.beats = beats + pes
        m.d.comb += [
            prog.as_value().eq(held), self.program_beat.eq(self.mem_rsp_valid & self.fetching),
            core.tag.as_value().eq(self.mem_rsp_data), core.tag_shift.eq(self.program_beat & (self.arrived >= beats)),
        ]  # fmt: skip
        with m.If(self.program_beat):
            m.d.sync += self.arrived.eq(self.arrived + 1)
            with m.If(self.arrived < beats):
                m.d.sync += held.eq(Cat(held, self.mem_rsp_data)[system.beat_bits :])
        return prog

    def _control(self, m: Module, prog: Any, tiles: Any) -> None:
        """Fetch, begin, wait for the last store."""
        bad = (prog.magic != MAGIC) | (prog.kind != KIND) | (prog.length != self.beats)
        with m.FSM(name="control"):
            with m.State("IDLE"), m.If(self.start):
                m.d.sync += [self.busy.eq(1), self.error.eq(0), self.fetch_address.eq(self.program_addr)]
                m.d.sync += [self.asked.eq(0), self.arrived.eq(0)]
                m.next = "FETCH"
            with m.State("FETCH"):
                m.d.comb += self.fetching.eq(1)
                with m.If(self.mem_req_valid & self.mem_req_ready):
                    m.d.sync += [self.fetch_address.eq(self.fetch_address + 1), self.asked.eq(self.asked + 1)]
                with m.If(self.arrived == self.beats):
                    m.next = "BEGIN"
                    with m.If(bad):
                        m.d.sync += self.error.eq(ERROR_PROGRAM)
                        m.next = "DONE"
            with m.State("BEGIN"):
                m.d.comb += self.begin.eq(1)
                m.next = "RUN"
            with m.State("RUN"):
                if self.expand:
                    with m.If(self.expand.fault):
                        m.d.sync += self.error.eq(ERROR_CODE)
                with m.If(tiles.finished):
                    m.next = "DONE"
            with m.State("DONE"):
                m.d.comb += self.done.eq(1)
                m.d.sync += self.busy.eq(0)
                m.next = "IDLE"

    def _port(self, m: Module, tiles: Any, store: Any, arrivals: Any) -> None:
        """Whoever has the turn has the memory port; only one of them asks at a time."""
        fetch = self.fetching & (self.asked != self.beats)
        valid, address = tiles.valid, Mux(tiles.valid, tiles.address, self.fetch_address)
        if rows := self.rows:
            valid, address = valid | rows.valid, Mux(rows.valid, rows.memory_address, address)
            m.d.comb += rows.ready.eq(self.mem_req_ready)
        m.d.comb += [
            self.mem_req_valid.eq(fetch | valid | store.valid), self.mem_req_write.eq(store.valid),
            self.mem_req_addr.eq(Mux(store.valid, store.address, address)),
            self.mem_req_data.eq(store.data), tiles.ready.eq(self.mem_req_ready), store.ready.eq(self.mem_req_ready),
            arrivals.valid.eq(self.mem_rsp_valid & ~self.fetching), arrivals.data.eq(self.mem_rsp_data),
        ]  # fmt: skip

    def _coded(self, m: Module, tiles: Any, arrivals: Any, store: Any) -> None:
        """Place what reads and decodes coded inputs, and lead tables where they belong."""
        self.rows = self.expand = None
        if not self.system.coding:
            return
        more = {"system": self.system, "modules": self.modules}
        self.rows = rows = place(self.modules, m, "coded_reads", "coded_reads", CodedReads, **more)
        self.expand = expand = place(self.modules, m, "expand", "expand", Expand, **more)
        for each in (rows, expand):
            m.d.comb += [each.prog.eq(self.prog), each.begin.eq(self.begin)]
        m.d.comb += [
            rows.fill.eq(arrivals.table_write), rows.beat.eq(arrivals.beat), rows.start.eq(tiles.row_start),
            rows.images.eq(tiles.images), rows.rows.eq(tiles.rows), rows.address.eq(tiles.from_address), rows.row.eq(tiles.row),
            rows.used.eq(expand.used), tiles.row_over.eq(rows.over), tiles.rows_quiet.eq(rows.quiet),
            tiles.tabled.eq(arrivals.table_last),
            expand.loads_valid.eq(arrivals.coded_begin), expand.load.eq(arrivals.coded_load),
            expand.coded_valid.eq(arrivals.coded_write), expand.coded.eq(arrivals.beat),
            expand.coded_last.eq(arrivals.coded_last), rows.comes.eq(arrivals.coded_comes), arrivals.coded_ends.eq(rows.ends),
            store.dump.eq(tiles.dump), tiles.dumped.eq(store.dumped),
        ]  # fmt: skip

    def _buffers(self, m: Module, arrivals: Any, weights: Any, inputs: Any, store: Any) -> None:
        """Lead what arrives to its buffer."""
        m.d.comb += [
            weights.begin.eq(self.begin | arrivals.weights_last), weights.write.eq(arrivals.weights_write),
            weights.write_half.eq(arrivals.half), weights.beat.eq(arrivals.beat), weights.loaded.eq(arrivals.weights_last),
            store.scales_begin.eq(self.begin), store.scales_write.eq(arrivals.scales_write), store.beat.eq(arrivals.beat),
            inputs.write.eq(arrivals.inputs_write), inputs.loaded.eq(arrivals.inputs_last), inputs.write_half.eq(arrivals.half),
            inputs.write_at.eq(arrivals.at), inputs.write_data.eq(arrivals.beat), inputs.write_count.eq(arrivals.count),
        ]  # fmt: skip
        if expand := self.expand:
            with m.If(self.prog.coded_inputs):
                m.d.comb += [
                    inputs.write.eq(expand.write), inputs.loaded.eq(expand.last), inputs.write_half.eq(expand.half),
                    inputs.write_at.eq(expand.at), inputs.write_data.eq(expand.beat), inputs.write_count.eq(expand.count),
                ]  # fmt: skip

    def _count(self, m: Module, core: Any, weights: Any, inputs: Any, gather: Any, store: Any, arrivals: Any) -> None:
        """Count events in the order of `dataflows.counters.COUNTERS`."""
        counters = place(self.modules, m, "counters", "counters", Counters, acc=self.system)
        written, given = store.valid & store.ready, arrivals.inputs_write
        read = given
        if expand := self.expand:
            given = Mux(self.prog.coded_inputs, expand.write, given)
            read = arrivals.inputs_write | arrivals.coded_write | arrivals.table_write
        m.d.comb += [
            counters.clear.eq(self.start & ~self.busy), counters.index.eq(self.counter_index),
            self.counter_value.eq(counters.value),
            counters.events.eq(Cat(
                self.busy, core.stepping, core.waits_operand, core.waits_bank, store.read,
                self.program_beat, arrivals.scales_write, arrivals.weights_write, read, written,
                arrivals.scales_write, store.read, arrivals.weights_write, weights.reading, given, inputs.reading,
                gather.adding, gather.updating, store.read, store.popped, store.popped,
            )),
        ]  # fmt: skip
