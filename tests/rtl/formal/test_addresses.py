"""Address walks equal the loop nests they stand for: sums of counters times strides, and the end where the loops end.

By induction, so for runs of any length with restarts at any time. Strides and bases are any, of full width; extents are at
most 3, nightly 7, which keeps the multiplications of the reference small.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from amaranth.hdl import Cat, Module, Signal, signed
from amaranth.lib import wiring

from rtl.accelerator.burst import Burst
from rtl.accelerator.walk import PixelWalk, TapWalk
from rtl.formal.bench import Bench
from rtl.formal.solve import inductive, reach
from tests.rtl.formal.broken import Mistake, refute
from tests.rtl.formal.nest import Counter, Nest

BITS = 2
"""Of loop counters, for every commit."""
MORE_BITS = 3


def wrapped(bench: Bench, value: Any, shape: Any) -> Signal:
    """Return the low bits, as an address register keeps them."""
    signal = Signal(shape)
    bench.module.d.comb += signal.eq(value)
    return signal


def small(bench: Bench, extent: Any, bits: int, name: str) -> None:
    """Assume that a loop's counter has so many bits."""
    bench.assume(f"small_{name}", (extent != 0) & (extent < (1 << bits)))


def fixed_inputs(bench: Bench, m: Module, dut: wiring.Component, values: dict[str, Any]) -> None:
    """Give inputs that stay for a whole walk any values."""
    for name, target in values.items():
        m.d.comb += target.eq(bench.fixed(target.shape(), f"any_{name}"))


def burst_bench(kind: type[Burst] = Burst, only: str | None = None, bits: int = BITS) -> Bench:
    """Planes x rows x beats; all bounds and pitches are taken at `start` and may change afterwards."""
    bench = Bench(only=only)
    m = bench.module
    m.submodules.dut = dut = kind()
    bench.free(dut)
    taken = {}
    for name in ("base", "row_pitch", "plane_pitch", "planes", "rows", "beats"):
        port = getattr(dut, name)
        taken[name] = bench.show(f"taken_{name}", kept := Signal.like(port, name=f"model_{name}"))
        with m.If(dut.start):
            m.d.sync += kept.eq(port)
    for name in ("planes", "rows", "beats"):
        small(bench, getattr(dut, name), bits, name)
    bench.assume("steps_while_active", ~dut.step | dut.active)
    loops: dict[str, Any] = {
        "beat": (taken["beats"], {}),
        "row": (taken["rows"], {"pitch": taken["row_pitch"]}),
        "plane": (taken["planes"], {"pitch": taken["plane_pitch"]}),
    }
    nest = Nest(bench, bits, loops, dut.start, dut.step)
    walking = Signal()
    m.d.sync += walking.eq(dut.start | (walking & ~(dut.step & nest.last)))

    beat_at, row_at, plane_at = (nest[name].at for name in loops)
    address = taken["base"] + nest["plane"]["pitch"] + nest["row"]["pitch"] + beat_at
    bench.claim("active_until_the_last_is_used", dut.active == walking)
    bench.claim("address", ~walking | (dut.addr == address[:32]))
    bench.claim("last", ~walking | (dut.last == nest.last))

    kept = {"rows": 16, "beats": 24, "row_pitch": 32, "plane_pitch": 32}
    inner = {name: bench.inner(f"dut.kept_{name}", width) for name, width in kept.items()}
    bench.lemma("kept", ~walking | ((inner["rows"] + 1 == taken["rows"]) & (inner["beats"] + 1 == taken["beats"])))
    bench.lemma("pitches", ~walking | Cat(inner[name] == taken[name] for name in ("row_pitch", "plane_pitch")).all())
    for name, width, at in (("plane", 16, plane_at), ("row", 16, row_at), ("beat", 24, beat_at)):
        bench.lemma(f"{name}s_left", ~walking | (bench.inner(f"dut.{name}", width) + at + 1 == taken[f"{name}s"]))
    bench.lemma("inside", ~walking | nest.inside)
    bench.lemma("small", ~walking | Cat(extent < (1 << bits) for extent, _ in loops.values()).all())
    of_plane = wrapped(bench, taken["base"] + nest["plane"].products["pitch"], 32)
    of_row = wrapped(bench, of_plane + nest["row"].products["pitch"], 32)
    bench.lemma("plane_address", ~walking | (bench.inner("dut.plane_addr", 32) == of_plane))
    bench.lemma("row_address", ~walking | (bench.inner("dut.row_addr", 32) == of_row))
    bench.lemma("beat_address", ~walking | (dut.addr == wrapped(bench, of_row + beat_at, 32)))

    deep = Cat(extent == 2 for extent, _ in loops.values()).all()
    bench.case("end_of_a_nest", walking & nest.last & deep & dut.step)
    bench.show("address", dut.addr)
    return bench


