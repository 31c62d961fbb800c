"""The tile sequencer: every step once and in order, with the addresses, marks and buffer halves of its place in the loops.

Three tile loops of extents up to 3 and strides of `STRIDE_BITS` bits; loops above them have one iteration. Queues pause at will.
"""

from __future__ import annotations

from typing import Any

import pytest
from amaranth.hdl import Cat, Mux, Signal, Value, signed

from dataflows.program import LEVELS
from dataflows.schedule import STORE_LAG
from rtl.accelerator.sequencer import Sequencer
from rtl.formal.bench import Bench
from rtl.formal.solve import inductive, reach
from tests.rtl.formal.broken import Mistake, refute
from tests.rtl.formal.nest import Nest

BITS, LOOPS, STRIDE_BITS = 2, 3, 4
WALKED = ("weight", "scale", "output", "y")
"""What advances by deltas and is claimed; inputs and x are walked by the same loop of the generator."""
PUSH = 3
"""State in which descriptors are offered."""


def tile_bench(kind: type[Sequencer] = Sequencer, only: str | None = None) -> Bench:
    """Claims about the descriptors of every step."""
    bench = Bench(only=only)
    m = bench.module
    m.submodules.dut = dut = kind(input_beats=1)
    bench.free(dut.start, dut.load.ready, dut.compute.ready, dut.post.ready, dut.store.ready)
    state = bench.inner("dut.tile_state", 2, lemma=False)
    bench.assume("one_layer_at_a_time", ~dut.start | (state == 0))
    base, extents = _program(bench, dut)
    pushes = dut.load.valid & dut.load.ready
    nest = Nest(bench, BITS, extents, dut.start, pushes)
    running, first_step, ends = Signal(), Signal(), nest["0"].at == dut.prog.extent_0 - 1
    m.d.sync += running.eq(dut.start | (running & ~(pushes & nest.last)))
    m.d.sync += first_step.eq(dut.start | (first_step & ~pushes))
    offered = state == PUSH
    load, compute, store = (port.payload for port in (dut.load, dut.compute, dut.store))

    room = dut.load.ready & dut.compute.ready & dut.post.ready & dut.store.ready
    bench.claim("all_steps_and_no_more", running == (state != 0))
    bench.claim("loads_and_computes_go_together", dut.load.valid == dut.compute.valid)
    bench.claim("nothing_is_pushed_into_a_full_queue", ~(dut.load.valid | dut.store.valid | dut.post.valid) | room)
    bench.claim(
        "tiles_are_stored_when_complete", (dut.store.valid == (dut.load.valid & ends)) & (dut.post.valid == dut.store.valid)
    )
    bench.claim("ends_of_a_reduction", ~offered | ((compute.first == (nest["0"].at == 0)) & (compute.last == ends)))
    bench.claim("last_step", ~offered | ((load.last_step == nest.last) & (store.final == nest.last)))
    late = Signal(8)
    m.d.sync += late.eq(Mux(pushes | (state == 0) | (offered & ~room), 0, late + 1))
    bench.claim("a_step_takes_three_cycles", late <= 2)
    bench.lemma("late", late <= Mux(state == 0, 0, state - 1))

    total = {name: base[name] + sum((nest[at][name] for at in extents), Value.cast(0)) for name in WALKED}
    for name, address in (("weight", load.weight_addr), ("scale", load.scale_addr), ("output", store.addr)):
        bench.claim(f"address_of_{name}", ~offered | (address == total[name][:32]))
    bench.claim("rows_inside", ~offered | _clipped(bench, dut, nest, total["y"], load.rows))
    sums = {name: base[name] + sum((nest[at].products[name] for at in extents), Value.cast(0)) for name in WALKED}
    for name in WALKED:
        register = f"dut.{name}_{'pos' if name == 'y' else 'addr'}"
        bits = 18 if name == "y" else 32
        bench.lemma(f"register_{name}", ~running | (bench.inner(register, bits) == sums[name][:bits]))
    for at in range(LEVELS):
        bench.lemma(f"index_{at}", ~running | (bench.inner(f"dut.index_{at}", 16) == (nest[str(at)].at if at < LOOPS else 0)))
    bench.lemma("final", (state < PUSH - 1) | (bench.inner("dut.final", 1) == nest.last))
    bench.lemma("inside", ~running | nest.inside)
    bench.lemma("small", Cat(nest[at].products[name] < 64 for at in extents for name in WALKED).all())
    _copies(bench, dut, nest, pushes, offered, first_step)
    bench.case("last_of_all", pushes & nest.last & Cat(extent == 2 for extent, _ in extents.values()).all())
    bench.show("pushes", pushes)
    bench.show("state", state)
    return bench


