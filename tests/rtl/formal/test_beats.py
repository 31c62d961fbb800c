"""Run-length coding of whole beats: every word in its turn, in the exact number of cycles, whatever waits."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from amaranth.hdl import Cat, Const, Mux, Signal, Value, signed

from dataflows.compression import Format
from rtl.formal.bench import Bench
from rtl.formal.solve import bounded, inductive, reach
from rtl.rlc.beat_decoder import BeatDecoder
from rtl.rlc.beat_encoder import BeatEncoder
from tests.rtl.formal.broken import Mistake, refute
from tests.rtl.formal.test_rlc import CODES, SMALL, WORD_BITS, ends, most_words, stays, tight, view, word_at

SIZES = list(zip(CODES.values(), (2, 3), strict=True))
"""Formats, and words of a beat."""
FIRST, WORDS = SIZES[0]


def waits_for_rows(bench: Bench, zero: Any, resting: Any) -> None:
    """Assume that the zero point changes only where no row has begun."""
    before = Signal(len(zero), name="zero_before")
    rested = Signal(name="rested", init=1)
    bench.module.d.sync += [before.eq(zero), rested.eq(resting)]
    bench.assume("a_zero_point_stays_for_a_row", rested | (zero == before))


class Steps:
    """The words of the beat at the encoder's input one by one, as a coder of single words would take them."""

    def __init__(self, bench: Bench, dut: Any, form: Format, words: int) -> None:
        m = bench.module
        beat, last, most = dut.i.payload.words, dut.i.payload.last, (1 << form.run_bits) - 1
        self.levels = [Signal(WORD_BITS, name=f"level_{at}") for at in range(words)]
        self.before = Signal(form.run_bits)  # zeros in front of the beat, of a run that is not closed
        self.zeros, self.closes, self.closed = [self.before], [], [Const(0)]
        for at in range(words):
            m.d.comb += self.levels[at].eq(beat[at] - dut.zero)
            zeros, closes = Signal(form.run_bits, name=f"zeros_{at}"), Signal(name=f"closes_{at}")
            ends_row = last if at == words - 1 else Const(0)
            m.d.comb += closes.eq((self.levels[at] != 0) | (self.zeros[at] == most) | ends_row)
            m.d.comb += zeros.eq(Mux(closes, 0, self.zeros[at] + 1))
            self.zeros.append(zeros)
            self.closes.append(closes)
            self.closed.append(self.closed[at] + closes)
        self.number, self.goes_on = Signal(range(words + 1)), dut.i.valid & (~dut.o.valid | dut.o.ready)
        enters = dut.i.valid & dut.i.ready
        with m.If(self.goes_on):
            m.d.sync += self.number.eq(Mux(enters, 0, self.number + 1))
        with m.If(enters):
            m.d.sync += self.before.eq(zeros)
        self.wanted = self.closed[words] + ~self.closes[-1]


