"""Layers back to back on the behavioural AXI memory: an implementation of the bus other than cocotbext-axi's."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest

from dataflows.arch import Accelerator, Array, Memory
from dataflows.axi import PAGE_BYTES, AxiOptions
from dataflows.axi_schedule import queue_cycles
from dataflows.errors import SpecError
from dataflows.program import program_beats
from dataflows.registers import ERROR_CODES, SHELL_COUNTERS
from dataflows.schedule import schedule
from sim.axi.place import PlacedCase, base_address, place_cases
from sim.axi.verify import limit
from sim.bench.axi_queue import run_queue
from sim.bench.bulk import POISON
from sim.cases import random_cases
from sim.runner import Simulator
from sim.verify import model_counters

pytestmark = pytest.mark.rtl
SIMULATOR: Simulator = "icarus" if shutil.which("iverilog") else "verilator"  # Icarus builds in a second
ACC = Accelerator(
    "queued", Array(3, 4, "os"), Memory(bus_bytes=8, latency=11), input_words=64, weight_words=64, acc_words=16, post_lanes=2,
    tile_blocks=2,
)  # fmt: skip
AXI = AxiOptions(queue_depth=3, read_bursts=32)


SHORT = AxiOptions(queue_depth=2, burst_beats=3, read_bursts=2, write_bursts=1, address_bits=32, id_bits=1)
DESIGNS = {
    "wide": (ACC, AXI),
    "tight": (replace(ACC, array=Array(4, 3, "ws"), memory=Memory(bus_bytes=4, latency=2)), SHORT),
}


def memory(acc: Accelerator, axi: AxiOptions, placed: list[PlacedCase]) -> np.ndarray:
    """Return the image of all layers, poison where nothing is."""
    base, size = base_address(axi), acc.memory.bus_bytes
    image = np.full(placed[-1].outputs + placed[-1].output_bytes - base, POISON, np.uint8)
    for case in placed:
        image[case.start - base : case.start - base + len(case.image)] = np.frombuffer(case.image, np.uint8)
    return image.reshape(-1, size)


@pytest.mark.parametrize(("name", "latency"), [("wide", 11), ("wide", 90), ("tight", 2), ("tight", 30)])
def test_layers_from_the_queue_equal_every_model(name: str, latency: int) -> None:
    acc, axi = DESIGNS[name]
    acc = replace(acc, memory=replace(acc.memory, latency=latency))
    placed = place_cases(acc, axi, random_cases(acc, 8, 5 + latency), np.random.default_rng(5))
    image, base = memory(acc, axi, placed), base_address(axi)
    found = run_queue(acc, axi, image, [case.program for case in placed], (0, len(image)), base=base, simulator=SIMULATOR)
    assert (found.completed, found.error) == (8, 0)
    dump = found.dump.tobytes()
    wrong = {p.case.name: p.mismatches(acc, dump[p.outputs - base : p.outputs - base + p.output_bytes]) for p in placed}
    assert set(wrong.values()) == {(0, "")}
    exact = [case.schedule(acc, axi) for case in placed]
    assert list(found.layer_cycles) == [each.axi_cycles for each in exact]
    models = [
        model_counters(p.case.layer, acc, p.case.tiling, each, p.case.table)
        | {name: getattr(each, name) for name, _meaning in SHELL_COUNTERS}
        for p, each in zip(placed, exact, strict=True)
    ]
    assert found.totals == {name: sum(model[name] for model in models) for name in models[0]}
    assert found.last == models[-1]
    # The first burst of the program is asked for from cycle 2 on; held, queued, on AR, seen by the monitor.
    page = PAGE_BYTES // acc.memory.bus_bytes
    program = min(axi.burst_beats, program_beats(acc), page - placed[0].program % page)
    assert found.span == queue_cycles(exact) - (program + 5)
    for p, each in zip(placed, exact, strict=True):
        most = limit(acc, axi, p.case.layer, p.case.tiling, p.case.table) + each.axi_read_wait + each.axi_write_wait
        assert schedule(p.case.layer, acc, p.case.tiling, p.case.table).cycles <= each.axi_cycles <= most
    waits = {way: found.totals[f"axi_{way}_wait"] for way in ("read", "write")}
    assert (waits["read"] > 0) == (latency > 11 or name == "tight"), "32 bursts cover 11 cycles"
    assert (waits["write"] > 0) == (name == "tight")


def test_a_descriptor_outside_memory_stops_the_queue() -> None:
    placed = place_cases(ACC, AXI, random_cases(ACC, 1, 6), np.random.default_rng(6))
    image = memory(ACC, AXI, placed)
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
