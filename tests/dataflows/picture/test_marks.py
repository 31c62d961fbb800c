"""What the picture says of a loop is what happens when the nest is stepped through."""

from __future__ import annotations

from collections import Counter
from itertools import product
from random import Random

import pytest
from hypothesis import given

from dataflows.arch import Accelerator, Array
from dataflows.mapping import Mapping
from dataflows.nest.cost import evaluate
from dataflows.nest.nest import Nest, bind
from dataflows.nest.rules import RELEVANT, TENSORS, Rules
from dataflows.picture import machine, timeloop
from dataflows.picture.model import LETTERS, Band, Line
from dataflows.program import program_beats
from dataflows.tiling import OUTER_DIMS, Tiling, mapping_of
from dataflows.workload import DIMS, Layer
from tests.dataflows.nest import random_nests
from tests.strategies import jobs

CASES = 150


def drawn_case(seed: int) -> tuple[Nest, Rules, Mapping, list[Band]]:
    rng = Random(seed)
    layer, arch, rules = random_nests.draw_layer(rng), random_nests.draw_architecture(rng), random_nests.draw_rules(rng)
    mapping = random_nests.draw_mapping(rng, layer, arch)
    row = evaluate(layer, arch, mapping, rules).to_dict()
    return bind(layer, arch, mapping), rules, mapping, list(timeloop.picture(layer, arch, mapping, row).bands)


def pixels(nest: Nest, level: int, at: Counter[str], rules: Rules) -> tuple[set[int], set[int]]:
    """Rows and columns of the input tile of a level when its loops outside stand at `at`, by listing them."""
    layer, tile, found = nest.layer, nest.tiles[level], []
    for out, tap, axis in (("P", "R", 0), ("Q", "S", 1)):
        stride, dilation = layer.stride[axis], layer.dilation[axis]
        used = {(at[out] + o) * stride + (at[tap] + t) * dilation for o in range(tile[out]) for t in range(tile[tap])}
        found.append(set(range(min(used), max(used) + 1)) if rules.window == "box" else used)
    return found[0], found[1]


class Stepped:
    """One loop over time and the loops between it and the level (or -1, the multipliers) that keeps a tensor below it."""

    def __init__(self, nest: Nest, rules: Rules, level: int, position: int, tensor: str) -> None:
        self.nest, self.rules, self.tensor = nest, rules, tensor
        self.loop = nest.trips[level][position]
        self.child = next((i for i in range(level - 1, -1, -1) if tensor in nest.holds[i]), -1)
        between = [trip for trips in nest.trips[self.child + 1 : level] for trip in trips]
        self.inner = [*between, *nest.trips[level][:position]]  # innermost first

    def at(self, turn: int, turns: tuple[int, ...]) -> Counter[str]:
        place = Counter({self.loop.dim: turn * self.loop.step})
        for trip, index in zip(self.inner, turns, strict=True):
            place[trip.dim] += index * trip.step
        return place

    def words(self, place: Counter[str]) -> tuple[int, ...]:
        return tuple(place[dim] for dim in DIMS if dim in RELEVANT[self.tensor])

    def mark(self) -> str:
        first, last = (tuple(0 for _ in self.inner), tuple(trip.extent - 1 for trip in self.inner))
        before, after = self.at(0, last), self.at(1, first)
        if self.child >= 0 and self.words(before) == self.words(after) and not self.moved_within():
            return "stay"
        if self.tensor == "inputs" and self.child >= 0 and self.keeps(before, after):
            return "halo"
        spans = [
            {self.words(self.at(turn, turns)) for turns in product(*(range(t.extent) for t in self.inner))} for turn in (0, 1)
        ]
        return "again" if spans[0] == spans[1] else "new"

    def moved_within(self) -> bool:
        return any(trip.dim in RELEVANT[self.tensor] for trip in self.inner)

    def keeps(self, before: Counter[str], after: Counter[str]) -> bool:
        if self.rules.halo == "timeloop" and (self.inner or self.loop.dim not in "PQRS"):
            return False
        if any(trip.dim in "NGC" for trip in (self.loop, *self.inner)):
            return False
        old, new = (pixels(self.nest, self.child, place, self.rules) for place in (before, after))
        return bool(old[0] & new[0]) and bool(old[1] & new[1])