def encoder_bench(
    kind: type[BeatEncoder] = BeatEncoder, form: Format = FIRST, words: int = WORDS, only: str | None = None
) -> Bench:
    """Claims about the encoder; rows of any length."""
    bench, size = Bench(only=only), range(4 * (most_words(form) + words))
    m = bench.module
    dut: Any = kind(form=form, word_bits=WORD_BITS, words=words)
    m.submodules.dut = dut
    bench.free(dut)
    seen = stays(bench, dut.i, "a_beat_stays_until_taken", assumed=True)
    packed, steps = dut.o.payload.word, Steps(bench, dut, form, words)
    enters, leaves, flag = dut.i.valid & dut.i.ready, dut.o.valid & dut.o.ready, packed.flag[0]
    # A beat counts from the cycle in which it is offered: pairs with its first words can leave before it is used up.
    begun, new = Signal(), Signal()
    m.d.comb += new.eq(dut.i.valid & ~seen)
    m.d.sync += begun.eq(Mux(enters, ~dut.i.payload.last, begun | dut.i.valid))
    waits_for_rows(bench, dut.zero, Mux(enters, dut.i.payload.last, ~dut.i.valid & ~begun))
    before, inside, closed, stands, left = (Signal(size, name=name) for name in ("before", "inside", "closed", "stands", "left"))
    sums = ends(packed, form)
    m.d.comb += [
        inside.eq(before + Mux(new, words, 0)), stands.eq(Mux(flag, closed, sums[-1])),
        left.eq(inside - Mux(leaves, stands, 0)),
    ]  # fmt: skip
    m.d.sync += before.eq(left)
    with m.If(enters & dut.i.payload.last):
        m.d.sync += closed.eq(left)
    with m.Elif(leaves):
        m.d.sync += closed.eq(0)
    # Any one word is followed: its level, and how many are ahead of it.
    pick, lane = Signal(), Signal(range(words))
    followed, ahead, level = Signal(), Signal(size), Signal(WORD_BITS)
    bench.free(pick, lane)
    with m.If(followed & leaves):
        m.d.sync += [ahead.eq(ahead - stands), followed.eq(ahead >= stands)]
    for at in range(words):
        with m.If(pick & new & ~followed & (lane == at)):
            m.d.sync += [followed.eq(1), level.eq(steps.levels[at]), ahead.eq(left - words + at)]
    here = dut.o.valid & followed & (ahead < stands)
    waiting = inside - Mux(dut.o.valid, stands, 0)
    _encoder_claims(bench, dut, form, (sums, stands, closed), steps)
    bench.claim("it_is_in_its_turn_and_unchanged", ~here | (word_at(packed, form, ahead) == level))
    bench.claim("gives_nothing_else", ~dut.o.valid | (stands <= inside))
    bench.claim("nothing_is_lost_or_kept_back", waiting < most_words(form) + words)
    bench.lemma("followed", ~followed | (ahead < before))
    place = ahead - Mux(dut.o.valid, stands, 0)
    _encoder_lemmas(bench, form, steps, (followed & ~here, place, level), (waiting, dut.i.valid, seen))
    bench.case("leaves_before_its_beat", leaves & ~enters & dut.i.valid & (ahead < stands) & followed & seen)
    bench.case("the_followed_word_leaves_in_a_run", here & leaves & (level == 0) & (ahead == 1) & flag)
    for name, value in {"enters": enters, "leaves": leaves, "held": inside, "tracked": followed, "in_front": ahead}.items():
        bench.show(name, value)
    return bench


def _encoder_claims(bench: Bench, dut: Any, form: Format, row: tuple[Any, Any, Any], steps: Steps) -> None:
    """What a memory word looks like, and when a beat is used up."""
    sums, stands, closed = row
    packed, flag = dut.o.payload.word, dut.o.payload.word.flag[0]
    bench.claim("the_flag_closes_a_row", (closed != 0) == (dut.o.valid & flag))
    bench.claim("the_mark_is_the_flag", ~dut.o.valid | (dut.o.payload.last == flag))
    unused = [Value.cast(packed.pairs[at]) == 0 for at in range(1, form.pack)]
    ends_at = [(stands == sums[at]) & Cat(*unused[at:]).all() for at in range(form.pack)]
    bench.claim("a_row_ends_with_a_pair_and_zeros_follow", ~(dut.o.valid & flag) | Cat(*ends_at).any())
    further = [tight(packed.pairs[at]) | (flag & (sums[at] >= closed)) for at in range(form.pack)]
    bench.claim("no_pair_too_many", ~dut.o.valid | Cat(*further).all())
    bench.claim("takes_exactly_its_steps", dut.i.ready == (steps.goes_on & (steps.number + 1 == steps.wanted)))
    stays(bench, dut.o)


def _encoder_lemmas(bench: Bench, form: Format, steps: Steps, following: tuple[Any, ...], inputs: tuple[Any, ...]) -> None:
    """What is in the pairs that are not full, and how far the beat is done."""
    behind, place, level = following
    waiting, valid, seen = inputs
    words = len(steps.levels)
    kept, slot = view(bench, form, "dut.kept"), bench.inner("dut.slot", range(form.pack))
    zeros, pos = bench.inner("dut.zeros", form.run_bits), bench.inner("dut.pos", range(words))
    so_far = Const(0)
    for at, total in enumerate([Const(0), *ends(kept, form)][: form.pack]):
        so_far = Mux(slot == at, total, so_far)
    done = so_far + zeros
    bench.lemma("slot", slot < form.pack)
    bench.lemma("pos", (pos < words) & (seen | ((pos == 0) & (steps.number == 0))))
    bench.lemma("waiting", waiting == done + Mux(valid, words - pos, 0))
    bench.lemma("tight", Cat((slot <= at) | tight(kept.pairs[at]) for at in range(form.pack)).all())
    for at in range(words):
        after_closer = steps.closes[at - 1] if at else Const(1)
        lemma = after_closer & (zeros == steps.zeros[at]) & (steps.number == steps.closed[at])
        bench.lemma(f"done_{at}", (pos != at) | lemma)
        bench.lemma(f"its_place_{at}", ~behind | (pos + place != done + at) | (place < done) | (steps.levels[at] == level))
    bench.lemma("its_pair", ~(behind & (place < so_far)) | (word_at(kept, form, place) == level))
    bench.lemma("its_run", ~(behind & (place >= so_far) & (place < done)) | (level == 0))


