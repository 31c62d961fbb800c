"""Arrays of any connectivity: every sum, every cycle, every word."""

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
from sim.spatial.arrays import random_array
from tests.dataflows.spatial.random_arrays import draw_program
from tests.rtl.lint import lint
from tests.rtl.spatial.bench import operands, simulate, wrong

CONSTANT = 3
"""Cycles beside a systolic array's own: that of `start`, the register behind a chain, and the queue at the ports."""


def drawn(seed: int) -> tuple[SpatialProgram, dict[str, np.ndarray]]:
    rng = Random(seed)
    array = random_array(rng)
    program = draw_program(rng, array, most_macs=400)
    return program, operands(program.layer, np.random.default_rng(seed), (array.weight_bits, array.input_bits))


@pytest.mark.parametrize("seed", range(60))
def test_random_connectivity(seed):
    program, data = drawn(seed)
    ran, model = simulate(program, data), schedule(program)
    assert wrong(program, data, ran) == []
    assert ran.cycles == model.cycles
    assert ran.beats == {tensor: beats for tensor, beats in model.beats.items() if tensor != "outputs"}


@pytest.mark.parametrize("seed", range(200, 220))
def test_streams_may_pause(seed):
    program, data = drawn(seed)
    ran = simulate(program, data, gaps=0.3, stalls=0.4, seed=seed)
    assert wrong(program, data, ran) == []
    assert ran.cycles >= schedule(program).cycles


@pytest.mark.parametrize("seed", range(300, 320))
def test_tags_may_change_when_the_array_is_no_longer_busy(seed):
    rng = Random(seed)
    array = random_array(rng)
    array = replace(array, axes=tuple(replace(axis, delay=1) for axis in array.axes))
    program = draw_program(rng, array, most_macs=200)
    data = operands(program.layer, np.random.default_rng(seed), (array.weight_bits, array.input_bits))
    assert wrong(program, data, simulate(program, data, retag=True)) == []


def gemm(array: SpatialArray, m: int, n: int, k: int, streamed: str, on: tuple[str, str]) -> SpatialProgram:
    """Lay a product on two axes; the third dimension streams."""
    layer = Layer.gemm("gemm", M=m, N=n, K=k)
    sizes = {"Q": m, "K": n, "C": k}
    rows, cols = (axis.size for axis in array.axes)
    spatial = (Loop(on[0], rows, 1, "rows"), Loop(on[1], cols, 1, "cols"))
    folds = tuple(Loop(dim, -(-sizes[dim] // size)) for dim, size in zip(on, (rows, cols), strict=True))
    return compile_spatial(
        layer, array, Mapping((Level("stream", (*folds, Loop(streamed, sizes[streamed]), *spatial)), Level("pe", ())))
    )


@pytest.mark.parametrize("make", [named.weight_stationary, named.weight_or_output_stationary])
@pytest.mark.parametrize(("m", "n", "k"), [(7, 8, 6), (2, 8, 6), (9, 5, 7), (1, 1, 1), (3, 9, 2)])
def test_weight_stationary_takes_the_cycles_of_a_systolic_array(make, m, n, k):
    rows, cols = 3, 4
    program = gemm(make(rows, cols), m, n, k, "Q", ("C", "K"))
    folds = -(-k // rows) * -(-n // cols)
    # Double-buffered weights whose change travels with the wave (dense reference, 2.2).
    ideal = rows + (folds - 1) * max(m, rows) + m + rows + cols - 2
    assert schedule(program).cycles == ideal + CONSTANT
    data = operands(program.layer, np.random.default_rng(m))
    ran = simulate(program, data)
    assert (wrong(program, data, ran), ran.cycles) == ([], ideal + CONSTANT)


@pytest.mark.parametrize("make", [named.output_stationary, named.weight_or_output_stationary])
@pytest.mark.parametrize(("m", "n", "k"), [(7, 8, 6), (6, 8, 3), (9, 5, 7)])
def test_output_stationary_takes_the_cycles_of_a_systolic_array(make, m, n, k):
    rows, cols = 3, 4
    program = gemm(make(rows, cols), m, n, k, "C", ("Q", "K"))
    folds = -(-m // rows) * -(-n // cols)
    # Two banks of accumulators (dense reference, 2.3).
    ideal = folds * max(k, rows) + 2 * rows + cols - 2
    assert schedule(program).cycles == ideal + CONSTANT
    data = operands(program.layer, np.random.default_rng(m))
    ran = simulate(program, data)
    assert (wrong(program, data, ran), ran.cycles) == ([], ideal + CONSTANT)


def test_row_stationary_shares_rows_along_diagonals():
    array = named.row_stationary(3, 4, words=(3, 3, 1))
    layer = Layer("rows", K=2, C=2, P=4, Q=5, R=3, S=3)
    loops = (Loop("K", 2), Loop("Q", 5), Loop("C", 2), Loop("R", 3, 1, "rows"), Loop("P", 4, 1, "cols"))
    program = compile_spatial(layer, array, Mapping((Level("stream", loops), Level("pe", (Loop("S", 3),)))))
    data = operands(layer, np.random.default_rng(5))
    ran, model = simulate(program, data), schedule(program)
    assert (wrong(program, data, ran), ran.cycles) == ([], model.cycles)
    assert model.beats["inputs"] == 2 * 5 * 2 * 6 * 3  # six rows serve twelve PEs
    assert model.beats["weights"] == 2 * 5 * 2 * 3 * 3  # three filter rows serve all columns


def test_row_stationary_with_a_stride():
    array = named.row_stationary(5, 3, words=(5, 5, 1))
    layer = Layer("rows", K=1, C=1, P=3, Q=2, R=5, S=5, stride=(2, 2), padding=(1, 1, 1, 1))
    loops = (Loop("Q", 2), Loop("R", 5, 1, "rows"), Loop("P", 3, 1, "cols"))
    program = compile_spatial(layer, array, Mapping((Level("stream", loops), Level("pe", (Loop("S", 5),)))))
    data = operands(layer, np.random.default_rng(6))
    ran = simulate(program, data)
    assert (wrong(program, data, ran), ran.cycles) == ([], schedule(program).cycles)
    assert schedule(program).beats["inputs"] == 2 * 9 * 5


def test_depthwise_fills_an_array_that_unrolls_groups():
    array = named.weight_stationary(3, 4, words=(3, 3, 1))
    layer = Layer("depthwise", G=4, K=1, C=1, P=3, Q=3, R=3, S=3)
    loops = (Loop("P", 3), Loop("Q", 3), Loop("R", 3, 1, "rows"), Loop("G", 4, 1, "cols"))
    program = compile_spatial(layer, array, Mapping((Level("stream", loops), Level("pe", (Loop("S", 3),)))))
    assert program.iterations * program.steps * array.pes == layer.macs
    data = operands(layer, np.random.default_rng(7))
    ran = simulate(program, data)
    assert (wrong(program, data, ran), ran.cycles) == ([], schedule(program).cycles)


@pytest.mark.parametrize("seed", [0, 3, 8, 11])
def test_verilog_is_clean(seed, tmp_path):
    array = random_array(Random(seed))
    modules = Modules("x_")
    modules.add("x_array", SpatialCore(array=array, modules=modules))
    text = emit(modules, "x_array")
    assert "\\$" not in text  # every signal has a name
    verdict = lint(text, "x_array", tmp_path, "-Wno-WIDTHTRUNC")
    assert verdict.returncode == 0, verdict.stderr
