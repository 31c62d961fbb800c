"""The four engines of a spatial array (docs/arrays.md): halves and banks change hands safely, and the array never stops.

Any program (full counters, any extents), streams and results that pause at will; only the address widths are small.
"""

from __future__ import annotations

from typing import Any

import pytest
from amaranth.hdl import Array, Cat, Const, Mux, Signal, Value

from dataflows.nest.rules import TENSORS
from dataflows.spatial.array import SpatialArray, SpatialAxis
from rtl.formal.bench import Bench
from rtl.formal.solve import bounded, inductive, reach
from rtl.spatial.sequencer import Sequencer
from tests.rtl.formal.broken import Mistake, refute

ARRAY = SpatialArray((SpatialAxis("rows", 2),), l1_words=(2, 2, 2), tag_bits=1)
BEATS, SUMS = 2, 4
"""Of a tile, at most: beats of a delivery, where that is short, and words times slots of a drain, which are one bit each."""
LONGEST_WAIT = SUMS - 1
"""Compute of one step waits for a bank, that is for the rest of a drain."""
LONGEST_LAYER = BEATS + 2 + 4 * SUMS
"""A delivery, two steps, four drains; `dataflows.spatial.schedule` says the same."""


class TokensBench(Bench):
    """With what other claims about the same component look at."""

    dut: Any
    walking: Any


def tokens_bench(kind: type[Sequencer] = Sequencer, only: str | None = None) -> TokensBench:
    """Claims about halves of weights and inputs, and about banks of sums."""
    bench = TokensBench(only=only)
    m = bench.module
    m.submodules.dut = dut = kind(array=ARRAY)
    bench.free(dut.start, dut.room, dut.weights.valid, dut.weights.payload, dut.inputs.valid, dut.inputs.payload)
    program = Value.cast(dut.prog)
    m.d.comb += program.eq(bench.fixed(len(program), "program", shown=False))
    bench.assume("one_layer_at_a_time", ~dut.start | ~dut.busy)

    names = {"walking": 1, "opening": 1, "issue": 1, "last_step": 1, "new": 3, "ends": 3}
    walking, opening, issue, last_step, new, ends = (
        bench.inner(f"dut.{name}", bits, lemma=False) for name, bits in names.items()
    )
    bench.dut, bench.walking = dut, walking
    bench.lemma("at_rest", walking | (opening & new.all()))
    for at, tensor in enumerate(TENSORS[:2]):
        holds = walking & ~(opening & new[at])
        _halves(bench, dut, tensor, walking, holds, issue & last_step & ends[at])
    _banks(bench, dut, walking & ~(opening & new[2]), issue & last_step & ends[2])
    bench.show("step", dut.ctl.step)
    bench.show("drain", dut.ctl.drain)
    bench.case("a_layer_ends", dut.start & _ran(m, dut))
    return bench


def _ran(m: Any, dut: Any) -> Signal:
    """Whether the array was busy before."""
    ran = Signal(name="ran")
    with m.If(dut.busy):
        m.d.sync += ran.eq(1)
    return ran


def _halves(bench: Bench, dut: Any, tensor: str, walking: Any, holds: Any, released: Any) -> None:
    """One delivery and compute: which halves are full, by what goes to the PEs."""
    m, packet = bench.module, getattr(dut, f"{tensor}_packet")
    used = dut.ctl.weight_half if tensor == "weights" else dut.ctl.input_half
    last = getattr(dut, tensor).payload.last
    full = Array([Signal(name=f"{tensor}_full_{half}") for half in range(2)])
    done = packet.valid & last
    over = Signal(name=f"{tensor}_model_over")  # the layer's last tile is in: what follows is for the next layer
    m.d.sync += over.eq(Mux(dut.start, 0, Mux(done, _final(dut, tensor), over)))
    for half in range(2):
        with m.If(dut.start | (released & (used == half))):
            m.d.sync += full[half].eq(0)
        with m.Elif(done & (packet.half == half)):
            m.d.sync += full[half].eq(1)
    bench.claim(f"{tensor}_go_to_an_empty_half", ~packet.valid | ~full[packet.half])
    bench.claim(f"{tensor}_come_from_a_full_half", ~dut.ctl.step | full[used])
    bench.claim(f"{tensor}_are_not_written_while_used", ~(packet.valid & dut.ctl.step) | (packet.half != used))
    bench.claim(f"{tensor}_enter_while_a_half_is_free", getattr(dut, tensor).ready == (walking & ~(full[0] & full[1]) & ~over))
    beginning = Signal(name=f"{tensor}_beginning", init=1)
    with m.If(dut.start):
        m.d.sync += beginning.eq(1)
    with m.Elif(packet.valid):
        m.d.sync += beginning.eq(last)
    bench.claim(f"{tensor}_begin_after_the_last", ~packet.valid | (packet.begin == beginning))

    filled, ready = (bench.inner(f"dut.{tensor}_{name}", 2) for name in ("filled", "ready"))
    half, taken, begin = (bench.inner(f"dut.{tensor}_{name}", 1) for name in ("half", "taken", "begin"))
    bench.lemma(f"{tensor}_filled", (filled <= 2) & (filled == full[0] + full[1]))
    bench.lemma(f"{tensor}_ready", filled == ready + holds)
    bench.lemma(f"{tensor}_next", half == ~(taken ^ ready[0]))
    bench.lemma(f"{tensor}_held", (full[taken] == (holds | (ready == 2))) & (full[~taken] == (ready != 0)))
    bench.lemma(f"{tensor}_begin", begin == beginning)
    if "final" in getattr(dut, tensor).payload.shape().members:
        bench.lemma(f"{tensor}_over", bench.inner(f"dut.{tensor}_over", 1) == over)
    bench.case(f"{tensor}_in_both_halves", (filled == 2) & dut.ctl.step)
    bench.show(f"{tensor}_filled", full[0] + full[1])
    bench.show(f"{tensor}_enter", packet.valid)


