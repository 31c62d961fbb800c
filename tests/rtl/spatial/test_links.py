"""Arrays whose neighbours are linked: every sum, every cycle, every word, whatever links hold."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest

from dataflows.mapping import Level, Loop, Mapping
from dataflows.spatial import named
from dataflows.spatial.array import SpatialArray
from dataflows.spatial.program import SpatialProgram, compile_spatial
from dataflows.spatial.schedule import schedule
from dataflows.workload import Layer
from rtl.emit import emit
from rtl.library import Modules
from rtl.spatial.core import SpatialCore
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


@pytest.mark.parametrize("seed", [0, 3, 8, 11])
def test_verilog_is_clean(seed, tmp_path):
    array = random_linked_array(Random(seed))
    modules = Modules("x_")
    modules.add("x_array", SpatialCore(array=array, modules=modules))
    text = emit(modules, "x_array")
    assert "\\$" not in text
    verdict = lint(text, "x_array", tmp_path, "-Wno-WIDTHTRUNC")
    assert verdict.returncode == 0, verdict.stderr