def decoder_bench(
    kind: type[BeatDecoder] = BeatDecoder, form: Format = FIRST, words: int = WORDS, only: str | None = None
) -> Bench:
    """Claims about the decoder; any memory words, rows cut anywhere."""
    bench, size = Bench(only=only), range(most_words(form) + words + 1)
    m = bench.module
    dut: Any = kind(form=form, word_bits=WORD_BITS, words=words)
    m.submodules.dut = dut
    bench.free(dut)
    seen = stays(bench, dut.i, "a_memory_word_stays_until_taken", assumed=True)
    packed, flag = dut.i.payload, dut.i.payload.flag[0]
    sums = ends(packed, form)
    # Words of this memory word that are done with, the place of the next one in its beat, and the beat of the words before.
    at, lane, drops, broken, begun = Signal(size), Signal(range(words)), Signal(), Signal(), Signal()
    part = [Signal(WORD_BITS, name=f"part_{number}") for number in range(words)]
    closer, full, event = (Signal(size, name=name) for name in ("closer", "full", "event"))
    close = sums[-1]
    for total in reversed(sums[:-1]):
        close = Mux(at < total, total, close)
    m.d.comb += [closer.eq(close), full.eq(at + words - lane), event.eq(Mux(full <= closer, full, closer))]
    works, taken = dut.i.valid & ~drops, dut.o.valid & dut.o.ready
    offers, goes_on, used = works & (full <= closer), Signal(), Signal()
    cut = taken & dut.last
    m.d.comb += [goes_on.eq(works & (~offers | dut.o.ready)), used.eq(goes_on & Mux(cut, flag, event == sums[-1]))]
    beat = []
    for number in range(words):
        place, here = Signal(signed(len(at) + 1), name=f"place_{number}"), Signal(WORD_BITS, name=f"here_{number}")
        m.d.comb += [place.eq(at + number - lane), here.eq(Mux(place < 0, part[number], word_at(packed, form, place) + dut.zero))]
        beat.append(here)
    over = cut | (used & flag)  # a row that is too short is over too: the next one begins a beat
    with m.If(goes_on):
        lane_after = Mux((full <= closer) | over, 0, lane + (event - at))
        m.d.sync += [at.eq(Mux(used | cut, 0, event)), lane.eq(lane_after), begun.eq(~over)]
    with m.If(used):
        m.d.sync += [old.eq(new) for old, new in zip(part, beat, strict=True)]
    m.d.sync += [
        drops.eq((drops & ~(dut.i.valid & flag)) | (cut & ~flag)),
        broken.eq((broken & ~dut.clear) | (used & flag & ~cut)),
    ]
    waits_for_rows(bench, dut.zero, Mux(works, cut, ~begun))
    bench.claim("offers_a_beat_when_all_of_it_is_there", dut.o.valid == offers)
    right = Cat(dut.o.payload[number] == beat[number] for number in range(words)).all()
    bench.claim("it_is_the_next_one", ~dut.o.valid | right)
    bench.claim("takes_exactly_its_cycles", dut.i.ready == (used | (dut.i.valid & drops)))
    bench.claim("knows_a_row_that_is_too_short", (dut.fault == broken) & (dut.fails == (used & flag & ~cut)))
    stays(bench, dut.o)
    bench.lemma("at_rest", (seen | (at == 0)) & (begun | ((at == 0) & (lane == 0))))
    _decoder_lemmas(bench, dut, form, (at, lane, drops), beat)
    bench.case("a_beat_of_two_memory_words", taken & (lane > at))
    bench.case("two_beats_in_a_run", taken & (full < closer) & (at >= words))
    bench.case("drops_two_memory_words", drops & dut.i.valid & ~flag)
    for name, value in {"used": used, "taken": taken, "done": at, "lane": lane, "dropped": drops}.items():
        bench.show(name, value)
    return bench


