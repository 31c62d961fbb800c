"""What every level is charged for, and how many cycles that takes (codesign reference, 4.5 and 4.6)."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

from dataflows.nest.architecture import StorageLevel
from dataflows.nest.counts import MAC, Counts, Flow
from dataflows.nest.nest import Nest
from dataflows.nest.rules import TENSORS, Rules

Words = int | Fraction
OUTPUTS = TENSORS.index("outputs")


class Charge(NamedTuple):
    """Words of one flow at one of its two levels: what energy and ports are charged for."""

    flow: Flow
    level: int
    reads: Words
    writes: Words


def charges(nest: Nest, counts: Counts, rules: Rules) -> list[Charge]:
    """Return the charges of all flows; under the strict rule a wide partial sum is several words.

    At the outermost level the last write of every output has the width of outputs.
    """
    found = []
    outermost, wide = len(nest.storage) - 1, nest.arch.psum_bits or 0
    for flow in counts.flows:
        sides = [Charge(flow, flow.parent, flow.reads, flow.updates)]
        if flow.child != MAC:
            sides.append(Charge(flow, flow.child, flow.drains, flow.fills))
        if flow.tensor == "outputs" and rules.psums == "strict":
            sides = [_widened(side, nest.storage[side.level].word_bits[OUTPUTS], wide, side.level == outermost) for side in sides]
        found += sides
    return found


def _widened(charge: Charge, bits: int, wide: int, outermost: bool) -> Charge:
    if wide <= bits:
        return charge
    factor, final = Fraction(wide, bits), charge.flow.first if outermost else 0
    return charge._replace(reads=charge.reads * factor, writes=(charge.writes - final) * factor + final)


def limits(nest: Nest, counts: Counts, charged: list[Charge]) -> dict[str, int]:
    """Cycles that the multipliers, every level with limited ports, and every single-buffered level need.

    Words into or out of a single-buffered level do not overlap: they count as ``fill of`` that level only.
    """
    times = {"compute": nest.steps}
    totals: list[list[Words]] = [[0, 0] for _ in nest.storage]
    fills: dict[int, int] = {i: 0 for i, level in enumerate(nest.storage) if level.buffering == "single"}
    slowest: dict[Flow, int] = {}
    for flow, level, reads, writes in charged:
        if flow.child in fills:
            took = _cycles(nest.storage[level], counts.instances[level], reads, writes)
            slowest[flow] = max(slowest.get(flow, 0), took)
        else:
            totals[level][0] += reads
            totals[level][1] += writes
    for flow, took in slowest.items():
        fills[flow.child] += took
    for index in reversed(range(len(nest.storage))):
        level = nest.storage[index]
        if level.bandwidth or level.read_bandwidth or level.write_bandwidth:
            times[level.name] = _cycles(level, counts.instances[index], *totals[index])
        if index in fills:
            times[f"fill of {level.name}"] = fills[index]
    return times


def _cycles(level: StorageLevel, instances: int, reads: Words, writes: Words) -> int:
    """Cycles of a level's busiest port, every instance taking its share."""
    shares = (reads + writes, level.bandwidth), (reads, level.read_bandwidth), (writes, level.write_bandwidth)
    return max((_over(words, instances, bandwidth) for words, bandwidth in shares if bandwidth), default=0)


def _over(words: Words, instances: int, bandwidth: float) -> int:
    numerator, denominator = bandwidth.as_integer_ratio()  # exact: a quotient that is whole must not be rounded up
    return -int(-words * denominator // (instances * numerator))
