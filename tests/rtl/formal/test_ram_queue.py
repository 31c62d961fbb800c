"""What a queue in a memory promises: what goes in comes out, once, in order, and as soon as the memory has it."""

from __future__ import annotations

import pytest
from amaranth.hdl import Array, Mux, Signal, Value
from amaranth.lib import data

from rtl.formal.bench import Bench
from rtl.formal.solve import inductive, reach
from rtl.ram_queue import RamQueue
from tests.rtl.formal.broken import Mistake, refute


def ram_queue_bench(kind: type[RamQueue] = RamQueue, depth: int = 4, width: int = 3, only: str | None = None) -> Bench:
    """Claims about a queue, with what makes them inductive."""
    bench = Bench(only=only)
    m = bench.module
    m.submodules.dut = dut = kind(shape=data.StructLayout({"word": width}), depth=depth)
    bench.free(dut)
    enters, leaves = dut.i.valid & dut.i.ready, dut.o.valid & dut.o.ready
    word_in, word_out = Value.cast(dut.i.payload), Value.cast(dut.o.payload)

    # Any one word that enters is followed: its content, and how many are ahead of it.
    pick, followed, ahead, word = Signal(), Signal(), Signal(range(depth + 2)), Signal(width)
    inside, stored = Signal(range(depth + 3)), Signal(range(depth + 3))
    bench.free(pick)
    m.d.comb += stored.eq(inside - dut.o.valid)
    m.d.sync += inside.eq(inside + enters - leaves)
    with m.If(followed & leaves):
        m.d.sync += [ahead.eq(ahead - 1), followed.eq(ahead != 0)]
    with m.If(pick & enters & ~followed):
        m.d.sync += [followed.eq(1), word.eq(word_in), ahead.eq(inside - leaves)]
    bench.claim("it_is_in_its_turn_and_unchanged", ~(followed & leaves & (ahead == 0)) | (word_out == word))
    bench.claim("it_is_not_lost", ~followed | (ahead < inside))
    bench.claim("gives_nothing_else", ~dut.o.valid | (inside != 0))
    bench.claim("takes_while_there_is_room", dut.i.ready == (stored != depth))
    waits, waiting, comes = Signal(), Signal(width), Signal()
    m.d.sync += [waits.eq(dut.o.valid & ~dut.o.ready), waiting.eq(word_out), comes.eq(stored != 0)]
    bench.claim("valid_stays_until_taken", ~waits | (dut.o.valid & (word_out == waiting)))
    bench.claim("gives_in_the_next_cycle_what_it_has_stored", ~comes | dut.o.valid)

    count = bench.inner("dut.count", range(depth + 1))
    head, tail = (bench.inner(f"dut.{name}", range(max(2, depth))) for name in ("head", "tail"))
    end = head + count
    bench.lemma("pointers", (head < depth) & (tail == Mux(end >= depth, end - depth, end)))
    bench.lemma("level", (count == stored) & (stored <= depth) & (inside >= dut.o.valid))
    words = Array([bench.inner(f"dut.words[{at}]", width) for at in range(depth)])
    spot, found = Signal(range(2 * depth + 3)), Signal(width)
    m.d.comb += [spot.eq(head + ahead - dut.o.valid), found.eq(words[Mux(spot >= depth, spot - depth, spot)])]
    bench.lemma("its_place", ~followed | (Mux(dut.o.valid & (ahead == 0), word_out, found) == word))

    bench.case("full", (stored == depth) & dut.o.valid)
    bench.case("the_followed_word_leaves", followed & leaves & (ahead == 0) & (inside == depth + 1))
    for name, value in {"enters": enters, "leaves": leaves, "held": inside, "tracked": followed, "in_front": ahead}.items():
        bench.show(name, value)
    return bench


@pytest.mark.parametrize("depth", [2, 3, 4, 5])
def test_a_queue_in_a_memory_loses_doubles_and_reorders_nothing(depth: int) -> None:
    bench = ram_queue_bench(depth=depth)
    verdict = inductive(bench, 1)
    assert verdict.status == "proved", f"{verdict.failed}\n{verdict.trace}"
    cases = reach(bench, 2 * depth + 6)
    assert cases.status == "proved", cases.failed


MISTAKES = [
    Mistake("valid_stays_until_taken", "(count != 0) & (~have | self.o.ready)", "count != 0"),
    Mistake("gives_nothing_else", "read | (have & ~self.o.ready)", "read | have"),
    Mistake("gives_in_the_next_cycle_what_it_has_stored", "(~have | self.o.ready)", "~have"),
    Mistake("takes_while_there_is_room", "self.i.ready.eq(count != depth)", "self.i.ready.eq(1)"),
    Mistake("it_is_in_its_turn_and_unchanged", "Mux(head == depth - 1, 0, head + 1)", "head + 1"),
    Mistake("it_is_not_lost", "push.eq(self.i.valid & self.i.ready)", "push.eq(self.i.valid & self.i.ready & ~read)"),
]


@pytest.mark.parametrize("mistake", MISTAKES, ids=str)
def test_a_broken_queue_is_refuted(mistake: Mistake) -> None:
    refute(lambda kind, only: ram_queue_bench(kind, depth=3, only=only), RamQueue, mistake, depth=14)
