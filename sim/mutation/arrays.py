"""Mutation run of a spatial array: its own bench, layer by layer, on every mutant."""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataflows.spatial.array import SpatialArray
from dataflows.spatial.schedule import schedule
from rtl.library import Modules
from rtl.spatial.core import SpatialCore
from rtl.spatial.export import PORTS, top_name
from sim.mutation.mutants import SELECT, Mutants, draw
from sim.mutation.verdict import Verdict, order, verdicts
from sim.runner import build, run
from sim.spatial.cases import SpatialCase, random_cases
from sim.spatial.directed import directed_cases
from sim.spatial.long import LongLoop
from sim.spatial.run import Pauses, stage
from sim.spatial.verify import Known, golden

__all__ = ["CASES", "Pass", "array_mutants", "passes", "run_mutants"]

CASES = "cases.pickle"
MOST = 40
SEQUENCER = "\\sequencer."
PAUSES = (Pauses(gaps=0.3, stalls=0.3), Pauses(stalls=0.9), Pauses(gaps=0.8))
"""Now and then; results that pile up; operands that hardly come."""


@dataclass(frozen=True, slots=True, eq=False)
class Pass:
    """Layers that run one after the other from a reset.

    Attributes
    ----------
    cases : tuple of SpatialCase
    jobs : tuple of dict
        The same for the bench.
    known : tuple of (SpatialSchedule, ndarray)
        Cycles, beats and sums of each.
    beats : dict
        The stream of all layers together, per operand.
    exact : bool
        Whether cycles are compared.
    interrupt : int
        Cycles after which a first layer is reset away, or 0.
    """

    cases: tuple[SpatialCase, ...]
    jobs: tuple[dict[str, Any], ...]
    known: tuple[Known, ...]
    beats: dict[str, tuple[int, ...]]
    exact: bool
    interrupt: int = 0


def array_mutants(array: SpatialArray, name: str, number: int, seed: int) -> Mutants:
    """Draw mutants of an array's Verilog; see `sim.mutation.mutants.draw`."""
    top = top_name(name)
    modules = Modules(prefix=f"{name}_", source=True)
    modules.add(top, SpatialCore(array=array, modules=modules))
    return draw(modules, top, number, seed)


def passes(array: SpatialArray, seed: int, number: int = MOST) -> list[Pass]:
    """Return what `verify_array` runs, without and with pauses, and a run that a reset interrupts."""
    directed = directed_cases(array, seed)
    found = [_pass([*random_cases(array, number, seed), *directed], Pauses(), seed)]
    found += [_pass(random_cases(array, 2, seed + 1), Pauses(), seed + 1, interrupt=55)]
    for at, pauses in enumerate(PAUSES):
        # A register that flips in every cycle is right every other time: directed cases run at other times as well.
        cases = [*random_cases(array, number // 2, seed + 2 + at), *(directed if not at else ())]
        found.append(_pass(cases, pauses, seed))
    return found


def run_mutants(drawn: Mutants, todo: Sequence[Pass], loops: Sequence[LongLoop] = (), timeout: float = 36000) -> list[Verdict]:
    """Run every pass on every mutant until a check fails; then, on those of the sequencer, every long loop.

    Raises
    ------
    CheckFailed
        The simulation broke, or the design without mutants fails.
    """
    made = build(drawn.verilog, drawn.top, [*PORTS, SELECT])
    with tempfile.TemporaryDirectory(prefix="systolith-") as scratch:
        work = Path(scratch)
        (work / CASES).write_bytes(pickle.dumps((list(todo), list(loops))))
        counting = [mutant.number for mutant in drawn.mutants if SEQUENCER in mutant.cell]
        params = {"order": order(drawn.mutants), "loops": [0, *counting]}
        found = run(made, "sim.mutation.cocotb_streams", params=params, work=work, timeout=timeout)
    return verdicts(drawn.mutants, found["runs"])


def _pass(cases: Sequence[SpatialCase], pauses: Pauses, seed: int, interrupt: int = 0) -> Pass:
    known = tuple((schedule(case.program), golden(case)) for case in cases)
    jobs: list[dict[str, Any]] = [stage(case, pauses, seed + at) for at, case in enumerate(cases)]
    if pauses.regular:
        # A result later than this fails whatever else comes, so hung mutants need no more cycles.
        jobs = [job | {"deadline": model.cycles + 1} for job, (model, _) in zip(jobs, known, strict=True)]
    beats = {tensor: tuple(int(beat, 16) for job in jobs for beat in job[tensor]) for tensor in ("weights", "inputs")}
    return Pass(tuple(cases), tuple(jobs), known, beats, pauses.regular, interrupt)
