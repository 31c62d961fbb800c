from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflows.arch import MOST_PE_STAGES, Accelerator, Array
from dataflows.cost import area_by_part, area_um2, energy_by_level, evaluate, rates
from dataflows.counts import count
from dataflows.errors import SpecError
from dataflows.feasible import InfeasibleError
from dataflows.schedule import schedule
from dataflows.sram_tables import CACTI_ROWS, SRAM_KB, TWO_PORT_ROWS, Curve
from dataflows.tech import COMPOSABLE_SHEET, DRAM, MAC_SHEET, TECHNOLOGIES, composable_ratios, dram, technology
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


PUBLISHED = {  # 64-bit port, one bank, one read/write port: KB, then read pJ, write pJ, mm2 at 45 nm, the same at 22 nm
    1: (1.67, 3.49, 0.0036, 0.380, 0.785, 0.00086), 2: (2.76, 4.24, 0.0075, 0.648, 0.943, 0.0018),
    4: (3.39, 6.45, 0.0135, 1.17, 1.25, 0.0035), 8: (6.14, 7.88, 0.0263, 1.59, 1.77, 0.0063),
    16: (11.6, 10.7, 0.0507, 2.64, 2.28, 0.0151), 32: (17.0, 15.4, 0.0949, 3.79, 3.10, 0.0267),
    64: (25.9, 19.7, 0.209, 5.67, 4.43, 0.0586), 128: (32.3, 26.1, 0.430, 7.40, 6.16, 0.119),
    256: (44.7, 38.5, 0.872, 11.9, 8.83, 0.225), 512: (68.4, 51.4, 1.645, 15.3, 12.2, 0.442),
}  # fmt: skip


@pytest.mark.parametrize(("name", "at"), [("45nm", 0), ("22nm", 3)])
@pytest.mark.parametrize("kb", PUBLISHED)
def test_sram_rows_are_met_exactly(name, at, kb):
    tech, words = technology(name), kb * 128
    found = (tech.sram_read_pj(words, 64), tech.sram_write_pj(words, 64), tech.sram_area_um2(words, 64) / 1e6)
    assert found == pytest.approx(PUBLISHED[kb][at : at + 3], rel=1e-12)


@pytest.mark.parametrize("rows", [*CACTI_ROWS.values(), *TWO_PORT_ROWS.values()])
def test_sram_tables_grow(rows):
    for values in rows.values():
        assert len(values) == len(SRAM_KB)
        assert list(values) == sorted(set(values))


@given(st.sampled_from(["read_pj", "write_pj", "area_mm2", "leakage_uw"]), st.integers(0, 13), st.floats(0.01, 0.99))
def test_sram_between_two_rows_is_a_line_in_logarithms(name, row, share):
    curve = technology("45nm").sram[name]
    x0, x1, y0, y1 = *curve.kilobytes[row : row + 2], *curve.values[row : row + 2]
    assert curve(x0 ** (1 - share) * x1**share) == pytest.approx(y0 ** (1 - share) * y1**share)


@pytest.mark.parametrize("name", TECHNOLOGIES)
def test_sram_beyond_the_rows_goes_on_as_at_the_end(name):
    curve = technology(name).sram["read_pj"]
    small, large = curve.values[:2], curve.values[-2:]
    assert curve(SRAM_KB[0] / 2) == pytest.approx(small[0] ** 2 / small[1])
    assert curve(SRAM_KB[-1] * 2) == pytest.approx(large[1] ** 2 / large[0])
    assert curve(SRAM_KB[-1] * 3) > curve(SRAM_KB[-1] * 2)
    assert Curve((1.0, 2.0), (1.0, 4.0))(8.0) == 64.0


WIDTHS = [  # CACTI with the same settings: node, KB, port bits, read pJ, write pJ, mm2
    ("45nm", 4, 32, 2.8617, 3.7322, 0.0131806), ("45nm", 64, 32, 17.8039, 13.4688, 0.238696),
    ("45nm", 256, 128, 76.1191, 63.6773, 0.887609), ("22nm", 16, 32, 2.0661, 1.4451, 0.0141252),
    ("22nm", 16, 128, 3.8298, 4.1921, 0.0127447), ("22nm", 64, 128, 8.9659, 7.6014, 0.0542812),
]  # fmt: skip