def _decoder_lemmas(bench: Bench, dut: Any, form: Format, done: tuple[Any, Any, Any], beat: list[Any]) -> None:
    """Where the decoder is, and what the beat holds so far."""
    at, lane, drops = done
    packed, words = dut.i.payload, len(beat)
    slot, gone = bench.inner("dut.slot", range(form.pack)), bench.inner("dut.gone", form.run_bits)
    pos = bench.inner("dut.pos", range(words))
    so_far = bench.inner("dut.so_far", words * WORD_BITS)
    before, run = Const(0), Const(0)
    for number, start in enumerate([Const(0), *ends(packed, form)[:-1]]):
        before, run = Mux(slot == number, start, before), Mux(slot == number, packed.pairs[number].run, run)
    bench.lemma("dropping", (bench.inner("dut.dropping", 1) == drops) & (~drops | ((slot == 0) & (gone == 0) & (lane == 0))))
    bench.lemma("place", (slot < form.pack) & (gone <= run) & (at == before + gone))
    bench.lemma("lane", (pos == lane) & (lane < words))
    for number in range(words):
        wanted = Mux(pos > number, beat[number], dut.zero)
        bench.lemma(f"so_far_{number}", (pos == 0) | (so_far.word_select(number, WORD_BITS) == wanted))


def loop_bench(
    encoder: type[BeatEncoder] = BeatEncoder, decoder: type[BeatDecoder] = BeatDecoder, only: str | None = None
) -> Bench:
    """Encoder and decoder in a row, rows of one length, each cut at another; between them memory words wait at will."""
    bench, size, words, bits = Bench(only=only), range(16), 2, 1
    m = bench.module
    first: Any = encoder(form=SMALL, word_bits=bits, words=words)
    second: Any = decoder(form=SMALL, word_bits=bits, words=words)
    m.submodules += [first, second]
    hold, pick = Signal(), Signal()
    bench.free(first.i.valid, first.i.payload, second.o.ready, hold, pick)
    length, wanted, zero = bench.fixed(2, "length"), bench.fixed(2, "wanted"), bench.fixed(bits, "zero")
    stays(bench, first.i, "a_beat_stays_until_taken", assumed=True)
    # A memory word that the decoder works on stays; before that it may be held back.
    shown = Signal()
    m.d.sync += shown.eq(second.i.valid & ~second.i.ready)
    bench.assume("what_is_shown_stays", ~(shown & hold))
    m.d.comb += [
        first.zero.eq(zero), second.zero.eq(zero),
        second.i.valid.eq(first.o.valid & ~hold), first.o.ready.eq(second.i.ready & ~hold),
        Value.cast(second.i.payload).eq(Value.cast(first.o.payload.word)),
    ]  # fmt: skip
    enters, leaves = first.i.valid & first.i.ready, second.o.valid & second.o.ready
    number, given, inside = Signal(2), Signal(2), Signal(size)
    bench.assume("rows", (first.i.payload.last == (number == length)) & (wanted <= length))
    with m.If(enters):
        m.d.sync += number.eq(Mux(number == length, 0, number + 1))
    m.d.comb += second.last.eq(given == wanted)
    with m.If(leaves):
        m.d.sync += given.eq(Mux(second.last, 0, given + 1))
    counts = enters & (number <= wanted)
    m.d.sync += inside.eq(inside + counts - leaves)
    followed, ahead, kept = Signal(), Signal(size), Signal(words * bits)
    with m.If(followed & leaves):
        m.d.sync += [ahead.eq(ahead - 1), followed.eq(ahead != 0)]
    with m.If(pick & counts & ~followed):
        m.d.sync += [followed.eq(1), kept.eq(Value.cast(first.i.payload.words)), ahead.eq(inside - leaves)]
    here = second.o.valid & followed & (ahead == 0)
    bench.claim("what_went_in_comes_out", ~here | (Value.cast(second.o.payload) == kept))
    bench.claim("nothing_more_comes_out", ~second.o.valid | (inside != 0))
    bench.claim("no_row_is_too_short", ~second.fault)
    bench.case("a_row_of_all_zeros", here & leaves & (length == 2) & (kept == 3) & zero)
    cut = Signal()
    m.d.sync += cut.eq(cut | (leaves & second.last & ~second.i.payload.flag[0]))
    bench.case("a_row_after_one_cut_short", here & leaves & cut & second.last)
    for name, value in {"enters": enters, "leaves": leaves, "between": inside, "tracked": followed, "in_front": ahead}.items():
        bench.show(name, value)
    return bench


@pytest.mark.parametrize(("form", "words"), SIZES, ids=map(str, CODES))
@pytest.mark.parametrize("build", [encoder_bench, decoder_bench], ids=["encoder", "decoder"])
def test_both_directions_keep_every_word(build: Any, form: Format, words: int) -> None:
    bench = build(form=form, words=words)
    verdict = inductive(bench, 1)
    assert verdict.status == "proved", f"{verdict.failed}\n{verdict.trace}"
    cases = reach(bench, 16)
    assert cases.status == "proved", cases.failed


