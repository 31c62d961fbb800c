"""What every loop of a nest does to every tensor (codesign reference, 4.2 to 4.4).

A loop over time is seen from the level that keeps the tensor next below it, or from the multipliers where there is none.
That level's tile *stays* as long as neither the loop nor any loop between them selects other words; once one inside has
done so, a loop that selects nothing brings the same words *again*. A loop over space that selects words gives *each*
instance its own; one that does not shares a read, or adds partial sums on their way out, if the network can.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dataflows.mapping import Loop
from dataflows.nest.rules import RELEVANT, TENSORS, WINDOW
from dataflows.picture.model import Band, Line, Mark

SELECTS = {
    "weights": RELEVANT["weights"],
    "inputs": RELEVANT["inputs"] | {"PQ"},
    "outputs": RELEVANT["outputs"] | {"PQ"},
}
Slides = Callable[[int | None, Loop, Sequence[Loop]], bool]
"""Whether an input tile of a level (None: the multipliers) keeps some words over a loop; then come the loops between them."""


@dataclass(frozen=True, slots=True)
class Rung:
    """One level of a nest: its loops, those over space innermost; the tensors that stay; and the network below it."""

    name: str
    loops: tuple[Loop, ...]
    holds: frozenset[str]
    multicast: bool = True
    reduction: bool = True
    links: bool = False


def bands(rungs: Sequence[Rung], slides: Slides) -> tuple[Band, ...]:
    """Mark the loops of a nest.

    Parameters
    ----------
    rungs : sequence of Rung
        Outermost level first.
    slides : callable
        The halo rule, see `Slides`.
    """
    made = []
    for index, rung in enumerate(rungs):
        lines = []
        for position, loop in enumerate(rung.loops):
            if loop.extent == 1:
                continue
            marks: list[Mark] = [
                _over_time(rungs, index, position, tensor, slides) if loop.axis is None else _over_space(rung, loop, tensor)
                for tensor in TENSORS
            ]
            lines.append(Line(loop.dim, loop.extent, loop.step, loop.axis, (marks[0], marks[1], marks[2])))
        made.append(Band(rung.name, tuple(lines)))
    return tuple(made)


def _over_space(rung: Rung, loop: Loop, tensor: str) -> Mark:
    if loop.dim in SELECTS[tensor]:
        return "pass" if tensor == "inputs" and rung.links and loop.dim in WINDOW else "each"
    if tensor == "outputs":
        return "sum" if rung.reduction else "copy"
    return "cast" if rung.multicast else "copy"


def _over_time(rungs: Sequence[Rung], index: int, position: int, tensor: str, slides: Slides) -> Mark:
    loop, selects = rungs[index].loops[position], SELECTS[tensor]
    child = next((i for i in range(index + 1, len(rungs)) if tensor in rungs[i].holds), None)
    between = [
        inner
        for inner in (*rungs[index].loops[position + 1 :], *_loops(rungs[index + 1 : child]))
        if inner.axis is None and inner.extent > 1
    ]
    if child is not None and loop.dim not in selects and not any(inner.dim in selects for inner in between):
        return "stay"
    if tensor == "inputs" and slides(child, loop, between):
        return "halo"
    return "new" if loop.dim in selects else "again"


def _loops(rungs: Sequence[Rung]) -> list[Loop]:
    return [loop for rung in rungs for loop in rung.loops]