def _final(dut: Any, tensor: str) -> Any:
    """Whether a beat is marked as the last one of a layer, where beats have such a mark."""
    beat = getattr(dut, tensor).payload
    return beat.final if "final" in beat.shape().members else Const(0, 1)


def _banks(bench: Bench, dut: Any, holds: Any, finished: Any) -> None:
    """Compute and drain: which banks have finished sums, by what goes to the PEs."""
    m, ctl, prog = bench.module, dut.ctl, dut.prog
    waits = Array([Signal(name=f"bank_{bank}_waits") for bank in range(2)])
    position, slot = Signal(8), Signal(8)
    last = (position == prog.last_output) & (slot == prog.last_slot)
    with m.If(ctl.drain):
        m.d.sync += position.eq(Mux(position == prog.last_output, 0, position + 1))
        with m.If(position == prog.last_output):
            m.d.sync += slot.eq(Mux(slot == prog.last_slot, 0, slot + 1))
    for bank in range(2):
        with m.If(finished & (ctl.bank == bank)):
            m.d.sync += waits[bank].eq(1)
        with m.Elif(ctl.drain & last & (ctl.drain_bank == bank)):
            m.d.sync += waits[bank].eq(0)
    bench.claim("sums_leave_a_finished_bank", ~ctl.drain | waits[ctl.drain_bank])
    bench.claim("sums_go_to_a_bank_that_was_drained", ~ctl.step | ~waits[ctl.bank])
    bench.claim("a_bank_is_not_read_while_written", ~(ctl.drain & ctl.step) | (ctl.drain_bank != ctl.bank))
    bench.claim("words_leave_in_order", ~ctl.drain | ((ctl.drain_output == position) & (ctl.slot == slot)))
    bench.claim("no_sum_is_left", dut.busy | ~(waits[0] | waits[1]))
    bench.claim("no_sum_without_room", ~ctl.drain | dut.room)

    banks, draining = bench.inner("dut.banks", 2), bench.inner("dut.draining", 2)
    bank, out = bench.inner("dut.bank", 1), bench.inner("dut.out", 1)
    output, at_slot = bench.inner("dut.output", 1), bench.inner("dut.slot", 1)
    bench.lemma("banks", (banks <= 2) & (banks == draining + holds))
    bench.lemma("draining", draining == waits[0] + waits[1])
    bench.lemma("out", out == ~(bank ^ banks[0]))
    bench.lemma("held_bank", (~holds | ~waits[bank]) & ((draining == 0) | waits[out]))
    bench.lemma("words", (output == position) & (at_slot == slot) & (position <= prog.last_output) & (slot <= prog.last_slot))
    bench.case("two_banks_wait", waits[0] & waits[1] & dut.room)
    bench.case("drain_beside_compute", ctl.drain & ctl.step)
    bench.show("banks_waiting", Cat(waits[0], waits[1]))


