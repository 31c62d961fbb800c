"""How many cycles the multipliers and the ports of every level need (codesign reference, 4.6)."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from dataflows.datapath import Datapath
from dataflows.nest.accesses import Charge, Number, rates, scaled
from dataflows.nest.architecture import Architecture, StorageLevel
from dataflows.nest.counts import MAC, Counts, Flow
from dataflows.nest.nest import Nest
from dataflows.nest.rules import Rules
from dataflows.workload import Layer


def limits(nest: Nest, counts: Counts, charged: list[Charge]) -> dict[str, int]:
    """Cycles that the multipliers, every level with limited ports, and every single-buffered level need.

    Accesses into or out of a single-buffered level do not overlap: they count as ``fill of`` that level only.
    """
    times = {"compute": math.ceil(nest.steps * effort(nest.layer, nest.arch).cycles)}
    fills = {index: 0 for index, level in enumerate(nest.storage) if level.buffering == "single"}
    reads: list[Number] = [0] * len(nest.storage)
    writes: list[Number] = [0] * len(nest.storage)
    slowest: dict[Flow, int] = {}
    for flow, level, read, written in charged:
        if flow.child in fills:
            took = cycles(nest.storage[level], counts.instances[level], read, written)
            slowest[flow] = max(slowest.get(flow, 0), took)
        else:
            reads[level] += read
            writes[level] += written
    for flow, took in slowest.items():
        fills[flow.child] += took
    for index in reversed(range(len(nest.storage))):
        level = nest.storage[index]
        if level.limited:
            times[level.name] = cycles(level, counts.instances[index], reads[index], writes[index])
        if index in fills:
            times[f"fill of {level.name}"] = fills[index]
    return times


class Effort(NamedTuple):
    """What an average multiply-accumulate takes at a layer's widths and densities.

    Attributes
    ----------
    cycles : Fraction or int
        Passes of narrow or wide operands, less skipped zeros.
    energy : float
        Over that of one at the native widths, less what zeros save.
    """

    cycles: Fraction | int
    energy: float


def effort(layer: Layer, arch: Architecture) -> Effort:
    """Return the effort of a multiply-accumulate; one cycle and its full energy where no datapath is described."""
    if arch.datapath is None:
        return Effort(1, 1.0)
    return _effort(arch.datapath, layer.weight_bits, layer.input_bits, layer.weight_density, layer.input_density)


@lru_cache(maxsize=4096)
def _effort(path: Datapath, weight_bits: int, input_bits: int, weight_density: float, input_density: float) -> Effort:
    time, active = path.work(weight_density, input_density)
    cycles = path.passes(weight_bits, input_bits) * Fraction(time)
    return Effort(int(cycles) if cycles == 1 else cycles, path.mac_energy(weight_bits, input_bits) * float(active))


def cycles(level: StorageLevel, instances: int, reads: Number, writes: Number) -> int:
    """Cycles of a level's busiest port, every instance taking its share."""
    if level.bandwidth is not None:
        return _over(reads + writes, instances, level.bandwidth)
    took = 0
    if level.read_bandwidth is not None:
        took = _over(reads, instances, level.read_bandwidth)
    if level.write_bandwidth is not None:
        took = max(took, _over(writes, instances, level.write_bandwidth))
    return took


def _over(accesses: Number, instances: int, bandwidth: float) -> int:
    numerator, denominator = bandwidth.as_integer_ratio()  # exact: a quotient that is whole must not be rounded up
    if isinstance(accesses, float):
        accesses = Fraction(accesses)
    return int(-(-accesses * denominator // (instances * numerator)))


def ramp(nest: Nest, counts: Counts, rules: Rules) -> int:
    """Cycles before the first step and after the last one, without overlap (codesign reference, 4.6).

    The first tiles of weights and inputs go from level to level, the last sums come back, each transfer as slow as the
    slower of its two ends; the networks in between add their skew.
    """
    total = sum(_skew(nest, level) for level in range(len(nest.storage)))
    for flow in counts.flows:
        if flow.child == MAC:
            continue
        ends = ((flow.parent, flow.once), (flow.child, flow.once_inside))
        took = 0
        for level, words in ends:
            last = flow.tensor == "outputs" and level == len(nest.storage) - 1
            accesses = scaled(words, rates(nest, counts, rules, level, flow.tensor)[last])
            reads = (flow.tensor == "outputs") == (level == flow.child)
            took = max(took, cycles(nest.storage[level], counts.instances[level], accesses * reads, accesses * (not reads)))
        total += took
    return total


def _skew(nest: Nest, level: int) -> int:
    """Cycles from the first to the last instance below a level; of a tree, its depth."""
    skew = nest.storage[level].fanout.skew
    if skew == "systolic":
        used = dict.fromkeys((axis.name for axis in nest.storage[level].fanout.axes), 1)
        for spread in nest.spreads[level]:
            used[spread.axis] *= spread.extent
        return sum(used.values()) - len(used)
    if skew == "tree":
        added = 1
        for spread in nest.spreads[level]:
            added *= spread.extent if spread.dim in "CRS" else 1
        return (added - 1).bit_length()
    return 0
