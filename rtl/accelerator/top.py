"""The complete accelerator: control, program fetch, bus, engines and buffers."""

from __future__ import annotations

from typing import Any

from amaranth import Cat, Module, Mux, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from dataflows.arch import SCALE_SLOTS, Accelerator
from dataflows.counters import COUNTER_BITS
from dataflows.program import program_beats
from rtl.accelerator.burst import Burst
from rtl.accelerator.core import Core
from rtl.accelerator.counters import Counters
from rtl.accelerator.fetch import ProgramRegisters
from rtl.accelerator.layouts import ADDRESS_BITS, COMPUTE, LOAD, POST, STORE
from rtl.accelerator.load import INPUT, SCALE, WEIGHT, LoadRequests, LoadResponses
from rtl.accelerator.order import BusOrder
from rtl.accelerator.post import PostProcess
from rtl.accelerator.sequencer import Sequencer
from rtl.accelerator.store import Store
from rtl.library import Modules, place
from rtl.sram import place_sram
from rtl.stream import Queue

ERROR_PROGRAM = 1
"""Error code: the program's header is not one of this engine."""

# An output tile is stored once the first step of the third tile after it is loaded (`BusOrder`), and the sequencer is four
# steps ahead of the loads at most, so post and store lag it by eight tiles at most. Twice that keeps a full queue from ever
# holding up the sequencer.
QUEUES = (("load", LOAD, 4), ("compute", COMPUTE, 8), ("post", POST, 16), ("store", STORE, 16))


