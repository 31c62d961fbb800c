"""The entry point of mode ``maestro``."""

from __future__ import annotations

from typing import Any

from dataflows.floors import below_floor, floors
from dataflows.maestro.analysis import MOVING, Analysis, Tally
from dataflows.maestro.cost import WORDS_OF_TENSORS, MaestroCost
from dataflows.maestro.directives import Directives
from dataflows.maestro.levels import levels_of, problem_of
from dataflows.maestro.machine import Machine
from dataflows.maestro.named import dataflow as named
from dataflows.maestro.reuse import sizes
from dataflows.workload import Layer, only_macs


def evaluate(
    layer: Layer, dataflow: Directives | str, pes: int, *, input_size: tuple[int, int] | None = None, **machine: Any
) -> MaestroCost:
    """Cost one layer as MAESTRO does.

    Groups run one after another, except in depthwise layers, which the tool has a form for.

    Parameters
    ----------
    dataflow : Directives or str
        Directives, or the name of a known dataflow.
    pes : int
        Processing elements.
    input_size : tuple of int, optional
        Rows and columns of the input in place of those the outputs use; for lists that name inputs without their border.
    **machine
        Other fields of `Machine`: ``simd``, ``noc_bw``, ``noc_latency``, ``offchip_bw``, ``double_buffered``, ``mac_pj``.

    Raises
    ------
    SpecError
        For dilated filters, unknown dataflows, directives that do not fit the layer, or too few PEs.
    """
    only_macs(layer, "MAESTRO")
    directives = named(dataflow) if isinstance(dataflow, str) else dataflow
    hardware = Machine(pes, **machine)
    problem = problem_of(layer, input_size)
    runs = layer.G if "K" in problem.extents else 1
    analysis = Analysis(problem, levels_of(problem, directives, pes), hardware)
    tally = analysis.run()
    levels = _words(tally, sizes(problem), analysis.tiles(), runs)
    cycles = runs * tally.cycles
    traffic = {tensor: max(words["reads"], words["writes"]) for tensor, words in levels["L2"].items()}
    return MaestroCost(
        layer=layer.name,
        dataflow=directives.name,
        clusters=len(analysis.levels),
        cycles=cycles,
        macs=layer.macs,
        counted_macs=runs * tally.macs,
        bound=max(tally.binding, key=tally.binding.__getitem__, default="none"),
        times={name: runs * time for name, time in tally.times.items()},
        levels=levels,
        buffer_words=analysis.buffers(),
        floor_cycles=floors(layer, pes * hardware.simd).cycles,
        below_floor=below_floor(layer, pes * hardware.simd, cycles=cycles, words=traffic, macs=runs * tally.macs),
        machine=hardware,
    )


def _words(tally: Tally, whole: Any, tiles: dict[str, dict[str, int]], runs: int) -> WORDS_OF_TENSORS:
    """Return reads and writes by level and tensor.

    L2 takes every input and weight in once; L1 is read once for each operand, and a sum is read and written once, for every
    multiply-accumulate.
    """
    counts: dict[str, dict[str, tuple[int, int]]] = {"L2": {}, "L1": {}}
    for tensor in MOVING:
        counts["L2"][tensor] = (tally.words[tensor], whole[tensor])
        counts["L1"][tensor] = (tally.macs, tally.words[tensor])
    counts["L2"]["outputs"] = (whole["outputs"], tally.words["outputs"])
    counts["L1"]["outputs"] = (tally.macs, tally.macs)
    return {
        level: {
            tensor: {"reads": runs * reads, "writes": runs * writes, "tile_words": tiles[level][tensor]}
            for tensor, (reads, writes) in tensors.items()
        }
        for level, tensors in counts.items()
    }
