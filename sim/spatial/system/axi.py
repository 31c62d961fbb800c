"""Verification of a system in the AXI shell: every layer alone, then all of them from the queue."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dataflows.axi import LEAST_LATENCY, PAGE_BYTES, AxiOptions
from dataflows.registers import CAPTURE_CYCLES
from dataflows.spatial.system.counts import count
from dataflows.spatial.system.placement import Placement
from dataflows.spatial.system.schedule import ShellSchedule, axi_schedule, schedule
from dataflows.spatial.system.spec import SpatialSystem
from rtl.spatial.system.pack import fetched_beats
from sim.axi.report import AxiCase, AxiReport
from sim.axi.verify import READ_PATH_CYCLES, WRITE_PATH_CYCLES
from sim.bench.axi_queue import QueueResult, run_queue
from sim.bench.bulk import POISON
from sim.runner import Simulator
from sim.spatial.system.cases import SystemCase, random_cases
from sim.spatial.system.image import memory_image
from sim.spatial.system.outputs import wrong_outputs
from sim.spatial.system.verify import Progress, verify_system
from sim.verify import VerifyReport

MOST_GAP = 300
"""Beats between two layers at most."""


@dataclass(frozen=True, slots=True, eq=False)
class _Placed:
    """A case in memory, and what it should take."""

    case: SystemCase
    where: Placement
    exact: ShellSchedule

    def mismatches(self, dump: NDArray[np.uint8], first: int) -> tuple[int, int, str]:
        """Return how many of how many outputs are wrong in beats from `first` on, and where."""
        golden = self.case.golden
        beats = dump[self.where.outputs - first : self.where.end - first]
        wrong, text = wrong_outputs(self.case.program, self.case.tensors, golden, beats)
        return wrong, golden.size, text

    @property
    def counters(self) -> dict[str, int]:
        """What all counters read after the layer."""
        exact = self.exact
        shell = {name: value for name, value in asdict(exact).items() if name.startswith("axi_")}
        return count(self.case.program, exact.inside, fetched_beats(self.case.program.system)) | shell


def verify_on(
    system: SpatialSystem, axi: AxiOptions | None, *, cases: int = 20, seed: int = 0, simulator: Simulator = "verilator",
    waves: Path | None = None, progress: Progress | None = None,
) -> VerifyReport | AxiReport:  # fmt: skip
    """Verify on the native port, or with `axi` behind the shell, where fewer cases are enough: at most 6."""
    if axi is None:
        return verify_system(system, cases=cases, seed=seed, simulator=simulator, waves=waves, progress=progress)
    return verify_axi(system, axi, random_cases(system, min(cases, 6), seed), seed=seed, simulator=simulator, waves=waves)


def verify_axi(
    system: SpatialSystem, axi: AxiOptions, cases: Sequence[SystemCase], *, seed: int = 0, simulator: Simulator = "verilator",
    waves: Path | None = None,
) -> AxiReport:  # fmt: skip
    """Run cases behind AXI, each alone and then all from the queue; compare outputs, cycles and all counters.

    Raises
    ------
    CheckFailed
        The simulation broke, or the system violated the protocol.
    """
    started = time.perf_counter()
    image, placed = _place(axi, cases, np.random.default_rng(seed))
    found = []
    for one in placed:
        span = one.where.outputs, one.where.end - one.where.outputs
        ran = run_queue(system, axi, image, [one.where.program], span, simulator=simulator)
        found.append(_case(system, axi, one, ran))
    ran = run_queue(system, axi, image, [one.where.program for one in placed], (0, len(image)), simulator=simulator, waves=waves)
    sums: dict[str, int] = {}
    for one in placed:
        sums = {name: sums.get(name, 0) + value for name, value in one.counters.items()}
    checks = [
        ("all layers complete from the queue", ran.completed == len(placed) and not ran.error),
        ("outputs from the queue", not any(one.mismatches(ran.dump, 0)[0] for one in placed)),
        ("totals of the queue", ran.totals == sums),
        ("cycles of every layer in the queue", list(ran.layer_cycles) == [one.exact.axi_cycles for one in placed]),
        ("cycles of the queue", ran.span == sums["axi_cycles"] + CAPTURE_CYCLES * len(placed) + 1 - _address(placed[0], axi)),
    ]
    return AxiReport(simulator, tuple(found), tuple(checks), time.perf_counter() - started)


def _address(first: _Placed, axi: AxiOptions) -> int:
    """Return the cycles from the start of a layer to the cycle after its first address is taken.

    Its program is asked for from cycle 1 on; a burst is held until its end is known, queued, on AR, and seen by the bench.
    """
    system = first.case.program.system
    page = PAGE_BYTES // system.memory.bus_bytes
    return 4 + min(axi.burst_beats, fetched_beats(system), page - first.where.program % page)


def _place(axi: AxiOptions, cases: Sequence[SystemCase], rng: np.random.Generator) -> tuple[NDArray[np.uint8], list[_Placed]]:
    """Lay cases out one after the other, with random gaps; outputs hold what no layer has written."""
    images, placed, beat = [], [], 0
    for case in cases:
        memory = case.program.system.memory
        gap = int(rng.integers(0, MOST_GAP))
        image, where = memory_image(case.program, case.tensors, beat + gap)
        rest = (
            np.full((gap, memory.bus_bytes), POISON, np.uint8),
            np.full((where.end - where.outputs, memory.bus_bytes), POISON, np.uint8),
        )
        images += [rest[0], image, rest[1]]
        beat = where.end
        placed.append(_Placed(case, where, axi_schedule(case.program, where, axi, case.codes)))
    return np.vstack(images), placed


def _case(system: SpatialSystem, axi: AxiOptions, one: _Placed, ran: QueueResult) -> AxiCase:
    wrong, checked, first = one.mismatches(ran.dump, one.where.outputs)
    latency = max(LEAST_LATENCY, system.memory.latency)
    program, memory = one.case.program, replace(system.memory, interval=1, latency=latency)
    native = schedule(replace(program, system=replace(system, memory=memory)), one.where, one.case.codes)
    slow = replace(memory, latency=latency + READ_PATH_CYCLES + axi.burst_beats - 1)
    most = schedule(replace(program, system=replace(system, memory=slow)), one.where, one.case.codes).cycles
    waits = ran.last["axi_read_wait"] + ran.last["axi_write_wait"]
    return AxiCase(
        name=one.case.name, mismatches=wrong, checked=checked, first_mismatch=first, cycles_axi=ran.last["axi_cycles"],
        cycles_exact=one.exact.axi_cycles, cycles_model=native.cycles, cycles_bound=native.array_busy,
        cycles_limit=most + waits + 2 * axi.burst_beats + WRITE_PATH_CYCLES, read_wait=ran.last["axi_read_wait"],
        write_wait=ran.last["axi_write_wait"], counts_equal=ran.last == one.counters,
    )  # fmt: skip
