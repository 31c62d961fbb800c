"""The AXI4-Lite slave: handshake rules of the bus, and one access per transaction with what the bus sent."""

from __future__ import annotations

from typing import Any

import pytest
from amaranth.hdl import Cat, Mux, Signal

from rtl.formal.bench import Bench
from rtl.formal.solve import inductive, reach
from rtl.shell.lite import LiteSlave
from tests.rtl.formal.broken import Mistake, refute

SLOWEST = 4
"""Cycles from both parts of a request to its answer, when nothing holds it up."""


def lite_bench(kind: type[LiteSlave] = LiteSlave, only: str | None = None) -> Bench:
    """Claims about both directions; the master does what it likes, so its own mistakes are covered too."""
    bench = Bench(only=only)
    bench.module.submodules.dut = dut = kind()
    bench.free(dut)
    _stays(bench, "write_answer", dut.s_axil_bvalid, dut.s_axil_bready, dut.s_axil_bresp)
    _stays(bench, "read_answer", dut.s_axil_rvalid, dut.s_axil_rready, Cat(dut.s_axil_rdata, dut.s_axil_rresp))
    _writes(bench, dut)
    _reads(bench, dut)
    return bench


def _stays(bench: Bench, name: str, valid: Any, ready: Any, payload: Any) -> None:
    """Once valid, a channel stays so and keeps its payload until it is taken."""
    waits, kept = Signal(), Signal(len(payload))
    bench.module.d.sync += [waits.eq(valid & ~ready), kept.eq(payload)]
    bench.claim(f"{name}_stays", ~waits | (valid & (payload == kept)))
    bench.case(f"{name}_waits", waits & valid)


def _writes(bench: Bench, dut: Any) -> None:
    m = bench.module
    address = dut.s_axil_awvalid & dut.s_axil_awready
    data = dut.s_axil_wvalid & dut.s_axil_wready
    answer = dut.s_axil_bvalid & dut.s_axil_bready
    # Requests that are accepted and not answered: one whose answer waits, and one behind it.
    addresses, words = Signal(3, name="addresses"), Signal(3, name="words")
    m.d.sync += [addresses.eq(addresses + address - answer), words.eq(words + data - answer)]
    bench.claim("a_write_is_answered_after_address_and_data", ~dut.s_axil_bvalid | ((addresses != 0) & (words != 0)))
    word, value = Signal(len(dut.write_word)), Signal(len(dut.write_data) + len(dut.write_strobe))
    with m.If(address):
        m.d.sync += word.eq(dut.s_axil_awaddr[2:])
    with m.If(data):
        m.d.sync += value.eq(Cat(dut.s_axil_wdata, dut.s_axil_wstrb))
    written, answered = Signal(), Signal()
    m.d.sync += [written.eq(dut.write), answered.eq(dut.write_ok)]
    right = (dut.write_word == word) & (Cat(dut.write_data, dut.write_strobe) == value)
    bench.claim("a_write_has_what_was_sent", ~dut.write | right)
    begins, before = Signal(), Signal()
    m.d.sync += before.eq(dut.s_axil_bvalid & ~dut.s_axil_bready)
    m.d.comb += begins.eq(dut.s_axil_bvalid & ~before)
    bench.claim("every_write_has_one_answer", written == begins)
    bench.claim("a_write_says_whether_it_was_accepted", ~begins | ((dut.s_axil_bresp == 0) == answered))
    late = Signal(4, name="write_late")
    m.d.sync += late.eq(Mux((addresses != 0) & (words != 0) & ~dut.s_axil_bvalid, late + 1, 0))
    bench.claim("writes_are_answered_soon", late < SLOWEST)
    bench.lemma("write_late", late <= 1)
    for name, count, ready in (("addresses", addresses, dut.s_axil_awready), ("words", words, dut.s_axil_wready)):
        bench.lemma(name, count == dut.s_axil_bvalid + ~ready)
    bench.lemma("write_word", dut.s_axil_awready | (dut.write_word == word))
    bench.lemma("write_value", dut.s_axil_wready | (Cat(dut.write_data, dut.write_strobe) == value))
    bench.case("a_write_behind_an_answer", (addresses == 2) & (words == 2))