@pytest.mark.parametrize(("name", "kb", "bits", "read", "write", "area"), WIDTHS)
def test_other_widths_stay_near_cacti(name, kb, bits, read, write, area):
    """Banks of 64 bits stand for other widths; CACTI's single bank differs by up to a quarter here."""
    tech, words = technology(name), kb * 8192 // bits
    assert tech.sram_read_pj(words, bits) == pytest.approx(read, rel=0.25)
    assert tech.sram_write_pj(words, bits) == pytest.approx(write, rel=0.25)
    assert tech.sram_area_um2(words, bits) == pytest.approx(area * 1e6, rel=0.12)


def test_leakage():
    """Low-standby-power SRAM leaks 24 nW per KB at 512 KB and 45 nm; the logic of the sheet 31.5 nW per um2."""
    tech = technology("45nm")
    assert tech.sram_leakage_mw(65536, 64) == pytest.approx(12.5e-3)
    assert tech.logic_leakage_mw(8171.7) == pytest.approx(0.2577)
    assert technology("22nm").sram_leakage_mw(65536, 64) == pytest.approx(70.56e-3)
    assert technology("22nm").logic_leakage_mw(8171.7) == 0  # no source


def test_two_ports_cost_more_than_one():
    tech = technology("22nm")
    for of in (tech.sram_read_pj, tech.sram_write_pj, tech.sram_area_um2, tech.sram_leakage_mw):
        assert 1 < of(1024, 64, ports=2) / of(1024, 64) < 2.4


def test_dram_kinds_have_their_published_energies():
    assert {name: entry.value for name, entry in DRAM.items()} == {
        "lpddr4": 8.0, "lpddr": 40.0, "ddr3": 70.0, "gddr5": 14.0, "hbm2": 3.9, "hmc": 4.2,
    }  # fmt: skip
    assert technology("22nm").dram_pj(8) == technology("45nm").dram_pj(8) == 8 * dram("lpddr4").value
    with pytest.raises(SpecError, match="did you mean 'hbm2'"):
        dram("hbm")


def test_composable_units_follow_the_sheet():
    """2.2 to 3.5 times the power of a fixed unit (precision reference, 2.12)."""
    for width, ratios in COMPOSABLE_SHEET.items():
        assert composable_ratios(width, width, 2) == ratios
    assert composable_ratios(8, 8, 2) == pytest.approx((3.40, 2.26), abs=0.005)
    assert composable_ratios(8, 8, 4) is None
    assert composable_ratios(2, 2, 2) is None


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
    energy = energy_by_level(count(layer, acc, Tiling(1, 1, 1, 16)), acc, tech, 1)
    # 16 words of 128 bits, written once and read once: both halves of 1024 words, as two 64-bit wide banks of 16 KB
    # with a port to read and one to write.
    assert energy["input_buffer"]["inputs"] == pytest.approx(16 * 2 * (14.61 + 13.5))
    # The accumulator's halves of 256 words of 512 bits are memories of their own; 16 sums, written once, read once.
    assert energy["accumulator"]["psums"] == pytest.approx(16 * 8 * (3.367 + 5.28))
    assert energy["array"]["macs"] == pytest.approx(16**3 * 0.3)


def test_leakage_by_hand():
    """Every part leaks at its rate in every cycle, 2 ns at 500 MHz."""
    acc = Accelerator("a", Array(16, 16), channelwise=False, table=False)
    area = area_by_part(acc, technology("45nm"))
    # Banks of 64 bits: two of 16, 8 and 4 KB; the accumulator's halves, each eight of 2 KB; scales, 288 bits wide, of 1 KB.
    sram_uw = 2 * (0.5807 + 0.3235 + 0.175) + 16 * 0.09247 + 4.5 * 0.0438
    logic_uw = 257.7 / 8171.7 * (area["array"] + area["edges"] + area["post"])
    leaks = evaluate(Layer.gemm("g", M=16, N=16, K=16), acc, Tiling(1, 1, 1, 16), cycles=1000).energy_by_level["leakage"]
    assert leaks == {"logic": pytest.approx(1000 * 2e-3 * logic_uw), "sram": pytest.approx(1000 * 2e-3 * sram_uw)}


