"""The complete accelerator on the simulator: values against NumPy, cycles and counters against the cost model."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

from dataflows.arch import Accelerator, Array, Memory
from dataflows.counters import COUNTERS, PARAMETER_BASE, parameters
from rtl.export import verilog
from sim.bench.bulk import Job, run_jobs
from sim.cases import random_cases
from sim.formats.dense import memory_image
from sim.verify import verify_accelerator, verify_layers

pytestmark = pytest.mark.rtl


def small(rows: int, cols: int, dataflow: str, **changes: object) -> Accelerator:
    """Buffers small enough that most random layers need several tiles."""
    array = Array(rows, cols, dataflow, **{k: changes.pop(k) for k in ("input_bits", "weight_bits", "acc_bits") if k in changes})
    memory = Memory(**{k: changes.pop(k) for k in ("bus_bytes", "interval", "latency") if k in changes})
    sizes = {"input_words": 192, "weight_words": max(96, rows), "acc_words": max(48, rows), "post_lanes": min(2, cols)}
    return Accelerator("small", array, memory, **(sizes | changes))


def differences(report) -> list[str]:
    return [f"{c.name}: {c.to_dict()}" for c in report.cases if not c.passed]


SHAPES = [(3, 7, "ws"), (5, 2, "os"), (8, 8, "ws"), (8, 8, "os"), (16, 16, "ws"), (16, 16, "os"), (1, 1, "ws"), (1, 1, "os")]


@pytest.mark.parametrize(("rows", "cols", "dataflow"), SHAPES)
def test_random_layers_equal_golden_and_schedule(rows: int, cols: int, dataflow: str) -> None:
    report = verify_accelerator(small(rows, cols, dataflow), cases=30, seed=rows * 31 + cols)
    assert differences(report) == []
    assert len(report.cases) == 30


@pytest.mark.parametrize(
    "acc",
    [
        small(4, 3, "ws", input_bits=4, weight_bits=4, bus_bytes=4),
        small(3, 4, "os", input_bits=16, weight_bits=8, acc_bits=40, bus_bytes=8, latency=1),
        small(4, 4, "ws", input_bits=16, weight_bits=16, acc_bits=48, interval=3, latency=90),
        small(4, 6, "os", input_bits=8, weight_bits=4, acc_bits=24, post_lanes=6, interval=2),
        small(20, 3, "ws", bus_bytes=8, post_lanes=1, tile_blocks=2),
    ],
    ids=["4-bit", "16x8", "16-bit", "8x4-narrow-accumulator", "words-of-many-beats"],
)
def test_widths_and_memory_profiles(acc: Accelerator) -> None:
    assert differences(verify_accelerator(acc, cases=20, seed=5)) == []


@pytest.mark.parametrize("dataflow", ["ws", "os"])
def test_random_stalls_change_no_value(dataflow: str) -> None:
    acc = small(3, 5, dataflow)
    report = verify_layers(acc, random_cases(acc, 20, 9), stall=20_000)
    assert [c.first_mismatch for c in report.cases if c.mismatches] == []


def test_a_wrong_weight_is_found() -> None:
    acc = small(3, 5, "ws")
    case = random_cases(acc, 1, 4)[0]
    expected = verify_layers(acc, [case])
    weights = case.tensors.weights.copy()
    weights[0, 0, 0, 0] ^= 64
    image, where, _ = memory_image(case.layer, acc, case.tiling, replace(case.tensors, weights=weights))
    jobs = [Job("wrong", image, where.program, (where.outputs, where.end - where.outputs))]
    right, _, _ = memory_image(case.layer, acc, case.tiling, case.tensors)
    jobs.append(Job("right", right, where.program, (where.outputs, where.end - where.outputs)))
    wrong, fine = run_jobs(verilog(acc), acc.memory.bus_bytes, where.end, jobs)
    assert expected.passed
    assert (wrong.dump != fine.dump).any()


def test_a_wrong_cycle_model_is_found() -> None:
    acc = small(3, 5, "os", latency=9)
    case = random_cases(acc, 1, 4)[0]
    result = verify_layers(acc, [case]).cases[0]
    assert result.passed
    assert not replace(result, cycles_model=result.cycles_model + 1).passed
    assert not replace(result, counts_rtl=result.counts_rtl | {"dram_inputs_reads": 0}).passed


def test_program_that_is_none_is_refused() -> None:
    acc = small(3, 5, "ws")
    case = random_cases(acc, 1, 4)[0]
    image, where, _ = memory_image(case.layer, acc, case.tiling, case.tensors)
    broken = image.copy()
    broken[where.program, 0] ^= 1
    dump = (where.outputs, where.end - where.outputs)
    jobs = [Job("broken", broken, where.program, dump), Job("whole", image, where.program, dump, reset=False)]
    bad, good = run_jobs(verilog(acc), acc.memory.bus_bytes, where.end, jobs)
    assert (bad.error, bad.finished, good.error) == (1, True, 0)
    for index, (_name, value) in enumerate(parameters(acc)):
        assert good.counters[PARAMETER_BASE + index] == value
    assert good.counters[0] == good.cycles
    assert len(COUNTERS) <= PARAMETER_BASE


def test_layers_run_back_to_back_without_reset() -> None:
    acc = small(4, 4, "os")
    cases = random_cases(acc, 6, 21)
    jobs = []
    for case in cases:
        image, where, _ = memory_image(case.layer, acc, case.tiling, case.tensors)
        dump = (where.outputs, where.end - where.outputs)
        jobs.append(Job(case.name, image, where.program, dump, acc.memory.latency, reset=False))
    first = run_jobs(verilog(acc), acc.memory.bus_bytes, 1 << 14, jobs)
    alone = run_jobs(verilog(acc), acc.memory.bus_bytes, 1 << 14, [replace(job, reset=True) for job in jobs])
    for a, b in zip(first, alone, strict=True):
        assert a.cycles == b.cycles
        assert (a.dump == b.dump).all()




@pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog is optional")
@pytest.mark.parametrize("dataflow", ["ws", "os"])
def test_four_state_simulation_agrees(dataflow: str) -> None:
    """Icarus keeps X: nothing that was never written may reach an output or a counter."""
    acc = small(3, 2, dataflow)
    cases = [case for case in random_cases(acc, 10, 2) if case.layer.macs < 3000][:3]
    assert differences(verify_layers(acc, cases, simulator="icarus")) == []
