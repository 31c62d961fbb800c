"""What a queue promises: what goes in comes out, once, in order, and waits until it is taken."""

from __future__ import annotations

import pytest
from amaranth.hdl import Array, Mux, Signal, Value
from amaranth.lib import data

from rtl.formal.bench import Bench
from rtl.formal.solve import inductive, reach
from rtl.stream import Queue
from tests.rtl.formal.broken import Mistake, refute


def queue_bench(kind: type[Queue] = Queue, depth: int = 4, width: int = 4, only: str | None = None) -> Bench:
    """Claims about a queue, with what makes them inductive."""
    bench = Bench(only=only)
    m = bench.module
    m.submodules.dut = dut = kind(shape=data.StructLayout({"word": width}), depth=depth)
    bench.free(dut)
    enters, leaves = dut.i.valid & dut.i.ready, dut.o.valid & dut.o.ready
    word_in, word_out = Value.cast(dut.i.payload), Value.cast(dut.o.payload)

    # Any one word that enters is followed: its content, and how many are ahead of it.
    pick, followed, ahead, word = Signal(), Signal(), Signal(range(depth + 1)), Signal(width)
    inside = Signal(range(depth + 2))
    bench.free(pick)
    m.d.sync += inside.eq(inside + enters - leaves)
    with m.If(followed & leaves):
        m.d.sync += [ahead.eq(ahead - 1), followed.eq(ahead != 0)]
    with m.If(pick & enters & ~followed):
        m.d.sync += [followed.eq(1), word.eq(word_in), ahead.eq(inside - leaves)]
    bench.claim("it_is_in_its_turn_and_unchanged", ~(followed & leaves & (ahead == 0)) | (word_out == word))
    bench.claim("it_is_not_lost", ~followed | (ahead < inside))
    bench.claim("gives_what_it_has_and_nothing_else", dut.o.valid == (inside != 0))
    bench.claim("takes_while_there_is_room", dut.i.ready == (inside != depth))
    bench.lemma("never_too_full", inside <= depth)

    waits, waiting = Signal(), Signal(width)
    m.d.sync += [waits.eq(dut.o.valid & ~dut.o.ready), waiting.eq(word_out)]
    bench.claim("valid_stays_until_taken", ~waits | (dut.o.valid & (word_out == waiting)))

    level = bench.inner("dut.fifo.level", range(depth + 1))
    consume = 0
    if depth > 1:
        produce, consume = (bench.inner(f"dut.fifo.{name}", range(depth)) for name in ("produce", "consume"))
        end = consume + level
        bench.lemma("pointers", (consume < depth) & (produce == Mux(end >= depth, end - depth, end)))
    bench.lemma("level", level == inside)
    words = Array([bench.inner(f"dut.fifo.storage[{at}]", width) for at in range(depth)])
    spot = Signal(range(2 * depth + 2))
    m.d.comb += spot.eq(consume + ahead)
    bench.lemma("its_place", ~followed | (words[Mux(spot >= depth, spot - depth, spot)] == word))

    bench.case("full", inside == depth)
    bench.case("the_followed_word_leaves", followed & leaves & (ahead == 0) & (inside == depth))
    for name, value in {"enters": enters, "leaves": leaves, "held": inside, "tracked": followed, "in_front": ahead}.items():
        bench.show(name, value)
    bench.show("word_out", word_out)
    return bench


@pytest.mark.parametrize("depth", range(1, 9))
def test_a_queue_loses_doubles_and_reorders_nothing(depth: int) -> None:
    bench = queue_bench(depth=depth)
    verdict = inductive(bench, 1)
    assert verdict.status == "proved", f"{verdict.failed}\n{verdict.trace}"
    cases = reach(bench, 2 * depth + 2)
    assert cases.status == "proved", cases.failed


MISTAKES = [
    Mistake("valid_stays_until_taken", "fifo.r_en.eq(self.o.ready)", "fifo.r_en.eq(1)"),
    Mistake("gives_what_it_has_and_nothing_else", "self.o.valid.eq(fifo.r_rdy)", "self.o.valid.eq(fifo.r_rdy | fifo.w_en)"),
    Mistake("takes_while_there_is_room", "self.i.ready.eq(fifo.w_rdy)", "self.i.ready.eq(1)"),
    Mistake(
        "it_is_in_its_turn_and_unchanged",
        "fifo.w_data.eq(self.i.payload)", "fifo.w_data.eq(self.i.payload.as_value() ^ (fifo.level == 2))",
    ),
    Mistake("it_is_not_lost", "fifo.w_en.eq(self.i.valid)", "fifo.w_en.eq(self.i.valid & ~fifo.r_en)"),
]  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES, ids=str)
def test_a_broken_queue_is_refuted(mistake: Mistake) -> None:
    refute(lambda kind, only: queue_bench(kind, depth=3, only=only), Queue, mistake, depth=12)
