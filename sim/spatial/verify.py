"""Verification of a spatial array: sums against NumPy, cycles and words against the schedule."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from dataflows.spatial.array import SpatialArray
from dataflows.spatial.schedule import schedule
from sim.golden.accumulate import conv
from sim.runner import Simulator
from sim.spatial.cases import SpatialCase, random_cases
from sim.spatial.run import Pauses, Ran, run_cases
from sim.verify import CaseResult, VerifyReport

Progress = Callable[[int, int, str], None]


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


def compare(case: SpatialCase, ran: Ran, *, exact: bool = True) -> CaseResult:
    """Hold one run against golden model and schedule; if not `exact`, without cycles."""
    model, expected = schedule(case.program), golden(case)
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
    cycles = ran.cycles if exact else None
    return CaseResult(
        case.name, len(wrong), expected.size, first, cycles, model.cycles, counts, wanted, case.program.layer.macs
    )  # fmt: skip
