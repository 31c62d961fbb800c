"""The run-length codec: what goes in comes out, once, in order, in as few pairs as there can be; and back again."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from amaranth.hdl import Cat, Const, Mux, Signal, Value
from amaranth.lib import data

from dataflows.compression import Format
from rtl.formal.bench import Bench
from rtl.formal.solve import bounded, inductive, reach
from rtl.rlc import layouts
from rtl.rlc.decoder import RlcDecoder
from rtl.rlc.encoder import RlcEncoder
from tests.rtl.formal.broken import Mistake, refute

WORD_BITS = 2
CODES = {text: Format.parse(text) for text in ("rlc:run_bits=2,pack=2,flag_bits=1", "rlc:run_bits=1,pack=3,flag_bits=1")}
FIRST = next(iter(CODES.values()))
SMALL = Format.parse("rlc:run_bits=1,pack=2,flag_bits=1")
LENGTH_BITS = 3


def most_words(form: Format) -> int:
    """Words that a memory word can stand for."""
    return form.pack << form.run_bits


def ends(packed: Any, form: Format) -> list[Any]:
    """How many words the first pair, the first two, ... stand for."""
    sums, total = [], Const(0)
    for at in range(form.pack):
        total = total + packed.pairs[at].run + 1
        sums.append(total)
    return sums


def word_at(packed: Any, form: Format, at: Any) -> Any:
    """The word at a place of a memory word."""
    found: Any = Const(0, WORD_BITS)
    for number, end in enumerate(ends(packed, form)):
        found = Mux(at + 1 == end, packed.pairs[number].level, found)
    return found


def tight(pair: Any) -> Any:
    """Whether a pair had to be closed although its tensor goes on."""
    return (pair.level != 0) | pair.run.all()


def view(bench: Bench, form: Format, path: str) -> data.View:
    """A memory word inside the component, for lemmas."""
    layout = layouts.memory_word(form, WORD_BITS)
    return data.View(layout, bench.inner(path, layout.size))


def stays(bench: Bench, stream: Any, name: str = "valid_stays_until_taken", *, assumed: bool = False) -> Signal:
    """Say that an offer is neither taken back nor changed; return whether it was there and not taken in the cycle before."""
    now = Value.cast(stream.payload)
    waits, waiting = Signal(name=f"{name}_waits"), Signal(len(now), name=f"{name}_waiting")
    bench.module.d.sync += [waits.eq(stream.valid & ~stream.ready), waiting.eq(now)]
    (bench.assume if assumed else bench.claim)(name, ~waits | (stream.valid & (now == waiting)))
    return waits


def encoder_bench(kind: type[RlcEncoder] = RlcEncoder, form: Format = FIRST, only: str | None = None) -> Bench:
    """Claims about the encoder; tensors of any length."""
    bench, size = Bench(only=only), range(4 * most_words(form))
    m = bench.module
    dut: Any = kind(form=form, word_bits=WORD_BITS)
    m.submodules.dut = dut
    bench.free(dut)
    packed = dut.o.payload
    enters, leaves, flag = dut.i.valid & dut.i.ready, dut.o.valid & dut.o.ready, packed.flag[0]
    # Words inside, and how many of them belong to a tensor whose last word is in.
    inside, closed, stands = Signal(size), Signal(size), Signal(size)
    sums = ends(packed, form)
    m.d.comb += stands.eq(Mux(flag, closed, sums[-1]))
    left = inside - Mux(leaves, stands, 0)
    m.d.sync += inside.eq(left + enters)
    with m.If(enters & dut.i.payload.last):
        m.d.sync += closed.eq(left + 1)
    with m.Elif(leaves):
        m.d.sync += closed.eq(0)
    # Any one word that enters is followed: its content, and how many are ahead of it.
    pick, followed, ahead, word = Signal(), Signal(), Signal(size), Signal(WORD_BITS)
    bench.free(pick)
    with m.If(followed & leaves):
        m.d.sync += [ahead.eq(ahead - stands), followed.eq(ahead >= stands)]
    with m.If(pick & enters & ~followed):
        m.d.sync += [followed.eq(1), word.eq(dut.i.payload.word), ahead.eq(left)]
    here = dut.o.valid & followed & (ahead < stands)
    bench.claim("it_is_in_its_turn_and_unchanged", ~here | (word_at(packed, form, ahead) == word))
    bench.lemma("followed", ~followed | (ahead < inside))
    bench.claim("gives_nothing_else", ~dut.o.valid | (stands <= inside))
    bench.claim("the_flag_closes_a_tensor", (closed != 0) == (dut.o.valid & flag))
    unused = [Value.cast(packed.pairs[at]) == 0 for at in range(1, form.pack)]
    ends_at = [(closed == sums[at]) & Cat(*unused[at:]).all() for at in range(form.pack)]
    bench.claim("a_tensor_ends_with_a_pair_and_zeros_follow", ~(dut.o.valid & flag) | Cat(*ends_at).any())
    further = [tight(packed.pairs[at]) | (flag & (sums[at] >= closed)) for at in range(form.pack)]
    bench.claim("no_pair_too_many", ~dut.o.valid | Cat(*further).all())
    bench.claim("takes_a_word_unless_one_waits", dut.i.ready == ~(dut.o.valid & ~dut.o.ready))
    waiting = inside - Mux(dut.o.valid, stands, 0)
    bench.claim("nothing_is_lost_or_kept_back", waiting < most_words(form))
    stays(bench, dut.o)
    _encoder_lemmas(bench, form, (here, followed, ahead, word), (waiting, stands, dut.o.valid))
    bench.case("full", (inside >= 2 * form.pack) & dut.o.valid)
    bench.case("the_followed_word_leaves_in_a_run", here & leaves & (word == 0) & (ahead == 1) & flag)
    for name, value in {"enters": enters, "leaves": leaves, "held": inside, "tracked": followed, "in_front": ahead}.items():
        bench.show(name, value)
    return bench


def _encoder_lemmas(bench: Bench, form: Format, following: tuple[Any, ...], output: tuple[Any, ...]) -> None:
    """What is in the pairs that are not full."""
    here, followed, ahead, word = following
    waiting, stands, valid = output
    kept, slot = view(bench, form, "dut.kept"), bench.inner("dut.slot", range(form.pack))
    zeros = bench.inner("dut.zeros", form.run_bits)
    sums = [Const(0), *ends(kept, form)]
    so_far = Const(0)
    for at in range(form.pack):
        so_far = Mux(slot == at, sums[at], so_far)
    bench.lemma("slot", slot < form.pack)
    bench.lemma("waiting", waiting == so_far + zeros)
    bench.lemma("tight", Cat((slot <= at) | tight(kept.pairs[at]) for at in range(form.pack)).all())
    place = ahead - Mux(valid, stands, 0)
    behind = followed & ~here
    bench.lemma("its_pair", ~(behind & (place < so_far)) | (word_at(kept, form, place) == word))
    bench.lemma("its_run", ~(behind & (place >= so_far)) | (word == 0))


def decoder_bench(kind: type[RlcDecoder] = RlcDecoder, form: Format = FIRST, only: str | None = None) -> Bench:
    """Claims about the decoder; any memory words and lengths, fitting or not."""
    bench = Bench(only=only)
    m = bench.module
    dut: Any = kind(form=form, word_bits=WORD_BITS, length_bits=LENGTH_BITS)
    m.submodules.dut = dut
    bench.free(dut)
    stays(bench, dut.lengths, "a_length_stays_until_taken", assumed=True)
    layout = layouts.memory_word(form, WORD_BITS)
    packed, busy = Signal(layout), Signal()
    at, given, broken = Signal(range(most_words(form) + 1)), Signal(LENGTH_BITS), Signal()
    sums = ends(packed, form)
    enters, leaves = dut.i.valid & dut.i.ready, dut.o.valid & dut.o.ready
    last = given == dut.lengths.payload
    finishes = leaves & (last | (at + 1 == sums[-1]))
    with m.If(leaves):
        m.d.sync += [at.eq(Mux(finishes, 0, at + 1)), given.eq(Mux(last, 0, given + 1))]
    m.d.sync += busy.eq(enters | (busy & ~finishes))
    with m.If(enters):
        m.d.sync += Value.cast(packed).eq(Value.cast(dut.i.payload))
    in_a_run = ~Cat(at + 1 == end for end in sums).any()
    m.d.sync += broken.eq(broken | (finishes & (in_a_run | (packed.flag[0] != last))))
    bench.claim("offers_a_word_whenever_it_can", dut.o.valid == (busy & dut.lengths.valid))
    bench.claim("it_is_the_next_one", ~dut.o.valid | (dut.o.payload.word == word_at(packed, form, at)))
    bench.claim("the_last_one_is_marked", ~dut.o.valid | (dut.o.payload.last == last))
    bench.claim("takes_the_next_memory_word_at_once", dut.i.ready == (~busy | finishes))
    bench.claim("a_length_goes_with_the_last_word", dut.lengths.ready == (leaves & last))
    bench.claim("knows_what_does_not_fit", dut.fault == broken)
    stays(bench, dut.o)
    held, slot = view(bench, form, "dut.held"), bench.inner("dut.slot", range(form.pack))
    zeros, valid = bench.inner("dut.zeros", form.run_bits), bench.inner("dut.valid", 1)
    before, run = Const(0), Const(0)
    for number, start in enumerate([Const(0), *sums[:-1]]):
        before, run = Mux(slot == number, start, before), Mux(slot == number, packed.pairs[number].run, run)
    bench.lemma("held", (valid == busy) & (~busy | (Value.cast(held) == Value.cast(packed))))
    bench.lemma("given", bench.inner("dut.given", LENGTH_BITS) == given)
    bench.lemma("place", (slot < form.pack) & Mux(busy, (at == before + zeros) & (zeros <= run), (slot == 0) & (zeros == 0)))
    bench.lemma("at_rest", busy | (at == 0))
    bench.case("ends_in_its_last_pair", leaves & last & (at + 1 == sums[-1]) & (at == most_words(form) - 1))
    bench.case("drops_pairs", leaves & last & (at == 0))
    for name, value in {"enters": enters, "leaves": leaves, "place": at, "count": given}.items():
        bench.show(name, value)
    return bench


def loop_bench(encoder: type[RlcEncoder] = RlcEncoder, decoder: type[RlcDecoder] = RlcDecoder, only: str | None = None) -> Bench:
    """Encoder and decoder in a row, tensors of one length after another; between them memory words wait at will."""
    bench, size, form, bits = Bench(only=only), range(16), SMALL, 1
    m = bench.module
    first: Any = encoder(form=form, word_bits=bits)
    second: Any = decoder(form=form, word_bits=bits, length_bits=LENGTH_BITS)
    m.submodules += [first, second]
    hold, pick = Signal(), Signal()
    bench.free(first.i.valid, first.i.payload, second.o.ready, hold, pick)
    length = bench.fixed(LENGTH_BITS, "length")
    m.d.comb += [
        second.i.valid.eq(first.o.valid & ~hold), first.o.ready.eq(second.i.ready & ~hold),
        Value.cast(second.i.payload).eq(Value.cast(first.o.payload)),
        second.lengths.valid.eq(1), second.lengths.payload.eq(length),
    ]  # fmt: skip
    enters, leaves = first.i.valid & first.i.ready, second.o.valid & second.o.ready
    number, inside = Signal(LENGTH_BITS), Signal(size)
    bench.assume("tensors", first.i.payload.last == (number == length))
    with m.If(enters):
        m.d.sync += number.eq(Mux(number == length, 0, number + 1))
    m.d.sync += inside.eq(inside + enters - leaves)
    followed, ahead, kept = Signal(), Signal(size), Signal(bits + 1)
    with m.If(followed & leaves):
        m.d.sync += [ahead.eq(ahead - 1), followed.eq(ahead != 0)]
    with m.If(pick & enters & ~followed):
        m.d.sync += [followed.eq(1), kept.eq(Value.cast(first.i.payload)), ahead.eq(inside - leaves)]
    here = second.o.valid & followed & (ahead == 0)
    bench.claim("what_went_in_comes_out", ~here | (Value.cast(second.o.payload) == kept))
    bench.claim("nothing_more_comes_out", ~second.o.valid | (inside != 0))
    bench.claim("lengths_and_flags_agree", ~second.fault)
    bench.case("a_tensor_of_all_zeros", here & leaves & (length == 5) & (kept == 1 << bits))
    bench.case("a_second_tensor", here & leaves & (length == 2) & (inside == 3))
    for name, value in {"enters": enters, "leaves": leaves, "between": inside, "tracked": followed, "in_front": ahead}.items():
        bench.show(name, value)
    return bench


@pytest.mark.parametrize("text", CODES)
@pytest.mark.parametrize("build", [encoder_bench, decoder_bench], ids=["encoder", "decoder"])
def test_both_directions_keep_every_word(build: Any, text: str) -> None:
    bench = build(form=CODES[text])
    verdict = inductive(bench, 1)
    assert verdict.status == "proved", f"{verdict.failed}\n{verdict.trace}"
    cases = reach(bench, 16)
    assert cases.status == "proved", cases.failed


DEPTH = 11
"""Cycles: time for three tensors of two words, or one of eight."""


def test_decoding_what_was_encoded_gives_it_back() -> None:
    verdict = bounded(loop_bench(), DEPTH)
    assert verdict.status == "proved", f"{verdict.failed}\n{verdict.trace}"
    cases = reach(loop_bench(), DEPTH)
    assert cases.status == "proved", cases.failed


ENCODER = [
    Mistake("it_is_in_its_turn_and_unchanged", "Mux(closes, 0, zeros + 1)", "zeros + 1"),
    Mistake("nothing_is_lost_or_kept_back", "with m.If(full):", "with m.If(full & ~valid):"),
    Mistake("gives_nothing_else", "valid.eq(0)", "valid.eq(coming.last)"),
    Mistake("the_flag_closes_a_tensor", "made.flag.eq(coming.last)", "made.flag.eq(coming.last & (slot != 0))"),
    Mistake("a_tensor_ends_with_a_pair_and_zeros_follow", "kept.pairs[at].level, 0)", "kept.pairs[at].level, coming.word)"),
    Mistake("no_pair_too_many", "| zeros.all() |", "| zeros[-1] |"),
    Mistake("takes_a_word_unless_one_waits", "~valid | self.o.ready)", "~valid)"),
    Mistake("nothing_is_lost_or_kept_back", "full.eq(closes & ", "full.eq(closes & (coming.word != 0) & "),
    Mistake("valid_stays_until_taken", "self.i.ready.eq(~valid | self.o.ready)", "self.i.ready.eq(1)"),
]
DECODER = [
    Mistake("offers_a_word_whenever_it_can", "self.o.valid.eq(valid & self.lengths.valid)", "self.o.valid.eq(valid)"),
    Mistake("it_is_the_next_one", "Mux(level | last, 0, zeros + 1)", "Mux(last, 0, zeros + 1)"),
    Mistake("the_last_one_is_marked", "given.eq(Mux(last, 0, given + 1))", "given.eq(given + 1)"),
    Mistake("takes_the_next_memory_word_at_once", "self.i.ready.eq(~valid | finished)", "self.i.ready.eq(~valid)"),
    Mistake("a_length_goes_with_the_last_word", "self.lengths.ready.eq(leaves & last)", "self.lengths.ready.eq(last)"),
    Mistake("knows_what_does_not_fit", "((flag != last) | ~level)", "(flag != last)"),
    Mistake("valid_stays_until_taken", "with m.If(leaves):", "with m.If(self.o.valid):"),
]
LOOP = [
    Mistake("what_went_in_comes_out", "zeros.all()", "0"),
    Mistake("nothing_more_comes_out", "valid.eq(0)", "valid.eq(valid & coming.last)"),
    Mistake("lengths_and_flags_agree", "((slot == pack - 1) | coming.last)", "(slot == pack - 1)"),
]
BROKEN = [
    *((encoder_bench, RlcEncoder, mistake) for mistake in ENCODER),
    *((decoder_bench, RlcDecoder, mistake) for mistake in DECODER),
    *((loop_bench, RlcEncoder, mistake) for mistake in LOOP),
]


@pytest.mark.parametrize(("build", "kind", "mistake"), BROKEN, ids=[f"{b.__name__}-{m}" for b, _, m in BROKEN])
def test_a_broken_codec_is_refuted(build: Any, kind: type, mistake: Mistake) -> None:
    refute(lambda broken, only: partial(build, broken)(only=only), kind, mistake, depth=12)
