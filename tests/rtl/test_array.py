"""The derived array: values and exact cycles against NumPy, and that breaking the contract shows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.arch import MOST_PE_STAGES, Array
from dataflows.errors import SpecError
from dataflows.named import by_name
from dataflows.relation import Relation, unit
from rtl.array import ArrayPlan, PEArray
from rtl.emit import emit, run_yosys
from rtl.library import EmitError, Modules
from tests.rtl.array_bench import Schedule, output_waves, weight_waves
from tests.rtl.lint import lint

SIZES = {"rows": 3, "cols": 2, "input_bits": 8, "weight_bits": 8, "acc_bits": 32}


@st.composite
def plans(draw: st.DrawFn, dataflow: str) -> ArrayPlan:
    rows, cols = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    input_bits, weight_bits = draw(st.sampled_from((4, 8, 16))), draw(st.sampled_from((4, 8, 16)))
    acc_bits = draw(st.sampled_from((input_bits + weight_bits, 32, 40)))
    stages, sums = draw(st.integers(0, MOST_PE_STAGES)), max(acc_bits, input_bits + weight_bits)
    return ArrayPlan.of(Array(rows, cols, dataflow, input_bits, weight_bits, sums, stages))


def fixed(dataflow: str, rows: int = 3, cols: int = 4, bits: int = 8) -> Schedule:
    return Schedule(ArrayPlan.of(Array(rows, cols, dataflow, bits, bits, 32)), np.random.default_rng(7))


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_stationary_weights_back_to_back(data: st.DataObject) -> None:
    plan = data.draw(plans("ws"))
    lengths = data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=4))
    slack = [data.draw(st.integers(0, 3)) for _ in lengths]
    schedule = Schedule(plan, np.random.default_rng(data.draw(st.integers(0, 999))))
    weight_waves(schedule, lengths, slack)
    assert schedule.mismatches() == []


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_stationary_outputs_back_to_back(data: st.DataObject) -> None:
    plan = data.draw(plans("os"))
    lane = st.integers(1, plan.rows)
    waves = data.draw(st.lists(st.tuples(st.integers(1, 3), lane, lane), min_size=1, max_size=4))
    slack = [data.draw(st.integers(0, 3)) for _ in waves]
    schedule = Schedule(plan, np.random.default_rng(data.draw(st.integers(0, 999))))
    output_waves(schedule, waves, slack)
    assert schedule.mismatches() == []


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1), (2, 6), (6, 2), (4, 4)])
def test_corner_shapes(shape: tuple[int, int]) -> None:
    schedule = fixed("ws", *shape)
    weight_waves(schedule, [1, 7, shape[0], 1], [0, 0, 2, 0])
    assert schedule.mismatches() == []
    schedule = fixed("os", *shape)
    output_waves(schedule, [(1, shape[0], shape[0]), (3, 1, 1), (1, 1, 1), (2, shape[0], 1)], [0, 1, 0, 2])
    assert schedule.mismatches() == []


def test_sums_wrap() -> None:
    schedule = Schedule(ArrayPlan.of(Array(4, 2, "ws", 4, 4, 8)), np.random.default_rng(1))
    schedule.operands = lambda shape, bits: np.full(shape, -(1 << bits - 1))  # type: ignore[method-assign]
    weight_waves(schedule, [2], [0])
    assert set(schedule.expected.values()) == {0}  # 4 * 64 = 256
    assert schedule.mismatches() == []


def test_too_early_a_load_corrupts() -> None:
    """The last row still needs its weight: a load one cycle early replaces it under way."""
    schedule = fixed("ws")
    weight_waves(schedule, [8, 8, 3], [0, 0, 0])
    assert schedule.mismatches() == []
    schedule = fixed("ws")
    weight_waves(schedule, [8, 8, 3], [0, 0, 0], load_shift=-1)
    assert schedule.mismatches() != []


@pytest.mark.parametrize("shift", [-1, 1])
def test_a_misplaced_take_corrupts(shift: int) -> None:
    schedule = fixed("ws")
    weight_waves(schedule, [4, 6], [0, 0], take_shift=shift)
    assert schedule.mismatches() != []
    # The earliest drain minus one, or the latest plus one.
    schedule = fixed("os")
    output_waves(schedule, [(2, 3, 3), (2, 3, 3), (2, 3, 3)], [0] * 3 if shift < 0 else [9] * 3, take_shift=shift)
    assert schedule.mismatches() != []


def test_an_input_between_waves_corrupts_stationary_outputs() -> None:
    schedule = fixed("os", rows=5)
    output_waves(schedule, [(1, 2, 2), (1, 2, 2)], [0, 0], gap_input=True)
    assert schedule.mismatches() != []


def test_latencies() -> None:
    ws, os = (ArrayPlan.of(Array(5, 2, name)) for name in ("ws", "os"))
    assert (ws.edge_latency, ws.south_latency, ws.wave_interval) == (0, 5, 5)
    assert (os.edge_latency, os.south_latency, os.wave_interval) == (1, 2, 5)
    for plan in (ws, os):
        later = replace(plan, pe_stages=2)
        assert (later.south_latency, later.wave_interval) == (plan.south_latency + 2, plan.wave_interval)


def test_the_plan_follows_from_the_matrices_alone() -> None:
    ws = ArrayPlan.derive(by_name("ws"), **SIZES)
    assert (ws.weights_stay, ws.outputs_stay, ws.serialise) == (True, False, False)
    assert ArrayPlan.derive(Relation(unit("C"), unit("K"), unit("N", "Q")), **SIZES) == ws
    os = ArrayPlan.derive(by_name("os"), **SIZES)
    assert (os.weights_stay, os.outputs_stay, os.serialise) == (False, True, True)
    assert ArrayPlan.derive(Relation(unit("N"), unit("K"), unit("C")), **SIZES) == os


@pytest.mark.parametrize(
    ("relation", "said"),
    [
        (Relation(unit("P"), unit("Q"), unit("R", "S")), "inputs along cols: found 'neighbour'; allowed: forward"),
        (Relation(unit("R"), unit("P"), unit("Q")), "inputs along cols: found 'multicast'; allowed: forward"),
        (Relation(unit("C"), unit("Q"), unit("K")), "inputs along cols: found 'private'; allowed: forward"),
        (Relation(unit("C"), unit("K"), unit("P", "Q"), (1, 0)), "delay"),
        (Relation(unit("Q"), unit("K"), unit("C", "S")), "C alone on rows, or innermost in the wave"),
    ],
)
def test_relations_it_cannot_carry_are_named(relation: Relation, said: str) -> None:
    with pytest.raises(SpecError, match=said.replace("(", r"\(")):
        ArrayPlan.derive(relation, **SIZES)


def emitted(plan: ArrayPlan) -> tuple[str, Modules]:
    modules = Modules()
    modules.add("array", PEArray(plan=plan, modules=modules))
    return emit(modules, "array"), modules


@pytest.mark.parametrize("dataflow", ["ws", "os"])
@pytest.mark.parametrize("shape", [(1, 1), (5, 3)])
def test_emitted_array_passes_lint(dataflow: str, shape: tuple[int, int], tmp_path: Path) -> None:
    text, modules = emitted(ArrayPlan.of(Array(*shape, dataflow)))
    assert all(text.count(f"module {name}(") == 1 for name in modules.names)
    # Yosys writes a comparison of a number with zero as !number.
    verdict = lint(text, "array", tmp_path, "-Wno-WIDTHTRUNC")
    assert verdict.returncode == 0, verdict.stderr


@pytest.mark.parametrize("dataflow", ["ws", "os"])
def test_large_arrays_stay_small_text(dataflow: str) -> None:
    """Text grows with rows + cols, not with PEs."""
    text, modules = emitted(ArrayPlan.of(Array(16, 16, dataflow)))
    assert len(text) < 35_000
    assert set(modules.names) - {"serialiser"} == {"pe", "row", "array"}


@pytest.mark.parametrize("dataflow", ["ws", "os"])
@pytest.mark.parametrize("shape", [(1, 1), (2, 3)])
def test_instances_equal_submodules(dataflow: str, shape: tuple[int, int]) -> None:
    """Yosys proves the form that is emitted equal to the form that is simulated."""
    plan = ArrayPlan.of(Array(*shape, dataflow, 4, 4, 12))
    run_yosys(*_equivalence(plan, plan), [])


def test_the_proof_sees_a_difference() -> None:
    plan = ArrayPlan.of(Array(2, 2, "ws", 4, 4, 12))
    with pytest.raises(EmitError, match="unproven"):
        run_yosys(*_equivalence(plan, replace(plan, weights_stay=False)), [])


def _equivalence(one: ArrayPlan, other: ArrayPlan) -> tuple[list[str], dict[str, str]]:
    gold, gate = Modules(), Modules()
    gold.add("gold", PEArray(plan=one))
    gate.add("gate", PEArray(plan=other, modules=gate))
    script = [
        "read_rtlil gold.il", "read_rtlil gate.il", "setattr -mod -unset top", "proc", "flatten", "opt_clean",
        "equiv_make gold gate equiv", "hierarchy -top equiv", "clean", "equiv_simple", "equiv_induct", "equiv_status -assert",
    ]  # fmt: skip
    return script, {"gold.il": gold.rtlil, "gate.il": gate.rtlil}
