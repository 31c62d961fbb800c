"""Links between neighbours in a spatial array's sequencer: when they hold, and where PEs find what was taken before.

Any distance that the PEs remember, any loop up to three bits with any number of deliveries inside it; streams pause at will.
"""

from __future__ import annotations

import pytest
from amaranth.hdl import Mux, Signal, Value

from dataflows.spatial.array import SpatialArray, SpatialAxis
from rtl.formal.bench import Bench
from rtl.formal.solve import inductive, reach
from rtl.spatial.sequencer import Sequencer
from tests.rtl.formal.broken import Mistake, refute

DEPTH = 6
ARRAY = SpatialArray(
    (SpatialAxis("rows", 2, delay=0), SpatialAxis("cols", 2, delay=0)), tag_bits=1, links=((), (("rows", DEPTH), ("cols", 1)))
)
WORDS = 8
"""What a PE remembers: the depth as a power of two."""
BITS = 3


def links_bench(kind: type[Sequencer] = Sequencer, only: str | None = None) -> Bench:
    """Claims about the link along the rows."""
    bench = Bench(only=only)
    m = bench.module
    m.submodules.dut = dut = kind(array=ARRAY)
    bench.free(dut.start, dut.room, dut.weights.valid, dut.weights.payload, dut.inputs.valid, dut.inputs.payload)
    bench.assume("one_layer_at_a_time", ~dut.start | ~dut.busy)
    program, packet = dut.prog.inputs_links.rows, dut.inputs_packet
    told, done = packet.links.rows, packet.valid & dut.inputs.payload.last

    # A loop of `extent` iterations with `inside` deliveries each: a link after `times` of them.
    inside, extent, times = (bench.fixed(BITS, name) for name in ("inside", "extent", "times"))
    linked = bench.fixed(1, "linked")
    bench.assume("loops", (inside > 0) & (extent > 0) & (times > 0))
    bench.assume("deep_enough", inside * times <= DEPTH)
    whole = Value.cast(dut.prog)
    m.d.comb += whole.eq(bench.fixed(len(whole), "program", shown=False))
    distance, period = Mux(linked, inside * times, 0), inside * extent
    bench.assume("compiled", (program.distance == distance) & (program.last == period - 1))
    delivery, iteration = Signal(BITS), Signal(BITS)
    last = delivery == inside - 1
    with m.If(dut.start):
        m.d.sync += [delivery.eq(0), iteration.eq(0)]
    with m.Elif(done):
        m.d.sync += delivery.eq(Mux(last, 0, delivery + 1))
        with m.If(last):
            m.d.sync += iteration.eq(Mux(iteration == extent - 1, 0, iteration + 1))
    bench.claim("links_hold_from_an_iteration_on", told.holds == (linked & (iteration >= times)))
    bench.case("a_link_holds", packet.valid & told.holds & (inside > 1))
    number = bench.inner("dut.inputs_rows_number", len(program.last))
    bench.lemma("within_the_loops", (delivery < inside) & (iteration < extent))
    bench.lemma("number", number == iteration * inside + delivery)

    # Any delivery: where it is kept, and how many deliveries ago it was.
    mark, marked = Signal(), Signal()
    bench.free(mark)
    where, since = Signal(WORDS.bit_length() - 1), Signal(BITS + 1)
    with m.If(dut.start):
        m.d.sync += marked.eq(0)
    with m.Elif(done & ~marked & mark):
        m.d.sync += [marked.eq(1), where.eq(packet.links.here), since.eq(1)]
    with m.Elif(done & marked):
        m.d.sync += since.eq(Mux(since == WORDS + 1, since, since + 1))
    bench.claim("neighbours_read_what_they_want", ~(marked & linked & (since == inside * times)) | (told.back == where))
    bench.claim(
        "what_neighbours_want_is_kept", ~(marked & packet.valid & (since < inside * times)) | (packet.links.here != where)
    )
    bench.lemma("since", (since <= WORDS + 1) & (~marked | (since > 0)))
    here = bench.inner("dut.inputs_here", WORDS.bit_length() - 1)
    bench.lemma("where", ~marked | (since > WORDS) | (here == (where + since)[: len(here)]))
    bench.show("here", here)
    return bench


def test_links_hold_where_their_loop_says_and_lead_to_the_right_word() -> None:
    bench = links_bench()
    verdict = inductive(bench, 1)
    assert verdict.status == "proved", f"{verdict.failed}\n{verdict.trace}"
    assert reach(bench, 16).status == "proved"


MISTAKES = [
    Mistake("links_hold_from_an_iteration_on", "number >= link.distance", "number > link.distance"),
    Mistake("links_hold_from_an_iteration_on", "(link.distance != 0) & (number", "(number"),
    Mistake("links_hold_from_an_iteration_on", "done & (number == link.last)", "done & (number == link.distance)"),
    Mistake("neighbours_read_what_they_want", "told.back.eq(here - link.distance)", "told.back.eq(here)"),
    Mistake("what_neighbours_want_is_kept", "here.eq(here + done)", "here.eq(here)"),
]


@pytest.mark.parametrize("mistake", MISTAKES, ids=str)
def test_broken_links_are_refuted(mistake: Mistake) -> None:
    refute(links_bench, Sequencer, mistake, depth=16)
