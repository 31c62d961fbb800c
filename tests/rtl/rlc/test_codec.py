"""Encoder and decoder in the Amaranth simulator against `sim.formats.rlc`: contents, order, cycles, pauses."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from amaranth.sim import Simulator

from dataflows.compression import Format
from dataflows.errors import SpecError
from rtl.rlc import layouts
from rtl.rlc.decoder import RlcDecoder
from rtl.rlc.encoder import RlcEncoder
from sim.formats.rlc import encode

Items = list[Any]
CODES = [
    ("rlc:run_bits=5,pack=3,flag_bits=1", 16), ("rlc:run_bits=2,pack=2,flag_bits=1", 8), ("rlc:run_bits=1", 3),
    ("rlc:run_bits=3,pack=5,flag_bits=4", 1), ("rlc:run_bits=2,pack=4", 32),
]  # fmt: skip


def tensors(rng: Random, bits: int) -> list[list[int]]:
    """Tensors of all lengths from 1, of all densities, some with long runs, some ending in zeros."""
    found = []
    for length in (1, 1, 2, 3, 5, 40, 70, rng.randint(1, 90)):
        density = rng.choice((0.0, 0.05, 0.3, 0.8, 1.0))
        low = -(1 << bits - 1)
        found.append([rng.randint(low, -low - 1) if rng.random() < density else 0 for _ in range(length)])
    return found


def memory_words(values: list[int], bits: int, form: Format) -> list[int]:
    return [int.from_bytes(row.tobytes(), "little") for row in encode(values, bits, form)]


def words(values: list[int], bits: int) -> Items:
    mask = (1 << bits) - 1
    return [{"word": value & mask, "last": int(at == len(values) - 1)} for at, value in enumerate(values)]


def run(dut: Any, feeds: dict[str, Items], wanted: int, seed: int, pauses: float) -> tuple[list[int], int]:
    """Feed every stream with gaps, take from `o` with pauses; return its payloads and the cycle of the last one."""
    rng, found, cycle = Random(seed), [], 0

    async def bench(ctx: Any) -> None:
        nonlocal cycle
        left = {name: list(items) for name, items in feeds.items()}
        offered = dict.fromkeys(left, False)
        waiting = None
        for at in range(40 * wanted + 200):
            for name, items in left.items():
                port = getattr(dut, name)
                offered[name] = bool(items) and (offered[name] or rng.random() >= pauses)
                ctx.set(port.valid, int(offered[name]))
                if offered[name]:
                    ctx.set(port.payload, items[0])
            ctx.set(dut.o.ready, int(rng.random() >= pauses))
            seen = ctx.get(dut.o.payload.as_value())
            assert waiting is None or (ctx.get(dut.o.valid) and seen == waiting), "an offer was changed or taken back"
            waiting = None
            if ctx.get(dut.o.valid):
                if ctx.get(dut.o.ready):
                    found.append(seen)
                    cycle = at
                else:
                    waiting = seen
            for name, items in left.items():
                if offered[name] and ctx.get(getattr(dut, name).ready):
                    items.pop(0)
                    offered[name] = False
            await ctx.tick()
        assert not any(left.values())

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return found, cycle


@pytest.mark.parametrize("pauses", [0.0, 0.5])
@pytest.mark.parametrize(("text", "bits"), CODES)
def test_the_encoder_writes_what_numpy_does(text, bits, pauses):
    form, rng = Format.parse(text), Random(5)
    many = tensors(rng, bits)
    coming = [item for values in many for item in words(values, bits)]
    wanted = [packed for values in many for packed in memory_words(values, bits, form)]
    found, cycle = run(RlcEncoder(form=form, word_bits=bits), {"i": coming}, len(coming), 1, pauses)
    assert found == wanted
    if not pauses:
        assert cycle == len(coming)  # a word per cycle, and one cycle to the output


@pytest.mark.parametrize("pauses", [0.0, 0.5])
@pytest.mark.parametrize(("text", "bits"), CODES)
def test_the_decoder_gives_the_words_back(text, bits, pauses):
    form, rng = Format.parse(text), Random(6)
    many = tensors(rng, bits)
    wanted = [item for values in many for item in words(values, bits)]
    feeds = {
        "i": [_const(form, bits, packed) for values in many for packed in memory_words(values, bits, form)],
        "lengths": [len(values) - 1 for values in many],
    }  # fmt: skip
    dut = RlcDecoder(form=form, word_bits=bits, length_bits=7)
    found, cycle = run(dut, feeds, len(wanted), 2, pauses)
    assert found == [item["word"] | item["last"] << bits for item in wanted]
    if not pauses:
        assert cycle == len(wanted)


def _const(form: Format, bits: int, packed: int) -> Any:
    return layouts.memory_word(form, bits).from_bits(packed)


@pytest.mark.parametrize(
    ("values", "length", "fault"),
    [([1, 2, 3, 4, 0], length, fault) for length, fault in ((3, 1), (4, 0), (5, 0), (6, 0), (7, 1))]
    + [([0] * 9, 9, 0), ([0] * 9, 8, 1), ([0] * 9, 12, 1)],
)
def test_lengths_that_do_not_fit_the_flag_or_end_in_a_run_are_faults(values, length, fault):
    # (0, 1) (0, 2) (0, 3), (0, 4) (0, 0) and a pair for nothing: the tensor ends in the second memory word, or there is a fault.
    form = Format.parse("rlc:run_bits=5,pack=3,flag_bits=1")
    dut: Any = RlcDecoder(form=form, word_bits=16, length_bits=4)
    coming = [*memory_words(values, 16, form), *memory_words([1] * 7, 16, form)]
    seen = []

    async def bench(ctx: Any) -> None:
        ctx.set(dut.lengths.payload, length - 1)
        ctx.set(dut.lengths.valid, 1)
        ctx.set(dut.o.ready, 1)
        for packed in coming[: 1 + len(memory_words(values, 16, form))]:
            ctx.set(dut.i.payload, _const(form, 16, packed))
            ctx.set(dut.i.valid, 1)
            await ctx.tick().until(dut.i.ready)
        seen.append(ctx.get(dut.fault))

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert seen == [fault]


def test_sizes_that_cannot_be_built_are_refused():
    with pytest.raises(SpecError, match="without segments"):
        layouts.memory_word(Format.parse("rlc:segment=16"), 8)
    with pytest.raises(SpecError, match="rlc without"):
        layouts.memory_word(Format.parse("bitmask"), 8)
    with pytest.raises(SpecError, match="word_bits"):
        layouts.memory_word(Format.parse("rlc"), 64)
    with pytest.raises(SpecError, match="length_bits"):
        layouts.length(0)
    assert layouts.memory_word(Format("rlc", 5, pack=3, flag_bits=1), 16).size == 64