def _program(bench: Bench, dut: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give the program any extents, strides, bases and tile sizes, deltas as the compiler has them; return bases and loops."""
    m, prog = bench.module, dut.prog
    base = {name: bench.fixed(signed(6) if name == "y" else 6, f"{name}_base") for name in WALKED}
    rewinds, extents = dict.fromkeys(WALKED, Value.cast(0)), {}
    m.d.comb += [prog[f"{name}_base"].eq(value) for name, value in base.items()]
    for at in range(LEVELS):
        last = bench.fixed(BITS, f"last_{at}") if at < LOOPS else Value.cast(0)
        m.d.comb += prog[f"extent_{at}"].eq(last + 1)
        if at >= LOOPS:
            continue
        bench.assume(f"extent_{at}", last < (1 << BITS) - 1)
        strides = {name: bench.fixed(STRIDE_BITS, f"{name}_stride_{at}") for name in WALKED}
        for name, stride in strides.items():
            m.d.comb += prog[f"{name}_delta_{at}"].eq(stride - rewinds[name])
            rewinds[name] = rewinds[name] + last * stride
        extents[str(at)] = (prog[f"extent_{at}"][: BITS + 1], strides)
    for name in ("weight", "scale", "input"):
        relevant = bench.fixed(LOOPS, f"{name}_relevant")
        m.d.comb += prog[f"{name}_relevant"].eq(relevant)
        bench.assume(f"{name}_moves", Cat(~relevant[at] | (prog[f"extent_{at}"] > 1) for at in range(LOOPS)).all())
    for name in ("weight_beats_ff", "weight_beats_fe", "weight_beats_ef", "weight_beats_ee"):
        m.d.comb += prog[name].eq(7)
    m.d.comb += [prog.height.eq(bench.fixed(6, "height")), prog.level_p.eq(1)]
    m.d.comb += [prog[name].eq(bench.fixed(4, name)) for name in ("window_h_full", "window_h_edge")]
    return base, extents


def _clipped(bench: Bench, dut: Any, nest: Nest, start: Any, rows: Any) -> Any:
    """Whether `rows` are those of the window that lie in the image; loop 1 is that of output rows."""
    window = Mux(nest["1"].at == dut.prog.extent_1 - 1, dut.prog.window_h_edge, dut.prog.window_h_full)
    low, high = Signal(signed(20)), Signal(signed(20))
    bench.module.d.comb += [
        low.eq(Mux(start < 0, 0, start)),
        high.eq(Mux(start + window > dut.prog.height, dut.prog.height, start + window)),
    ]
    return rows == Mux(high > low, high - low, 0)


def _copies(bench: Bench, dut: Any, nest: Nest, pushes: Any, offered: Any, first_step: Any) -> None:
    """A tensor is loaded, into the other half, when a loop that moves it did; sums change halves with the output tile."""
    m, prog = bench.module, dut.prog
    before = {at: Signal(BITS, name=f"before_{at}") for at in nest.loops}
    m.d.sync += [value.eq(Mux(pushes, nest[at].at, value)) for at, value in before.items()]
    half = {name: Signal(name=f"last_half_{name}") for name in ("weight", "input", "acc")}
    slot, tiles = Signal(2, name="last_slot"), Signal(range(STORE_LAG + 1))
    load, compute, post, store = (port.payload for port in (dut.load, dut.compute, dut.post, dut.store))
    moved = {
        name: first_step | Cat((before[at] != nest[at].at) & prog[f"{name}_relevant"][int(at)] for at in before).any()
        for name in ("weight", "input", "scale")
    }
    moved["acc"] = nest["0"].at == 0
    now = {"weight": compute.weight_half, "input": compute.input_half, "acc": compute.acc_half}
    for name, used in now.items():
        bench.claim(f"half_of_{name}", ~offered | (used == (half[name] ^ moved[name])))
        m.d.sync += half[name].eq(Mux(dut.start, 1, Mux(pushes, used, half[name])))
    bench.claim("slot_of_scales", ~offered | (load.scale_slot == (slot + moved["scale"])[:2]))
    m.d.sync += slot.eq(Mux(dut.start, 3, Mux(pushes, load.scale_slot, slot)))
    bench.claim("loaded_when_moved", ~offered | ((load.weight_beats != 0) == moved["weight"]))
    agree = (load.weight_half == compute.weight_half) & (load.input_half == compute.input_half)
    agree = agree & (post.half == compute.acc_half) & (store.half == compute.acc_half) & (post.scale_slot == load.scale_slot)
    bench.claim("engines_agree_on_halves", ~offered | agree)
    bench.claim("stores_follow", ~offered | (load.store_next == ((nest["0"].at == 0) & (tiles == STORE_LAG))))
    ends = nest["0"].at == prog.extent_0 - 1
    m.d.sync += tiles.eq(Mux(dut.start, 0, tiles + (pushes & ends & (tiles != STORE_LAG))))

    state = bench.inner("dut.tile_state", 2, lemma=False)
    early, formed = state == 1, state > 1
    for name in now:
        register = bench.inner(f"dut.{'out' if name == 'acc' else name}_copy", 1)
        bench.lemma(f"copy_of_{name}", ~early | (register == half[name]))
        bench.lemma(f"new_copy_of_{name}", ~formed | (register == half[name] ^ moved[name]))
    used = bench.inner("dut.slot", 2)
    bench.lemma("slot", (~early | (used == slot)) & (~formed | (used == (slot + moved["scale"])[:2])))
    bench.lemma("tiles", (state == 0) | (bench.inner("dut.tiles", 2) == tiles))
    changed = bench.inner("dut.changed", LEVELS)
    bench.lemma("fresh", (state == 0) | (bench.inner("dut.fresh", 1) == first_step))
    for at in nest.loops:
        differs = before[at] != nest[at].at
        bench.lemma(f"changed_{at}", (state == 0) | first_step | (prog[f"extent_{at}"] == 1) | (changed[int(at)] == differs))


def test_steps_come_in_order_with_their_addresses() -> None:
    bench = tile_bench()
    verdict = inductive(bench, 1)
    assert verdict.status == "proved", f"{verdict.failed}\n{verdict.trace}"
    cases = reach(bench, 26)
    assert cases.status == "proved", cases.failed


MISTAKES = [
    Mistake("all_steps_and_no_more", "with m.If(final):", "with m.If(ends_tile):"),
    Mistake("loads_and_computes_go_together", "self.compute.valid.eq(room)", "self.compute.valid.eq(self.compute.ready)"),
    Mistake("nothing_is_pushed_into_a_full_queue", "self.post.ready & self.store.ready", "self.post.ready"),
    Mistake("tiles_are_stored_when_complete", "self.store.valid.eq(room & ends_tile)", "self.store.valid.eq(room)"),
    Mistake("ends_of_a_reduction", "compute.first.eq(self.index[0] == 0)", "compute.first.eq(self.index[1] == 0)"),
    Mistake("last_step", "final.eq(last.all())", "final.eq(last[:2].all())"),
    Mistake(
        "a_step_takes_three_cycles",
        'm.next = "FORM"', 'with m.If(self.load.ready):\n                    m.next = "FORM"',
    ),
    Mistake("address_of_weight", 'prog[f"{name}_delta_{level}"]', 'prog[f"{name}_delta_0"]'),
    Mistake("address_of_scale", 'load.scale_addr.eq(addr["scale"])', 'load.scale_addr.eq(addr["weight"])'),
    Mistake("address_of_output", 'store.addr.eq(addr["output"])', 'store.addr.eq(addr["scale"])'),
    Mistake("rows_inside", "low = Mux(start < 0, 0, start)", "low = start"),
    Mistake("half_of_weight", 'copies["weight"] ^ loads["weight"]', '~copies["weight"]'),
    Mistake("half_of_input", "changed.eq((2 << level) - 1)", "changed.eq(1 << level)"),
    Mistake("half_of_acc", 'copies["out"] ^ (self.index[0] == 0)', 'copies["out"] ^ last[0]'),
    Mistake("slot_of_scales", 'slot + loads["scale"]', "slot + 1"),
    Mistake("loaded_when_moved", 'Mux(loads["weight"], tile["weight_beats"], 0)', 'tile["weight_beats"]'),
    Mistake("engines_agree_on_halves", 'post.half.eq(copies["out"])', 'post.half.eq(copies["input"])'),
    Mistake("stores_follow", "(tiles == STORE_LAG)", "(tiles == STORE_LAG - 1)"),
]  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES, ids=str)
def test_a_broken_sequencer_is_refuted(mistake: Mistake) -> None:
    refute(tile_bench, Sequencer, mistake, depth=14)