def pixel_bench(kind: type[PixelWalk] = PixelWalk, only: str | None = None, bits: int = BITS) -> Bench:
    """Output pixels of a tile, with a mark to go back to."""
    bench = Bench(only=only)
    m = bench.module
    m.submodules.dut = dut = kind()
    bench.free(dut.restart, dut.step, dut.rewind, dut.mark)
    prog, origin = dut.prog, dut.origin
    fixed_inputs(bench, m, dut, {
        "p": dut.p, "q": dut.q, "stride_y": prog.stride_y, "stride_x": prog.stride_x, "stride_y_pitch": prog.stride_y_pitch,
        "addr": origin.addr, "y": origin.y, "x": origin.x,
    })  # fmt: skip
    for name in "pq":
        small(bench, getattr(dut, name), bits, name)
    strides: dict[str, Any] = {"p": {"addr": prog.stride_y_pitch, "y": prog.stride_y}, "q": {"x": prog.stride_x}}
    now, marked = ({name: Counter(bench, bits, f"{kind}_{name}", **strides[name]) for name in "pq"} for kind in ("now", "marked"))
    past, marked_past, begun = Signal(), Signal(), Signal()
    bench.assume("begins_with_restart", begun | dut.restart | ~dut.step)
    ends_row = now["q"].at == dut.q - 1
    last = ends_row & (now["p"].at == dut.p - 1)

    def go_on(state: dict[str, Counter], state_past: Any) -> None:
        """Give a state the pixel after the current one. None is after the last: the counters stay."""
        m.d.sync += state_past.eq(past | last)
        for name in "pq":
            m.d.sync += state[name].copy(now[name])
        with m.If(~past & ends_row & ~last):
            m.d.sync += _from(state["p"], now["p"], 1) + state["q"].back()
        with m.Elif(~past & ~ends_row):
            m.d.sync += _from(state["q"], now["q"], 1)

    with m.If(dut.restart):
        m.d.sync += [begun.eq(1), past.eq(0), marked_past.eq(0)]
        m.d.sync += [statement for state in (now, marked) for name in "pq" for statement in state[name].back()]
    with m.Elif(dut.step):
        with m.If(dut.rewind):
            m.d.sync += past.eq(marked_past)
            m.d.sync += [statement for name in "pq" for statement in now[name].copy(marked[name])]
        with m.Else():
            go_on(now, past)
        with m.If(dut.mark):
            go_on(marked, marked_past)

    here = {
        "addr": origin.addr + now["p"]["addr"] + now["q"]["x"],
        "y": origin.y + now["p"]["y"],
        "x": origin.x + now["q"]["x"],
    }
    unpast = begun & ~past
    for name, value in here.items():
        bench.claim(f"here_{name}", ~unpast | (dut.here[name] == wrapped(bench, value, signed(18))))
    bench.claim("last", ~unpast | (dut.last == last))
    bench.claim("past_after_the_last", ~begun | (dut.past == past))
    _pixel_lemmas(bench, "now", begun, past, now, dut)
    _pixel_lemmas(bench, "marked", begun, marked_past, marked, dut)
    bench.case("all_pixels", begun & dut.past & (dut.p == 2) & (dut.q == 3))
    bench.case("back_to_a_mark", dut.step & dut.rewind & begun & (marked["p"].at == 1) & ~dut.restart)
    return bench