DEPTH = 13
"""Cycles: time for several rows of a beat, or one of four beats."""


def test_decoding_what_was_encoded_gives_it_back() -> None:
    verdict = bounded(loop_bench(), DEPTH)
    assert verdict.status == "proved", f"{verdict.failed}\n{verdict.trace}"
    cases = reach(loop_bench(), DEPTH)
    assert cases.status == "proved", cases.failed


STEP = "step.eq(self.i.valid & (~valid | self.o.ready))"
ENCODER = [
    Mistake("it_is_in_its_turn_and_unchanged", "zeros.eq(Mux(closes, 0, span))", "zeros.eq(span)"),
    Mistake("it_is_in_its_turn_and_unchanged", "level.any() & (pos <= at)", "level.any()"),
    Mistake("it_is_in_its_turn_and_unchanged", "payload.words[at] - self.zero", "payload.words[at]"),
    Mistake("it_is_in_its_turn_and_unchanged", "Mux(first[0], first[1], second[1])", "Mux(second[0], second[1], first[1])"),
    Mistake("nothing_is_lost_or_kept_back", "closes & (ends | (slot == slots - 1))", "closes & ends"),
    Mistake("gives_nothing_else", "valid.eq(0)", "valid.eq(last)"),
    Mistake("the_flag_closes_a_row", "made.word.flag.eq(ends)", "made.word.flag.eq(ends & (slot != 0))"),
    Mistake("the_mark_is_the_flag", "made.last.eq(ends)", "made.last.eq(closes)"),
    Mistake("a_row_ends_with_a_pair_and_zeros_follow", "Value.cast(kept.pairs[at]), 0)", "Value.cast(kept.pairs[at]), ends)"),
    Mistake("no_pair_too_many", "& last), closes.eq(some | full | last)", "), closes.eq(1)"),
    Mistake("takes_exactly_its_steps", STEP, "step.eq(self.i.valid & ~valid)"),
    Mistake("takes_exactly_its_steps", "full.eq(span > most)", "full.eq(span >= most)"),
    Mistake("valid_stays_until_taken", STEP, "step.eq(self.i.valid)"),
]
DECODER = [
    Mistake("offers_a_beat_when_all_of_it_is_there", "works & (target >= words - 1)", "works & (target >= words)"),
    Mistake("it_is_the_next_one", "Mux(pos == 0, self.zero, so_far[at])", "so_far[at]"),
    Mistake("it_is_the_next_one", "gone + (words - pos)", "gone + words"),
    Mistake("it_is_the_next_one", "word.eq(level + self.zero)", "word.eq(level)"),
    Mistake("takes_exactly_its_cycles", "used.eq(Mux(ends, flag, word_done))", "used.eq(word_done | (ends & flag))"),
    Mistake("takes_exactly_its_cycles", "with m.Elif(self.i.valid & flag):", "with m.Elif(self.i.valid):"),
    Mistake("takes_exactly_its_cycles", "m.d.sync += [slot.eq(0), gone.eq(0),", "m.d.sync += [gone.eq(0),"),
    Mistake("knows_a_row_that_is_too_short", "self.fails.eq(used & flag & ~ends)", "self.fails.eq(used & flag)"),
    Mistake("knows_a_row_that_is_too_short", "(self.fault & ~self.clear)", "self.fault"),
    Mistake("it_is_the_next_one", "m.d.sync += pos.eq(0)", "m.d.sync += pos.eq(pos)"),
    Mistake("valid_stays_until_taken", "((target != words - 1) | self.o.ready)", "1"),
]
LOOP = [
    Mistake("what_went_in_comes_out", "full.eq(span > most)", "full.eq(0)"),
    Mistake("nothing_more_comes_out", "valid.eq(0)", "valid.eq(last)"),
    Mistake("no_row_is_too_short", "made.word.flag.eq(ends)", "made.word.flag.eq(1)"),
]
BROKEN = [
    *((encoder_bench, BeatEncoder, mistake) for mistake in ENCODER),
    *((decoder_bench, BeatDecoder, mistake) for mistake in DECODER),
    *((loop_bench, BeatEncoder, mistake) for mistake in LOOP),
]


@pytest.mark.parametrize(("build", "kind", "mistake"), BROKEN, ids=[f"{b.__name__}-{m}" for b, _, m in BROKEN])
def test_a_broken_coder_is_refuted(build: Any, kind: type, mistake: Mistake) -> None:
    refute(lambda broken, only: partial(build, broken)(only=only), kind, mistake, depth=12)
