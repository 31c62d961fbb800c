"""The path past the array, executed: every latch of its lanes, found by moving real values, cycle by cycle.

What a lane's registers take over all cycles follows from the words that the issue engine reads; what the accumulators hold
follows from the lanes' terms. At the end they must hold the operation's results by definition, or `CheckFailed` is raised.
This shares no code with the closed form of `dataflows.counts`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import product

import numpy as np
from numpy.typing import NDArray

from dataflows.arch import Accelerator
from dataflows.errors import CheckFailed
from dataflows.tiling import Blocking, Tiling
from dataflows.walk_steps import Step, steps
from dataflows.workload import Layer

Ints = NDArray[np.int64]
Place = tuple[int, ...]
LARGEST = 8
LOWEST = -100


@dataclass(frozen=True, slots=True, eq=False)
class _Read:
    """A word that enters the lanes, its coefficients, and the accumulator word it goes to; `first` begins a sum."""

    word: Ints
    coefficients: Ints
    place: Place
    first: bool


@dataclass(slots=True)
class _Lanes:
    """Operand and coefficient registers, then product registers, then accumulators.

    Attributes
    ----------
    maximum : bool
        Accumulators keep the largest term.
    latched : Counter
        Values taken by registers so far.
    sums : dict
        Accumulators by place.
    """

    maximum: bool
    latched: Counter[str] = field(default_factory=Counter)
    sums: dict[Place, Ints] = field(default_factory=dict)
    operands: _Read | None = None
    terms: tuple[Ints, Place, bool] | None = None

    def cycle(self, read: _Read | None) -> None:
        """Let a cycle pass in which `read` arrives."""
        if self.terms is not None:
            values, place, first = self.terms
            held = self.sums.get(place)
            if first != (held is None):
                raise CheckFailed(f"accumulator {place} is {'begun twice' if first else 'added to before it is begun'}")
            combined = values if held is None else np.maximum(held, values) if self.maximum else held + values
            self.sums[place] = combined
        self.terms = None
        if self.operands is not None:
            self.terms = self.operands.word * self.operands.coefficients, self.operands.place, self.operands.first
            self.latched["lane_terms"] += len(self.terms[0])
        self.operands = read
        if read is not None:
            self.latched["lane_inputs"] += len(read.word)
            self.latched["lane_coefficients"] += len(read.coefficients)


@dataclass(frozen=True, slots=True, eq=False)
class _Operands:
    """Small integers for all operands, by group block and lane, and what comes out by definition.

    Attributes
    ----------
    planes : (N, group blocks, operands, lanes, H, W) array
    factors : (N, group blocks, lanes) array
    coefficients : tuple of int
        Of the first term of a sum, and of later ones.
    """

    layer: Layer
    planes: Ints
    factors: Ints
    coefficients: tuple[int, int]

    @classmethod
    def random(cls, layer: Layer, acc: Accelerator) -> _Operands:
        rng, blocks, lanes = np.random.default_rng(0), Blocking.of(layer, acc).group_blocks, acc.channel_lanes
        planes = rng.integers(-LARGEST, LARGEST, (layer.N, blocks, layer.C, lanes, layer.H, layer.W))
        factors = rng.integers(-LARGEST, LARGEST, (layer.N, blocks, lanes))
        return cls(layer, planes, factors, (3, -2) if layer.op == "add" else (1, 1))

    def word(self, image: int, block: int, operand: int, y: int, x: int) -> Ints:
        """Return a word of the input buffer, or of padding."""
        inside = 0 <= y < self.layer.H and 0 <= x < self.layer.W
        lanes = self.planes.shape[3]
        border = LOWEST if self.layer.op == "max" else 0
        return self.planes[image, block, operand, :, y, x] if inside else np.full(lanes, border)

    def result(self, image: int, block: int, p: int, q: int) -> Ints:
        """Return an output word by definition."""
        ly = self.layer
        spots = [
            [at * ly.stride[axis] + tap * ly.dilation[axis] - ly.padding[axis] for tap in range(taps)]
            for axis, (at, taps) in enumerate(((p, ly.R), (q, ly.S)))
        ]
        seen = np.array([self.word(image, block, 0, y, x) for y, x in product(*spots)])
        if ly.op == "add":
            return seen[0] * self.coefficients[0] + self.word(image, block, 1, spots[0][0], spots[1][0]) * self.coefficients[1]
        if ly.op == "multiply":
            return seen[0] * self.factors[image, block]
        return seen.max(axis=0) if ly.op == "max" else seen.sum(axis=0)


def lane_latches(layer: Layer, acc: Accelerator, tiling: Tiling) -> dict[str, int]:
    """Run an operation channel by channel through the lanes past the array and count what their registers take.

    Time grows with operations: meant for small layers.

    Returns
    -------
    dict
        Latches by register, as in `dataflows.counts.LANE_REGISTERS`.

    Raises
    ------
    CheckFailed
        If the accumulators do not hold the operation's results.
    """
    operands, lanes = _Operands.random(layer, acc), _Lanes(layer.op == "max")
    for step in steps(layer, acc, tiling):
        _run(operands, lanes, step)
    blocks = Blocking.of(layer, acc).group_blocks
    places = set(product(range(layer.N), range(blocks), range(layer.P), range(layer.Q)))
    if set(lanes.sums) != places:
        raise CheckFailed(f"{layer.name}: {len(lanes.sums)} output words, {len(places)} expected")
    for place in places:
        if not np.array_equal(lanes.sums[place], operands.result(*place)):
            raise CheckFailed(f"{layer.name}: output word {place} is not the operation's")
    return dict(lanes.latched)


def _run(operands: _Operands, lanes: _Lanes, step: Step) -> None:
    """Issue a step: a read per cycle, and then as many cycles as it takes for the last term to arrive."""
    ly, image = operands.layer, step.at["N"]
    for block, operand, r, s in product(step.blocks, step.channels, range(ly.R), range(ly.S)):
        group = step.group(block)
        first = (operand, r, s) == (0, 0, 0)
        shared = np.full(operands.planes.shape[3], operands.coefficients[0 if first else 1])
        coefficients = operands.factors[image, group] if ly.op == "multiply" else shared
        for p, q in product(step.rows, step.cols):
            y, x = (
                at * ly.stride[axis] + tap * ly.dilation[axis] - ly.padding[axis]
                for axis, (at, tap) in enumerate(((p, r), (q, s)))
            )
            lanes.cycle(_Read(operands.word(image, group, operand, y, x), coefficients, (image, group, p, q), first))
    for _ in range(2):
        lanes.cycle(None)
