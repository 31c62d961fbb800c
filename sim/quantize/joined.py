"""Parts of a Concat made in their place: filters of zeros for the channels of the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable
from dataclasses import replace

import numpy as np

from dataflows.onnx_graph import Graph
from sim.quantize.steps import Stage

_WORTH = 1.5
"""Multiply-accumulates that may be added for one that the move takes; moving also writes and reads the part once more."""


def widened(stages: Iterable[Stage], graph: Graph, outputs: Container[str]) -> list[Stage]:
    """Let convolutions make their part of a Concat with all its channels, where that is cheaper than moving it there.

    Parameters
    ----------
    stages : iterable of Stage
        Moves are ``mac`` steps that are `like` the joined tensor.
    graph : Graph
        Of the float model.
    outputs : container of str
        Tensors that the host reads.
    """
    found = list(stages)
    readers = Counter(name for stage in found for name in stage.step.reads)
    makers = {stage.output: stage for stage in found}
    replaced: dict[str, Stage] = {}
    gone: set[str] = set()
    for move in found:
        source = move.step.reads[0]
        maker = makers.get(source)
        if maker is None or not _moves(move) or readers[source] != 1 or source in outputs or not _fits(maker, move, graph):
            continue
        place = move.step.weights[:, :, 0, 0]  # ones and zeros: input channel to joined channel
        step = replace(
            maker.step, layer=replace(maker.step.layer, K=len(place)), bias=place @ maker.step.bias,
            weights=np.tensordot(place, maker.step.weights, 1), makes=move.output, like=move.step.like,
        )  # fmt: skip
        replaced[source] = Stage(step, move.output, maker.chain, move.step.like)
        gone.add(move.output)
    return [replaced.get(stage.output, stage) for stage in found if stage.output not in gone]


def _moves(stage: Stage) -> bool:
    return bool(stage.step.like) and stage.step.layer.op == "mac" and stage.chain is None


def _fits(maker: Stage, move: Stage, graph: Graph) -> bool:
    """Whether zeros stay zeros behind the convolution, and it is worth its while."""
    layer = maker.step.layer
    if layer.op != "mac" or layer.G != 1 or maker.step.like:
        return False
    bounds = maker.chain.bounds(graph) if maker.chain is not None else (0.0, 0.0)
    added = layer.macs // layer.K * (move.step.layer.K - layer.K)
    return bounds is not None and bounds[0] <= 0 <= bounds[1] and added <= _WORTH * move.step.layer.macs
