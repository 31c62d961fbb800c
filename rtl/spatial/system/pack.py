"""A compiled program as the beats that the hardware fetches."""

from __future__ import annotations

from typing import Any

from dataflows.program import MAGIC
from dataflows.spatial.array import MOST_OUTER
from dataflows.spatial.program import Coordinates, base
from dataflows.spatial.system.coded import CODED, row_layout
from dataflows.spatial.system.geometry import Box, channel_beats, lanes
from dataflows.spatial.system.limits import MOST_TILE_LOOPS
from dataflows.spatial.system.nests import MOST_INNER_LOOPS, LoopNest
from dataflows.spatial.system.placement import Finish, Placement
from dataflows.spatial.system.program import SystemProgram, inputs_nest, results_nest, weights_nest
from dataflows.spatial.system.spec import SpatialSystem
from rtl.spatial.pack import program_value, tag_bits
from rtl.spatial.system import layouts
from rtl.spatial.system.layouts import Sum

__all__ = ["KIND", "fetched_beats", "program_words"]

KIND = 3 << 16 | 1
"""Second word of a program: the family of engines and the version of the layout."""
LEVELS = ("image", "row", "pixel")


def fetched_beats(system: SpatialSystem) -> int:
    """Return the beats of a program and its tags."""
    return layouts.program_beats(system) + system.array.pes


def program_words(program: SystemProgram, where: Placement, finish: Finish) -> list[int]:
    """Return the beats of a program, tags behind, as numbers."""
    system = program.system
    value = layouts.program(system).const(_value(program, where, finish)).as_bits()
    mask = (1 << system.beat_bits) - 1
    fields = [value >> at * system.beat_bits & mask for at in range(layouts.program_beats(system))]
    return [*fields, *tag_bits(program.array)]


