"""Arrays whose neighbours are linked: every sum, every cycle, every word, whatever links hold."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from random import Random
from typing import Any

import numpy as np
import pytest
from amaranth.sim import Simulator

from dataflows.mapping import Level, Loop, Mapping
from dataflows.spatial import named
from dataflows.spatial.array import SpatialArray, SpatialAxis
from dataflows.spatial.program import SpatialProgram, compile_spatial
from dataflows.spatial.schedule import schedule
from dataflows.workload import Layer
from rtl.emit import emit
from rtl.library import Modules
from rtl.spatial import layouts
from rtl.spatial.core import SpatialCore
from rtl.spatial.pe import SpatialPE
from sim.spatial.arrays import random_linked_array
from tests.dataflows.spatial.random_links import draw_linked_program
from tests.rtl.lint import lint
from tests.rtl.spatial.bench import operands, simulate, wrong


def drawn(program: SpatialProgram, seed: int) -> dict[str, np.ndarray]:
    return operands(program.layer, np.random.default_rng(seed), (program.array.weight_bits, program.array.input_bits))


@pytest.mark.parametrize("seed", range(24))
def test_random_links(seed):
    program = draw_linked_program(Random(seed), most=200)
    data = drawn(program, seed)
    ran, model = simulate(program, data), schedule(program)
    assert wrong(program, data, ran) == []
    assert ran.cycles == model.cycles
    assert ran.beats == {tensor: beats for tensor, beats in model.beats.items() if tensor != "outputs"}


@pytest.mark.parametrize("seed", range(200, 208))
def test_streams_may_pause(seed):
    program = draw_linked_program(Random(seed), most=100)
    data = drawn(program, seed)
    ran = simulate(program, data, gaps=0.3, stalls=0.4, seed=seed)
    assert wrong(program, data, ran) == []
    assert ran.cycles >= schedule(program).cycles


def window(array: SpatialArray, layer: Layer, order: str = "PQKCRS") -> SpatialProgram:
    """Put output rows and columns on the axes, everything else above them, outermost first."""
    sizes = dict(zip("PQ", (axis.size for axis in array.axes), strict=True))
    outer = [Loop(dim, -(-getattr(layer, dim) // sizes.get(dim, 1))) for dim in order]
    spatial = (Loop("P", sizes["P"], 1, "rows"), Loop("Q", sizes["Q"], 1, "cols"))
    return compile_spatial(layer, array, Mapping((Level("stream", (*outer, *spatial)), Level("pe", ()))))


LAYERS = {
    "plain": Layer("plain", K=2, C=2, P=5, Q=6, R=3, S=3, padding=(1, 1, 1, 1)),
    "stride": Layer("stride", K=1, C=2, P=4, Q=5, R=3, S=3, stride=(2, 2)),
    "dilated": Layer("dilated", K=1, C=2, P=4, Q=5, R=3, S=3, dilation=(2, 2)),
    "both": Layer("both", K=1, C=1, P=4, Q=5, R=3, S=4, stride=(2, 1), dilation=(2, 1)),
    "wide": Layer("wide", K=1, C=1, P=4, Q=4, R=5, S=5, stride=(1, 2)),
    "point": Layer("point", K=2, C=3, P=4, Q=4, R=1, S=1),
}
PORTS = {"all": frozenset({"rows", "cols"}), "cols": frozenset({"cols"}), "one": frozenset[str]()}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize(("rows", "cols", "ports"), [(3, 4, "all"), (2, 2, "all"), (4, 3, "cols"), (1, 5, "one")])
def test_shidiannao(name, rows, cols, ports):
    array = named.shidiannao(rows, cols, links=12)
    array = replace(array, ports=(array.ports[0], PORTS[ports], array.ports[2]))
    program = window(array, LAYERS[name])
    data = drawn(program, 3)
    ran, model = simulate(program, data), schedule(program)
    assert (wrong(program, data, ran), ran.cycles) == ([], model.cycles)
    assert ran.beats["inputs"] == model.beats["inputs"]


@pytest.mark.parametrize("change", [{"zero_gating": True}, {"pe_stages": 1}, {"pe_stages": 2, "zero_gating": True}])
def test_links_go_with_gating_and_stages(change):
    program = window(replace(named.shidiannao(3, 3, links=3), **change), LAYERS["plain"], "PQKCSR")
    data = drawn(program, 4)
    data["inputs"][np.random.default_rng(4).random(data["inputs"].shape) < 0.5] = 0
    ran = simulate(program, data)
    assert (wrong(program, data, ran), ran.cycles) == ([], schedule(program).cycles)


def test_a_pe_takes_from_the_cheapest_neighbour_that_has_the_word():
    """Every combination of links that hold, edges, which link is cheaper, and beats; of neighbours that disagree."""
    array = SpatialArray(
        (SpatialAxis("rows", 2, delay=0), SpatialAxis("cols", 2, delay=0)), links=((), (("rows", 2), ("cols", 2)))
    )  # fmt: skip
    words, port = {"rows": 11, "cols": 22}, 33
    pe = SpatialPE(array=array)

    async def bench(ctx: Any) -> None:
        for holds, edges, (cheap, dear), begin in product(range(4), range(4), (("rows", "cols"), ("cols", "rows")), (1, 0)):
            held, edge = ({"rows": bits & 1, "cols": bits >> 1} for bits in (holds, edges))
            ctx.set(pe.tag_i, layouts.tag(array).const({"active": 1, "inputs_edges": edge}))
            ctx.set(pe.tag_shift, 1)
            await ctx.tick()
            ctx.set(pe.tag_shift, 0)
            ctx.set(pe.inputs_next, layouts.neighbours(array, "inputs").const(words))
            links: dict[str, Any] = {axis: {"holds": held[axis], "back": 0, "yields": 0} for axis in ("rows", "cols")}
            links[dear]["yields"] = 1 << ("rows", "cols").index(cheap)
            packet: dict[str, Any] = {"valid": 1, "begin": 1, "links": {"here": 0}}
            ctx.set(pe.inputs_extents, dict.fromkeys(array.fields("inputs"), 1))
            ctx.set(pe.heard, layouts.heard(array).const({"inputs": packet}))
            ctx.set(pe.inputs_word, 99)  # what was there before
            await ctx.tick()
            ctx.set(pe.heard, layouts.heard(array).const({"inputs": packet | {"begin": begin, "links": links}}))
            ctx.set(pe.inputs_word, port)
            await ctx.tick()
            able = [axis for axis in (cheap, dear) if held[axis] and not edge[axis]]
            expected = port if not able else words[able[0]] if begin else 99
            assert ctx.get(pe.inputs_past.rows) == ctx.get(pe.inputs_past.cols) == expected

    sim = Simulator(pe)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()


@pytest.mark.parametrize("seed", [0, 3, 8, 11])
def test_verilog_is_clean(seed, tmp_path):
    array = random_linked_array(Random(seed))
    modules = Modules("x_")
    modules.add("x_array", SpatialCore(array=array, modules=modules))
    text = emit(modules, "x_array")
    assert "\\$" not in text
    verdict = lint(text, "x_array", tmp_path, "-Wno-WIDTHTRUNC")
    assert verdict.returncode == 0, verdict.stderr