def _from(counter: Counter, other: Counter, amount: int) -> list[Any]:
    """Return the statements that make a counter another one's, counted up."""
    products = (counter.products[key].eq(other.products[key] + stride) for key, stride in counter.strides.items())
    return [counter.at.eq(other.at + amount), *products]


def _pixel_lemmas(bench: Bench, name: str, begun: Any, past: Any, model: dict[str, Counter], dut: Any) -> None:
    """State `name` inside is the model's, as long as it means something. Fields as `PixelWalk` keeps them."""
    state = bench.inner(f"dut.{name}", 18 * 4 + 16 + 16 + 1)
    addr, y, x, row_addr = (state.word_select(at, 18) for at in range(4))
    p, q, is_past = state[72:88], state[88:104], state[104]
    means = begun & ~past
    bench.lemma(f"{name}_past", ~begun | (is_past == past))
    bench.lemma(f"{name}_counters", ~means | ((p == model["p"].at) & (q == model["q"].at)))
    bench.lemma(f"{name}_inside", ~begun | ((model["p"].at < dut.p) & (model["q"].at < dut.q)))
    products = {**model["p"].products, **model["q"].products}
    row = wrapped(bench, dut.origin.addr + products["addr"], 18)
    bench.lemma(f"{name}_row", ~means | (row_addr == row))
    bench.lemma(f"{name}_addr", ~means | (addr == wrapped(bench, row + products["x"], 18)))
    bench.lemma(f"{name}_y", ~means | (y == wrapped(bench, dut.origin.y + products["y"], 18)))
    bench.lemma(f"{name}_x", ~means | (x == wrapped(bench, dut.origin.x + products["x"], 18)))


def tap_bench(kind: type[TapWalk] = TapWalk, only: str | None = None, bits: int = BITS) -> Bench:
    """Channel blocks and filter taps; the same block again, or the next one."""
    bench = Bench(only=only)
    m = bench.module
    m.submodules.dut = dut = kind()
    bench.free(dut.restart, dut.step, dut.next_block)
    prog = dut.prog
    names = ("filter_r", "filter_s", "dilation_y", "dilation_x", "dilation_y_pitch", "tile_plane", "block_plane")
    fixed_inputs(bench, m, dut, {"c_blocks": dut.c_blocks, **{name: prog[name] for name in names}})
    loops: dict[str, Any] = {
        "s": (prog.filter_s, {"x": prog.dilation_x}),
        "r": (prog.filter_r, {"y": prog.dilation_y, "addr": prog.dilation_y_pitch}),
        "c": (dut.c_blocks, {"addr": prog.tile_plane}),
    }
    for name, (extent, _) in loops.items():
        small(bench, extent, bits, name)
    nest = Nest(bench, bits, loops, dut.restart, dut.step)
    begun = Signal()
    bench.assume("begins_with_restart", begun | dut.restart | ~dut.step)
    block = Counter(bench, bits, "block", addr=prog.block_plane)
    with m.If(dut.restart):
        m.d.sync += [begun.eq(1), *block.back()]
    with m.Elif(dut.step & nest.last):
        m.d.sync += block.up(dut.next_block)
    bench.assume("blocks", ~(dut.step & nest.last & dut.next_block) | (~block.at.all()) | dut.restart)

    s, r, c = (nest[name] for name in "src")
    address = block["addr"] + c["addr"] + r["addr"] + s["x"]
    bench.claim("here_addr", ~begun | (dut.here.addr == wrapped(bench, address, signed(18))))
    bench.claim("here_y", ~begun | (dut.here.y == r["y"][:17]))
    bench.claim("here_x", ~begun | (dut.here.x == s["x"][:17]))
    bench.claim("last", ~begun | (dut.last == nest.last))
    bench.claim("first", ~begun | (dut.first == Cat(counter.at == 0 for counter in (c, r, s)).all()))

    for counter, name, width in ((c, "c", 16), (r, "r", 8), (s, "s", 8)):
        bench.lemma(f"counter_{name}", ~begun | (bench.inner(f"dut.{name}", width) == counter.at))
    bench.lemma("inside", ~begun | nest.inside)
    of_plane = wrapped(bench, block.products["addr"] + c.products["addr"], 18)
    of_row = wrapped(bench, of_plane + r.products["addr"], 18)
    bench.lemma("block_address", ~begun | (bench.inner("dut.block_addr", 18) == block.products["addr"][:18]))
    bench.lemma("plane_address", ~begun | (bench.inner("dut.plane_addr", 18) == of_plane))
    bench.lemma("row_address", ~begun | (bench.inner("dut.row_addr", 18) == of_row))
    bench.lemma("address", ~begun | (dut.here.addr.as_unsigned() == wrapped(bench, of_row + s.products["x"], 18)))
    bench.lemma("y", ~begun | (dut.here.y.as_unsigned() == r.products["y"][:18]))
    bench.lemma("x", ~begun | (dut.here.x.as_unsigned() == s.products["x"][:18]))
    two = Cat(extent == 2 for extent, _ in loops.values()).all()
    bench.case("two_blocks", begun & two & (block.at == 1) & nest.last)
    return bench


