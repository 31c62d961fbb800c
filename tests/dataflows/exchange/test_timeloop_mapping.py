"""Timeloop mappings become loop nests; what is not understood is named."""

from __future__ import annotations

import pytest

from dataflows.errors import SpecError
from dataflows.exchange.machine import machine
from dataflows.exchange.timeloop_arch import read_architecture
from dataflows.exchange.timeloop_mapping import read_mapping
from dataflows.exchange.timeloop_problem import read_problem
from dataflows.mapping import Level, Loop, Mapping
from dataflows.nest.cost import evaluate
from dataflows.nest.presets import gemmini_dosa, tri256
from dataflows.nest.text import parse_compact
from dataflows.workload import Layer
from tests.dataflows.exchange.test_timeloop_arch import ROWS
from tests.dataflows.exchange.texts import document, example

GEMM = Layer.gemm("g", M=64, N=64, K=64)
SPLIT = """
mapping:
- {target: dram, type: temporal, factors: Q=4 K=0, permutation: KQ}
- {target: glb, type: spatial, factors: C=16 K=16, permutation: CK, split: 1}
- {target: glb, type: temporal, factors: C4 Q16, permutation: "Q C"}
- {target: rf, type: bypass, keep: [Weights, Outputs], bypass: [Inputs]}
"""


def test_the_worked_example_to_the_cycle():
    """Codesign reference 4.7, in Timeloop's form and other names."""
    problem = read_problem(example("timeloop_problem.yaml"))
    (layer,), names = problem.network.layers, problem.names["stem"]
    on = read_architecture(example("timeloop_arch.yaml"), names)
    nest, notes = read_mapping(example("timeloop_mapping.yaml"), layer, on, names)
    found = evaluate(layer, on.architecture, nest)
    arch = gemmini_dosa(32, 2, 16)
    ours = evaluate(
        Layer("stem", K=64, C=3, P=112, Q=112, R=7, S=7, stride=(2, 2)), arch,
        parse_compact("L3: P28 R7 Q56 K8 | L2: K4X | L1: K2 S7 Q2 P2 C3X | L0: P2", arch),
    )  # fmt: skip
    assert notes == ()
    assert (found.cycles, found.bound) == (10_436_608, "accumulator")
    assert found.counts == ours.counts
    assert found.energy_pj == pytest.approx(ours.energy_pj, rel=1e-12)


def test_factors_orders_splits_and_residency():
    nest, notes = read_mapping(document(SPLIT), GEMM, machine(tri256()))
    assert notes == ()
    assert nest == Mapping((
        Level("dram[WIO]", (Loop("Q", 4), Loop("K", 4))),
        Level("glb[WIO]", (Loop("C", 4), Loop("Q", 16), Loop("K", 16, axis="rows"), Loop("C", 16, axis="cols"))),
        Level("rf[WO]", ()),
    ))  # fmt: skip


def test_without_a_split_an_axis_with_room_is_taken_and_noted():
    nest, notes = read_mapping(document(SPLIT.replace(", split: 1", "")), GEMM, machine(tri256()))
    assert {loop.axis for loop in nest.levels[1].loops if loop.axis} == {"rows", "cols"}
    assert sum("no split" in note for note in notes) == 2


def test_imperfect_factors_are_padded_with_a_note():
    nest, notes = read_mapping(document(SPLIT.replace("Q=4 K=0", "'Q=5,4 K=0'")), GEMM, machine(tri256()))
    assert nest.levels[0].loops[0] == Loop("Q", 5)
    assert any("Q=5,4: an imperfect factor, padded to 5" in note for note in notes)
    assert any("factors multiply to 80, the size is 64" in note for note in notes)


