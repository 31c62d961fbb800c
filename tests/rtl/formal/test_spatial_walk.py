"""The loops of a spatial array's sequencer: addresses in the PEs, when tiles change, which sums are first and complete.

Any strides, extents of at most four, all of the loops below the first ones of extent 1; streams pause at will.
"""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import Any

import pytest
from amaranth.hdl import Array, Cat, Signal, Value

from dataflows.nest.rules import TENSORS
from dataflows.spatial.array import MOST_INNER, MOST_OUTER, SpatialArray, SpatialAxis
from rtl.formal.bench import Bench
from rtl.formal.solve import inductive, reach
from rtl.spatial.sequencer import Sequencer
from tests.rtl.formal.broken import Mistake, refute
from tests.rtl.formal.nest import Nest

ARRAY = SpatialArray((SpatialAxis("rows", 2),), l1_words=(16, 16, 16), tag_bits=1)
ADDRESS_BITS = 4
BITS = 3
"""Of model counters: one more than extents need."""
LOOPS = 3
"""Loops that may have more than one iteration, in the PEs and above them."""


def walk_bench(kind: type[Sequencer] = Sequencer, only: str | None = None, loops: int = LOOPS) -> Bench:
    """Claims about both walks."""
    bench = Bench(only=only)
    m = bench.module
    m.submodules.dut = dut = kind(array=ARRAY)
    bench.free(dut.start, dut.room, dut.weights.valid, dut.weights.payload, dut.inputs.valid, dut.inputs.payload)
    bench.assume("one_layer_at_a_time", ~dut.start | ~dut.busy)
    names = {"walking": 1, "last_step": 1, "ends": 3, "new": 3}
    walking, last_step, ends, new = (bench.inner(f"dut.{name}", bits, lemma=False) for name, bits in names.items())
    for name in ("last_output", "last_slot"):
        m.d.comb += dut.prog[name].eq(bench.fixed(dut.prog[name].shape(), name))

    extents = _inner_program(bench, dut, loops)
    inner = Nest(bench, BITS, extents, dut.start, dut.ctl.step)
    outer_extents = _outer_program(bench, dut, loops)
    outer = Nest(bench, BITS, outer_extents, dut.start, dut.ctl.step & inner.last)
    model_walking = Signal()
    m.d.sync += model_walking.eq(dut.start | (model_walking & ~(dut.ctl.step & inner.last & outer.last)))
    bench.claim("walks_all_iterations_and_no_more", walking == model_walking)
    bench.claim("walks_all_steps_of_an_iteration", last_step == inner.last)
    for tensor, port in zip(TENSORS, (dut.ctl.weight, dut.ctl.input, dut.ctl.output), strict=True):
        total = reduce(add, (inner[name][tensor] for name in extents))[:ADDRESS_BITS]
        bench.claim(f"address_of_{tensor}", ~dut.ctl.step | (port == total))
        products = reduce(add, (inner[name].products[tensor] for name in extents))[:ADDRESS_BITS]
        bench.lemma(f"{tensor}_at", ~walking | (bench.inner(f"dut.{tensor}_at", ADDRESS_BITS) == products))
    for which, nest, width in (("inner", inner, 12), ("outer", outer, 16)):
        for at in range(loops):
            bench.lemma(f"{which}_{at}", ~walking | (bench.inner(f"dut.{which}_{at}", width) == nest[str(at)].at))
        for at in range(loops, MOST_INNER if which == "inner" else MOST_OUTER):
            bench.lemma(f"{which}_{at}", ~walking | (bench.inner(f"dut.{which}_{at}", width) == 0))
        bench.lemma(f"{which}_inside", nest.inside | ~walking)
    bench.lemma("outer_behind", walking | ~dut.ctl.step)

    _tiles(bench, dut, walking, ends, dut.ctl.step & last_step, outer)
    _marks(bench, dut, dut.ctl.step & last_step & ends[2], outer, outer_extents)
    untouched = Cat((inner[str(at)].at == 0) | ~dut.prog.inner[at].reduces for at in range(loops)).all()
    bench.claim("sums_begin_on_their_first_visit", ~dut.ctl.step | (dut.ctl.init == (new[2] & untouched)))
    bench.case("all_loops", dut.ctl.step & inner.last & outer.last & Cat(e >= 2 for e, _ in extents.values()).all())
    bench.show("step", dut.ctl.step)
    return bench


def _inner_program(bench: Bench, dut: Any, loops: int) -> dict[str, Any]:
    """Give the loops in the PEs any extents and strides; deltas as the compiler has them. Return the loops of the model."""
    m, extents, rewinds = bench.module, {}, {tensor: Value.cast(0) for tensor in TENSORS}
    for at in range(loops):
        loop, last = dut.prog.inner[at], bench.fixed(BITS - 1, f"last_{at}")
        m.d.comb += [loop.last.eq(last), loop.reduces.eq(bench.fixed(1, f"reduces_{at}"))]
        strides = {tensor: bench.fixed(ADDRESS_BITS, f"{tensor}_stride_{at}") for tensor in TENSORS}
        for tensor, stride in strides.items():
            # The loop advances and all inside it go back from their last iteration.
            m.d.comb += loop[f"{tensor}_delta"].eq(stride - rewinds[tensor])
            rewinds[tensor] = (rewinds[tensor] + last * stride)[:ADDRESS_BITS]
        extents[str(at)] = (last + 1, strides)
    return extents


