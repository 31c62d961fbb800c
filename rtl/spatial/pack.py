"""A compiled program, and streams of words, as the values of the hardware's ports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth.lib import data

from dataflows.nest.rules import TENSORS
from dataflows.spatial.array import MOST_INNER, MOST_OUTER, SpatialArray
from dataflows.spatial.links import Links
from dataflows.spatial.program import REDUCED, Place, SpatialProgram, Tag
from rtl.spatial import layouts

__all__ = ["BeatPacker", "ResultReader", "program_bits", "program_value", "tag_bits", "tag_value", "tag_values"]


def program_value(program: SpatialProgram) -> dict[str, Any]:
    """Return the value of `rtl.spatial.layouts.program`, as nested plain data."""
    array = program.array
    outer = [{"last": 0, "reduces": 0} for _ in range(MOST_OUTER)]
    for at, loop in enumerate(program.outer):
        visits = loop.dim in REDUCED and at >= program.changes[2]
        outer[at] = {"last": loop.extent - 1, "reduces": int(visits)}
    inner = [{"last": 0, "reduces": 0, **{f"{tensor}_delta": 0 for tensor in TENSORS}} for _ in range(MOST_INNER)]
    back = [0, 0, 0]  # what the loops inside have added to each address
    for at, loop in enumerate(program.inner):
        deltas = {f"{tensor}_delta": stride - gone for tensor, stride, gone in zip(TENSORS, loop.strides, back, strict=True)}
        inner[at] = {"last": loop.extent - 1, "reduces": int(loop.dim in REDUCED), **deltas}
        back = [gone + (loop.extent - 1) * stride for gone, stride in zip(back, loop.strides, strict=True)]
    return {
        "outer": outer, "inner": inner,
        **{f"{tensor}_extents": _at(array.fields(tensor), program.extents[tensor]) for tensor in TENSORS[:2]},
        **{f"{tensor}_change": change for tensor, change in zip(TENSORS, program.changes, strict=True)},
        "last_output": program.output_words - 1, "last_slot": program.slots - 1,
        **{f"{tensor}_links": _links(program, tensor) for tensor in TENSORS[:2] if array.linked(tensor)},
    }  # fmt: skip


def _links(program: SpatialProgram, tensor: str) -> dict[str, Any]:
    """Return the value of `rtl.spatial.layouts.link` for every linked axis; a link yields to those before it."""
    axes = [axis.name for axis in program.array.linked(tensor)]
    found: dict[str, Any] = {}
    for link in Links(program, tensor).all:
        cheaper = sum(1 << axes.index(name) for name in found)
        yields = {"yields": cheaper} if len(axes) > 1 else {}
        found[link.axis] = {"distance": link.distance, "last": link.period - 1, **yields}
    return found


def tag_value(program: SpatialProgram, tag: Tag, place: Place) -> dict[str, Any]:
    """Return the value of `rtl.spatial.layouts.tag` for the PE at `place`."""
    fields = program.array.fields
    edges = {f"{tensor}_edges": _edges(program, tensor, place) for tensor in TENSORS[:2] if program.array.linked(tensor)}
    return {
        "active": int(tag.active), "weights": _at(fields("weights"), tag.weights), "inputs": _at(fields("inputs"), tag.inputs),
        "slot": tag.slot, **edges,
    }  # fmt: skip


def _edges(program: SpatialProgram, tensor: str, place: Place) -> dict[str, int]:
    """Return for every linked axis whether no neighbour along it has the PE's words."""
    links, linked = Links(program, tensor), program.array.linked(tensor)
    where = zip(program.array.axes, place, strict=True)
    return {axis.name: int(not links.serves(axis, index)) for axis, index in where if axis in linked}


def tag_values(program: SpatialProgram) -> list[dict[str, Any]]:
    """Return all tags in the order in which they are shifted in, that of the last PE first."""
    return [tag_value(program, program.tags[place], place) for place in sorted(program.tags, reverse=True)]


def _at(names: tuple[str, ...], values: tuple[int, ...]) -> dict[str, int]:
    return dict(zip(names, values, strict=True))


def program_bits(program: SpatialProgram) -> int:
    """Return the program as the number that port ``prog`` takes."""
    return layouts.program(program.array).const(program_value(program)).as_bits()


def tag_bits(program: SpatialProgram) -> list[int]:
    """Return all tags as the numbers that port ``tag`` takes, in the order in which they are shifted in."""
    layout = layouts.tag(program.array)
    return [layout.const(value).as_bits() for value in tag_values(program)]


class BeatPacker:
    """Words and positions as the numbers that a stream of weights or inputs takes."""

    def __init__(self, array: SpatialArray, tensor: str) -> None:
        layout = layouts.beat(array, tensor)
        self.bits = layouts.operand_bits(array, tensor)
        self.words, self.last, self.final = (layout[name].offset for name in ("words", "last", "final"))
        at: Any = layout["at"]
        self.fields = [at.offset + at.shape[name].offset for name in array.fields(tensor)]

    def __call__(self, words: Sequence[int], fields: Sequence[int], last: bool, final: bool) -> int:
        """Return one beat."""
        mask = (1 << self.bits) - 1
        value = int(last) << self.last | int(final) << self.final
        for lane, word in enumerate(words):
            value |= (word & mask) << (self.words + lane * self.bits)
        for offset, position in zip(self.fields, fields, strict=True):
            value |= position << offset
        return value


class ResultReader:
    """Sums and marks out of the numbers that the results stream gives."""

    def __init__(self, array: SpatialArray) -> None:
        layout: data.StructLayout = layouts.result(array)
        self.bits, self.lanes = array.acc_bits, array.lanes("outputs")
        self.first, self.final = layout["first"].offset, layout["final"].offset

    def __call__(self, value: int) -> tuple[list[int], bool, bool]:
        """Return the sums of all ports, and whether they begin and complete their outputs."""
        half, mask = 1 << self.bits - 1, (1 << self.bits) - 1
        sums = [((value >> lane * self.bits & mask) ^ half) - half for lane in range(self.lanes)]
        return sums, bool(value >> self.first & 1), bool(value >> self.final & 1)
