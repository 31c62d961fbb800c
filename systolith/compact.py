"""Compact mapping text on our own hardware: ``L2 K2 P4 C3 ; L1 K4 C2 R3 S3 P8 Q16 ; L0 C16X K16X``.

The machine has three levels: dram, buffer, array. Loops of one iteration may be left out (`dataflows.compact`).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

from dataflows.arch import Accelerator
from dataflows.compact import Word, read_parts
from dataflows.errors import SpecError
from dataflows.feasible import InfeasibleError
from dataflows.mapping import Loop, Mapping
from dataflows.tiling import LEVELS, OUTER_DIMS, Blocking, Tiling, axis_violations, fixed_residency, mapping_of
from dataflows.workload import Layer

Loops = list[Word]


def parse_compact(text: str, layer: Layer, acc: Accelerator, source: str) -> tuple[Layer, Tiling]:
    """Read the tiling that the text stands for; a layer is flattened where the text has no loop over P.

    Raises
    ------
    SpecError
        For text of another form, and for a nest that the machine does not walk; the message has the nearest one it does.
    InfeasibleError
        If an axis of the array is shorter than the loops on it.
    """
    levels = _levels(text, source)
    axes = {"PQ" if acc.array.outputs_stay else "C": "rows", "K": "cols"}
    spatial = [Loop(dim, extent, axis=axes.get(dim)) for loops in levels for dim, extent, is_spatial in loops if is_spatial]
    if reasons := axis_violations(spatial, acc, layer.name):
        raise InfeasibleError(reasons)
    if not any(dim == "P" for loops in levels for dim, _, _ in loops):
        layer = layer.flattened()
    wrong: list[SpecError] = []
    for tiling in _candidates(levels, layer, acc):
        problem = _mismatch(levels, layer, acc, tiling, source)
        if problem is None:
            return layer, tiling
        wrong.append(problem)
    raise wrong[0]


def _candidates(levels: list[Loops], layer: Layer, acc: Accelerator) -> Iterator[Tiling]:
    """Tilings that the text could mean: a loop of the buffer level may count blocks, or elements within a block."""
    outer = {dim: extent for dim, extent, _ in levels[0]}
    given = tuple(dict.fromkeys(dim for dim, _, _ in levels[0] if dim in OUTER_DIMS))
    order = given + tuple(dim for dim in OUTER_DIMS if dim not in given)
    p, q = (math.ceil(size / outer.get(dim, 1)) for dim, size in (("P", layer.P), ("Q", layer.Q)))
    folded = "G" if Blocking.of(layer, acc).walks_groups else "K"
    blocks, c_blocks = ([*(extent for dim, extent, _ in levels[1] if dim == name), 1] for name in (folded, "C"))
    for block, c_block in itertools.product(blocks, c_blocks):
        yield Tiling(block, c_block, p, q, order)


def _mismatch(levels: list[Loops], layer: Layer, acc: Accelerator, tiling: Tiling, source: str) -> SpecError | None:
    nearest = [_significant(loops) for loops in _loops(mapping_of(layer, acc, tiling))]
    for name, found, walked in zip(LEVELS, levels, nearest, strict=True):
        if _significant(found) != walked:
            fix = "use these loops, or other tile sizes"
            place = f"{source}: {layer.name}: {name} level"
            return SpecError(place, _text(_significant(found)) or "no loops", _text(walked) or "no loops", fix)
    return None


def _levels(text: str, source: str) -> list[Loops]:
    """Return the loops of every level, outermost first; a level that is left out has none."""
    levels: list[Loops] = [[] for _ in LEVELS]
    last = -1
    for part in read_parts(text, LEVELS, source):
        fixed_residency(part.label + part.held, source)
        if part.index <= last:
            raise SpecError(source, part.label, "levels from the outermost to the innermost, each once", "reorder them")
        last, levels[part.index] = part.index, list(part.words)
    return levels


def _loops(mapping: Mapping) -> list[Loops]:
    return [[Word(loop.dim, loop.extent, loop.axis is not None) for loop in level.loops] for level in mapping.levels]


def _significant(loops: Loops) -> Loops:
    return [loop for loop in loops if loop.extent > 1]


def _text(loops: Loops) -> str:
    return " ".join(map(str, loops))
