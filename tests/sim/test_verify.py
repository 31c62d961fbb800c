"""The complete accelerator on the simulator: values against NumPy, cycles and counters against the cost model."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from dataflows.arch import Accelerator, Array, Memory
from dataflows.counters import COUNTERS, PARAMETER_BASE, parameters
from dataflows.counts import Counts, count
from dataflows.errors import SpecError
from dataflows.fields import DENSE_FIELDS
from dataflows.program import HEADER_WORDS
from dataflows.rounding import ROUNDINGS
from dataflows.schedule import schedule
from dataflows.tiling import Tiling
from dataflows.workload import OPS, Layer
from rtl.export import top_name, verilog
from sim.bench.bulk import Job, run_jobs
from sim.cases import LayerCase, random_cases
from sim.formats.dense import memory_image
from sim.golden.layer import golden_layer
from sim.tensors import LayerTensors, random_tensors
from sim.verify import verify_accelerator, verify_layers

pytestmark = pytest.mark.rtl


def small(rows: int, cols: int, dataflow: str, **changes: object) -> Accelerator:
    """Buffers small enough that most random layers need several tiles."""
    of_array = ("input_bits", "weight_bits", "acc_bits", "pe_stages")
    array = Array(rows, cols, dataflow, **{k: changes.pop(k) for k in of_array if k in changes})
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
    ("rows", "cols", "dataflow", "stages"),
    [
        (5, 4, "ws", 2), (4, 4, "os", 2),
        pytest.param(4, 3, "ws", 1, marks=pytest.mark.nightly), pytest.param(3, 5, "os", 1, marks=pytest.mark.nightly),
    ],
)  # fmt: skip
def test_pipelined_processing_elements(rows: int, cols: int, dataflow: str, stages: int) -> None:
    assert differences(verify_accelerator(small(rows, cols, dataflow, pe_stages=stages), cases=30, seed=stages)) == []


@pytest.mark.parametrize(
    "acc",
    [
        small(4, 3, "ws", input_bits=4, weight_bits=4, bus_bytes=4),
        small(3, 4, "os", input_bits=16, weight_bits=8, acc_bits=40, bus_bytes=8, latency=1),
        small(4, 4, "ws", input_bits=16, weight_bits=16, acc_bits=48, interval=3, latency=90),
        small(4, 6, "os", input_bits=8, weight_bits=4, acc_bits=24, post_lanes=6, interval=2),
        small(20, 3, "ws", bus_bytes=8, post_lanes=1, tile_blocks=2),
        pytest.param(small(4, 4, "ws", input_bits=4, weight_bits=4, bus_bytes=16), marks=pytest.mark.nightly),
        pytest.param(small(4, 4, "ws", bus_bytes=128), marks=pytest.mark.nightly),
        pytest.param(small(4, 4, "ws", table=False), marks=pytest.mark.nightly),
    ],
    ids=[
        "4-bit",
        "16x8",
        "16-bit",
        "8x4-narrow-accumulator",
        "words-of-many-beats",
        "table-of-one-beat",
        "table-of-two-beats",
        "no-table",
    ],
)
def test_widths_and_memory_profiles(acc: Accelerator) -> None:
    assert differences(verify_accelerator(acc, cases=20, seed=5)) == []


IRREGULAR = {"refused and late at random": {"stall": 20_000}, "piled up behind a pause": {"pause": 300}}


@pytest.mark.parametrize("memory", IRREGULAR.values(), ids=IRREGULAR.keys())
@pytest.mark.parametrize("dataflow", ["ws", "os"])
def test_irregular_memory_changes_no_value_and_no_count(dataflow: str, memory: dict[str, int]) -> None:
    acc = small(3, 5, dataflow, latency=2)
    cases = [*random_cases(acc, 20, 9), streaming(acc, 40)]
    report = verify_layers(acc, cases, **memory)
    assert differences(report) == []
    assert {case.cycles_rtl for case in report.cases} == {None}


def streaming(acc: Accelerator, tiles: int) -> LayerCase:
    """A layer bound by its loads, so that read data of many steps can pile up: every tile brings inputs and weights."""
    layer = Layer.gemm("streaming", M=2 * acc.array.rows, N=acc.array.cols, K=tiles * 8 * acc.array.rows)
    return LayerCase("streaming", layer, Tiling(1, 8, 1, layer.Q), random_tensors(layer, np.random.default_rng(3)))


@pytest.mark.parametrize("memory", [{}, *IRREGULAR.values()], ids=["regular", *IRREGULAR])
@pytest.mark.parametrize("dataflow", ["ws", "os"])
def test_every_place_a_store_can_have_in_the_order(dataflow: str, memory: dict[str, int]) -> None:
    """One to six output tiles of one to three steps: stores between loads, after the last, and with none in between."""
    acc = small(3, 5, dataflow, latency=2)
    cases = [_tiled(acc, tiles, steps) for tiles in range(1, 7) for steps in range(1, 4)]
    assert differences(verify_layers(acc, cases, **memory)) == []


def _tiled(acc: Accelerator, tiles: int, steps: int) -> LayerCase:
    """A GEMM of so many output tiles, each reduced in so many steps."""
    layer = Layer.gemm(f"{tiles} tiles of {steps}", M=4 * tiles - 1, N=acc.array.cols, K=steps * acc.array.rows)
    return LayerCase(layer.name, layer, Tiling(1, 1, 1, 4), random_tensors(layer, np.random.default_rng(tiles + steps)))


def test_a_wrong_table_or_rounding_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Entries one place further, and every other way to round, change outputs."""
    acc, layer = small(3, 5, "ws"), Layer.gemm("ties", M=20, N=5, K=3)
    one, values = np.ones(5, np.int64), np.arange(-30, 30).reshape(1, 3, 1, 20)
    tensors = LayerTensors(values, np.eye(5, 3, dtype=np.int64)[:, :, None, None], 0 * one, one, 2 * one, 0, 0, -128, 127)
    cases = [
        LayerCase(name, layer, Tiling(1, 1, 1, 20), replace(tensors, rounding=name, table=table))
        for name in ROUNDINGS for table in (None, np.arange(-128, 128))
    ]  # fmt: skip
    assert differences(verify_layers(acc, cases)) == []

    def wrong(layer: Layer, tensors: LayerTensors, **rest: Any) -> np.ndarray:
        other = ROUNDINGS[ROUNDINGS.index(tensors.rounding) - 1]
        changed = {"rounding": other} if tensors.table is None else {"table": np.roll(tensors.table, 1)}
        return golden_layer(layer, replace(tensors, **changed), **rest)

    monkeypatch.setattr("sim.verify.golden_layer", wrong)
    assert all(case.mismatches for case in verify_layers(acc, cases).cases)


