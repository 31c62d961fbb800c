"""Timeloop architectures become levels with arrays between them; what is not understood is named."""

from __future__ import annotations

import pytest

from dataflows.errors import SpecError
from dataflows.exchange.machine import Spot
from dataflows.exchange.timeloop_arch import read_architecture
from dataflows.exchange.timeloop_problem import read_problem
from dataflows.nest.presets import gemmini_dosa
from tests.dataflows.exchange.texts import document, example

ROWS = """
architecture:
  version: 0.4
  nodes:
  - !Container
    name: system
    attributes: {technology: 45nm}
  - !Component
    name: DRAM
    class: DRAM
    attributes: {width: 64, datawidth: 8}
  - !Container
    name: chip
  - !Component
    name: glb
    class: smartbuffer_SRAM
    attributes: {memory_depth: 16384, memory_width: 64, n_banks: 32, datawidth: 8, read_bandwidth: 16, write_bandwidth: 16}
    constraints:
      dataspace: {keep: [Inputs, Outputs], bypass: [Weights]}
  - !Container
    name: PE_column
    spatial: {meshX: 14}
    constraints:
      spatial: {permutation: [N, C, P, R, S, Q, M], factors: [N=1, C=1, P=1, R=1, S=1], split: 7}
  - !Container
    name: PE
    spatial: {meshY: 12}
  - !Parallel
    nodes:
    - !Component
      name: ifmap_spad
      class: smartbuffer_RF
      attributes: {depth: 12, width: 16, datawidth: 8}
      constraints:
        dataspace: {keep: [Inputs]}
    - !Component
      name: psum_spad
      class: regfile
      attributes: {depth: 16, width: 16, datawidth: 16, multiple_buffering: 2}
      constraints:
        dataspace: {keep: [Outputs]}
        temporal: {permutation: [N, C]}
  - !Component
    name: mac
    class: intmac
    attributes: {datawidth: 8}
"""
MESH = "\n    spatial: {meshX: 2}\n"


def names():
    return read_problem(example("timeloop_problem.yaml")).names["stem"]


def test_the_example_is_gemmini_dosa_with_other_names():
    found = read_architecture(example("timeloop_arch.yaml"), names())
    preset = gemmini_dosa(32, 2, 16)
    assert found.notes == ()
    assert found.spots["column"] == Spot("scratchpad", "cols")
    for ours, theirs in zip(preset.levels, found.architecture.levels, strict=True):
        for field in ("holds", "capacity_bits", "bandwidth", "block_words", "buffering", "read_bandwidth"):
            assert getattr(ours, field) == getattr(theirs, field), field
        at = ["weights", "inputs", "outputs"].index(sorted(ours.holds)[0])
        assert ours.word_bits[at] == theirs.word_bits[at]
        assert theirs.read_pj[at] == pytest.approx(ours.read_pj[at], rel=1e-12)
        assert [(axis.name, axis.size) for axis in theirs.fanout.axes] == [(axis.name, axis.size) for axis in ours.fanout.axes]
    assert found.architecture.mac_pj == preset.mac_pj
    assert found.architecture.clock_mhz == pytest.approx(1000)
    assert set(found.architecture.levels[1].fanout.axes[0].dims) & set("NCPQRS") == {"N"}  # N is no dimension of this problem


def test_containers_arrays_and_parallel_storages():
    found = read_architecture(document(ROWS))
    levels = {level.name: level for level in found.architecture.levels}
    assert list(levels) == ["DRAM", "glb", "ifmap_spad", "psum_spad"]
    assert levels["DRAM"].capacity_bits is None
    assert levels["glb"].holds == {"inputs", "outputs"}
    assert levels["glb"].capacity_bits == 16384 * 64
    assert (levels["glb"].block_words, levels["glb"].read_bandwidth) == (8, 16)
    axes = {axis.name: axis for axis in levels["glb"].fanout.axes}
    assert (axes["cols"].size, axes["cols"].dims, axes["rows"].size) == (14, "GKQ", 12)
    assert levels["ifmap_spad"].holds == {"inputs"}
    assert levels["psum_spad"].holds == {"outputs"}
    assert levels["psum_spad"].buffering == "double"
    assert found.spots["PE"] == Spot("glb", None, "rows")
    assert found.spots["glb"] == Spot("glb", "cols", "rows")
    assert found.architecture.area_um2 is not None  # priced from our table
    text = " ".join(found.notes)
    for word in ("n_banks", "constraint permutation", "constraint split", "constraint temporal", "45nm table"):
        assert word in text


def test_energy_tables_are_per_access_of_a_block():
    table = """
ERT:
  version: 0.4
  tables:
  - {name: "system.DRAM[1..1]", actions: [{name: read, energy: 512}, {name: write, energy: 256}]}
  - name: "system.glb[1..1]"
    actions: [{name: read, energy: 8}, {name: write, energy: 16}, {name: update, energy: 24}, {name: leak, energy: 1}]
  - {name: "system.ifmap_spad[1..168]", actions: [{name: read, energy: 2}, {name: write, energy: 2}, {name: leak, energy: 0.5}]}
  - {name: "system.psum_spad[1..168]", actions: [{name: read, energy: 2}, {name: write, energy: 2}]}
  - {name: "system.mac[1..168]", actions: [{name: compute, energy: 0.75}, {name: leak, energy: 0.25}]}
"""
    found = read_architecture(document(ROWS + table))
    dram, glb, spad, _ = found.architecture.levels
    assert (dram.read_pj, dram.write_pj) == ((64.0,) * 3, (32.0,) * 3)
    assert (glb.read_pj, glb.write_pj) == ((1.0,) * 3, (2.0, 2.0, 3.0))
    assert spad.read_pj == (1.0,) * 3
    assert found.architecture.mac_pj == 0.75
    assert found.architecture.leakage_pj == 1 + 168 * (0.5 + 0.25)
    assert any("cost an update too" in note for note in found.notes)
    assert not any("table" in note for note in found.notes)  # nothing is left to a technology


