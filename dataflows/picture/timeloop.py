"""Pictures of mappings on architectures of any depth (cost mode ``timeloop``)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from dataflows.mapping import Loop, Mapping
from dataflows.nest import window
from dataflows.nest.architecture import Architecture
from dataflows.nest.cost import violations
from dataflows.nest.counts import Counts, count
from dataflows.nest.nest import Nest, bind, spelled_out
from dataflows.nest.rules import LETTERS, TENSORS, WINDOW, Rules
from dataflows.picture.layer import sizes
from dataflows.picture.marks import Rung, bands
from dataflows.picture.model import Band, Picture, Store
from dataflows.workload import Layer

LETTER = {tensor: letter for letter, tensor in LETTERS.items()}


def picture(layer: Layer, arch: Architecture, mapping: Mapping, row: dict[str, Any]) -> Picture:
    """Draw a mapping.

    Parameters
    ----------
    layer, arch, mapping : Layer, Architecture, Mapping
        As for `dataflows.nest.cost.evaluate`.
    row : dict
        The JSON form of the cost (`NestCost.to_dict`).
    """
    rules, nest = Rules(**row["rules"]), bind(layer, arch, mapping)
    counts = count(nest, rules)
    return Picture(
        name=layer.name,
        layer=sizes(layer),
        arch=f"{arch.name}, mode timeloop",
        bands=_bands(nest, spelled_out(mapping, arch), rules),
        stores=tuple(_stores(nest, counts, rules)),
        cycles=row["cycles"],
        bound=row["bound"],
        limits=dict(row["cycles_by_limit"]),
        macs_used=nest.pes,
        macs=arch.pes,
        utilization=row["utilization"],
        energy_pj={name: sum(tensors.values()) for name, tensors in row["energy_by_level"].items()},
    )


def _bands(nest: Nest, mapping: Mapping, rules: Rules) -> tuple[Band, ...]:
    """Mark the loops; steps follow from the inner loops, so they are not shown."""
    rungs, extents = [], dict.fromkeys(nest.tiles[0], 1)
    for level, mapped, holds in zip(nest.arch.levels[::-1], mapping.levels[::-1], nest.holds, strict=True):
        loops: list[Loop] = []
        for loop in reversed(mapped.loops):
            loops.insert(0, replace(loop, step=extents[loop.dim]))
            extents[loop.dim] *= loop.extent
        net = level.fanout
        rungs.insert(0, Rung(mapped.name, tuple(loops), holds, net.multicast, net.reduction, net.links))
    marked = bands(rungs, slides(nest, rules))
    return tuple(replace(band, lines=tuple(replace(line, step=1) for line in band.lines)) for band in marked)


def slides(nest: Nest, rules: Rules) -> Callable[[int | None, Loop, Sequence[Loop]], bool]:
    """Return the halo rule as `dataflows.picture.marks` asks for it."""
    layer, box = nest.layer, rules.window == "box"

    def move(loop: Loop) -> tuple[int, int]:
        rows = {"P": layer.stride[0], "R": layer.dilation[0]}.get(loop.dim, 0)
        cols = {"Q": layer.stride[1], "S": layer.dilation[1]}.get(loop.dim, 0)
        return rows * loop.step, cols * loop.step

    def rule(child: int | None, loop: Loop, between: Sequence[Loop]) -> bool:
        if child is None or (rules.halo == "timeloop" and (between or loop.dim not in WINDOW)):
            return False
        if any(each.dim in "NGC" for each in (loop, *between)):
            return False
        tile = nest.tiles[len(nest.tiles) - 1 - child]
        rows = window.touched(tile["P"], tile["R"], layer.stride[0], layer.dilation[0], box)
        cols = window.touched(tile["Q"], tile["S"], layer.stride[1], layer.dilation[1], box)
        back = [sum((each.extent - 1) * move(each)[axis] for each in between) for axis in (0, 1)]
        down, right = (step - went for step, went in zip(move(loop), back, strict=True))
        return window.kept(rows, down) > 0 and window.kept(cols, right) > 0

    return rule


def _stores(nest: Nest, counts: Counts, rules: Rules) -> list[Store]:
    used = _used_bits(nest, counts, rules)
    found = []
    for index in reversed(range(len(nest.storage))):
        level, words = nest.storage[index], counts.tiles[index]
        place = (counts.instances[index], nest.arch.instances(len(nest.storage) - 1 - index))
        if isinstance(level.capacity_bits, tuple):
            for tensor, bits in zip(TENSORS, level.capacity_bits, strict=True):
                if words.get(tensor):
                    name = f"{level.name}.{tensor}"
                    found.append(Store(name, {LETTER[tensor]: words[tensor]}, used.get(name, 0), bits, *place))
        else:
            held = {LETTER[tensor]: words[tensor] for tensor in TENSORS if words.get(tensor)}
            found.append(Store(level.name, held, used.get(level.name, 0), level.capacity_bits, *place))
    return found


def _used_bits(nest: Nest, counts: Counts, rules: Rules) -> dict[str, int]:
    """Return what every level needs, as the check of capacities says when there is next to nothing."""
    tiny = [replace(x, capacity_bits=(1, 1, 1) if isinstance(x.capacity_bits, tuple) else 1) for x in nest.storage]
    return {reason.level: round(reason.demand) for reason in violations(replace(nest, storage=tuple(tiny)), counts, rules)}