@given(jobs(), st.sampled_from(sorted(TECHNOLOGIES)), st.integers(2, 5))
def test_leakage_takes_the_cycles_that_are_known(job, name, times):
    """Exact cycles where there are any, else the bound; nothing else of the energy depends on them."""
    layer, acc, tiling = job
    tech = technology(name)
    known = evaluate(layer, acc, tiling, tech)
    slower = evaluate(layer, acc, tiling, tech, cycles=times * known.bound_cycles)
    for part, pj in rates(acc, tech).leakage.items():
        assert known.energy_by_level["leakage"][part] == pytest.approx(known.bound_cycles * pj)
        assert slower.energy_by_level["leakage"][part] == pytest.approx(times * known.bound_cycles * pj)
    assert {**slower.energy_by_level, "leakage": 0} == {**known.energy_by_level, "leakage": 0}


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


def test_tables_cost_their_memories():
    """Four lanes with 256 entries in words of a 16-byte beat each; only layers with a table read them."""
    tech, layer, tiling = technology("45nm"), Layer.gemm("g", M=16, N=16, K=16), Tiling(1, 1, 1, 16)
    bare, made = (Accelerator("a", Array(16, 16), table=table) for table in (False, True))
    more = {name: um2 - area_by_part(bare, tech).get(name, 0) for name, um2 in area_by_part(made, tech).items()}
    assert {name: um2 for name, um2 in more.items() if um2} == {"activation_table": 4 * tech.sram_area_um2(16, 128, 2)}
    without, with_table = (
        evaluate(layer, made, tiling, tech, cycles=999, table=table).energy_by_level for table in (False, True)
    )
    read, write = tech.sram_read_pj(16, 128, 2), tech.sram_write_pj(16, 128, 2)
    assert with_table == without | {"activation_table": {"tables": pytest.approx(16 * 4 * 4 * read + 4 * 16 * write)}}
    leaks = evaluate(layer, bare, tiling, tech, cycles=999).energy_by_level["leakage"]
    assert without["leakage"]["sram"] - leaks["sram"] == pytest.approx(999 * 2 * 4 * tech.sram_leakage_mw(16, 128, 2))


def test_area_of_the_edges_by_hand():
    """Lanes that wait: row r for r cycles, column c for c; where outputs stay, whole words per row, and c + 1 cycles."""
    tech = technology("45nm")
    stays = area_by_part(Accelerator("a", Array(4, 3, "ws", 8, 4), post_lanes=1), tech)["edges"]
    assert stays == pytest.approx(5.98 * ((1 + 2 + 3) * 8 + (1 + 2) * 4))
    passes = area_by_part(Accelerator("a", Array(4, 3, "os", 8, 4), post_lanes=1), tech)["edges"]
    assert passes == pytest.approx(5.98 * (4 * 4 * 8 + (1 + 2 + 3) * 4))


@pytest.mark.parametrize("dataflow", ["ws", "os"])
def test_a_held_product_costs_its_register(dataflow):
    tech, layer, tiling = technology("45nm"), Layer.gemm("g", M=6, N=3, K=8, input_bits=8, weight_bits=4), Tiling(1, 2, 1, 6)
    none, free, held = (
        Accelerator("a", Array(4, 3, dataflow, 8, 4, pe_stages=stages), post_lanes=1) for stages in range(MOST_PE_STAGES + 1)
    )
    area, energy, cycles = zip(
        *(
            (
                area_by_part(acc, tech),
                evaluate(layer, acc, tiling, tech).energy_by_level["array"],
                schedule(layer, acc, tiling).cycles,
            )
            for acc in (none, free, held)
        ),
        strict=True,
    )
    assert area[0] == area[1]
    assert area[2]["array"] - area[0]["array"] == pytest.approx(12 * 12 * 5.98)
    slots = {"ws": 2 * 6, "os": 2 * 2 * 4}[dataflow]  # two channel blocks; six pixels, or two blocks of four
    assert energy[0] == energy[1] == {name: pj for name, pj in energy[2].items() if name != "products"}
    assert energy[2]["products"] == pytest.approx(slots * 12 * 12 * 0.009)
    assert (cycles[1] - cycles[0], cycles[2] - cycles[0]) == (1, 2)


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
