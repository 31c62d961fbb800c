"""A compiled program as the values of the hardware's ports."""

from __future__ import annotations

from typing import Any

from dataflows.nest.rules import TENSORS
from dataflows.spatial.array import MOST_INNER, MOST_OUTER
from dataflows.spatial.program import REDUCED, SpatialProgram, Tag

__all__ = ["program_value", "tag_value", "tag_values"]


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
    }  # fmt: skip


def tag_value(program: SpatialProgram, tag: Tag) -> dict[str, Any]:
    """Return the value of `rtl.spatial.layouts.tag`."""
    fields = program.array.fields
    return {
        "active": int(tag.active), "weights": _at(fields("weights"), tag.weights), "inputs": _at(fields("inputs"), tag.inputs),
        "slot": tag.slot,
    }  # fmt: skip


def tag_values(program: SpatialProgram) -> list[dict[str, Any]]:
    """Return all tags in the order in which they are shifted in, that of the last PE first."""
    return [tag_value(program, program.tags[place]) for place in sorted(program.tags, reverse=True)]


def _at(names: tuple[str, ...], values: tuple[int, ...]) -> dict[str, int]:
    return dict(zip(names, values, strict=True))