def _reads(bench: Bench, dut: Any) -> None:
    m = bench.module
    asked, answer = dut.s_axil_arvalid & dut.s_axil_arready, dut.s_axil_rvalid & dut.s_axil_rready
    waiting, word = Signal(), Signal(len(dut.read_word))
    m.d.sync += waiting.eq((waiting | asked) & ~answer)
    with m.If(asked):
        m.d.sync += word.eq(dut.s_axil_araddr[2:])
    bench.claim("a_read_is_answered_after_its_address", ~dut.s_axil_rvalid | waiting)
    bench.claim("one_read_at_a_time", ~(asked & waiting))
    bench.claim("a_read_is_of_the_word_asked_for", ~dut.read | (waiting & (dut.read_word == word)))
    bench.claim("a_read_is_held", ~dut.read | ~dut.read_hold)
    looked, expected, begins = Signal(2), Signal(33), Signal()
    m.d.sync += looked.eq(Cat(dut.read, looked[0]))
    m.d.sync += expected.eq(Cat(Mux(dut.read_ok, dut.read_data, 0), ~dut.read_ok))
    before = Signal()
    m.d.sync += before.eq(dut.s_axil_rvalid & ~dut.s_axil_rready)
    m.d.comb += begins.eq(dut.s_axil_rvalid & ~before)
    bench.claim("every_read_has_one_answer", looked[1] == begins)
    bench.claim("a_read_gives_what_was_there", ~begins | (Cat(dut.s_axil_rdata, dut.s_axil_rresp != 0) == expected))
    late = Signal(4, name="read_late")
    m.d.sync += late.eq(Mux(waiting & ~dut.s_axil_rvalid & ~dut.read_hold, late + 1, 0))
    bench.claim("reads_are_answered_soon", late < SLOWEST)
    state = bench.inner("dut.reading_state", 2)  # idle, look, take, give
    bench.lemma("waiting", waiting == (state != 0))
    bench.lemma("given", dut.s_axil_rvalid == (state == 3))
    bench.lemma("taking", looked[0] == (state == 2))
    bench.lemma("word", ~waiting | (dut.read_word == word))
    bench.lemma("read_late", late <= Mux(state == 0, 0, state))
    bench.case("a_held_read", waiting & dut.read_hold & ~dut.s_axil_rvalid)


def test_the_slave_keeps_the_rules_of_the_bus() -> None:
    bench = lite_bench()
    verdict = inductive(bench, 2)
    assert verdict.status == "proved", f"{verdict.failed}\n{verdict.trace}"
    cases = reach(bench, 8)
    assert cases.status == "proved", cases.failed


MISTAKES = [
    Mistake("write_answer_stays", "with m.Elif(self.s_axil_bready):", "with m.Else():"),
    Mistake("read_answer_stays", 'm.State("GIVE"), m.If(self.s_axil_rready)', 'm.State("GIVE"), m.If(1)'),
    Mistake("a_write_is_answered_after_address_and_data", "has_address & has_data & ~", "has_address & ~"),
    Mistake("a_write_has_what_was_sent", "m.If(self.s_axil_wvalid & ~has_data)", "m.If(self.s_axil_wvalid)"),
    Mistake("every_write_has_one_answer", "has_data & ~self.s_axil_bvalid", "has_data"),
    Mistake("a_write_says_whether_it_was_accepted", "Mux(self.write_ok, OKAY, SLVERR)", "OKAY"),
    Mistake("writes_are_answered_soon", "has_address.eq(0), has_data.eq(0), self.s_axil_bvalid.eq(1)", "has_data.eq(0)"),
    Mistake("a_read_is_answered_after_its_address", "m.d.sync += self.s_axil_rvalid.eq(0)", "pass"),
    Mistake(
        "one_read_at_a_time",
        'with m.FSM(name="reading"):', 'm.d.comb += self.s_axil_arready.eq(1)\n        with m.FSM(name="reading"):',
    ),
    Mistake("a_read_is_of_the_word_asked_for", "self.s_axil_araddr[2:])", "self.s_axil_araddr[2:] + 1)"),
    Mistake("every_read_has_one_answer", 'm.State("TAKE"):', 'm.State("TAKE"), m.If(self.read_ok):'),
    Mistake("a_read_is_held", 'm.State("LOOK"), m.If(~self.read_hold)', 'm.State("LOOK"), m.If(1)'),
    Mistake("a_read_gives_what_was_there", "Mux(self.read_ok, self.read_data, 0)", "self.read_data"),
    Mistake("reads_are_answered_soon", 'm.next = "TAKE"', 'm.next = "LOOK"'),
]  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES, ids=str)
def test_a_broken_slave_is_refuted(mistake: Mistake) -> None:
    refute(lite_bench, LiteSlave, mistake, depth=12)
