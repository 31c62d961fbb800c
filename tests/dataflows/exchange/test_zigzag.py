"""ZigZag's workloads, accelerators and mappings."""

from __future__ import annotations

import math

import pytest

from dataflows.errors import SpecError
from dataflows.exchange.machine import Spot
from dataflows.exchange.zigzag_accelerator import read_accelerator
from dataflows.exchange.zigzag_mapping import read_mapping
from dataflows.exchange.zigzag_workload import read_workload
from dataflows.feasible import InfeasibleError
from dataflows.nest.cost import evaluate
from dataflows.nest.presets import tri256
from dataflows.workload import Layer
from tests.dataflows.exchange.texts import EXAMPLES, document, example

WORKLOAD = (EXAMPLES / "zigzag_workload.yaml").read_text()
ACCELERATOR = (EXAMPLES / "zigzag_accelerator.yaml").read_text()
MAPPING = (EXAMPLES / "zigzag_mapping.yaml").read_text()
PORT = "{name: rw, type: read_write, bandwidth_min: 16, bandwidth_max: 1048576, allocation: []}"
WIDE = 1048576 // 16
DRAM = ACCELERATOR[ACCELERATOR.index("  dram:") : ACCELERATOR.index("    ports:", ACCELERATOR.index("  dram:"))]
TRI256 = f"""
name: tri256
memories:
  rf: {{size: 4096, r_cost: {WIDE}, w_cost: {WIDE}, latency: 1, operands: [I1, I2, O], ports: [{PORT}], served_dimensions: []}}
  glb: {{size: 1048576, r_cost: {6 * WIDE}, w_cost: {6 * WIDE}, latency: 1, operands: [I1, I2, O], ports: [{PORT}],
         served_dimensions: [D1, D2]}}
  dram: {{size: 1000000000000, r_cost: {200 * WIDE}, w_cost: {200 * WIDE}, latency: 1, operands: [I1, I2, O], ports: [{PORT}],
          served_dimensions: [D1, D2]}}
operational_array: {{unit_energy: 1, dimensions: [D1, D2], sizes: [16, 16]}}
"""


def workload():
    return read_workload(document(WORKLOAD))


def test_layers_of_the_example():
    found = workload()
    conv, product = found.network.layers
    bits = {"input_bits": 16, "weight_bits": 16, "output_bits": 16}
    assert conv == Layer("conv", K=64, C=64, P=56, Q=56, R=3, S=3, H=56, W=56, padding=(1, 1, 1, 1), **bits)
    assert product == Layer.gemm("classify", M=64, N=1024, K=512, **bits)
    assert found.operators == {"conv": "Conv", "classify": "Gemm"}
    assert any("shortcut: Add left out" in note for note in found.notes)
    assert any("operand_source" in note for note in found.notes)


def test_precisions_padding_that_does_not_fit_and_repeated_names():
    text = WORKLOAD.replace("O: 16, O_final: 16}\n  pr_loop", "O: 24, O_final: 8}\n  pr_loop").replace("[56, 56]\n", "[5, 5]\n")
    found = read_workload(document(text.replace("name: classify", "name: conv")))
    assert [layer.name for layer in found.network.layers] == ["conv", "conv_2"]
    assert found.network.layers[0].output_bits == 8
    assert any("partial sums of 24 bits" in note for note in found.notes)
    assert any("pr_loop_sizes and padding do not make" in note for note in found.notes)


@pytest.mark.parametrize(
    ("old", "new", "where", "found"),
    [
        ("O[b][k][oy][ox]+=W", "O[b][k][oy][ox]=W+W", "[0].equation", "O[b]"),
        ("I[b][c][iy][ix]\n  dim", "I[b][c][iy][iz]\n  dim", "[0].equation", "iz"),
        ("iy=1*oy+1*fy", "iy=oy*fy", "[0].dimension_relations[1]", "iy=oy*fy"),
        ("[1, 64, 64, 56, 56, 3, 3]", "[1, 64, 64, 56, 56, 3]", "[0].loop_sizes", "6 sizes"),
        ("{W: 16, I: 16, O: 16, O_final: 16}\n  pr", "{W: 32, I: 16, O: 16}\n  pr", "t.yaml:2: [0]", "32"),
    ],
)
def test_what_no_layer_has_is_named(old, new, where, found):
    assert old in WORKLOAD
    with pytest.raises(SpecError) as error:
        read_workload(document(WORKLOAD.replace(old, new)))
    assert where in str(error.value)
    assert found in str(error.value.found)


def test_tri256_in_zigzags_form_gives_the_same_figures():
    """The same levels, energies and nest: equal counts, and the same energy."""
    on, preset = read_accelerator(document(TRI256)), tri256()
    for layer in workload().network.layers:
        nest, notes = read_mapping(document(MAPPING), layer, on, workload().names[layer.name])
        assert notes == ()
        theirs, ours = evaluate(layer, on.architecture, nest), evaluate(layer, preset, nest)
        assert theirs.levels == ours.levels
        assert theirs.times["compute"] == ours.cycles
        assert math.isclose(theirs.energy_pj, ours.energy_pj, rel_tol=1e-12)