def test_mapper_output_with_dummy_levels():
    """What timeloop-mapper writes: datatype directives, factors without =, the arrays of containers by their old names."""
    layer = Layer("l", K=4, C=2, P=6, Q=14, R=3, S=1)
    text = """
mapping:
  - {target: psum_spad, type: datatype, keep: [Outputs], bypass: [Weights, Inputs]}
  - {target: inter_PE_spatial, type: datatype, keep: [], bypass: [Weights, Inputs, Outputs]}
  - {target: psum_spad, type: temporal, factors: C1 M4 R1 S1 N1 P1 Q1, permutation: MCRSNPQ}
  - {target: ifmap_spad, type: temporal, factors: C1 M1 R1 S1 N1 P1 Q1, permutation: CMRSNPQ}
  - {target: inter_PE_spatial, type: spatial, factors: C2 M1 R3 S1 N1 P1 Q1, permutation: SMCRNPQ, split: 0}
  - {target: inter_PE_spatial, type: temporal, factors: C1 M1 R1 S1 N1 P1 Q1, permutation: CMRSNPQ}
  - {target: inter_PE_column_spatial, type: spatial, factors: C1 M1 R1 S1 N1 P1 Q14, permutation: QCMRSNP, split: 1}
  - {target: glb, type: temporal, factors: C1 M1 R1 S1 N1 P2 Q1, permutation: PCMRSNQ}
  - {target: DRAM, type: temporal, factors: C1 M1 R1 S1 N1 P3 Q1, permutation: MPCQRSN}
"""
    on = read_architecture(document(ROWS))
    nest, notes = read_mapping(document(text), layer, on)
    assert notes == ()
    assert [loop.axis for loop in nest.levels[1].loops] == [None, "rows", "rows", "cols"]
    assert evaluate(layer, on.architecture, nest).counts.macs == layer.macs


@pytest.mark.parametrize(
    ("old", "new", "where", "found"),
    [
        ("target: dram", "target: sram", "t.yaml:3: mapping[0].target", "sram"),
        ("target: glb, type: spatial", "target: rf, type: spatial", "mapping[1].target", "rf"),
        ("type: temporal, factors: Q=4", "type: looptree, factors: Q=4", "mapping[0].type", "looptree"),
        ("Q=4 K=0", "Q=4 K=0 M=0", "mapping[0].factors", "M=0 twice"),
        ("Q=4 K=0", "Q<=4 K=0", "mapping[0].factors", "Q<=4"),
        ("Q=4 K=0", "Q=4 T=2", "mapping[0].factors", "T"),
        ("Q=4 K=0", "Q=4*2", "mapping[0].factors", "Q=4*2"),
        ("Q=4 K=0", "Q=5,4 K=0", "mapping[0]", "4 K=0"),
        ("split: 1", "no_reuse: [Weights]", "mapping[1].no_reuse", "no_reuse"),
        ("Q=4 K=0", "Q=3 K=0", "mapping", "multiply to 48"),
        ("permutation: KQ", "permutation: KQZ", "mapping[0].permutation", "Z"),
        ("permutation: KQ", "permutation: KK", "mapping[0].permutation", "K twice"),
        ("keep: [Weights", "keep: [Kernels", "mapping[3].keep[0]", "Kernels"),
        ("bypass: [Inputs]", "bypass: [Weights]", "mapping[3]", "weights kept and bypassed"),
        (SPLIT.splitlines()[-1], "- {target: glb, type: temporal}", "mapping[3]", "temporal loops of glb twice"),
    ],
)
def test_what_is_not_understood_and_matters_is_an_error_naming_it(old, new, where, found):
    assert old in SPLIT
    with pytest.raises(SpecError) as error:
        read_mapping(document(SPLIT.replace(old, new)), GEMM, machine(tri256()))
    assert where in str(error.value)
    assert found in str(error.value.found)


def test_levels_called_by_number_get_names_that_mappings_follow():
    """``L1`` is the second level from the inside here; other tools count as they like."""
    on = read_architecture(document(ROWS.replace("glb", "L1").replace("psum_spad", "L2")))
    assert [level.name for level in on.architecture.levels] == ["DRAM", "mem_L1", "ifmap_spad", "mem_L2"]
    assert sum("is called mem_L" in note for note in on.notes) == 2
    text = "mapping:\n- {target: L1, type: temporal, factors: K=64 Q=64}\n- {target: L2, type: temporal, factors: C=64}"
    nest, _ = read_mapping(document(text), GEMM, on)
    assert [str(loop) for level in nest.levels for loop in level.loops] == ["Q 64", "K 64", "C 64"]
    with pytest.raises(SpecError, match="L3"):
        read_mapping(document(text.replace("L2", "L3")), GEMM, on)


@pytest.mark.parametrize("text", ["mapping: {type: fused, nodes: []}", "mapping: {nodes: []}"])
def test_trees_are_named(text):
    with pytest.raises(SpecError, match="a tree of nodes"):
        read_mapping(document(text), GEMM, machine(tri256()))


def test_loops_over_time_in_a_container_are_refused():
    text = "mapping:\n- {target: glb_rows, type: temporal, factors: K=64 C=64 Q=64}"
    with pytest.raises(SpecError, match="stores nothing"):
        read_mapping(document(text), GEMM, machine(tri256()))