def eager_bench(kind: type[Sequencer] = Sequencer, only: str | None = None) -> TokensBench:
    """Claim that the array goes on while streams do not pause; tiles have one or two beats, banks one to four sums."""
    bench = tokens_bench(kind, only)
    m, dut = bench.module, bench.dut
    bench.assume("eager", dut.weights.valid & dut.inputs.valid & dut.room)
    for tensor in TENSORS[:2]:
        packet, last = getattr(dut, f"{tensor}_packet"), getattr(dut, tensor).payload.last
        bench.assume(f"short_{tensor}", ~packet.valid | packet.begin | last)
        bench.assume(f"more_{tensor}", ~_final(dut, tensor))
        if "final" in getattr(dut, tensor).payload.shape().members:
            bench.lemma(f"not_over_{tensor}", ~bench.inner(f"dut.{tensor}_over", 1))
    idle = Signal(8)
    m.d.sync += idle.eq(Mux(dut.ctl.step | ~bench.walking, 0, idle + 1))
    bench.claim("goes_on", idle <= LONGEST_WAIT)
    bench.show("idle", idle)
    bench.case("longest_wait", idle == LONGEST_WAIT)
    return bench


def short_bench(kind: type[Sequencer] = Sequencer, only: str | None = None) -> Bench:
    """Claim that a layer of two outer loops and one inner loop of extents 1 or 2 ends, from its start to its last sum."""
    bench = eager_bench(kind, only)
    m, dut = bench.module, bench.dut
    prog, age = dut.prog, Signal(8)
    short = [loop.last == 0 for loop in [*list(prog.outer)[2:], *list(prog.inner)[1:]]]
    short += [loop.last <= 1 for loop in [*list(prog.outer)[:2], *list(prog.inner)[:1]]]
    bench.assume("short_loops", Cat(short).all())
    m.d.sync += age.eq(Mux(dut.busy, age + 1, 0))
    bench.claim("a_short_layer_ends", age <= LONGEST_LAYER)
    bench.case("longest_layer", age == LONGEST_LAYER)
    return bench


def test_halves_and_banks_change_hands_safely() -> None:
    bench = tokens_bench()
    verdict = inductive(bench, 1)
    assert verdict.status == "proved", f"{verdict.failed}\n{verdict.trace}"
    cases = reach(bench, 12)
    assert cases.status == "proved", cases.failed


def test_compute_never_waits_longer_than_a_drain() -> None:
    bench = eager_bench()
    verdict = inductive(bench, LONGEST_WAIT + 2)
    assert verdict.status == "proved", f"{verdict.failed}\n{verdict.trace}"
    assert reach(bench, 12).status == "proved"


def test_a_layer_ends_when_the_schedule_says() -> None:
    bench = short_bench()
    verdict = bounded(bench, LONGEST_LAYER + 6)
    assert verdict.status == "proved", f"{verdict.failed}\n{verdict.trace}"
    assert reach(bench, LONGEST_LAYER + 6).status == "proved"


MISTAKES = [
    Mistake("weights_go_to_an_empty_half", "self.walking & (filled < 2)", "self.walking"),
    Mistake("weights_come_from_a_full_half", "can = Cat(*(r.any() for r in ready), free)", "can = Cat(1, 1, free)"),
    Mistake("weights_are_not_written_while_used", "half.eq(~half)", "half.eq(half)"),
    Mistake("weights_enter_while_a_half_is_free", "filled + done - self._released(at)", "filled + done"),
    Mistake("weights_begin_after_the_last", "begin.eq(beats.payload.last)", "begin.eq(0)"),
    Mistake("sums_leave_a_finished_bank", "ctl.drain_bank.eq(out)", "ctl.drain_bank.eq(~out)"),
    Mistake("sums_go_to_a_bank_that_was_drained", "free = banks < 2", "free = banks < 3"),
    Mistake("a_bank_is_not_read_while_written", "self.draining.any() & self.room", "self.room"),
    Mistake("words_leave_in_order", "slot.eq(Mux(last_slot, 0, slot + 1))", "slot.eq(slot + 1)"),
    Mistake("no_sum_is_left", "self.busy.eq(self.walking | self.draining.any())", "self.busy.eq(self.walking)"),
    Mistake("no_sum_without_room", "ctl.drain.eq(self.draining.any() & self.room)", "ctl.drain.eq(self.draining.any())"),
]


@pytest.mark.parametrize("mistake", MISTAKES, ids=str)
def test_broken_tokens_are_refuted(mistake: Mistake) -> None:
    refute(tokens_bench, Sequencer, mistake, depth=16)


STUCK = Mistake("goes_on", "banks + self.take[2] - drained", "banks + self.take[2]")
SLOWER = Mistake("a_short_layer_ends", "free = banks < 2", "free = banks < 1")


def test_a_bank_that_never_comes_free_is_refuted() -> None:
    refute(eager_bench, Sequencer, STUCK, depth=20)


def test_a_layer_that_takes_longer_is_refuted() -> None:
    refute(short_bench, Sequencer, SLOWER, depth=LONGEST_LAYER + 10)
