"""The designs of the mutation run: three bare arrays, two accelerators' arrays, two accelerators' control."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from dataflows.arch import Accelerator, Array, Dataflow, Memory
from dataflows.spatial import named
from dataflows.spatial.array import SpatialArray
from sim.large import with_large_buffers
from sim.mutation import accelerator, arrays
from sim.mutation.accelerator import ARRAY, CONTROL
from sim.mutation.equivalence import Prover
from sim.mutation.mutants import Mutants
from sim.mutation.verdict import Verdict
from sim.spatial.long import long_loops

__all__ = ["DESIGNS", "Design", "on_bench", "prove"]

Progress = Callable[[str], None]
SIZE = 4
ARRAYS: dict[str, SpatialArray] = {
    "array_ws": named.weight_stationary(SIZE, SIZE),
    "array_os": named.output_stationary(SIZE, SIZE),
    "array_rs": named.row_stationary(SIZE, SIZE, words=(12, 6, 4)),
}


@dataclass(frozen=True, slots=True)
class Design:
    """What mutants are drawn from.

    Attributes
    ----------
    name, text : str
        For the table.
    what : SpatialArray or Accelerator
    parts : tuple of str
        Parts of an accelerator.
    mutants : int
        How many are drawn for a night.
    """

    name: str
    text: str
    what: SpatialArray | Accelerator
    parts: tuple[str, ...]
    mutants: int


def _accelerator(dataflow: Dataflow) -> Accelerator:
    """Return a design with the largest buffers: its registers have no bits that `sim.large` cannot use."""
    return with_large_buffers(Accelerator(f"{dataflow}_4x4", Array(SIZE, SIZE, dataflow), Memory(), post_lanes=2))


FLOWS: tuple[Dataflow, ...] = ("ws", "os")
DESIGNS = (
    *(Design(name, f"bare array {name}, 4 x 4, all of it", array, (), 400) for name, array in ARRAYS.items()),
    *(Design(f"{flow}_array", f"accelerator {flow} 4 x 4, its array", _accelerator(flow), ARRAY, 300) for flow in FLOWS),
    *(Design(f"{flow}_control", f"accelerator {flow} 4 x 4, control", _accelerator(flow), CONTROL, 500) for flow in FLOWS),
)


def on_bench(design: Design, number: int, seed: int) -> tuple[Mutants, list[Verdict]]:
    """Run the benches on `number` mutants of a design; what they do not kill is ``unknown``.

    Raises
    ------
    CheckFailed
        The design without mutants fails its bench.
    EmitError
        A tool failed.
    """
    what = design.what
    if isinstance(what, SpatialArray):
        drawn = arrays.array_mutants(what, design.name, number, seed)
        return drawn, arrays.run_mutants(drawn, arrays.passes(what, seed), list(long_loops(what)))
    drawn = accelerator.accelerator_mutants(what, number, seed, design.parts)
    return drawn, accelerator.run_accelerator(what, drawn, accelerator.accelerator_runs(what, seed))


def prove(drawn: Mutants, found: Sequence[Verdict], progress: Progress = lambda text: None) -> list[Verdict]:
    """Ask the prover about all that the benches left; `progress` gets a line for each."""
    prover, said = Prover(drawn), []
    for verdict in found:
        if verdict.status == "killed":
            said.append(verdict)
            continue
        said.append(replace(prover.ask(verdict.mutant), jobs=verdict.jobs))
        progress(f"{verdict.mutant.number} {verdict.mutant.place}: {said[-1].status}, {said[-1].how}")
    return said
