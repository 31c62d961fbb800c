"""What `BusOrder` and the buffers rely on: load and store engines free the port they have, and load no more than fits."""

from __future__ import annotations

from typing import Any

import pytest
from amaranth.hdl import Cat, Mux, Signal, Value

from rtl.accelerator.load import LoadRequests
from rtl.accelerator.store import Store
from rtl.formal.bench import Bench
from rtl.formal.solve import inductive, reach
from tests.rtl.formal.broken import Mistake, refute

HALVES = 2
"""Of a buffer: steps that may be loaded and not computed."""


def _port(bench: Bench, dut: Any) -> Signal:
    """Grant the port as `BusOrder` does, to who wants it and not twice; claim what it takes for granted."""
    holds = Signal(name="holds")
    bench.assume("granted", ~dut.grant | (dut.want & ~holds))
    bench.module.d.sync += holds.eq((holds | dut.grant) & ~dut.freed)
    bench.claim("frees_what_it_has", ~dut.freed | holds)
    bench.claim("asks_memory_while_it_has_the_port", ~dut.valid | holds)
    bench.case("frees", dut.freed)
    return holds


def load_bench(kind: type[LoadRequests] = LoadRequests, only: str | None = None) -> Bench:
    """The request side of the load engine; buffer halves come free when compute says so, and only those that are in use."""
    bench = Bench(only=only)
    m = bench.module
    m.submodules.dut = dut = kind(input_beats=1)
    bench.free(dut)
    holds = _port(bench, dut)
    used = Signal(3, name="used")
    bench.assume("one_layer_at_a_time", ~dut.reset_credit | (~dut.grant & ~dut.credit))
    m.d.sync += used.eq(Mux(dut.reset_credit, 0, used + dut.grant - dut.credit))
    bench.assume("frees_halves_in_use", ~dut.credit | (used != 0))
    bench.claim("no_more_steps_than_halves", used <= HALVES)
    bench.claim("one_request_to_take_at_a_time", dut.steps.ready == dut.grant)
    bench.claim("closes_every_step", ~dut.freed | dut.segments.valid)
    state, active = bench.inner("dut.load_state", 3), bench.inner("dut.burst.active", 1)
    bench.lemma("credits", bench.inner("dut.credits", 2) + used == HALVES)
    bench.lemma("holds", holds == (state != 0))
    bench.lemma("active", active == Cat(state == at for at in (2, 4, 6)).any())
    bench.case("two_steps", used == HALVES)
    return bench


def store_bench(kind: type[Store] = Store, only: str | None = None) -> Bench:
    """The store engine; tiles become ready while there is an output half for them."""
    bench = Bench(only=only)
    m = bench.module
    m.submodules.dut = dut = kind(beats=2, beat_bits=8, word_bits=16)
    bench.free(dut)
    holds = _port(bench, dut)
    waiting = Signal(3, name="waiting")
    bench.assume("one_layer_at_a_time", ~dut.reset | (~dut.grant & ~dut.ready))
    m.d.sync += waiting.eq(Mux(dut.reset, 0, waiting + dut.ready - dut.grant))
    bench.assume("two_output_halves", ~dut.ready | (waiting < HALVES))
    bench.claim("stores_what_is_ready", ~dut.want | (waiting != 0))
    bench.claim("a_half_is_emptied_once", dut.emptied == dut.freed)
    before, kept = Signal(), Signal(40)
    now = Cat(Value.cast(dut.addr), dut.data)
    m.d.sync += [before.eq(dut.valid & ~dut.taken), kept.eq(now)]
    bench.claim("a_request_stays_until_taken", ~before | (dut.valid & (now == kept)))
    bench.lemma("ready", bench.inner("dut.ready_tiles", 2) == waiting)
    bench.lemma("at_most", waiting <= HALVES)
    bench.lemma("holds", holds == (bench.inner("dut.store_state", 2) != 0))
    return bench


BENCHES = {"load": load_bench, "store": store_bench}


@pytest.mark.parametrize("name", BENCHES)
def test_engines_keep_to_their_port_and_buffers(name: str) -> None:
    bench = BENCHES[name]()
    verdict = inductive(bench, 1)
    assert verdict.status == "proved", f"{verdict.failed}\n{verdict.trace}"
    cases = reach(bench, 16)
    assert cases.status == "proved", cases.failed


LOAD = [
    Mistake("frees_what_it_has", "m.d.sync += step.eq(self.steps.payload)", "m.d.comb += self.freed.eq(1)"),
    Mistake("asks_memory_while_it_has_the_port", 'with m.State("INPUT_RUN"), m.If(done):', 'with m.State("INPUT_RUN"):'),
    Mistake("no_more_steps_than_halves", "(credits != 0) & ~self.hold", "~self.hold"),
    Mistake("one_request_to_take_at_a_time", "self.steps.ready.eq(self.grant)", "self.steps.ready.eq(self.want)"),
    Mistake("closes_every_step", "segment.valid.eq(1), segment.payload.kind.eq(END)", "segment.payload.kind.eq(END)"),
]
STORE = [
    Mistake(
        "frees_what_it_has",
        "with m.If(self.grant):",
        "m.d.comb += self.freed.eq(self.grant)\n                with m.If(self.grant):",
    ),
    Mistake("asks_memory_while_it_has_the_port", "word_end.eq(beat == self.beats - 1)", "self.valid.eq(1)"),
    Mistake("stores_what_is_ready", "self.tiles.valid & (ready != 0)", "self.tiles.valid"),
    Mistake("a_half_is_emptied_once", "self.emptied.eq(1)", "self.emptied.eq(self.words != 0)"),
    Mistake("a_request_stays_until_taken", "step.eq(self.valid & self.taken)", "step.eq(self.valid)"),
]
BROKEN = [*((load_bench, LoadRequests, m) for m in LOAD), *((store_bench, Store, m) for m in STORE)]


@pytest.mark.parametrize(("build", "kind", "mistake"), BROKEN, ids=[f"{kind.__name__}-{m}" for _, kind, m in BROKEN])
def test_a_broken_engine_is_refuted(build: Any, kind: type, mistake: Mistake) -> None:
    refute(build, kind, mistake, depth=14)