def _value(program: SystemProgram, where: Placement, finish: Finish) -> dict[str, Any]:
    system, layer = program.system, program.layer
    words = system.beat_words("inputs")
    beats = -(-program.inputs.channels // words)
    tail = program.inputs.channels - (beats - 1) * words
    if program.coded[0] and row_layout(program, "inputs").block < beats:
        tail = words
    return {
        "magic": MAGIC, "kind": KIND, "length": fetched_beats(system), "array": program_value(program.array),
        "weights": _nest(weights_nest(program), layouts.weight_sums(system)),
        "inputs": _nest(inputs_nest(program), layouts.input_sums(system)),
        "results": _nest(results_nest(program), layouts.result_sums(system)),
        "tiles": _tiles(program, where), "input_box": _box(program, "inputs", program.inputs),
        "output_box": _box(program, "outputs", program.outputs), "input_lanes": _input_lanes(program),
        "output_lanes": _output_lanes(program), "weight_beats": program.weight_beats, "scale_beats": program.scale_beats,
        "scales": where.scales, "tail": tail,
        "drains": results_nest(program).tile_passes, "rounding": finish.rounding, "top": layer.padding[0],
        "left": layer.padding[1], "input_zero": finish.input_zero, "output_zero": finish.output_zero,
        "clip_low": finish.low, "clip_high": finish.high, **(_coded(program, where) if system.coding else {}),
    }  # fmt: skip


def _coded(program: SystemProgram, where: Placement) -> dict[str, Any]:
    """Return what the program says of coded tensors; all 0 for those that are not."""
    found: dict[str, Any] = {"first_row": 0}
    for tensor, coded, at in zip(CODED, program.coded, (where.inputs, where.outputs), strict=True):
        layout, short = row_layout(program, tensor), tensor.removesuffix("s")
        steps = {"image_step": layout.high * layout.blocks, "row_step": layout.blocks} if coded else {}
        found |= {
            f"coded_{tensor}": int(coded), f"{short}_table": at if coded else 0,
            f"{short}_table_beats": layout.table_beats if coded else 0, f"{short}_rows": steps,
        }  # fmt: skip
    if program.coded[0]:
        found["first_row"] = where.inputs + row_layout(program, "inputs").table_beats
    return found


def _sums(sums: tuple[Sum, ...], values: tuple[int, ...]) -> dict[str, int]:
    return {name: number for each, value in zip(sums, values, strict=True) for name, number in each.value(value).items()}


def _nest(nest: LoopNest, sums: tuple[Sum, ...]) -> dict[str, Any]:
    zero = _sums(sums, (0,) * len(sums))
    inner = [{"last": 0, "delta": zero} for _ in range(MOST_INNER_LOOPS)]
    outer = [zero for _ in range(MOST_OUTER)]
    deltas = nest.deltas()
    for at, loop in enumerate(nest.inner):
        inner[at] = {"last": loop.extent - 1, "delta": _sums(sums, deltas[0][at])}
    for at in range(len(nest.outer)):
        outer[at] = _sums(sums, deltas[1][at])
    return {"inner": inner, "outer": outer, "change": nest.change, "tile_change": nest.tile_change}


def _place(address: int, banks: int) -> dict[str, int]:
    return {"row": address // banks, "bank": address % banks}


def _box(program: SystemProgram, tensor: str, box: Box) -> dict[str, Any]:
    layer, system = program.layer, program.system
    high, wide = (layer.H, layer.W) if tensor == "inputs" else (layer.P, layer.Q)
    pixel = channel_beats(layer, system, tensor)
    # A tile of one group is clipped at the end of the group's channels, any other one at the end of all.
    clipped = -(-layer.K // system.beat_words(tensor)) if tensor == "outputs" and program.sizes["G"] == 1 else pixel
    rows, banks = system.rows(tensor), system.banks(tensor)
    pitches = {f"{name}_pitch": _place(pitch % (rows * banks), banks) for name, pitch in zip(LEVELS, box.pitches, strict=True)}
    steps = {f"{name}_step": step for name, step in zip(LEVELS, (high * wide * pixel, wide * pixel, pixel), strict=True)}
    beats = -(-box.channels // system.beat_words(tensor))
    if program.coded[CODED.index(tensor)]:
        layout = row_layout(program, tensor)
        beats = min(beats, layout.block)
        steps = {"image_step": high * layout.blocks * layout.slot, "row_step": layout.blocks * layout.slot, "pixel_step": 0}
    return {
        "images": box.images, "rows": box.rows, "cols": box.cols, "beats": beats,
        "images_limit": layer.N, "rows_limit": high, "cols_limit": wide, "beats_limit": clipped, **pitches, **steps,
    }  # fmt: skip


def _input_lanes(program: SystemProgram) -> list[dict[str, Any]]:
    banks, box = program.system.banks("inputs"), program.inputs
    unused = {"at": _place(0, banks), "y": 0, "x": 0, "used": 0}
    return [
        unused if lane is None else {"at": _place(box.address(lane), banks), "y": lane[3], "x": lane[4], "used": 1}
        for lane in lanes(program.array, "inputs")
    ]  # fmt: skip


def _output_lanes(program: SystemProgram) -> list[dict[str, Any]]:
    banks, box = program.system.banks("outputs"), program.outputs
    return [
        {"at": _place(0 if lane is None else box.address(lane), banks), "used": int(lane is not None)}
        for lane in lanes(program.array, "outputs")
    ]


def _tiles(program: SystemProgram, where: Placement) -> dict[str, Any]:
    """Return the loops over memory: what each adds to every sum of `tile_sums`."""
    sums = layouts.tile_sums(program.system)
    steps, tile = [], program.weight_beats
    for loop in program.tile_loops:
        own = loop.dim in "GKCRS"
        steps.append(_tile_step(program, loop.dim, loop.step, tile if own else 0))
        tile *= loop.extent if own else 1
    nothing = _sums(sums, (0,) * len(sums))
    loops = [{"last": 0, "delta": nothing} for _ in range(MOST_TILE_LOOPS)]
    back = (0,) * len(sums)
    for at, (loop, step) in enumerate(zip(program.tile_loops, steps, strict=True)):
        loops[at] = {
            "last": loop.extent - 1, "delta": _sums(sums, tuple(a - b for a, b in zip(step, back, strict=True)))
        }  # fmt: skip
        back = tuple(gone + (loop.extent - 1) * more for gone, more in zip(back, step, strict=True))
    begin = _first_tile(program, where)
    changes = {f"{tensor}_change": program.tile_change(tensor) - program.depth for tensor in ("weights", "inputs", "outputs")}
    return {"loops": loops, "base": _sums(sums, begin), **changes}


def _first_tile(program: SystemProgram, where: Placement) -> tuple[int, ...]:
    """Return the sums of the first tile: where tensors begin, less what lies before the image."""
    layer, system = program.layer, program.system
    top, left = layer.padding[0], layer.padding[1]
    first, outputs, row = where.inputs - (top * layer.W + left) * channel_beats(layer, system, "inputs"), where.outputs, 0
    if program.coded[0]:
        layout = row_layout(program, "inputs")
        row = -top * layout.blocks
        first = where.inputs + layout.table_beats + row * layout.slot
    if program.coded[1]:
        outputs += row_layout(program, "outputs").table_beats
    return (where.weights, first, outputs, 0, -top, -left, 0, 0, 0, 0, 0, *((row, 0) if system.coding else ()))


def _tile_step(program: SystemProgram, dim: str, step: int, weights: int) -> tuple[int, ...]:
    """Return what one iteration of a loop over memory adds to every sum."""
    layer, system = program.layer, program.system
    at, out = base(layer, "inputs", {dim: step}), base(layer, "outputs", {dim: step})
    if dim == "K":
        at = (0, 0, 0, 0, 0)
    if dim in "CRS":
        out = (0, 0, 0, 0, 0)
    beat = (at[1] * layer.C + at[2]) // system.beat_words("inputs")
    pixel_in, pixel_out = (channel_beats(layer, system, tensor) for tensor in ("inputs", "outputs"))
    inputs = ((at[0] * layer.H + at[3]) * layer.W + at[4]) * pixel_in + beat
    channel = out[1] * layer.K + out[2]
    group = channel // system.beat_words("outputs")
    outputs = ((out[0] * layer.P + out[3]) * layer.Q + out[4]) * pixel_out + group
    numbers = _row_numbers(program, at, beat, out, group)
    if program.coded[0]:
        inputs = numbers[0] * row_layout(program, "inputs").slot
    if program.coded[1]:
        outputs = numbers[1] * row_layout(program, "outputs").slot
    clipped = group if dim == ("G" if program.sizes["G"] > 1 else "K") else 0
    sums = (weights, inputs, outputs, at[0] + 0, at[3], at[4], beat, out[3], out[4], clipped, channel // system.post_lanes)
    return (*sums, *numbers) if system.coding else sums


def _row_numbers(program: SystemProgram, at: Coordinates, beat: int, out: Coordinates, group: int) -> tuple[int, int]:
    """Return what coordinates and beats of channels add to the numbers of coded rows; 0 for tensors that are not coded."""
    return (
        row_layout(program, "inputs").number(at[0], at[3], beat) if program.coded[0] else 0,
        row_layout(program, "outputs").number(out[0], out[3], group) if program.coded[1] else 0,
    )
