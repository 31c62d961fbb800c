"""Complete accelerators round arrays of any connectivity, on a real simulator: every output, every cycle, every word."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from dataflows.arch import Memory
from dataflows.errors import CheckFailed
from dataflows.mapping import Level, Loop, Mapping
from dataflows.spatial import named
from dataflows.spatial.system.compile import compile_system
from dataflows.spatial.system.spec import SpatialSystem
from dataflows.workload import Layer
from rtl.export import top_name
from rtl.spatial.system.export import verilog
from rtl.spatial.system.top import ERROR_PROGRAM
from sim.bench.bulk import Job, run_jobs
from sim.spatial.arrays import NAMED
from sim.spatial.system import cases as drawing
from sim.spatial.system.cases import SystemCase
from sim.spatial.system.image import memory_image, unpack_outputs
from sim.spatial.system.systems import random_system, small
from sim.spatial.system.verify import verify_cases, verify_system
from sim.tensors import random_tensors

IN_EVERY_RUN = ("array_ws",)
CASES = 30
RANDOM = 40
STALL, PAUSE = 20_000, 300


def passes(system: SpatialSystem, seed: int, cases: int = CASES) -> None:
    report = verify_system(system, cases=cases, seed=seed)
    assert report.passed, [case.to_dict() for case in report.cases if not case.passed]
    stalled = verify_system(system, cases=cases, seed=seed + 1, stall=STALL, pause=PAUSE)
    assert stalled.passed, [case.to_dict() for case in stalled.cases if not case.passed]


@pytest.mark.rtl
@pytest.mark.parametrize("name", IN_EVERY_RUN)
def test_named_systems(name):
    passes(small(NAMED[name]), 1)


@pytest.mark.rtl
@pytest.mark.nightly
@pytest.mark.parametrize("name", [name for name in NAMED if name not in IN_EVERY_RUN])
def test_all_named_systems(name):
    passes(small(NAMED[name]), 1)


@pytest.mark.rtl
@pytest.mark.parametrize("seed", range(2))
def test_random_systems(seed):
    passes(random_system(Random(seed)), seed, cases=10)


@pytest.mark.rtl
@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(2, RANDOM))
def test_many_random_systems(seed):
    passes(random_system(Random(seed)), seed, cases=10)


def gemm(system: SpatialSystem, m: int, n: int, k: int, split: tuple[int, int]) -> SystemCase:
    """Lay a product on the array; rows and channels are split at memory."""
    layer = Layer.gemm("gemm", M=m, N=n, K=k)
    rows, cols = (axis.size for axis in system.array.axes)
    inside = (
        Loop("K", -(-n // split[1] // cols)), Loop("C", -(-k // rows)), Loop("Q", m // split[0]), Loop("C", rows, 1, "rows"),
        Loop("K", cols, 1, "cols"),
    )  # fmt: skip
    mapping = Mapping((Level("dram", (Loop("K", split[1]), Loop("Q", split[0]))), Level("stream", inside), Level("pe", ())))
    tensors = random_tensors(layer, np.random.default_rng(7), acc_bits=system.array.acc_bits)
    return SystemCase("gemm", compile_system(layer, system, mapping), tensors)


@pytest.mark.rtl
def test_outputs_are_the_inputs_of_the_next_layer():
    system = small(named.weight_stationary(4, 4))
    first, second = gemm(system, 8, 16, 24, (2, 2)), gemm(system, 8, 24, 16, (2, 1))
    assert verify_cases(system, [first, second]).passed
    images, where = zip(*(memory_image(case.program, case.tensors) for case in (first, second)), strict=True)
    job = Job("first", images[0], dump=(where[0].outputs, where[0].end - where[0].outputs))
    text, top = verilog(system), top_name(system)
    (ran,) = run_jobs(text, system.memory.bus_bytes, 1, [job], dut=top)
    outputs = unpack_outputs(first.program, ran.dump)
    assert (where[1].outputs - where[1].inputs) == len(ran.dump)
    assert np.array_equal(ran.dump.view(np.int8).reshape(8, 16), outputs[0, :, 0].T)


@pytest.mark.rtl
def test_what_is_no_program_is_refused_and_the_next_layer_runs():
    system = small(named.weight_stationary(4, 4))
    case = gemm(system, 8, 16, 24, (2, 2))
    image, where = memory_image(case.program, case.tensors)
    broken = image.copy()
    broken[0, 0] ^= 1
    jobs = [Job("broken", broken), Job("whole", image, dump=(where.outputs, where.end - where.outputs), reset=False)]
    text, top = verilog(system), top_name(system)
    first, second = run_jobs(text, system.memory.bus_bytes, 1, jobs, dut=top)
    assert (first.finished, first.error) == (True, ERROR_PROGRAM)
    assert (second.finished, second.error) == (True, 0)


@pytest.mark.rtl
def test_a_tile_outside_the_image_leaves_the_other_half_alone():
    """Its beat once went two rows down, past the end of its half, into the tile that the array was reading."""
    system = SpatialSystem(named.weight_stationary(1, 1), Memory(8, 1, 12), (1024, 72, 512), 2, channels=128)
    layer = Layer("edge", K=8, C=8, P=4, Q=5, R=6, padding=(3, 0, 0, 0))
    inside = (Loop("K", 8), Loop("C", 8), Loop("Q", 5))
    mapping = Mapping((Level("dram", (Loop("P", 4), Loop("R", 6))), Level("stream", inside), Level("pe", ())))
    program = compile_system(layer, system, mapping)
    row = program.inputs.pitches[1]
    assert row < system.l2_words[1] < 2 * row  # the second of two skipped rows is behind the half
    case = SystemCase("edge", program, random_tensors(layer, np.random.default_rng(7), acc_bits=system.array.acc_bits))
    assert verify_cases(system, [case], simulator="icarus").passed


def test_a_system_that_takes_no_layer_is_told_what_to_enlarge(monkeypatch):
    monkeypatch.setattr(drawing, "TRIES", 3)
    system = SpatialSystem(named.weight_stationary(4, 4), channels=1, name="tiny")
    with pytest.raises(CheckFailed, match=r"^tiny: no conv layer .* enlarge its buffers"):
        drawing.random_cases(system, 1, 0)


@pytest.mark.rtl
def test_more_bandwidth_than_the_array_needs_hides_transfers():
    """With tiles read ahead, a product takes hardly longer than its multiplications on a full array."""
    system = SpatialSystem(named.weight_stationary(4, 4), Memory(16, 1, 20), (1024, 4096, 4096), 16)
    case = gemm(system, 256, 32, 64, (4, 2))
    report = verify_cases(system, [case])
    assert report.passed
    counts = report.cases[0].counts_model
    assert counts["wait_load"] + counts["wait_accumulator"] < 0.05 * counts["array_busy"]
