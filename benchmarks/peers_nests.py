"""Mappings that other tools found, in this suite's words, so that one model costs them all."""

from __future__ import annotations

from typing import Any

from benchmarks.peers_jobs import Job
from dataflows.errors import SystolithError
from dataflows.mapping import Level, Loop, Mapping
from dataflows.nest.cost import evaluate
from dataflows.nest.rules import LETTERS, RELEVANT, TENSORS
from dataflows.residency import letters, resident
from dataflows.workload import DIMS

__all__ = ["Uneven", "costed", "nest", "of_accelforge", "of_zigzag", "to_accelforge"]

ZIGZAG = {"B": "N", "G": "G", "K": "K", "C": "C", "OY": "P", "OX": "Q", "FY": "R", "FX": "S"}
LETTER = {tensor: letter for letter, tensor in LETTERS.items()}
AXES = {"D1": "rows", "D2": "cols"}
Place = tuple[int, str, str]
"""How many loops over time are further out, a level's name, and the tensor it keeps there."""


class Uneven(Exception):
    """A mapping whose tensors have tiles of their own at one level: no loop nest of this suite is like it."""


def nest(job: Job, loops: list[Loop], places: list[Place]) -> Mapping:
    """Return a mapping of the suite.

    The loops inside a level begin where its innermost tensor is kept. A tensor that the level keeps further out must not depend
    on the loops in between: then its tile is the same, and it stays while they turn.

    Parameters
    ----------
    job : Job
        What is mapped.
    loops : list of Loop
        Outermost first; those over space lie on the array, wherever they stand.
    places : list of (int, str, str)
        Where tensors are kept.

    Raises
    ------
    Uneven
        If tensors have tiles of their own at a level.
    """
    names = [level.name for level in job.arch.levels]
    time = [loop for loop in loops if loop.axis is None]
    inner: list[int] = []
    for name in names:
        inner.append(max([at for at, level, _ in places if level == name] + inner[-1:], default=0))
    for at, name, tensor in places:
        for loop in time[at : inner[names.index(name)]]:
            if loop.dim in RELEVANT[tensor] and loop.extent > 1:
                raise Uneven(f"{tensor} at {name} have a tile of their own along {loop.dim}")
    space = tuple(loop for loop in loops if loop.axis is not None and loop.extent > 1)
    levels = []
    for number, name in enumerate(names):
        end = inner[number + 1] if number + 1 < len(names) else len(time)
        own = tuple(loop for loop in time[inner[number] : end] if loop.extent > 1)
        held = frozenset(tensor for _, level, tensor in places if level == name)
        levels.append(Level(f"{name}[{letters(held)}]", own + space if job.arch.levels[number].fanout.axes else own))
    return Mapping(tuple(levels))


def of_accelforge(job: Job, nodes: list[list[Any]]) -> Mapping:
    """Return AccelForge's nest, whose loops say what tile they leave."""
    left = {dim: getattr(job.layer, dim) for dim in DIMS}
    loops: list[Loop] = []
    places: list[Place] = []
    for kind, name, what, *axis in nodes:
        if kind == "keep":
            places += [(sum(loop.axis is None for loop in loops), name, LETTERS[one]) for one in what]
        else:
            loops.append(Loop(name, -(-left[name] // what), axis=axis[0]))
            left[name] = what
    return nest(job, loops, places)


def of_zigzag(job: Job, found: dict[str, Any]) -> Mapping:
    """Return ZigZag's nest, where every operand has the same loops and its own share of them at each memory.

    A memory that keeps no more of an operand than the next inner one is passed by.
    """
    names = [level.name for level in job.arch.levels]
    dims = ZIGZAG if job.layer.N > 1 or "OX" in str(found["levels"]) + str(found["spatial"]) else {**ZIGZAG, "B": "Q"}
    nests = {operand: [loop for level in levels for loop in level] for operand, levels in found["levels"].items()}
    time = [Loop(dims[dim], extent) for dim, extent in reversed(max(nests.values(), key=len))]
    space = [Loop(dims[dim], extent, axis=AXES[axis]) for axis, dim, extent in found["spatial"]]
    places: list[Place] = []
    for operand, levels in found["levels"].items():
        tensor, inside = LETTERS[operand], 0
        for number, (name, own) in enumerate(zip(reversed(names), levels, strict=True)):
            inside += len(own)
            if number == len(names) - 1:
                places.append((0, name, tensor))
            elif own or number == 0:
                places.append((len(time) - inside, name, tensor))
    return nest(job, time + space, places)


def costed(job: Job, mapping: Mapping) -> dict[str, Any]:
    """Return what our model says of a mapping, or why it says nothing."""
    try:
        cost = evaluate(job.layer, job.arch, mapping)
    except SystolithError as error:
        return {"refused": str(error)}
    return {"cycles": cost.cycles, "energy_pj": cost.energy_pj, "edp": cost.edp, "mapping": mapping.to_dict()["levels"]}


def to_accelforge(job: Job, mapping: Mapping) -> list[list[Any]]:
    """Return a mapping of the suite as AccelForge's nodes, so that its model costs it.

    AccelForge fetches anew under every loop further out, so what stays while the innermost loops above a level turn is kept
    further out than these; the array stands above them.
    """
    left = {dim: getattr(job.layer, dim) for dim in DIMS}
    nodes: list[list[Any]] = []

    def walk(loops: list[Loop]) -> None:
        for loop in loops:
            left[loop.dim] = -(-left[loop.dim] // loop.extent)
            nodes.append(["loop", loop.dim, left[loop.dim], loop.axis])

    turning: list[Loop] = []
    for name, held, loops in _levels(mapping):
        late = held
        for at in range(len(turning)):
            stays = {tensor for tensor in late if not any(loop.dim in RELEVANT[tensor] for loop in turning[at:])}
            if stays:
                nodes.append(["keep", name, sorted(LETTER[tensor] for tensor in stays)])
                late -= stays
            walk(turning[at : at + 1])
        if late:
            nodes.append(["keep", name, sorted(LETTER[tensor] for tensor in late)])
        time = [loop for loop in loops if loop.axis is None]
        space = [loop for loop in loops if loop.axis is not None]
        cut = len(time)
        while cut and _together(time[cut - 1 :]):
            cut -= 1
        walk(time[:cut] + space)
        turning = time[cut:]
    walk(turning)
    return nodes


def _levels(mapping: Mapping) -> list[tuple[str, frozenset[str], list[Loop]]]:
    """Return levels with what they hold and their loops; those of a level that holds nothing are the next outer one's."""
    found: list[tuple[str, frozenset[str], list[Loop]]] = []
    for level in mapping.levels:
        said = resident(level.name)
        assert said is not None
        held = said.of(frozenset(TENSORS))
        if held or not found:
            found.append((said.name, held, []))
        found[-1][2].extend(level.loops)
    return found


def _together(loops: list[Loop]) -> bool:
    """Return whether one tensor depends on none of the loops."""
    return any(not any(loop.dim in RELEVANT[tensor] for loop in loops) for tensor in TENSORS)
