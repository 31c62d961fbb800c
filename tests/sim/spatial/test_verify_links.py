"""Generated arrays whose neighbours are linked, on a real simulator."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from random import Random

import numpy as np
import pytest

from dataflows.spatial.array import SpatialArray
from dataflows.spatial.links import Links
from sim.spatial import run as run_module
from sim.spatial.arrays import LINKED, random_linked_array
from sim.spatial.cases import SpatialCase, random_cases, random_operands
from sim.spatial.run import Pauses
from sim.spatial.verify import compare, verify_array, verify_cases
from tests.dataflows.spatial.random_links import draw_linked_program, draw_window_program
from tests.rtl.spatial.test_links import LAYERS, window


def cases(array: SpatialArray, seed: int, number: int = 8) -> list[SpatialCase]:
    """Layers whose windows overlap, and layers of every kind."""
    rng = Random(seed)
    drawn = [draw_window_program(rng, array) for _ in range(number)]
    windows = [SpatialCase(f"window_{at}", p, *random_operands(p, np.random.default_rng(at))) for at, p in enumerate(drawn)]
    return windows + random_cases(array, number, seed)


def passes(array: SpatialArray, name: str, seed: int, more: tuple[SpatialCase, ...] = ()) -> None:
    drawn = [*cases(array, seed), *more]
    assert any(Links(case.program, tensor).all for case in drawn for tensor in ("weights", "inputs"))
    for pauses in (Pauses(), Pauses(gaps=0.3, stalls=0.3)):
        report = verify_cases(array, drawn, name=name, pauses=pauses, seed=seed)
        assert report.passed, [case.to_dict() for case in report.cases if not case.passed]


def layers(array: SpatialArray) -> tuple[SpatialCase, ...]:
    """Every way of a window over the array's own axes."""
    programs = [window(array, layer, order) for layer in LAYERS.values() for order in ("PQKCRS", "KPQCSR", "PRCQSK")]
    rng = np.random.default_rng(2)
    return tuple(SpatialCase(f"{n}_{p.layer.name}", p, *random_operands(p, rng)) for n, p in enumerate(programs))


@pytest.mark.rtl
@pytest.mark.parametrize(
    "name", [next(iter(LINKED)), *(pytest.param(each, marks=pytest.mark.nightly) for each in list(LINKED)[1:])]
)
def test_named_arrays(name):
    passes(LINKED[name], name, 1, layers(LINKED[name]))


@pytest.mark.rtl
@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.nightly) for n in range(1, 12))])
def test_random_arrays(seed):
    passes(draw_linked_program(Random(seed)).array, "random", seed)


@pytest.mark.rtl
@pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus is not installed")
def test_nothing_depends_on_initial_values(monkeypatch):
    """Four states: what neighbours remember of the time before a layer is unknown, and must not matter."""
    array = replace(LINKED["shidiannao_links"], zero_gating=True)
    text = run_module.verilog(array, "links")
    stripped = re.sub(r"^(\s*reg [^;=]*?) = [^;]*;", r"\1;", text, flags=re.MULTILINE)
    assert stripped.count(" = ") < text.count(" = ")
    monkeypatch.setattr(run_module, "verilog", lambda *_: stripped)
    report = verify_cases(array, cases(array, 4, 4), name="links", simulator="icarus")
    assert report.passed, [case.to_dict() for case in report.cases if not case.passed]


@pytest.mark.rtl
@pytest.mark.nightly
def test_a_reset_in_the_middle_leaves_nothing_behind():
    array = LINKED["shidiannao_columns"]
    drawn = cases(array, 8, 3)
    for stop in (25, 40):
        ran = run_module.run_cases(array, drawn, name="links", interrupt=stop)
        assert all(compare(case, one).passed for case, one in zip(drawn, ran, strict=True))


@pytest.mark.rtl
@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(4))
def test_many_kinds_of_layers(seed):
    array = random_linked_array(Random(100 + seed))
    report = verify_array(array, cases=20, seed=seed, name="random")
    assert report.passed, [case.to_dict() for case in report.cases if not case.passed]
