from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflows.arch import Accelerator, Array
from dataflows.cost import area_by_part, area_um2, energy_by_level, evaluate
from dataflows.counts import count
from dataflows.errors import SpecError
from dataflows.feasible import InfeasibleError
from dataflows.tech import CACTI_ROWS, MAC_SHEET, SRAM_KB, TECHNOLOGIES, technology
from dataflows.tiling import Tiling
from dataflows.workload import Layer
from tests.strategies import jobs


@pytest.mark.parametrize("name", TECHNOLOGIES)
def test_every_entry_has_a_source_and_a_unit(name):
    tech = technology(name)
    for entry in tech.entries.values():
        assert entry.source
        assert entry.unit
        assert entry.value > 0
    assert json.loads(json.dumps(tech.to_dict()))["sram"]["read_pj"]["source"].startswith("CACTI")


@pytest.mark.parametrize("name", TECHNOLOGIES)
def test_sram_fit_is_as_good_as_it_says(name):
    tech = technology(name)
    for quantity, evaluate_at in (("read_pj", tech.sram_read_pj), ("write_pj", tech.sram_write_pj)):
        errors = [
            abs(evaluate_at(kb * 128, 64) / row - 1) for kb, row in zip(SRAM_KB, CACTI_ROWS[tech.node_nm][quantity], strict=True)
        ]
        assert max(errors) == pytest.approx(tech.sram[quantity].worst)
        assert max(errors) < 0.22
        assert sum(errors) / len(errors) < 0.11
    for kb, row in zip(SRAM_KB, CACTI_ROWS[tech.node_nm]["area_mm2"], strict=True):
        assert tech.sram_area_um2(kb * 128, 64) == pytest.approx(row * 1e6, rel=0.12)


def test_pe_area_reproduces_the_sheet():
    for (inputs, weights), area in MAC_SHEET.items():
        assert technology("45nm").pe_area_um2(inputs, weights) == pytest.approx(area, rel=0.03)


def test_pe_area_agrees_with_an_independent_fit():
    """405 um2 a PE at 40 nm (fit to 95 Gemmini-like designs), taken to 45 nm by the square of the feature size."""
    assert technology("45nm").pe_area_um2(8, 8) == pytest.approx(405 * (45 / 40) ** 2, rel=0.05)


def test_mac_energy_is_horowitz():
    tech = technology("45nm")
    assert tech.mac_pj(8, 8, 32) == pytest.approx(0.2 + 0.1)
    assert tech.mac_pj(16, 16, 32) == pytest.approx(0.8 + 0.1)
    assert tech.mac_pj(4, 8, 16) == pytest.approx(0.1 + 0.05)


@given(st.sampled_from(sorted(TECHNOLOGIES)), st.integers(1, 1 << 16), st.integers(1, 1 << 16), st.integers(4, 4096))
def test_larger_memories_cost_more(name, small, large, bits):
    tech, (small, large) = technology(name), sorted((small, large))
    assert tech.sram_read_pj(small, bits) <= tech.sram_read_pj(large, bits)
    assert tech.sram_write_pj(small, bits) <= tech.sram_write_pj(large, bits)
    assert tech.sram_area_um2(small, bits) <= tech.sram_area_um2(large, bits)
    assert tech.sram_read_pj(large, 2 * bits) == pytest.approx(2 * tech.sram_read_pj(large, bits))


def test_unknown_technology():
    with pytest.raises(SpecError, match="45nm, 22nm"):
        technology("7nm")


@given(jobs())
def test_energy_adds_up(job):
    layer, acc, tiling = job
    tech = technology("22nm")
    cost = evaluate(layer, acc, tiling, tech, check=True)
    assert cost.check == {"equal": True, "differences": []}
    assert cost.energy_pj == pytest.approx(math.fsum(pj for part in cost.energy_by_level.values() for pj in part.values()))
    assert cost.energy_by_level["dram"]["outputs"] == cost.levels["dram"]["outputs"]["writes"] * 8.0 * acc.beat_bits
    assert cost.area_um2 == sum(area_by_part(acc, tech).values())
    assert 0 < cost.utilization <= 1


def test_energy_of_one_level_by_hand():
    layer, acc, tech = Layer.gemm("g", M=16, N=16, K=16), Accelerator("a", Array(16, 16), input_words=1024), technology("45nm")
    energy = energy_by_level(count(layer, acc, Tiling(1, 1, 1, 16)), acc, tech)
    # 16 words of 128 bits, written once and read once: both halves of 1024 words, as two 64-bit wide banks of 16 KB.
    assert energy["input_buffer"]["inputs"] == pytest.approx(16 * 2 * (tech.sram["read_pj"](16) + tech.sram["write_pj"](16)))
    # The accumulator's halves of 256 words of 512 bits are memories of their own; 16 sums, written once, read once.
    assert energy["accumulator"]["psums"] == pytest.approx(16 * 8 * (tech.sram["read_pj"](2) + tech.sram["write_pj"](2)))
    assert energy["array"]["macs"] == pytest.approx(16**3 * 0.3)


def test_cost_json_form():
    layer, acc = Layer.gemm("g", M=16, N=16, K=16), Accelerator("a", Array(16, 16))
    data = json.loads(json.dumps(evaluate(layer, acc, Tiling(1, 1, 1, 16), cycles=1000).to_dict()))
    wanted = "layer mode cycles bound_cycles energy_pj area_um2 macs utilization bound levels check"
    assert set(wanted.split()) <= set(data)
    assert (data["mode"], data["cycles"], data["check"]) == ("machine", 1000, None)
    assert data["utilization"] == 4096 / 256 / 1000
    assert data["edp"] == data["energy_pj"] * 1000


def test_overfull_tile_is_refused():
    layer, acc = Layer.gemm("g", M=1024, N=16, K=16), Accelerator("a", Array(16, 16))
    with pytest.raises(InfeasibleError, match="accumulator lacks 768 words"):
        evaluate(layer, acc, Tiling(1, 1, 1, 1024))


def test_area_grows_with_every_part():
    tech, base = technology(), Accelerator("a", Array(8, 8))
    for larger in (
        Accelerator("a", Array(16, 8)),
        Accelerator("a", Array(8, 8), input_words=2048),
        Accelerator("a", Array(8, 8), weight_words=1024),
        Accelerator("a", Array(8, 8), acc_words=512),
        Accelerator("a", Array(8, 8), post_lanes=8),
    ):
        assert area_um2(larger, tech) > area_um2(base, tech)
