"""The integers of one stage: weights, biases, multipliers, bounds and tables, from real numbers and scales."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dataflows.graph import GraphOp
from dataflows.workload import Activation, Layer
from sim.golden.network import OpTensors
from sim.golden.requantize import quantize_multiplier
from sim.quantize.extract import with_room
from sim.quantize.float_model import FloatModel
from sim.quantize.pointwise import Chain
from sim.quantize.ranges import Range, Scale
from sim.quantize.steps import Floats, Stage, Step

_MOST_BIAS = 1 << 30
_LARGEST_COEFFICIENT = 1 << 14
"""Sums of two int8 tensors times such coefficients fit 24 bits; coefficients have 16."""
_SAMPLES = 4097
_FLAT = 0.25
"""Part of an output step by which a function may move on an end of its range that the table leaves out."""


def trimmed(chain: Chain, model: FloatModel, found: Range, step: float) -> Range:
    """Return a range without the ends on which a function stays the same: a saturating index says as much there.

    Parameters
    ----------
    chain : Chain
    model : FloatModel
    found : tuple of float
        Range of the function's argument.
    step : float
        Of the output's scale.
    """
    points = np.linspace(*found, _SAMPLES)
    values = chain.evaluate(model, points)
    moved_from_low = np.flatnonzero(np.abs(values - values[0]) > _FLAT * step)
    moved_from_high = np.flatnonzero(np.abs(values - values[-1]) > _FLAT * step)
    if not moved_from_low.size or not moved_from_high.size:
        return found
    return float(points[max(moved_from_low[0] - 1, 0)]), float(points[min(moved_from_high[-1] + 1, len(points) - 1)])


def lookup(chain: Chain, model: FloatModel, index: Scale, out: Scale) -> NDArray[np.int64]:
    """Return the table of a function: the stored output for every stored index.

    Where a function has no value, as the logarithm of an index below 0 that its argument never reaches, the entry means 0.
    """
    stored = np.arange(index.lowest, index.highest + 1)
    values = chain.evaluate(model, index.real(stored))
    return out.store(np.where(np.isnan(values), 0.0, values))


def convert(
    stage: Stage, scales: list[Scale], before: Scale, after: Scale, model: FloatModel, *, table: bool
) -> tuple[GraphOp, OpTensors]:
    """Return a stage in integers.

    Parameters
    ----------
    stage : Stage
    scales : list of Scale
        Of the tensors it reads.
    before, after : Scale
        Of what the step makes and of the stage's output; they differ where there is a table between.
    model : FloatModel
    table : bool
        Whether the stage's function is a table; clip bounds if not.
    """
    step, chain = stage.step, stage.chain
    layer, low, high = step.layer, before.lowest, before.highest
    stored = None
    if chain is not None and table:
        stored = lookup(chain, model, before, after)
    elif chain is not None:
        bounds = chain.bounds(model.graph) or (-math.inf, math.inf)
        low, high = (int(before.store(np.array(end))) for end in bounds)
        layer = replace(layer, activation=_activation(layer, bounds))
    coefficients = (1, 1)
    weights = bias = None
    channels = layer.G * layer.K
    if layer.op == "mac":
        weights, bias, factor = _mac(step, scales[0], before)
    elif layer.op == "add":
        coefficients, real = mixed(scales, step.signs)
        factor = np.full(channels, real / before.step)
    else:
        real = {"max": 1.0, "average": 1 / (layer.R * layer.S), "multiply": scales[-1].step}[layer.op]
        factor = np.full(channels, scales[0].step * real / before.step)
    pairs = np.array([quantize_multiplier(float(value)) for value in factor], np.int64)
    op = GraphOp(
        layer, step.reads, stage.output, low, high, table=table, coefficients=coefficients, index_zero=before.zero if table else 0
    )  # fmt: skip
    return op, OpTensors(weights, bias, pairs[:, 0], pairs[:, 1], stored)


def _activation(layer: Layer, bounds: Range) -> Activation:
    if layer.op != "mac":
        return "none"
    named: dict[Range, Activation] = {(0.0, math.inf): "relu", (0.0, 6.0): "relu6"}
    return named.get(bounds, "none")


def mixed(scales: list[Scale], signs: tuple[int, int]) -> tuple[tuple[int, int], float]:
    """Return integer coefficients of a sum and what its accumulator counts in.

    The larger scale gets a coefficient between 2**13 and 2**14, that one at which the other's is nearest to an integer.
    """
    steps = np.array([scale.step for scale in scales])
    large = np.arange(_LARGEST_COEFFICIENT // 2, _LARGEST_COEFFICIENT + 1)
    small = large * (steps.min() / steps.max())
    best = int(np.argmin(np.abs(small - np.rint(small)) / large))
    unit = steps.max() / large[best]
    found = [int(sign * round(step / unit)) for sign, step in zip(signs, steps, strict=True)]
    return (found[0], found[1]), float(unit)


def _mac(step: Step, read: Scale, made: Scale) -> tuple[NDArray[np.int8], NDArray[np.int32], Floats]:
    """Return weights (symmetric, a scale per output channel), biases and the factor of each channel's accumulators."""
    real, offset = step.weights, step.bias
    top = (1 << (step.layer.weight_bits - 1)) - 1
    largest = np.abs(real).reshape(len(real), -1).max(axis=1)
    # A nearly dead channel gets coarser weights, so that its bias fits; a dead one the scale of its output.
    scale = np.maximum(largest / top, np.abs(offset) / (read.step * _MOST_BIAS))
    scale = np.where(scale > 0, scale, made.step / read.step)
    weights = np.clip(np.rint(real / scale[:, None, None, None]), -top, top).astype(np.int8)
    bias = np.rint(offset / (scale * read.step)).astype(np.int32)
    return weights, with_room(bias, weights, read.zero, step.layer.name), scale * read.step / made.step
