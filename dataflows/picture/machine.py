"""Pictures of mappings on our own hardware (cost mode ``machine``, docs/hardware.md)."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from dataflows.arch import Accelerator
from dataflows.bound import bound
from dataflows.mapping import Loop, Mapping
from dataflows.picture.layer import sizes
from dataflows.picture.marks import Rung, bands
from dataflows.picture.model import Band, Picture, Store
from dataflows.tiling import Blocking, Tiling, mapping_of, tile_words
from dataflows.workload import Layer

HOLDS = {"input_buffer": "I", "weight_buffer": "W", "accumulator": "O", "output_buffer": "O", "scale_buffer": "scales"}


def picture(layer: Layer, acc: Accelerator, tiling: Tiling, row: dict[str, Any]) -> Picture:
    """Draw a mapping.

    Parameters
    ----------
    layer, acc, tiling : Layer, Accelerator, Tiling
        As for `dataflows.cost.evaluate`.
    row : dict
        The JSON form of the cost (`Cost.to_dict`).
    """
    mapping = mapping_of(layer, acc, tiling)
    limits = bound(layer, acc, tiling)
    return Picture(
        name=row["layer"],
        layer=sizes(layer),
        arch=acc.name,
        bands=_bands(mapping, layer, acc),
        stores=tuple(_stores(layer, acc, tiling)),
        cycles=row["cycles"] or row["bound_cycles"],
        bound=row["bound"],
        limits={"compute": limits.compute, "dram": limits.dram, "scale_buffer": limits.post},
        macs_used=_in_use(mapping, layer, acc),
        macs=acc.array.macs if layer.op == "mac" else acc.channel_lanes,
        utilization=row["utilization"],
        energy_pj={name: sum(tensors.values()) for name, tensors in row["energy_by_level"].items()},
    )


def _bands(mapping: Mapping, layer: Layer, acc: Accelerator) -> tuple[Band, ...]:
    """Mark the loops.

    Weights, or outputs, stay in the array; what else the buffers hold goes to the multipliers cycle by cycle. Tiles are
    loaded whole, so no halo is kept. Where several groups share an output-stationary block, its innermost loop over G
    offers every column the inputs of all groups, and a column takes those of its own: outputs stay, as over C. Channel by
    channel everything passes the array by.
    """
    stays = "outputs" if acc.array.outputs_stay else "weights"
    every = frozenset(("weights", "inputs", "outputs"))
    holds = {"dram": every, "buffer": every, "array": frozenset((stays,)) if layer.op == "mac" else frozenset[str]()}
    shared = acc.array.outputs_stay and Blocking.of(layer, acc).packed > 1
    rungs = []
    for level in mapping.levels:
        last = max((at for at, loop in enumerate(level.loops) if loop.dim == "G"), default=-1)
        offered = {last} if shared and level.name == "buffer" else set()
        loops = tuple(replace(loop, dim="C") if at in offered else loop for at, loop in enumerate(level.loops))
        rungs.append(Rung(level.name, loops, holds[level.name]))
    marked = bands(rungs, lambda *_: False)
    return tuple(_named(band, level.loops) for band, level in zip(marked, mapping.levels, strict=True))


def _named(band: Band, loops: tuple[Loop, ...]) -> Band:
    """Give the lines the dimensions of the loops that they stand for."""
    walked = [loop for loop in loops if loop.extent > 1]
    return replace(band, lines=tuple(replace(x, dim=loop.dim) for x, loop in zip(band.lines, walked, strict=True)))


def _in_use(mapping: Mapping, layer: Layer, acc: Accelerator) -> int:
    """Multipliers with work; groups that share a block use its diagonal only."""
    spatial: tuple[Loop, ...] = mapping.level("array").loops
    reached = math.prod(loop.extent for loop in spatial)
    packed = Blocking.of(layer, acc).packed
    both = {loop.axis for loop in spatial if loop.dim == "G"} == {"rows", "cols"}
    return reached // packed if both else reached


def _stores(layer: Layer, acc: Accelerator, tiling: Tiling) -> list[Store]:
    """One half of every double buffer, as a tile may fill it."""
    words = tile_words(layer, Blocking.of(layer, acc), tiling)
    words["output_buffer"] = words["accumulator"]
    words["scale_buffer"] *= acc.post_groups
    found = []
    for level in acc.levels():
        if level.name == "dram":
            continue
        held = words[level.name]
        bits = level.size_bits // level.copies
        found.append(Store(level.name, {HOLDS[level.name]: held}, held * level.word_bits, bits))
    return found
