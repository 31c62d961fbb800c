"""PEs that rest when the input is zero: same sums, same cycles, as many products saved as NumPy counts, nothing moves."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from random import Random
from typing import Any

import numpy as np
import pytest
from amaranth.hdl import Cat, Signal

import rtl.spatial.line
from dataflows.datapath import Datapath
from dataflows.errors import SpecError
from dataflows.nest.text import parse_compact
from dataflows.spatial import named
from dataflows.spatial.array import SpatialArray
from dataflows.spatial.array_text import array_from_dict
from dataflows.spatial.program import SpatialProgram, compile_spatial
from dataflows.spatial.schedule import schedule
from dataflows.workload import Layer
from rtl.spatial.pe import SpatialPE
from sim.spatial.arrays import random_array
from tests.dataflows.spatial.random_arrays import draw_program
from tests.rtl.spatial.bench import Ran, operands, simulate, wrong


def sparse(program: SpatialProgram, seed: int, density: float = 0.5) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    data = operands(program.layer, rng, (program.array.weight_bits, program.array.input_bits))
    return data | {"inputs": np.where(rng.random(data["inputs"].shape) < density, data["inputs"], 0)}


@pytest.mark.parametrize("seed", range(500, 516))
def test_values_and_cycles_are_those_without_gating(seed):
    rng = Random(seed)
    array = replace(random_array(rng), zero_gating=True)
    program = draw_program(rng, array, most_macs=300)
    data = sparse(program, seed)
    ran = simulate(program, data)
    assert wrong(program, data, ran) == []
    assert ran.cycles == schedule(program).cycles
    assert schedule(program) == schedule(replace(program, array=replace(array, zero_gating=False)))


class Probe:
    """Looks at every PE in every cycle: products left out, and whether multipliers see anything change then."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pes: list[Any] = []
        self.gated = self.moved = 0
        self.before: dict[int, int] = {}
        probe = self

        class Watched(SpatialPE):
            def __init__(self, **parameters: Any) -> None:
                super().__init__(**parameters)
                self.operands = Signal(self.array.weight_bits + self.array.input_bits)
                probe.pes.append(self)

            def _product(self, m: Any, weight: Any, word: Any, works: Any) -> Any:
                m.d.comb += self.operands.eq(Cat(weight, word))
                return super()._product(m, weight, word, works)

        monkeypatch.setattr(rtl.spatial.line, "SpatialPE", Watched)

    def __call__(self, ctx: Any) -> None:
        for at, pe in enumerate(self.pes):
            now, resting = ctx.get(pe.operands), ctx.get(pe.gated)
            self.gated += resting
            self.moved += resting and at in self.before and self.before[at] != now
            self.before[at] = now


def convolution(array: SpatialArray, text: str, layer: Layer) -> SpatialProgram:
    program = compile_spatial(layer, array, parse_compact(text, array.architecture()))
    assert program.iterations * program.steps * array.pes == layer.macs, "every PE works in every step"
    return program


CONV = Layer.conv("conv", K=2, C=2, H=3, W=5, R=3, S=3, padding=1)
GEMM = Layer.gemm("gemm", M=6, N=8, K=6)
FITTING = {
    "rs": (named.row_stationary(3, 3, words=(12, 6, 4)), "stream K2 C2 Q5 P3X R3X ; pe S3", CONV),
    "ws": (named.weight_stationary(3, 4), "stream K2 C2 Q6 C3X K4X ; pe", GEMM),
    "os": (named.output_stationary(3, 4), "stream K2 Q2 C6 Q3X K4X ; pe", GEMM),
    "nlr": (named.no_local_reuse(3, 4), "stream Q6 K2 C2 C3X K4X ; pe", GEMM),
}


def run(name: str, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> tuple[SpatialProgram, dict[str, np.ndarray], Probe, Ran]:
    array, text, layer = FITTING[name]
    program = convolution(replace(array, **changes), text, layer)
    data, probe = sparse(program, 3), Probe(monkeypatch)
    ran = simulate(program, data, watch=probe)
    assert wrong(program, data, ran) == []
    return program, data, probe, ran


def useful_macs(layer: Layer, inputs: np.ndarray) -> int:
    """Multiply-accumulates whose input is not zero; the border is."""
    top, left, bottom, right = layer.padding
    some = np.pad(inputs != 0, ((0, 0), (0, 0), (0, 0), (top, bottom), (left, right)))
    windows = np.lib.stride_tricks.sliding_window_view(some, (layer.R, layer.S), axis=(3, 4))
    return int(windows[:, :, :, : layer.P, : layer.Q].sum()) * layer.K


@pytest.mark.parametrize("stages", [0, 1, 2])
@pytest.mark.parametrize("name", FITTING)
def test_as_many_products_are_left_out_as_numpy_counts(name, stages, monkeypatch):
    program, data, probe, ran = run(name, monkeypatch, zero_gating=True, pe_stages=stages)
    useful = useful_macs(program.layer, data["inputs"])
    assert probe.gated == program.layer.macs - useful
    assert 0 < useful < program.layer.macs
    assert ran.cycles == schedule(program).cycles
    if program.layer is GEMM:  # every input counts as often: what the cost model takes the density for
        density = Fraction(int(np.count_nonzero(data["inputs"])), data["inputs"].size)
        time, energy = Datapath(gate=frozenset({"inputs"})).work(1, density)
        assert (time, energy * program.layer.macs) == (1, useful)


@pytest.mark.parametrize("name", FITTING)
def test_a_multiplier_without_work_sees_nothing_move(name, monkeypatch):
    # Behind registers, these stand still; without, weight and input do themselves.
    assert run(name, monkeypatch, zero_gating=True)[2].moved == 0


def test_without_gating_nothing_rests(monkeypatch):
    probe = run("rs", monkeypatch)[2]
    assert probe.gated == 0
    assert len(probe.pes) == 9


def test_the_option_is_true_or_false():
    data = FITTING["ws"][0].to_dict()
    assert array_from_dict(data | {"zero_gating": True}).zero_gating
    with pytest.raises(SpecError, match="true or false"):
        array_from_dict(data | {"zero_gating": 1})