class AcceleratorTop(wiring.Component):
    """Run one layer per `start`: fetch its program, run it, raise `done`.

    Members
    -------
    start, program_addr : In(1), In(32)
        Taken in a cycle where `busy` is 0; the beat address of the layer program.
    busy, done : Out(1)
        `done` is high for one cycle, when every output is in memory.
    error : Out(8)
        0, or why the last run ended early.
    counter_index, counter_value : In(6), Out(48)
        Performance counters and parameters, see `dataflows.counters`.
    mem_* :
        Native memory port (docs/hardware.md).
    """

    def __init__(self, *, acc: Accelerator, modules: Modules | None) -> None:
        self.acc, self.modules = acc, modules
        beat = acc.beat_bits
        super().__init__(
            {
                "start": In(1), "program_addr": In(ADDRESS_BITS), "busy": Out(1), "done": Out(1), "error": Out(8),
                "counter_index": In(6), "counter_value": Out(COUNTER_BITS),
                "mem_req_valid": Out(1), "mem_req_ready": In(1), "mem_req_write": Out(1), "mem_req_addr": Out(ADDRESS_BITS),
                "mem_req_data": Out(beat), "mem_rsp_valid": In(1), "mem_rsp_data": In(beat),
            }
        )  # fmt: skip

    def elaborate(self, platform: object) -> Module:
        m = Module()
        acc, shape = self.acc, self.acc.array
        beats = {name: acc.beats(getattr(acc, f"{name}_word_bits")) for name in ("scale", "weight", "input", "output")}
        program = self._part(
            m, "program_registers", ProgramRegisters, beat_bits=acc.beat_bits, table_beats=acc.table_beats,
            channelwise=acc.channelwise,
        )  # fmt: skip
        fetch = self._part(m, "fetch", Burst, module="burst")
        sequencer = self._part(m, "sequencer", Sequencer, input_beats=beats["input"])
        requests = self._part(m, "load_requests", LoadRequests, input_beats=beats["input"], modules=self.modules)
        loaded = {name: beats[name] for name in ("scale", "weight", "input")}
        responses = self._part(m, "load_responses", LoadResponses, beats=loaded, beat_bits=acc.beat_bits)
        core = self._part(m, "core", Core, acc=acc, modules=self.modules)
        post = self._part(
            m, "post_process", PostProcess, cols=shape.cols, lanes=acc.post_lanes, acc_bits=shape.acc_bits,
            output_bits=shape.input_bits, tile_blocks=acc.tile_blocks,
            table_beats=acc.table_beats, beat_bits=acc.beat_bits, modules=self.modules,
        )  # fmt: skip
        store = self._part(
            m, "store", Store, beats=beats["output"], beat_bits=acc.beat_bits, word_bits=acc.output_word_bits,
            modules=self.modules,
        )  # fmt: skip
        counters = self._part(m, "counters", Counters, acc=acc)
        order = self._part(m, "bus_order", BusOrder)

        for part in (sequencer, requests, responses, core, post, store):
            m.d.comb += part.prog.eq(program.fields)
        for (name, layout, depth), engine in zip(QUEUES, (requests.steps, core.steps, post.tiles, store.tiles), strict=True):
            queue = self._part(m, f"{name}_queue", Queue, shape=layout, depth=depth)
            wiring.connect(m, getattr(sequencer, name), queue.i)
            m.d.comb += [engine.payload.eq(queue.o.payload), engine.valid.eq(queue.o.valid), queue.o.ready.eq(engine.ready)]
        wiring.connect(m, requests.segments, responses.segments)
        resets = (requests.reset_credit, core.reset, post.reset, store.reset, order.reset)
        self._control(m, program, fetch, core, sequencer, store, resets)
        self._bus(m, order, fetch, requests, store, program, responses)
        self._buffers(m, responses, post, store)
        m.d.comb += [
            requests.credit.eq(core.issued), requests.hold.eq(responses.behind),
            core.loaded.eq(responses.loaded), core.acc_free.eq(post.emptied),
            post.ready.eq(core.tile_done), post.room.eq(store.emptied), store.ready.eq(post.done),
            core.post_read.eq(post.acc_read), core.post_half.eq(post.acc_half), core.post_addr.eq(post.acc_addr),
            post.table_write.eq(program.table_write), post.table_addr.eq(program.table_addr),
            post.table_data.eq(self.mem_rsp_data),
            post.acc_data.eq(core.post_data), store.words.eq(post.words[store.read_half]),
            core.input_write.eq(responses.write & (responses.write_kind == INPUT)),
            core.input_write_addr.eq(responses.write_addr + Mux(responses.write_slot[0], acc.input_words, 0)),
            core.input_write_data.eq(_word(acc, responses.write_data, beats["input"])),
            core.weight_write.eq(responses.write & (responses.write_kind == WEIGHT)),
            core.weight_write_addr.eq(responses.write_addr + Mux(responses.write_slot[0], acc.weight_words, 0)),
            core.weight_write_data.eq(_word(acc, responses.write_data, beats["weight"])),
        ]  # fmt: skip
        kind = {name: responses.beat & (responses.beat_kind == code) for name, code in
                (("scale", SCALE), ("weight", WEIGHT), ("input", INPUT))}  # fmt: skip
        wrote = {name: responses.write & (responses.write_kind == code) for name, code in
                 (("scale", SCALE), ("weight", WEIGHT), ("input", INPUT))}  # fmt: skip
        m.d.comb += [
            counters.clear.eq(self.start & ~self.busy), counters.index.eq(self.counter_index),
            self.counter_value.eq(counters.value),
            counters.events.eq(Cat(
                self.busy, core.busy, core.wait_load, core.wait_acc, post.busy,
                program.valid & ~program.complete, kind["scale"], kind["weight"], kind["input"], store.valid & store.taken,
                wrote["scale"], post.scale_read, wrote["weight"], core.weight_read, wrote["input"], core.input_read,
                core.acc_write, core.acc_update, post.acc_read, post.out_write, store.read,
            )),
        ]  # fmt: skip
        return m

    def _part(self, m: Module, name: str, kind: type[wiring.Component], *, module: str = "", **parameters: Any) -> Any:
        """Place a part as a module of its own, so that the Verilog shows its ports by name."""
        return place(self.modules, m, name, module or name, kind, **parameters)

    def _control(
        self, m: Module, program: ProgramRegisters, fetch: Burst, core: Core, sequencer: Sequencer, store: Store, resets: tuple
    ) -> None:
        """Fetch, configure, run, finish."""
        with m.FSM(name="control"):
            with m.State("IDLE"):
                with m.If(self.start):
                    m.d.sync += [self.busy.eq(1), self.error.eq(0), fetch.base.eq(self.program_addr)]
                    m.next = "FETCH"
            with m.State("FETCH"):
                m.d.comb += [fetch.start.eq(1), program.clear.eq(1)]
                m.next = "FETCHING"
            with m.State("FETCHING"):
                with m.If(program.complete & program.bad):
                    m.d.sync += self.error.eq(ERROR_PROGRAM)
                    m.next = "DONE"
                with m.Elif(program.complete):
                    m.next = "CONFIGURE"
                with m.Elif(program.table_next):
                    m.d.sync += fetch.base.eq(fetch.base + program_beats(self.acc))
                    m.next = "TABLE"
            with m.State("TABLE"):
                m.d.comb += fetch.start.eq(1)
                m.next = "TABLE_FETCHING"
            with m.State("TABLE_FETCHING"), m.If(program.complete):
                m.next = "CONFIGURE"
            with m.State("CONFIGURE"):
                m.d.comb += [core.configure.eq(1), *(reset.eq(1) for reset in resets)]
                m.next = "CONFIGURING"
            with m.State("CONFIGURING"), m.If(core.configured):
                m.next = "BEGIN"
            with m.State("BEGIN"):
                m.d.comb += sequencer.start.eq(1)
                m.next = "RUN"
            with m.State("RUN"), m.If(store.finished):
                m.next = "DONE"
            with m.State("DONE"):
                m.d.comb += self.done.eq(1)
                m.d.sync += self.busy.eq(0)
                m.next = "IDLE"
        beats = Mux(program.table_next, self.acc.table_beats, program_beats(self.acc))
        m.d.comb += [fetch.planes.eq(1), fetch.rows.eq(1), fetch.beats.eq(beats)]

    def _bus(
        self, m: Module, order: BusOrder, fetch: Burst, requests: LoadRequests, store: Store, program: ProgramRegisters,
        responses: LoadResponses,
    ) -> None:  # fmt: skip
        """Connect who has the memory port; the fetch has it before loads and stores begin."""
        m.d.comb += [
            order.load_want.eq(requests.want), requests.grant.eq(order.load_grant), order.load_freed.eq(requests.freed),
            order.store_want.eq(store.want), store.grant.eq(order.store_grant), order.store_freed.eq(store.freed),
            order.store_next.eq(requests.store_next), order.last_step.eq(requests.last_step),
        ]  # fmt: skip
        reading = Mux(fetch.active, fetch.addr, requests.addr)
        m.d.comb += [
            self.mem_req_valid.eq(fetch.active | requests.valid | store.valid), self.mem_req_write.eq(store.valid),
            self.mem_req_addr.eq(Mux(store.valid, store.addr, reading)), self.mem_req_data.eq(store.data),
            fetch.step.eq(fetch.active & self.mem_req_ready), requests.ready.eq(self.mem_req_ready),
            store.taken.eq(self.mem_req_ready),
            program.valid.eq(self.mem_rsp_valid), program.data.eq(self.mem_rsp_data),
            responses.valid.eq(self.mem_rsp_valid), responses.data.eq(self.mem_rsp_data),
            responses.expecting.eq(program.complete),
        ]  # fmt: skip

    def _buffers(self, m: Module, responses: LoadResponses, post: PostProcess, store: Store) -> None:
        """Scale and output buffers."""
        acc = self.acc
        slot_words = acc.tile_blocks * acc.post_groups
        scales = place_sram(self.modules, m, "scale_buffer", depth=SCALE_SLOTS * slot_words, width=acc.scale_word_bits)
        outputs = place_sram(self.modules, m, "output_buffer", depth=2 * acc.acc_words, width=acc.output_word_bits)
        m.d.comb += [
            scales.we.eq(responses.write & (responses.write_kind == SCALE)),
            scales.waddr.eq(responses.write_addr + responses.write_slot * slot_words),
            scales.wdata.eq(_word(acc, responses.write_data, acc.beats(acc.scale_word_bits))),
            scales.re.eq(post.scale_read), scales.raddr.eq(post.scale_addr), post.scale_data.eq(scales.rdata),
            outputs.we.eq(post.out_write), outputs.wdata.eq(post.out_data),
            outputs.waddr.eq(post.out_addr + Mux(post.out_half, acc.acc_words, 0)),
            outputs.re.eq(store.read), store.read_data.eq(outputs.rdata),
            outputs.raddr.eq(store.read_addr + Mux(store.read_half, acc.acc_words, 0)),
        ]  # fmt: skip


def _word(acc: Accelerator, write_data: Value, beats: int) -> Value:
    """Return the word of `beats` beats that the response side put together; it lies at the top."""
    return write_data[len(write_data) - beats * acc.beat_bits :]