def _outer_program(bench: Bench, dut: Any, loops: int) -> dict[str, Any]:
    m, extents = bench.module, {}
    for at in range(loops):
        loop, last = dut.prog.outer[at], bench.fixed(BITS - 1, f"outer_last_{at}")
        m.d.comb += [loop.last.eq(last), loop.reduces.eq(bench.fixed(1, f"outer_reduces_{at}"))]
        extents[str(at)] = (last + 1, {})
    for tensor in TENSORS:
        change = dut.prog[f"{tensor}_change"]
        m.d.comb += change.eq(bench.fixed(change.shape(), f"{tensor}_change"))
    return extents


def _tiles(bench: Bench, dut: Any, walking: Any, ends: Any, iterates: Any, outer: Nest) -> None:
    """A tile is let go when, and only when, the next iteration has another one: a loop from `change` on moves."""
    m, was, before = bench.module, Signal(), {name: Signal(BITS) for name in outer.loops}
    m.d.sync += [was.eq(iterates), *(before[name].eq(outer[name].at) for name in before)]
    for at, tensor in enumerate(TENSORS):
        ended = Signal()
        m.d.sync += ended.eq(ends[at])
        change = dut.prog[f"{tensor}_change"]
        moved = Cat((before[name] != outer[name].at) & (int(name) >= change) for name in before).any()
        bench.claim(f"{tensor}_tile_changes_when_let_go", ~(was & walking) | (ended == moved))
        bench.claim(f"{tensor}_tile_is_let_go_at_the_end", ~was | walking | ended)


def _marks(bench: Bench, dut: Any, finished: Any, outer: Nest, extents: dict[str, Any]) -> None:
    """First and complete, of the sums of a bank, when they leave."""
    m = bench.module
    expected = Array([Signal(2, name=f"marks_{bank}") for bank in range(2)])
    first = Cat((outer[name].at == 0) | ~dut.prog.outer[int(name)].reduces for name in extents).all()
    complete = Cat(
        (outer[name].at == extent - 1) | ~dut.prog.outer[int(name)].reduces for name, (extent, _) in extents.items()
    ).all()
    for bank in range(2):
        with m.If(finished & (dut.ctl.bank == bank)):
            m.d.sync += expected[bank].eq(Cat(first, complete))
    bench.claim("marks", ~dut.ctl.drain | (Cat(dut.first, dut.complete) == expected[dut.ctl.drain_bank]))
    bench.lemma("marks_kept", bench.inner("dut.marks", 4) == Cat(expected[0], expected[1]))


@pytest.mark.parametrize("loops", [LOOPS, pytest.param(LOOPS + 1, marks=pytest.mark.nightly)])
def test_loops_are_walked_as_programmed(loops: int) -> None:
    verdict = inductive(walk_bench(loops=loops), 1)
    assert verdict.status == "proved", f"{verdict.failed}\n{verdict.trace}"


def test_the_last_iteration_of_all_loops_is_reached() -> None:
    assert reach(walk_bench(loops=1), 12).status == "proved"


MISTAKES = [
    Mistake("walks_all_iterations_and_no_more", "return advances.any()", "return advances[0]"),
    Mistake("walks_all_steps_of_an_iteration", "self.last_step.eq(~advances.any())", "self.last_step.eq(~advances[0])"),
    Mistake("address_of_weights", "Mux(self.last_step, 0, at + delta)", "at + delta"),
    Mistake("address_of_inputs", "inside = ~advances[:at].any() if at else 1", "inside = 1"),
    Mistake("address_of_outputs", "found = Mux(bit, value, found)", "found = Mux(bit, values[0], found)"),
    Mistake("weights_tile_changes_when_let_go", "advances[n] & (n < change)", "advances[n] & (n <= change)"),
    Mistake("outputs_tile_is_let_go_at_the_end", "advances[n] & (n < change)", "(n < change)"),
    Mistake("marks", "marks[ctl.bank].eq(", "marks[bank].eq("),
    Mistake(
        "sums_begin_on_their_first_visit", "untouched = Cat((counter == 0) | ~loop.reduces", "untouched = Cat((counter == 0)"
    ),
]


@pytest.mark.parametrize("mistake", MISTAKES, ids=str)
def test_a_broken_walk_is_refuted(mistake: Mistake) -> None:
    refute(lambda kind, only: walk_bench(kind, only, loops=2), Sequencer, mistake, depth=14)