@pytest.mark.parametrize(
    ("old", "new", "where", "found"),
    [
        ("nodes:\n  - !Container\n    name: sys", "subtree:\n  - !Container\n    name: sys", "architecture.subtree", "subtree"),
        ("version: 0.4", "version: 0.2", "architecture.version", "0.2"),
        ("meshX: 14", "meshX: 2*7", "nodes[4].spatial.meshX", "an expression: 2*7"),
        ("!Parallel", "!Pipelined", "nodes[6]", "!Pipelined"),
        ("class: smartbuffer_SRAM", "class: magic", "nodes[3].class", "magic"),
        ("bypass: [Weights]", "bypass: [Kernels]", "dataspace.bypass", "Kernels"),
        ("multiple_buffering: 2", "multiple_buffering: 3", "multiple_buffering", "3"),
        ("dataspace: {keep: [Inputs]}", "dataspace: {}", "constraints.dataspace", "no data spaces to keep"),
        ("name: chip", f"name: chip{MESH}  - !Container\n    name: core{MESH}  - !Container\n    name: part{MESH}",
         "nodes[4].spatial", "another array along cols"),
        ("technology: 45nm", "x: 1", "architecture.nodes", "no energies"),
        ("name: system", "name: system\n    spatial: {meshX: 2}", "nodes[0].spatial", "above the outermost storage"),
        ("class: intmac", "class: SRAM", "architecture.nodes", "no compute"),
        ("attributes: {width: 64,", "attributes: {cluster_size: 2, width: 64,", "cluster_size", "2"),
        ("name: psum_spad\n", "name: psum_spad\n      sparse_optimizations: {}\n", "nodes[1].sparse_optimizations", "sparse_"),
        ("split: 7", "split: 7, no_reuse: [Weights]", "spatial.no_reuse", "weights"),
        ("name: mac\n", "name: mac\n    area_scale: 2\n", "area_scale", "2"),
    ],
)  # fmt: skip
def test_what_is_not_understood_and_matters_is_an_error_naming_it(old, new, where, found):
    assert old in ROWS
    with pytest.raises(SpecError) as error:
        read_architecture(document(ROWS.replace(old, new)))
    assert where in str(error.value)
    assert found in str(error.value.found)
    assert str(error.value).startswith("t.yaml:")


def test_networks_and_disabled_components_are_noted():
    mac = "  - !Component\n    name: mac"
    wires = "  - !Component\n    name: wires\n    class: XY_NoC\n"
    spare = "  - !Component\n    name: spare\n    class: SRAM\n    enabled: false\n"
    found = read_architecture(document(ROWS.replace(mac, wires + spare + mac)))
    assert any("network wires" in note for note in found.notes)
    assert any("spare: not enabled" in note for note in found.notes)


@pytest.mark.parametrize(
    ("given", "bits", "block", "notes"),
    [
        ("depth: 12, width: 16, datawidth: 8", 12 * 16, 2, 0),
        ("depth: 12, width: 20, datawidth: 8", 12 * 16, 2, 1),
        ("depth: 12, width: 16, block_size: 1, datawidth: 8", 12 * 8, 1, 0),
        ("entries: 12, width: 16, datawidth: 8", 12 * 8, 2, 0),
        ("sizeKB: 0.5, datawidth: 8", 4096, 1, 0),
        ("sizeKB: 1, depth: 7, datawidth: 8", 7 * 8, 1, 1),
        ("width: 16", None, 2, 1),
    ],
)
def test_sizes_in_every_form(given, bits, block, notes):
    """Capacity is depth times the words of an access, or entries, or kilobytes; nothing is unlimited."""
    text = ROWS.replace("depth: 12, width: 16, datawidth: 8", given)
    actions = "[{name: read, energy: 1}, {name: write, energy: 1}, {name: compute, energy: 1}]"
    names = ("DRAM", "glb", "ifmap_spad", "psum_spad", "mac")
    tables = "\nERT:\n  tables:\n" + "".join(f"  - {{name: {name}, actions: {actions}}}\n" for name in names)
    before, found = (read_architecture(document(one + tables)) for one in (ROWS, text))
    level = found.architecture.levels[2]
    assert (level.capacity_bits, level.block_words) == (bits, block)
    assert len(found.notes) - len(before.notes) == notes


def test_no_reuse_is_no_multicast_and_no_reduction():
    found = read_architecture(document(ROWS.replace("split: 7", "split: 7, no_reuse: [Weights, Inputs, Outputs]")))
    fan = found.architecture.levels[1].fanout
    assert (fan.multicast, fan.reduction) == (False, False)
