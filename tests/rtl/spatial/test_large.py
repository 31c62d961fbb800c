"""Large arrays: lines in blocks, long delays in strides, and text that grows with the sides and not with the PEs."""

from __future__ import annotations

import re
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
import pytest
from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

import rtl.delay
import rtl.spatial.block
from dataflows.errors import SpecError
from dataflows.spatial import named
from dataflows.spatial.array import SpatialArray, SpatialAxis
from dataflows.spatial.schedule import schedule
from rtl.delay import skewed
from rtl.library import Modules
from rtl.spatial.block import block_sizes
from rtl.spatial.core import SpatialCore, check_ports
from rtl.spatial.export import verilog
from rtl.spatial.sums import add_up
from tests.dataflows.spatial.random_arrays import draw_program
from tests.rtl.lint import lint
from tests.rtl.spatial.bench import operands, simulate, wrong

NAMED = {
    "ws": named.weight_stationary(5, 3),
    "os": named.output_stationary(4, 4),
    "is": named.input_stationary(5, 2),
    "both": named.weight_or_output_stationary(3, 5),
    "nlr": named.no_local_reuse(5, 3),
    "nlr in stages": replace(named.no_local_reuse(5, 2), tree_levels=1),
    "nvdla": named.nvdla(5, 3, 4),
    "nvdla in stages": replace(named.nvdla(7, 2, 4), tree_levels=2),
    "links": replace(
        named.shidiannao(5, 2, links=4), axes=(SpatialAxis("rows", 5, "PK", 0), SpatialAxis("cols", 2, "QK", 0)),
        ports=(frozenset(), frozenset({"cols"}), frozenset({"cols"})),
    ),
    "mixed": SpatialArray(
        (SpatialAxis("rows", 5, "CK", 1), SpatialAxis("cols", 3, "KQ", 0)),
        ports=(frozenset({"rows", "cols"}), frozenset(), frozenset({"cols"})),
    ),
    "one sum": SpatialArray((SpatialAxis("rows", 4, "CK", 0), SpatialAxis("cols", 3, "CR", 1)), tree_levels=1),
}  # fmt: skip


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what is built for large arrays begin at two lines and two cycles."""
    monkeypatch.setattr(rtl.spatial.block, "LEAST_LINES", 2)
    monkeypatch.setattr(rtl.spatial.block, "CHAINED_LINES", 2)
    monkeypatch.setattr(rtl.spatial.block, "MOST_LEVELS", 1)
    monkeypatch.setattr(rtl.delay, "STRIDE", 2)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("name", NAMED)
def test_an_array_in_blocks_computes_the_same_in_the_same_cycles(name):
    array = NAMED[name]
    assert len(block_sizes(array)) > 1
    for seed in range(3):
        program = draw_program(Random(seed), array, most_macs=300)
        data = operands(program.layer, np.random.default_rng(seed), (array.weight_bits, array.input_bits))
        ran = simulate(program, data)
        assert (wrong(program, data, ran), ran.cycles) == ([], schedule(program).cycles)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("name", ["ws", "nvdla in stages", "links", "mixed", "one sum"])
def test_verilog_in_blocks_is_clean(name, tmp_path):
    text = verilog(NAMED[name], "x")
    assert re.search(r"^module x_spatial_block_\d", text, re.MULTILINE)
    assert "\\$" not in text
    # As for all arrays: sums that wrap are cut by the assignment.
    verdict = lint(text, "x_array", tmp_path, "-Wno-WIDTHTRUNC")
    assert verdict.returncode == 0, verdict.stderr


def test_small_arrays_and_those_of_other_shapes_have_no_blocks():
    assert block_sizes(named.weight_stationary(31, 64)) == []
    assert block_sizes(named.weight_stationary(40, 2)) == [16, 16, 8]
    assert block_sizes(named.nvdla(33, 2)) == [8, 8, 8, 8, 1]
    planes = (*named.weight_stationary(64, 2).axes, SpatialAxis("planes", 2))
    assert block_sizes(replace(named.weight_stationary(64, 2), axes=planes)) == []


def parts(array: SpatialArray) -> tuple[int, int, int]:
    """Modules, instances and bytes of an array."""
    text = verilog(array, "x")
    instances = re.findall(r"^  x_\w+ \w+ \($", text, re.MULTILINE)
    return len(re.findall(r"^module ", text, re.MULTILINE)), len(instances), len(text)


@pytest.mark.parametrize("make", [named.weight_stationary, named.nvdla])
def test_text_grows_with_the_sides_and_not_with_the_pes(make):
    small, large = (parts(make(side, side)) for side in (32, 64))
    assert large[0] <= small[0]
    # Twice the side is at most twice the text, where four times the PEs would be four times as much.
    assert large[1] <= 2 * small[1]
    assert large[2] <= 2 * small[2]


def test_more_bits_than_a_module_can_take_are_refused():
    with pytest.raises(SpecError, match="132,489 bits a cycle into the array"):
        check_ports(named.no_local_reuse(128, 128))
    with pytest.raises(SpecError, match="into a line of PEs"):
        check_ports(named.weight_stationary(2, 1700))


class Unit(wiring.Component):
    """A function of plain values as a component."""

    def __init__(self, build: Any, into: int, out: int) -> None:
        self.build = build
        super().__init__({"i": In(into), "o": Out(out)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.d.comb += self.o.eq(self.build(m, self.i))
        return m


def run(unit: Unit, words: list[int]) -> list[int]:
    """Return what comes out in each cycle in which a word is at the input."""
    found: list[int] = []

    async def bench(ctx: Any) -> None:
        for word in words:
            ctx.set(unit.i, word)
            found.append(ctx.get(unit.o))
            await ctx.tick()

    m = Module()
    m.submodules.unit = unit
    m.d.sync += Signal().eq(0)  # there is a clock even where nothing is delayed
    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return found


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 40), min_size=1, max_size=6), st.integers(0, 2**32))
def test_every_lane_is_as_late_as_it_should_be(cycles, seed):
    bits, rng = 5, Random(seed)
    words = [rng.getrandbits(bits * len(cycles)) for _ in range(50)]

    def build(m: Module, word: Any) -> Any:
        lanes = [word[n * bits : (n + 1) * bits] for n in range(len(cycles))]
        return Cat(skewed(None, m, lanes, cycles, "skewed"))

    width = bits * len(cycles)
    for now, out in enumerate(run(Unit(build, width, width), words)):
        for n, late in enumerate(cycles):
            if now >= late:
                assert out >> n * bits & 31 == words[now - late] >> n * bits & 31


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 20), st.integers(1, 3), st.integers(0, 3), st.booleans(), st.integers(0, 2**32))
def test_vectors_add_up_lane_by_lane(count, lanes, every, chain, seed):
    bits, rng = 6, Random(seed)
    width = lanes * bits
    axes = (SpatialAxis("rows", count, delay=int(chain)),)
    hops = SpatialArray(axes, tree_levels=every).hops(axes[0])
    words = [rng.getrandbits(width * count) for _ in range(hops + 5)]

    def build(m: Module, word: Any) -> Any:
        vectors = [word[n * width : (n + 1) * width] for n in range(count)]
        return add_up(None, m, vectors, bits, chain=chain, hops=hops, every=every, name="sum")

    def term(now: int, vector: int, at: int) -> int:
        return words[now] >> vector * width + at * bits & 63

    for now, out in enumerate(run(Unit(build, width * count, width), words)):
        for at in range(lanes) if now >= hops else ():
            # The first vector has the way through the whole chain before it, the last one a single register.
            total = sum(term(now - (hops - n if chain else hops), n, at) for n in range(count))
            assert out >> at * bits & 63 == total & 63


def test_modules_of_equal_size_are_shared():
    modules = Modules("x_")
    modules.add("x_array", SpatialCore(array=named.nvdla(64, 4), modules=modules))
    assert [name for name in modules.names if "block" in name or "adders" in name] == [
        "x_spatial_adders_8x4x32", "x_spatial_block_8",
    ]  # fmt: skip
