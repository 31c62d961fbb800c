"""Verification of a spatial array: sums against NumPy, cycles and words against the schedule."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dataflows.spatial.array import SpatialArray
from dataflows.spatial.schedule import SpatialSchedule, latency, schedule
from rtl.spatial.export import PORTS, top_name, verilog
from sim.golden.accumulate import conv
from sim.runner import Simulator, build, run
from sim.spatial.cases import SpatialCase, random_cases
from sim.spatial.long import LongLoop, long_loops
from sim.spatial.run import Pauses, Ran, run_cases
from sim.verify import CaseResult, VerifyReport

Progress = Callable[[int, int, str], None]
Known = tuple[SpatialSchedule, np.ndarray]
"""Cycles and beats of a case, and its sums."""


def verify_array(
    array: SpatialArray, *, cases: int = 20, seed: int = 0, name: str = "spatial", simulator: Simulator = "verilator",
    waves: Path | None = None, pauses: Pauses | None = None, progress: Progress | None = None,
) -> VerifyReport:  # fmt: skip
    """Verify `array` on random layers and mappings (see `sim.spatial.cases`)."""
    drawn = random_cases(array, cases, seed)
    return verify_cases(
        array, drawn, name=name, simulator=simulator, waves=waves, pauses=pauses, seed=seed, progress=progress
    )  # fmt: skip


def verify_cases(
    array: SpatialArray, cases: Sequence[SpatialCase], *, name: str = "spatial", simulator: Simulator = "verilator",
    waves: Path | None = None, pauses: Pauses | None = None, seed: int = 0, progress: Progress | None = None,
) -> VerifyReport:  # fmt: skip
    """Run cases on the generated Verilog and compare everything; under pauses, all but cycles.

    Raises
    ------
    CheckFailed
        The simulation broke.
    """
    started, pauses = time.perf_counter(), pauses or Pauses()
    if progress:
        progress(0, 1, f"building and running on {simulator}")
    ran = run_cases(array, cases, name=name, pauses=pauses, seed=seed, simulator=simulator, waves=waves)
    compared = tuple(compare(case, one, exact=pauses.regular) for case, one in zip(cases, ran, strict=True))
    cpu, cycles = sum(one.cpu_seconds for one in ran), sum(one.cycles for one in ran)
    return VerifyReport(simulator, compared, time.perf_counter() - started, cycles / cpu if cpu else 0.0)


def golden(case: SpatialCase) -> np.ndarray:
    """Return the exact sums (N, G, K, P, Q), wrapped to the accumulator's width."""
    ly, array = case.program.layer, case.program.array
    inputs = case.inputs.reshape(ly.N, ly.G * ly.C, ly.H, ly.W)
    weights = case.weights.reshape(ly.G * ly.K, ly.C, ly.R, ly.S)
    sums = conv(inputs, weights, stride=ly.stride, dilation=ly.dilation, padding=ly.padding, groups=ly.G)
    half = 1 << array.acc_bits - 1
    wrapped = (sums[:, :, : ly.P, : ly.Q] + half) % (1 << array.acc_bits) - half
    return wrapped.reshape(ly.N, ly.G, ly.K, ly.P, ly.Q)


def busy_cycles(array: SpatialArray, model: SpatialSchedule) -> int:
    """Return how long an array is busy: until the last PE hands in what the first one was asked for last."""
    skew = sum((axis.size - 1) * axis.delay for axis in array.axes) + array.pe_stages
    return model.cycles - latency(array) + skew


def compare(case: SpatialCase, ran: Ran, *, exact: bool = True, known: Known | None = None) -> CaseResult:
    """Hold one run against golden model and schedule; if not `exact`, without cycles. `known`: both, if made before."""
    model, expected = known or (schedule(case.program), golden(case))
    half = 1 << case.program.array.acc_bits - 1
    found = (ran.sums + half) % (2 * half) - half
    wrong = np.argwhere((found != expected) | (ran.seen != 1))
    first = ""
    if len(wrong):
        at = tuple(int(index) for index in wrong[0])
        times = f", completed {ran.seen[at]} times" if ran.seen[at] != 1 else ""
        first = f"(n, g, k, p, q) = {at}: found {int(found[at])}, expected {int(expected[at])}{times}"
    counts = {f"{tensor}_beats": number for tensor, number in ran.beats.items()} | {"wrong_marks": ran.misplaced}
    wanted = {f"{tensor}_beats": number for tensor, number in model.beats.items()} | {"wrong_marks": 0}
    if exact:
        counts, wanted = counts | {"busy": ran.busy}, wanted | {"busy": busy_cycles(case.program.array, model)}
    cycles = ran.cycles if exact else None
    return CaseResult(
        case.name, len(wrong), expected.size, first, cycles, model.cycles, counts, wanted, case.program.layer.macs
    )  # fmt: skip


def verify_long(array: SpatialArray, *, name: str = "spatial", simulator: Simulator = "verilator") -> VerifyReport:
    """Run every counter of the sequencer round and round (see `sim.spatial.long`): sums, marks and cycles.

    Raises
    ------
    CheckFailed
        The simulation broke.
    """
    started, loops = time.perf_counter(), list(long_loops(array))
    made = build(verilog(array, name), top_name(name), PORTS, simulator=simulator)
    found = run(made, "sim.bench.cocotb_streams", params={"long": [loop.job for loop in loops]})["long"]
    compared = tuple(compare_long(loop, data) for loop, data in zip(loops, found, strict=True))
    seconds = time.perf_counter() - started
    return VerifyReport(simulator, compared, seconds, sum(loop.cycles for loop in loops) / seconds)


def compare_long(loop: LongLoop, data: dict[str, Any]) -> CaseResult:
    """Hold one long loop against its sum and its cycles."""
    values = [int(text, 16) & loop.mask for text in data["results"]]
    wrong = values != [loop.expected]
    first = f"found {[f'{value:x}' for value in values]}, expected {loop.expected:x}" if wrong else ""
    counts, wanted = {"still_busy": data["extra"]}, {"still_busy": 0}
    return CaseResult(loop.name, int(wrong), 1, first, data["cycles"], loop.cycles, counts, wanted, 0)