def test_sizes_ports_and_costs_of_the_example():
    found = read_accelerator(example("zigzag_accelerator.yaml"))
    dram, glb, rf = found.architecture.levels
    assert (dram.bandwidth, glb.read_bandwidth, glb.write_bandwidth, rf.bandwidth) == (64, 256, 256, 64)
    assert (dram.read_pj[0], glb.write_pj[2], rf.read_pj[1]) == (12.5, 0.375, 1 / 64)  # of a bit
    assert (glb.row_bits, glb.capacity_bits) == (1, 1048576)
    assert found.spots == {"D1": Spot("glb", "rows"), "D2": Spot("glb", "cols")}


def test_memories_that_serve_some_operands_and_dimensions():
    """Weights in every PE, sums per column of D1, four directions in all."""
    text = f"""
name: uneven
memories:
  weights: {{size: 16, r_cost: 1, w_cost: 1, latency: 1, operands: [I2], ports: [{PORT}], served_dimensions: []}}
  sums: {{size: 16, r_cost: 1, w_cost: 1, latency: 1, operands: [O], ports: [{PORT}], served_dimensions: [D2, D4]}}
  glb: {{size: 160000, r_cost: 1, w_cost: 1, latency: 1, operands: [I1, O], ports: [{PORT}], served_dimensions: [D1, D2, D3, D4]}}
  dram: {{size: 100000000, r_cost: 1, w_cost: 1, latency: 1, operands: [I1, I2, O], ports: [{PORT}],
          served_dimensions: [D1, D2, D3, D4]}}
multipliers: {{multiplier_energy: 1, dimensions: [D1, D2, D3, D4], sizes: [8, 8, 4, 4]}}
"""
    found = read_accelerator(document(text))
    assert [(level.name, sorted(level.holds)) for level in found.architecture.levels] == [
        ("dram", ["inputs", "outputs", "weights"]), ("glb", ["inputs", "outputs"]), ("sums", ["outputs"]),
        ("weights", ["weights"]),
    ]  # fmt: skip
    assert found.spots == {
        "D1": Spot("glb", "rows"), "D3": Spot("glb", "planes"), "D2": Spot("sums", "cols"), "D4": Spot("sums", "rows"),
    }  # fmt: skip
    assert found.architecture.pes == 1024
    assert found.architecture.instances(3) == 1024
    assert found.architecture.instances(2) == 32


def test_memories_called_by_number():
    found = read_accelerator(document(TRI256.replace("glb:", "L2:").replace("rf:", "L1:")))
    assert [level.name for level in found.architecture.levels] == ["dram", "mem_L2", "mem_L1"]
    assert found.spots["D1"] == Spot("mem_L2", "rows")


def test_the_form_of_2024():
    text = """
name: older
memories:
  rf: {size: 128, r_bw: 8, w_bw: 8, r_cost: 0.5, w_cost: 0.25, r_port: 1, w_port: 1, rw_port: 0, latency: 1,
       operands: [I1, I2, O], ports: [{fh: w_port_1, tl: r_port_1}], served_dimensions: []}
  dram: {size: 100000000, r_bw: 64, w_bw: 64, r_cost: 700, w_cost: 750, r_port: 0, w_port: 0, rw_port: 1, latency: 1,
         min_r_granularity: 16, operands: [I1, I2, O], ports: [{fh: rw_port_1, tl: rw_port_1}], served_dimensions: [D1]}
multipliers: {input_precision: [8, 8], multiplier_energy: 0.04, dimensions: [D1], sizes: [4]}
"""
    dram, rf = read_accelerator(document(text)).architecture.levels
    assert (dram.bandwidth, dram.read_pj[0], dram.write_pj[0]) == (64, 700 / 64, 750 / 64)
    assert (rf.read_bandwidth, rf.write_bandwidth, rf.read_pj[0], rf.write_pj[0]) == (8, 8, 0.5 / 8, 0.25 / 8)


@pytest.mark.parametrize(
    ("old", "new", "where", "found"),
    [
        ("  unit_energy: 1\n", "", "operational_array.unit_energy", "nothing"),
        ("  unit_energy: 1\n", "  is_imc: true\n", "operational_array.is_imc", "in-memory computing"),
        ("sizes: [16, 16]", "sizes: [16]", "operational_array.sizes", "1 sizes"),
        ("    r_cost: 96\n", "    auto_cost_extraction: true\n", "memories.glb.r_cost", "auto_cost_extraction"),
        ("served_dimensions: []", "served_dimensions: [D3]", "memories.rf.served_dimensions[0]", "D3"),
        ("      type: read\n", "      type: wireless\n", "memories.glb.ports[0].type", "wireless"),
        ("    size: 1048576\n", "    size: 2*1024\n", "memories.glb.size", "an expression"),
        (DRAM, DRAM.replace("I1, I2, O", "I1"), "memories.dram.operands", "inputs"),
    ],
)  # fmt: skip
def test_what_no_architecture_has_is_named(old, new, where, found):
    assert old in ACCELERATOR
    with pytest.raises(SpecError) as error:
        read_accelerator(document(ACCELERATOR.replace(old, new)))
    assert where in str(error.value)
    assert found in str(error.value.found)