def test_a_wrong_golden_model_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    acc = small(3, 5, "ws")
    case = random_cases(acc, 1, 4)[0]
    assert verify_layers(acc, [case]).passed

    def other(layer: Layer, tensors: LayerTensors, **rest: Any) -> np.ndarray:
        right = golden_layer(layer, tensors, **rest)
        right[0, -1, -1, -1] ^= 1
        return right

    monkeypatch.setattr("sim.verify.golden_layer", other)
    result = verify_layers(acc, [case]).cases[0]
    assert (result.mismatches, result.passed) == (1, False)
    assert str(tuple(n - 1 for n in (layer_shape(case.layer)))) in result.first_mismatch


def layer_shape(layer: Layer) -> tuple[int, int, int, int]:
    return (1, layer.G * layer.K, layer.P, layer.Q)


@pytest.mark.parametrize("level", ["dram", "input_buffer", "weight_buffer", "accumulator", "output_buffer", "scale_buffer"])
def test_a_wrong_count_is_found(level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    acc = small(3, 5, "ws")
    case = random_cases(acc, 1, 4)[0]

    def other(*arguments: Any) -> Counts:
        counts = count(*arguments)
        levels = {name: dict(tensors) for name, tensors in counts.levels.items()}
        tensor, entry = next(iter(levels[level].items()))
        levels[level][tensor] = {way: number + 1 for way, number in entry.items()}
        return replace(counts, levels=levels)

    monkeypatch.setattr("sim.verify.count", other)
    result = verify_layers(acc, [case]).cases[0]
    assert (result.mismatches, result.counts_equal, result.passed) == (0, False, False)


def test_a_wrong_cycle_model_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    acc = small(3, 5, "os", latency=9)
    case = random_cases(acc, 1, 4)[0]
    monkeypatch.setattr("sim.verify.schedule", lambda *job: replace(schedule(*job), cycles=schedule(*job).cycles + 1))
    assert not verify_layers(acc, [case]).passed


def test_no_case_is_no_success() -> None:
    with pytest.raises(SpecError, match="at least one layer"):
        verify_layers(small(3, 5, "ws"), [])


def test_program_that_is_none_is_refused() -> None:
    acc = small(3, 5, "ws")
    case = random_cases(acc, 1, 4)[0]
    image, where, _ = memory_image(case.layer, acc, case.tiling, case.tensors)
    broken = image.copy()
    broken[where.program, 0] ^= 1
    dump = (where.outputs, where.end - where.outputs)
    jobs = [Job("broken", broken, where.program, dump), Job("whole", image, where.program, dump, reset=False)]
    bad, good = run_jobs(verilog(acc), acc.memory.bus_bytes, where.end, jobs, dut=top_name(acc))
    assert (bad.error, bad.finished, good.error) == (1, True, 0)
    for index, (_name, value) in enumerate(parameters(acc)):
        assert good.counters[PARAMETER_BASE + index] == value
    assert good.counters[0] == good.cycles
    assert len(COUNTERS) <= PARAMETER_BASE


@pytest.mark.parametrize(
    ("changes", "field", "value"),
    [
        ({}, "op", len(OPS)), ({}, "rounding", len(ROUNDINGS)),
        ({"channelwise": False}, "op", OPS.index("add")), ({"table": False}, "table", 1),
    ],
)  # fmt: skip
def test_program_that_asks_for_what_is_not_there_is_refused(changes: dict[str, bool], field: str, value: int) -> None:
    acc = replace(small(3, 5, "ws"), **changes)
    case = next(case for case in random_cases(acc, 60, 4) if case.layer.op == "mac" and not case.table)
    image, where, _ = memory_image(case.layer, acc, case.tiling, case.tensors)
    broken, names = image.copy(), [name for name, _bits in DENSE_FIELDS]
    at = acc.memory.bus_bytes * where.program + 4 * (HEADER_WORDS + names.index(field))
    broken.reshape(-1)[at] = value
    dump = (where.outputs, where.end - where.outputs)
    jobs = [Job("broken", broken, where.program, dump), Job("whole", image, where.program, dump, reset=False)]
    bad, good = run_jobs(verilog(acc), acc.memory.bus_bytes, where.end, jobs, dut=top_name(acc))
    assert (bad.error, bad.finished, good.error) == (1, True, 0)


def test_layers_run_back_to_back_without_reset() -> None:
    acc = small(4, 4, "os")
    cases = random_cases(acc, 6, 21)
    jobs = []
    for case in cases:
        image, where, _ = memory_image(case.layer, acc, case.tiling, case.tensors)
        dump = (where.outputs, where.end - where.outputs)
        jobs.append(Job(case.name, image, where.program, dump, acc.memory.latency, reset=False))
    first = run_jobs(verilog(acc), acc.memory.bus_bytes, 1 << 14, jobs, dut=top_name(acc))
    alone = run_jobs(verilog(acc), acc.memory.bus_bytes, 1 << 14, [replace(job, reset=True) for job in jobs], dut=top_name(acc))
    for a, b in zip(first, alone, strict=True):
        assert a.cycles == b.cycles
        assert (a.dump == b.dump).all()


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog is optional")
@pytest.mark.parametrize("dataflow", ["ws", "os"])
def test_four_state_simulation_agrees(dataflow: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Icarus keeps X: no register may need a value that neither reset nor data gave it, as on a chip."""
    acc = small(3, 2, dataflow)
    text, initialised = re.subn(r"^( *reg .*?) = [^;=]+;$", r"\1;", verilog(acc), flags=re.MULTILINE)
    assert initialised > 100
    monkeypatch.setattr("sim.verify.verilog", lambda _acc: text)
    cases = [case for case in random_cases(acc, 10, 2) if case.layer.macs < 3000][:3]
    assert differences(verify_layers(acc, cases, simulator="icarus")) == []
