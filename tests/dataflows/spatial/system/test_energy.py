"""Energy and area of systems: every event at its price, by hand for a small product."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dataflows.arch import Memory
from dataflows.mapping import Level, Loop, Mapping
from dataflows.spatial import named
from dataflows.spatial.system.cost import evaluate
from dataflows.spatial.system.energy import area_by_part, memories, prices
from dataflows.spatial.system.spec import SpatialSystem
from dataflows.tech import technology
from dataflows.workload import Layer

TECH = technology()
SYSTEM = SpatialSystem(named.weight_stationary(4, 4), Memory(8, 1, 12), (256, 1024, 512), 2, channels=64)
LAYER = Layer.gemm("gemm", M=16, N=8, K=12)
MAPPING = Mapping((
    Level("dram", (Loop("Q", 2),)),
    Level("stream", (Loop("K", 2), Loop("C", 3), Loop("Q", 8), Loop("C", 4, 1, "rows"), Loop("K", 4, 1, "cols"))),
    Level("pe", ()),
))  # fmt: skip
BEATS = 50


def cost(system: SpatialSystem = SYSTEM) -> dict:
    return evaluate(LAYER, system, MAPPING, BEATS)


def test_levels_add_up_and_every_tensor_pays_for_its_beats():
    found = cost()
    levels, counters, beat = found["energy_by_level"], found["counters"], TECH.dram_pj(64)
    assert found["energy_pj"] == pytest.approx(sum(sum(each.values()) for each in levels.values()))
    assert found["edp"] == found["energy_pj"] * found["cycles"]
    for tensor, way in (
        ("weights", "reads"),
        ("inputs", "reads"),
        ("outputs", "writes"),
        ("program", "reads"),
        ("scales", "reads"),
    ):
        assert levels["dram"][tensor] == pytest.approx(counters[f"dram_{tensor}_{way}"] * beat)
    assert levels["array"]["macs"] == pytest.approx(16 * 8 * 12 * TECH.mac_pj(8, 8, 32))
    assert levels["post"]["outputs"] == pytest.approx(16 * 8 * TECH.requantise_pj(32))
    assert levels["leakage"]["sram"] == pytest.approx(found["cycles"] * prices(SYSTEM, TECH)["cycles"][1][2])


def test_words_of_the_array_by_hand():
    """In each of 2 x 2 x 3 deliveries of weights there are 4 of them per column, 8 inputs per row, and 8 sums per column."""
    levels = cost()["energy_by_level"]
    deliveries = 2 * 2 * 3
    register = TECH.register_pj
    assert levels["array"]["weights"] == pytest.approx(deliveries * 4 * 4 * 4 * register(8))
    assert levels["array"]["inputs"] == pytest.approx(deliveries * 8 * 4 * 4 * register(8))
    assert levels["array"]["outputs"] == pytest.approx(deliveries * 8 * 4 * 4 * (register(32) + TECH.add_pj(32)))
    # A register is written when a word is taken, and a sum with every product; to read one costs nothing.
    assert levels["pe"]["weights"] == pytest.approx(deliveries * 16 * register(8))
    assert levels["pe"]["inputs"] == pytest.approx(deliveries * 8 * 16 * register(8))
    assert levels["pe"]["outputs"] == pytest.approx(16 * 8 * 12 * register(32))
    sums = next(each for each in memories(SYSTEM) if each[0] == "outputs")
    read, write = TECH.sram_read_pj(*sums[2:], 2), TECH.sram_write_pj(*sums[2:], 2)
    written = deliveries * 8 * 4
    updated = written - 16 * 8
    assert levels["stream"]["outputs"] == pytest.approx(written * write + updated * read + 16 * 8 * read)


def test_more_memory_costs_more_area_and_more_energy_per_access():
    large = replace(SYSTEM, l2_words=(8192, 65536, 16384))
    small_cost, large_cost = cost(), cost(large)
    assert large_cost["area_um2"] > small_cost["area_um2"]
    for tensor in ("weights", "inputs", "outputs"):
        assert large_cost["energy_by_level"]["stream"][tensor] > small_cost["energy_by_level"]["stream"][tensor]
    assert large_cost["energy_by_level"]["array"] == small_cost["energy_by_level"]["array"]


def test_storage_in_the_pes_is_area_and_energy_of_its_own():
    stored = replace(SYSTEM, array=replace(SYSTEM.array, l1_words=(64, 8, 1)))
    before, after = area_by_part(SYSTEM, TECH), area_by_part(stored, TECH)
    assert after["pe"] > before["pe"]
    assert {name: um2 for name, um2 in after.items() if name != "pe"} == {
        name: um2 for name, um2 in before.items() if name != "pe"
    }
    assert cost(stored)["energy_by_level"]["pe"]["weights"] > cost()["energy_by_level"]["pe"]["weights"]
