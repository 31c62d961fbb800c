"""Layers back to back on the behavioural AXI memory: an implementation of the bus other than cocotbext-axi's."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest

from dataflows.arch import Accelerator, Array, Memory
from dataflows.axi import AxiOptions
from dataflows.errors import SpecError
from dataflows.registers import ERROR_CODES
from dataflows.schedule import schedule
from sim.axi.place import PlacedCase, base_address, place_cases
from sim.axi.verify import limit
from sim.bench.axi_queue import run_queue
from sim.bench.bulk import POISON
from sim.cases import random_cases
from sim.runner import Simulator
from sim.verify import WAITS, model_counters

pytestmark = pytest.mark.rtl
SIMULATOR: Simulator = "icarus" if shutil.which("iverilog") else "verilator"  # Icarus builds in a second
ACC = Accelerator(
    "queued", Array(3, 4, "os"), Memory(bus_bytes=8, latency=11), input_words=64, weight_words=64, acc_words=16, post_lanes=2,
    tile_blocks=2,
)  # fmt: skip
AXI = AxiOptions(queue_depth=3, read_bursts=32)


def memory(placed: list[PlacedCase]) -> np.ndarray:
    """Return the image of all layers, poison where nothing is."""
    base, size = base_address(AXI), ACC.memory.bus_bytes
    image = np.full(placed[-1].outputs + placed[-1].output_bytes - base, POISON, np.uint8)
    for case in placed:
        image[case.start - base : case.start - base + len(case.image)] = np.frombuffer(case.image, np.uint8)
    return image.reshape(-1, size)


def test_layers_from_the_queue_equal_every_model() -> None:
    cases = random_cases(ACC, 8, 5)
    placed = place_cases(ACC, AXI, cases, np.random.default_rng(5))
    image, base = memory(placed), base_address(AXI)
    found = run_queue(ACC, AXI, image, [case.program for case in placed], (0, len(image)), base=base, simulator=SIMULATOR)
    assert (found.completed, found.error) == (8, 0)
    dump = found.dump.tobytes()
    wrong = {p.case.name: p.mismatches(ACC, dump[p.outputs - base : p.outputs - base + p.output_bytes]) for p in placed}
    assert set(wrong.values()) == {(0, "")}
    timings = [schedule(case.layer, ACC, case.tiling, case.table) for case in cases]
    models = [
        model_counters(case.layer, ACC, case.tiling, timing, case.table) for case, timing in zip(cases, timings, strict=True)
    ]
    for name in set(models[0]) - set(WAITS):
        assert found.totals[name] == sum(model[name] for model in models)
        assert found.last[name] == models[-1][name]
    least = sum(timing.cycles for timing in timings)
    most = sum(limit(ACC, AXI, case.layer, case.tiling, case.table) for case in cases)
    assert found.totals["axi_read_wait"] == 0, "32 bursts cover the latency"
    assert sum(cycles for cycles in found.layer_cycles if cycles) == found.totals["axi_cycles"]
    assert found.layer_cycles[-1] == found.last["axi_cycles"]
    assert least <= found.totals["axi_cycles"] <= most + found.totals["axi_write_wait"]


def test_a_descriptor_outside_memory_stops_the_queue() -> None:
    placed = place_cases(ACC, AXI, random_cases(ACC, 1, 6), np.random.default_rng(6))
    image = memory(placed)
    programs = [placed[0].program, 1 << 25, placed[0].program]
    found = run_queue(ACC, AXI, image, programs, (0, 0), base=base_address(AXI), simulator=SIMULATOR)
    assert (found.completed, found.error, found.error_index) == (1, ERROR_CODES["read"], 1)


def test_malformed_runs_are_refused() -> None:
    image = np.zeros((4, 8), np.uint8)
    with pytest.raises(SpecError, match="at least one layer"):
        run_queue(ACC, AXI, image, [], (0, 0))
    with pytest.raises(SpecError, match="4096"):
        run_queue(ACC, AXI, image, [0], (0, 0), base=100)
    with pytest.raises(SpecError, match="beats, 8"):
        run_queue(replace(ACC), AXI, image[:, :4], [0], (0, 0))
