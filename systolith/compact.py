"""Compact mapping text, input only: ``L2 K2 P4 C3 ; L1 K4 C2 R3 S3 P8 Q16 ; L0 C16X K16X``.

Levels are separated by semicolons, outermost first, loops within a level from outer to inner, and X marks a spatial
loop (codesign reference, 8.3). The machine has three levels: DRAM, buffers, array. Loops of one iteration may be left out.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator

from dataflows.arch import Accelerator
from dataflows.errors import SpecError
from dataflows.feasible import InfeasibleError
from dataflows.mapping import Loop, Mapping
from dataflows.tiling import OUTER_DIMS, Blocking, Tiling, axis_violations, mapping_of
from dataflows.workload import Layer

_LOOP = re.compile(r"(?P<dim>PQ|[NGKCPQRS])(?P<extent>[1-9]\d{0,8})(?P<spatial>X?)")
Loops = list[tuple[str, int, bool]]


def is_compact(text: str) -> bool:
    """Whether the text starts like a compact mapping."""
    return re.match(r"\s*L\d+\s+[A-Z]+\d", text) is not None


def parse_compact(text: str, layer: Layer, acc: Accelerator, source: str) -> tuple[Layer, Tiling]:
    """Read the tiling that the text stands for; a layer is flattened where the text has no loop over P.

    Raises
    ------
    SpecError
        For text of another form, and for a nest that the machine does not walk; the message has the nearest one it does.
    InfeasibleError
        If an axis of the array is shorter than the loops on it.
    """
    levels = [_level(part, source) for part in text.split(";") if part.strip()]
    if len(levels) != 3:
        raise SpecError(source, f"{len(levels)} levels", "three: DRAM, buffers, array", "write L2 ... ; L1 ... ; L0 ...")
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
    folded = "G" if Blocking.of(layer, acc).packed > 1 else "K"
    blocks, c_blocks = ([*(extent for dim, extent, _ in levels[1] if dim == name), 1] for name in (folded, "C"))
    for block, c_block in itertools.product(blocks, c_blocks):
        yield Tiling(block, c_block, p, q, order)


def _mismatch(levels: list[Loops], layer: Layer, acc: Accelerator, tiling: Tiling, source: str) -> SpecError | None:
    nearest = [_significant(loops) for loops in _loops(mapping_of(layer, acc, tiling))]
    for name, found, walked in zip(("DRAM", "buffer", "array"), levels, nearest, strict=True):
        if _significant(found) != walked:
            fix = "use these loops, or other tile sizes"
            return SpecError(
                f"{source}: {layer.name}: {name} level", _text(_significant(found)), _text(walked) or "no loops", fix
            )
    return None


def _level(part: str, source: str) -> Loops:
    words = part.split()
    loops: Loops = []
    for word in words[1:]:
        match = _LOOP.fullmatch(word)
        if not match or not re.fullmatch(r"L\d+", words[0]):
            raise SpecError(source, word, "DIM and extent, X for a spatial loop", "write for example K32 or C16X")
        loops.append((match["dim"], int(match["extent"]), bool(match["spatial"])))
    return loops


def _loops(mapping: Mapping) -> list[Loops]:
    return [[(loop.dim, loop.extent, loop.axis is not None) for loop in level.loops] for level in mapping.levels]


def _significant(loops: Loops) -> Loops:
    return [loop for loop in loops if loop[1] > 1]


def _text(loops: Loops) -> str:
    return " ".join(f"{dim}{extent}{'X' if spatial else ''}" for dim, extent, spatial in loops)