BENCHES = {"burst": (burst_bench, 12), "pixels": (pixel_bench, 10), "taps": (tap_bench, 18)}


@pytest.mark.parametrize("bits", [BITS, pytest.param(MORE_BITS, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("name", BENCHES)
def test_addresses_equal_the_loop_nests(name: str, bits: int) -> None:
    build, depth = BENCHES[name]
    bench = build(bits=bits)
    verdict = inductive(bench, 1)
    assert verdict.status == "proved", f"{verdict.failed}\n{verdict.trace}"
    cases = reach(bench, depth)
    assert cases.status == "proved", cases.failed


BURST = [
    Mistake("address", "next_row = row_addr + row_pitch", "next_row = self.addr + row_pitch"),
    Mistake("last", "plane_ends & (plane == 0)", "plane_ends"),
    Mistake("active_until_the_last_is_used", "with m.If(self.last):", "with m.If(plane_ends):"),
]
PIXELS = [
    Mistake("here_addr", "below = now.row_addr + self.prog.stride_y_pitch", "below = now.here.addr + self.prog.stride_y_pitch"),
    Mistake("here_y", "now.here.y + self.prog.stride_y)", "now.here.y + self.prog.stride_x)"),
    Mistake("here_x", "after.here.x.eq(self.origin.x)", "after.here.x.eq(0)"),
    Mistake("last", "row_end & (now.p == self.p - 1)", "row_end"),
    Mistake("past_after_the_last", "after.past.eq(now.past | self.last)", "after.past.eq(self.last)"),
]
TAPS = [
    Mistake("here_addr", "Mux(self.next_block, prog.block_plane, 0)", "prog.block_plane"),
    Mistake("here_y", "self.here.addr.eq(behind), self.here.y.eq(0)", "self.here.addr.eq(behind)"),
    Mistake("here_x", "self.here.addr.eq(below), self.here.x.eq(0)", "self.here.addr.eq(below)"),
    Mistake("last", "s_end & r_end & c_end", "s_end & r_end"),
    Mistake("first", "(c == 0) & (r == 0) & (s == 0)", "(r == 0) & (s == 0)"),
]
BROKEN = [
    *((burst_bench, Burst, mistake) for mistake in BURST),
    *((pixel_bench, PixelWalk, mistake) for mistake in PIXELS),
    *((tap_bench, TapWalk, mistake) for mistake in TAPS),
]


@pytest.mark.parametrize(("build", "kind", "mistake"), BROKEN, ids=[f"{kind.__name__}-{mistake}" for _, kind, mistake in BROKEN])
def test_a_broken_walk_is_refuted(build: Callable[[Any, str], Bench], kind: type, mistake: Mistake) -> None:
    refute(build, kind, mistake, depth=16)