def test_memories_that_serve_crosswise_are_named():
    cross = "{size: 8, r_cost: 1, w_cost: 1, operands: [%s], ports: [PORT], served_dimensions: [%s]}"
    more = f"  one: {cross % ('I1', 'D1')}\n  two: {cross % ('O', 'D2')}\n"
    text = TRI256.replace("  glb:", more + "  glb:")
    with pytest.raises(SpecError) as error:
        read_accelerator(document(text.replace("PORT", PORT)))
    assert "memories.one.served_dimensions" in str(error.value)
    assert error.value.found == "two serves [D2], one serves [D1]"


def test_every_memory_takes_the_inner_loops_that_fit():
    """The registers have 256 words: with [C, 4] they would need 14 * 3 more inputs, which is what they get, and no OX loop."""
    on = read_accelerator(document(TRI256))
    layer = workload().network.layers[0]
    nest, _ = read_mapping(document(MAPPING), layer, on, workload().names["conv"])
    assert [[str(loop) for loop in level.loops] for level in nest.levels] == [
        ["K 4", "P 56"], ["Q 4", "C 16 on rows", "K 16 on cols"], ["C 4", "Q 14", "R 3", "S 3"],
    ]  # fmt: skip


def test_a_memory_that_could_keep_more_is_noted():
    """A level further out that is too small ends the loops of those further in."""
    text = TRI256.replace("size: 1048576", "size: 30000")
    nest, notes = read_mapping(document(MAPPING), workload().network.layers[0], read_accelerator(document(text)))
    assert any("rf could keep" in note for note in notes)
    assert sum(len(level.loops) for level in nest.levels[2:]) < 4


def test_spatial_loops_end_at_the_layer():
    layer = Layer("small", K=6, C=4, P=2, Q=2)
    text = '- {name: default, spatial_mapping: {D1: ["C, 16"], D2: ["K, 4"]}, temporal_ordering: [[K, "*"], [OX, 2], [OY, 2]]}'
    nest, notes = read_mapping(document(text), layer, read_accelerator(document(TRI256)))
    assert any("C, 16: small has 4 left" in note for note in notes)
    assert any("K: loops multiply to 8, the size is 6" in note for note in notes)
    assert {str(loop) for level in nest.levels for loop in level.loops if loop.axis} == {"C 4 on rows", "K 4 on cols"}


@pytest.mark.parametrize(
    ("old", "new", "where", "found"),
    [
        ('- [C, "*"]\n  - [OX', '- [Z, "*"]\n  - [OX', "[0].temporal_ordering[3][0]", "Z"),
        ('  - [K, "*"]\n  mem', "  mem", "[0].temporal_ordering", "loops of K that multiply to 16"),
        ('D1: ["C, 16"]', 'D3: ["C, 16"]', "[0].spatial_mapping.D3", "D3"),
        ('D1: ["C, 16"]', 'D1: ["C x 16"]', "[0].spatial_mapping.D1[0]", "C x 16"),
        ("{O: O, W: I2, I: I1}", "{O: O, W: I1, I: I2}", "[0].memory_operand_links", "I1"),
        ("name: conv", "name: other", "[1].spatial_mapping.D1[0]", "B, 16"),
    ],
)
def test_what_no_mapping_has_is_named(old, new, where, found):
    assert old in MAPPING
    layer = Layer("conv", K=64, C=64, P=56, Q=56, R=3, S=3)
    text = MAPPING.replace(old, new, 1)
    if "other" in new:  # the default entry is of a product
        with pytest.raises(SpecError, match="temporal_ordering"):
            read_mapping(document(text), layer, read_accelerator(document(TRI256)))
        return
    with pytest.raises(SpecError) as error:
        read_mapping(document(text), layer, read_accelerator(document(TRI256)))
    assert where in str(error.value)
    assert found in str(error.value.found)


def test_an_order_left_to_zigzags_search_is_named():
    text = '- {name: default, spatial_mapping: {D1: ["C, 16"]}}'
    with pytest.raises(SpecError, match="ZigZag searches it"):
        read_mapping(document(text), Layer("l", K=1, C=16, P=1, Q=1), read_accelerator(document(TRI256)))


def test_loops_over_space_that_do_not_fit_are_infeasible():
    text = TRI256.replace("size: 4096", "size: 16")
    with pytest.raises(InfeasibleError, match="rf"):
        read_mapping(document(MAPPING), workload().network.layers[0], read_accelerator(document(text)))
