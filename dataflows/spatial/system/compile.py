"""From a layer and a mapping to the program of a system, or the limits that it exceeds."""

from __future__ import annotations

from dataflows.errors import SpecError
from dataflows.feasible import Infeasible, InfeasibleError
from dataflows.mapping import Level, Loop, Mapping
from dataflows.spatial.program import compile_spatial
from dataflows.spatial.system.geometry import input_box, output_box, tile_sizes
from dataflows.spatial.system.limits import violations
from dataflows.spatial.system.program import SystemProgram
from dataflows.spatial.system.spec import SpatialSystem
from dataflows.workload import Layer

NO_CONFLICT = "ports without conflict"
"""What ports lack of which several meet in one bank wherever pixels, rows and images are put."""
LEVELS = ("dram", "stream", "pe")


def compile_system(
    layer: Layer, system: SpatialSystem, mapping: Mapping, *, coded: tuple[bool, bool] = (False, False)
) -> SystemProgram:
    """Bind a mapping of the levels ``dram``, ``stream`` and ``pe``.

    Loops over time at ``dram`` walk tiles in memory, those at ``stream`` what is in the buffers; loops along axes belong to
    ``stream``, loops in the PEs to ``pe``. `coded` says whether inputs and outputs lie in memory as coded rows.

    Raises
    ------
    SpecError
        For a mapping that does not belong to the layer and the array, or coded tensors of a system without coders.
    InfeasibleError
        Naming every limit of array or buffers that the mapping exceeds.
    """
    outside, inside = _level(mapping, "dram"), _level(mapping, "stream")
    for loop in outside:
        if loop.axis is not None:
            raise SpecError("mapping: dram", str(loop), "loops over time", "write loops along an axis at stream")
    flat = Mapping((Level("stream", (*outside, *inside)), Level("pe", _level(mapping, "pe"))))
    array = compile_spatial(layer, system.array, flat)
    depth = len(array.outer) - sum(loop.extent > 1 for loop in outside)
    sizes = tile_sizes(array, depth)
    boxes = input_box(array, system, sizes), output_box(array, system, sizes)
    if boxes[0] is None or boxes[1] is None:
        tensor = "inputs" if boxes[0] is None else "outputs"
        remedy = "unroll another dimension along the axes of its ports"
        raise InfeasibleError([Infeasible(f"l2.{tensor}", system.array.lanes(tensor), 0, NO_CONFLICT, remedy, layer.name)])
    if any(coded) and not system.coding:
        raise SpecError("system.rlc", None, "coders, for coded rows", "give the system rlc, or leave tensors uncoded")
    program = SystemProgram(system, array, depth, sizes, boxes[0], boxes[1], coded)
    if reasons := violations(program):
        raise InfeasibleError(reasons)
    return program


def _level(mapping: Mapping, name: str) -> tuple[Loop, ...]:
    known = [level.name for level in mapping.levels]
    if any(each not in LEVELS for each in known) or known != [each for each in LEVELS if each in known]:
        raise SpecError("mapping.levels", known, ", ".join(LEVELS), "name the levels so, outermost first")
    return next((level.loops for level in mapping.levels if level.name == name), ())