def over_space(nest: Nest, level: int, line: Line, tensor: str) -> str:
    net = nest.storage[level].fanout
    if line.dim in RELEVANT[tensor]:
        return "pass" if tensor == "inputs" and net.links and line.dim in "PQRS" else "each"
    if tensor == "outputs":
        return "sum" if net.reduction else "copy"
    return "cast" if net.multicast else "copy"


def test_marks_are_what_stepping_shows():
    seen: Counter[str] = Counter()
    for seed in range(CASES):
        nest, rules, _, bands = drawn_case(seed)
        for level, band in enumerate(reversed(bands)):
            times = [line for line in band.lines if line.axis is None]
            assert [(x.dim, x.extent) for x in times] == [(t.dim, t.extent) for t in reversed(nest.trips[level])]
            for line in band.lines:
                for tensor, mark in zip(TENSORS, line.marks, strict=True):
                    if line.axis is not None:
                        expected = over_space(nest, level, line, tensor)
                    else:
                        expected = Stepped(nest, rules, level, len(times) - 1 - times.index(line), tensor).mark()
                    assert mark == expected, (seed, band.name, line, tensor)
                    seen[mark] += 1
    assert min(seen[mark] for mark in ("new", "stay", "again", "halo", "each", "cast", "sum", "copy", "pass")) > 5, seen


@given(jobs())
def test_tiles_that_come_again_are_the_repeated_fetches_of_the_hardware(job):
    """Count how often each tile comes into its buffer, step by step; an output tile is never fetched back."""
    layer, acc, tiling = job
    dram = picture_of(layer, acc, tiling).bands[0]
    again = dict.fromkeys(LETTERS, 1)
    for line in dram.lines:
        for letter, mark in zip(LETTERS, line.marks, strict=True):
            again[letter] *= line.extent if mark == "again" else 1
    dims = [line.dim for line in dram.lines]
    for letter, depends in (("W", "GKC"), ("I", "NGCPQ"), ("O", "NGKPQ")):
        steps = product(*(range(line.extent) for line in dram.lines))
        tiles = [tuple(i for dim, i in zip(dims, step, strict=True) if dim in depends) for step in steps]
        fetched = Counter(tile for before, tile in zip([None, *tiles], tiles, strict=False) if tile != before)
        assert set(fetched.values()) == {again[letter]}


def picture_of(layer: Layer, acc: Accelerator, tiling: Tiling):
    from dataflows.cost import evaluate as machine_cost

    return machine.picture(layer, acc, tiling, machine_cost(layer, acc, tiling, program_beats=program_beats(acc)).to_dict())


@pytest.mark.parametrize(("dataflow", "stays"), [("ws", "W"), ("os", "O")])
def test_what_a_dataflow_is_named_after_stays_in_the_array(dataflow, stays):
    layer, acc = Layer.conv("c", K=16, C=16, H=10, W=10, R=3, S=3), Accelerator("a", Array(8, 8, dataflow))
    buffer = picture_of(layer, acc, Tiling(2, 2, 4, 4, OUTER_DIMS)).bands[1]
    kept = {letter for line in buffer.lines for letter, mark in zip(LETTERS, line.marks, strict=True) if mark == "stay"}
    assert kept == {stays}


def test_outputs_of_packed_groups_stay_too():
    layer, acc = Layer.conv("dw", K=16, C=16, G=16, H=10, W=10, R=3, S=3), Accelerator("a", Array(8, 8, "os"))
    bands = picture_of(layer, acc, Tiling(1, 1, 4, 4)).bands
    assert [line.marks[2] for line in bands[1].lines if line.dim in "RSG"] == ["stay", "stay", "stay"]
    names = [(line.dim, line.axis) for band in bands for line in band.lines]
    walked = [(x.dim, x.axis) for lv in mapping_of(layer, acc, Tiling(1, 1, 4, 4)).levels for x in lv.loops if x.extent > 1]
    assert names == walked
