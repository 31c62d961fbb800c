"""The walker: the same counts by brute force (the executed view), for small layers.

It walks tiles and loops one by one, moves sets of coordinates between levels and counts every word that moves; the
registers of the array are walked by `dataflows.walk_registers`, those past it by `dataflows.walk_lanes`. It shares no code
with the closed form of `dataflows.counts`; it also checks that whatever is read is there, and that every multiply-accumulate
happens once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product

from dataflows.arch import Accelerator
from dataflows.errors import CheckFailed
from dataflows.tiling import Blocking, Tiling
from dataflows.walk_lanes import lane_latches
from dataflows.walk_registers import register_latches
from dataflows.walk_steps import Step, steps
from dataflows.workload import Layer

Coordinates = tuple[int, ...]
TENSORS = {
    "input_buffer": ("inputs",),
    "weight_buffer": ("weights",),
    "accumulator": ("psums",),
    "output_buffer": ("outputs",),
    "scale_buffer": ("scales",),
    "dram": ("inputs", "weights", "outputs", "scales", "program"),
}


@dataclass(frozen=True, slots=True)
class Walk:
    """What the walker counted: ``levels`` and ``array`` as in `dataflows.counts.Counts`, useful multiply-accumulates."""

    levels: dict[str, dict[str, dict[str, int]]]
    array: dict[str, int]
    macs: int


def walk(layer: Layer, acc: Accelerator, tiling: Tiling, program_beats: int = 0, table: bool = False) -> Walk:
    """Walk the whole nest; raise `CheckFailed` if a word is read that its level does not hold, or an output comes out wrong.

    Time grows with the number of multiply-accumulates: meant for small layers.
    """
    walker = _Walker(layer, acc, tiling, table)
    walker.tally["dram", "program", "reads"] += program_beats
    if table:
        walker.tally["activation_table", "tables", "writes"] += acc.post_lanes * acc.table_beats
    walker.run()
    tensors = TENSORS | ({"activation_table": ("tables",)} if table else {})
    levels = {
        level: {name: {kind: walker.tally[level, name, kind] for kind in ("reads", "writes")} for name in names}
        for level, names in tensors.items()
    }
    latches = register_latches if layer.op == "mac" else lane_latches
    return Walk(levels, latches(layer, acc, tiling), walker.macs)


@dataclass(slots=True)
class _Walker:
    layer: Layer
    acc: Accelerator
    tiling: Tiling
    table: bool = False
    tally: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    macs: int = 0
    held: dict[str, set[Coordinates]] = field(default_factory=lambda: {"inputs": set(), "weights": set(), "scales": set()})
    sums: dict[Coordinates, int] = field(default_factory=dict)
    stored: set[Coordinates] = field(default_factory=set)

    @property
    def blocking(self) -> Blocking:
        return Blocking.of(self.layer, self.acc)

    def run(self) -> None:
        previous: Step | None = None
        for step in self.steps():
            self.load(step, previous)
            if self.layer.op != "mac":
                self.channelwise(step)
            elif not self.acc.array.outputs_stay:
                self.weight_stationary(step)
            else:
                self.output_stationary(step)
            if step.channels.stop == self.blocking.c_blocks:
                self.finish(step)
            previous = step
        wanted = self.layer.N * self.blocking.group_blocks * self.blocking.k_blocks * self.layer.P * self.layer.Q
        if len(self.stored) != wanted:
            raise CheckFailed(f"{self.layer.name}: {len(self.stored)} output words stored, {wanted} expected")

    def steps(self) -> Iterator[Step]:
        return steps(self.layer, self.acc, self.tiling)

    def move(self, tensor: str, level: str, words: set[Coordinates], word_bits: int) -> None:
        self.held[tensor] = words
        self.tally["dram", tensor, "reads"] += len(words) * self.acc.beats(word_bits)
        self.tally[level, tensor, "writes"] += len(words)

    def load(self, step: Step, previous: Step | None) -> None:
        def changed(dims: str) -> bool:
            return previous is None or step.index(dims) != previous.index(dims)

        ly, acc = self.layer, self.acc
        if changed("NGCPQ"):
            self.move("inputs", "input_buffer", self.window(step), acc.input_word_bits)
        own = ly.op == "multiply"  # factors belong to an image
        if changed("NG" if own else "GKC"):
            words = {
                (step.at["N"] if own else 0, step.group(b), b, c, r, s, row)
                for b, c, r, s in product(step.blocks, step.channels, range(ly.R), range(ly.S))
                for row in range(self.blocking.weight_rows)
            }
            self.move("weights", "weight_buffer", words, acc.weight_word_bits)
        if changed("GK"):
            words = {(step.group(b), b, part) for b in step.blocks for part in range(acc.post_groups)}
            self.move("scales", "scale_buffer", words, acc.scale_word_bits)

    def window(self, step: Step) -> set[Coordinates]:
        """Return the box of input words from the first to the last one that the tile's outputs reach."""
        ly = self.layer
        ys = [p * ly.stride[0] + r * ly.dilation[0] - ly.padding[0] for p in step.rows for r in range(ly.R)]
        xs = [q * ly.stride[1] + s * ly.dilation[1] - ly.padding[1] for q in step.cols for s in range(ly.S)]
        planes = {(step.group(b), c) for b in step.blocks for c in step.channels}
        return {
            (step.at["N"], *plane, y, x)
            for plane in planes
            for y in range(min(ys), max(ys) + 1)
            for x in range(min(xs), max(xs) + 1)
            if 0 <= y < ly.H and 0 <= x < ly.W
        }

    def lanes(self, group: int, block: int, channel: int) -> int:
        """Return how many (input channel, output channel) pairs of a fold are real."""
        ly, bk = self.layer, self.blocking
        if bk.packed > 1:
            groups = len(range(group * bk.packed, min(ly.G, (group + 1) * bk.packed)))
            return groups if ly.op != "mac" else groups * ly.C * ly.K
        if ly.op != "mac":
            return 1
        rows, cols = self.acc.array.rows, self.acc.array.cols
        return len(range(channel * rows, min(ly.C, (channel + 1) * rows))) * len(
            range(block * cols, min(ly.K, (block + 1) * cols))
        )

    def read_weights(self, group: int, block: int, channel: int, r: int, s: int) -> None:
        bk = self.blocking
        for _member in range(bk.packed):
            for row in range(bk.weight_rows):
                self.need("weights", (0, group, block, channel, r, s, row))
                self.tally["weight_buffer", "weights", "reads"] += 1

    def read_input(self, step: Step, group: int, channel: int, pixel: Coordinates, tap: Coordinates) -> None:
        ly = self.layer
        y, x = (pixel[i] * ly.stride[i] + tap[i] * ly.dilation[i] - ly.padding[i] for i in range(2))
        if 0 <= y < ly.H and 0 <= x < ly.W:
            self.need("inputs", (step.at["N"], group, channel, y, x))
            self.tally["input_buffer", "inputs", "reads"] += 1

    def accumulate(self, place: Coordinates, macs: int) -> None:
        if place in self.sums:
            self.tally["accumulator", "psums", "reads"] += 1
        self.tally["accumulator", "psums", "writes"] += 1
        self.sums[place] = self.sums.get(place, 0) + macs

    def channelwise(self, step: Step) -> None:
        for block in step.blocks:
            group = step.group(block)
            if self.layer.op == "multiply":
                self.need("weights", (step.at["N"], group, block, 0, 0, 0, 0))
                self.tally["weight_buffer", "weights", "reads"] += 1
            for channel, r, s in product(step.channels, range(self.layer.R), range(self.layer.S)):
                for pixel in product(step.rows, step.cols):
                    self.read_input(step, group, channel, pixel, (r, s))
                    self.accumulate((group, block, *pixel), self.lanes(group, block, channel))

    def weight_stationary(self, step: Step) -> None:
        taps = product(step.blocks, step.channels, range(self.layer.R), range(self.layer.S))
        for block, channel, r, s in taps:
            group = step.group(block)
            self.read_weights(group, block, channel, r, s)
            for pixel in product(step.rows, step.cols):
                self.read_input(step, group, channel, pixel, (r, s))
                self.accumulate((group, block, *pixel), self.lanes(group, block, channel))

    def output_stationary(self, step: Step) -> None:
        pixels = list(product(step.rows, step.cols))
        at_once = self.acc.array.rows
        for block, start in product(step.blocks, range(0, len(pixels), at_once)):
            group = step.group(block)
            inside = dict.fromkeys(pixels[start : start + at_once], 0)
            for channel, r, s in product(step.channels, range(self.layer.R), range(self.layer.S)):
                self.read_weights(group, block, channel, r, s)
                for pixel in inside:
                    self.read_input(step, group, channel, pixel, (r, s))
                    inside[pixel] += self.lanes(group, block, channel)
            for pixel, macs in inside.items():
                self.accumulate((group, block, *pixel), macs)

    def finish(self, step: Step) -> None:
        """Post-process and store the step's outputs."""
        for block, *pixel in product(step.blocks, step.rows, step.cols):
            place = (step.group(block), block, *pixel)
            self.macs += self.sums.pop(place)
            self.tally["accumulator", "psums", "reads"] += 1
            for part in range(self.acc.post_groups):
                self.need("scales", (*place[:2], part))
                self.tally["scale_buffer", "scales", "reads"] += 1
                if self.table:
                    self.tally["activation_table", "tables", "reads"] += self.acc.post_lanes
            self.tally["output_buffer", "outputs", "writes"] += 1
            self.tally["output_buffer", "outputs", "reads"] += 1
            self.tally["dram", "outputs", "writes"] += self.acc.beats(self.acc.output_word_bits)
            self.stored.add((step.at["N"], *place))

    def need(self, tensor: str, word: Coordinates) -> None:
        if word not in self.held[tensor]:
            raise CheckFailed(f"{self.layer.name}: {tensor} word {word} is read but not held")
