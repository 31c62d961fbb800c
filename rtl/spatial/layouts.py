"""What travels between the parts of a spatial array."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import signed, unsigned
from amaranth.lib import data

from dataflows.nest.rules import TENSORS
from dataflows.spatial.array import LONGEST_INNER, LONGEST_OUTER, MOST_INNER, MOST_OUTER, SpatialArray


def address_bits(array: SpatialArray, tensor: str) -> int:
    """Width of an address within one half of a PE's storage."""
    return max(1, (array.l1_words[TENSORS.index(tensor)] - 1).bit_length())


def slot_bits(array: SpatialArray) -> int:
    """Width of the number of a group of outputs."""
    return max(1, (array.pes // array.lanes("outputs") - 1).bit_length())


def operand_bits(array: SpatialArray, tensor: str) -> int:
    """Width of a word of weights or inputs."""
    return array.weight_bits if tensor == "weights" else array.input_bits


def fields(array: SpatialArray, tensor: str) -> data.StructLayout:
    """Positions along every coordinate that PEs of a port tell words by."""
    return data.StructLayout({name: unsigned(array.tag_bits) for name in array.fields(tensor)})


def history_bits(array: SpatialArray, tensor: str) -> int:
    """Width of an address within what a PE remembers for its neighbours."""
    return max(1, (array.depth(tensor) - 1).bit_length())


def neighbours(array: SpatialArray, tensor: str) -> data.StructLayout:
    """Return the layout of the words that a PE gets from its neighbours, one for each axis that is linked."""
    return data.StructLayout({axis.name: signed(operand_bits(array, tensor)) for axis in array.linked(tensor)})


def packet_links(array: SpatialArray, tensor: str) -> data.StructLayout:
    """Return the layout of what a delivery says about neighbours.

    `here`: where PEs remember what they take. Of every axis: whether its link holds, where the neighbour's word is, and which
    of the others are cheaper, by their number.
    """
    linked = array.linked(tensor)
    each: dict[str, Any] = {"holds": 1, "back": history_bits(array, tensor)}
    if len(linked) > 1:
        each["yields"] = len(linked)
    axes = {axis.name: data.StructLayout(each) for axis in linked}
    return data.StructLayout({"here": history_bits(array, tensor), **axes})


def link(array: SpatialArray, tensor: str) -> data.StructLayout:
    """Return the layout of one link in a program; `distance` 0 is none, and `last` its period less one."""
    linked = len(array.linked(tensor))
    each: dict[str, Any] = {"distance": array.depth(tensor).bit_length(), "last": unsigned(LONGEST_OUTER.bit_length())}
    return data.StructLayout(each | ({"yields": linked} if linked > 1 else {}))


def packet(array: SpatialArray, tensor: str) -> data.StructLayout:
    """Return the layout of what goes with the words of a beat, all the same: their half, whether they begin a delivery."""
    links = {"links": packet_links(array, tensor)} if array.linked(tensor) else {}
    return data.StructLayout({"valid": 1, "begin": 1, "half": 1, "at": fields(array, tensor), **links})


def control(array: SpatialArray) -> data.StructLayout:
    """Return the layout of what all PEs do in a cycle: one step of the inner loops, and one word of a drain."""
    weights, inputs, outputs = (address_bits(array, tensor) for tensor in TENSORS)
    return data.StructLayout({
        "step": 1, "init": 1, "weight_half": 1, "weight": weights, "input_half": 1, "input": inputs, "bank": 1, "output": outputs,
        "drain": 1, "drain_bank": 1, "drain_output": outputs, "slot": slot_bits(array),
    })  # fmt: skip


def heard(array: SpatialArray) -> data.StructLayout:
    """Return the layout of all that every PE hears: its control, and what goes with the words of weights and inputs."""
    return data.StructLayout({"ctl": control(array), **{tensor: packet(array, tensor) for tensor in TENSORS[:2]}})


def tag(array: SpatialArray) -> data.StructLayout:
    """Return the layout of what one PE is told before a layer (`dataflows.spatial.program.Tag`).

    An edge is an axis along which no neighbour has the PE's words.
    """
    edges = {
        f"{tensor}_edges": data.StructLayout({axis.name: 1 for axis in array.linked(tensor)})
        for tensor in TENSORS[:2] if array.linked(tensor)
    }  # fmt: skip
    return data.StructLayout({
        "active": 1, "weights": fields(array, "weights"), "inputs": fields(array, "inputs"), "slot": slot_bits(array), **edges,
    })  # fmt: skip


def program(array: SpatialArray) -> data.StructLayout:
    """Return the layout of a layer's program; extents of loops are stored less one.

    ``outer``: extent and whether the loop reduces and is outside the innermost loop of outputs. ``inner``: extent, whether it
    reduces, and for every tensor what to add to the address when this loop advances and all inside it start over.
    """
    outer = data.StructLayout({"last": unsigned(LONGEST_OUTER.bit_length()), "reduces": 1})
    deltas = {f"{tensor}_delta": signed(address_bits(array, tensor) + 1) for tensor in TENSORS}
    inner = data.StructLayout({"last": unsigned(LONGEST_INNER.bit_length()), "reduces": 1, **deltas})
    extents = {f"{tensor}_extents": fields(array, tensor) for tensor in ("weights", "inputs")}
    changes = {f"{tensor}_change": unsigned(MOST_OUTER.bit_length()) for tensor in TENSORS}
    links = {
        f"{tensor}_links": data.StructLayout({axis.name: link(array, tensor) for axis in array.linked(tensor)})
        for tensor in TENSORS[:2] if array.linked(tensor)
    }  # fmt: skip
    return data.StructLayout({
        "outer": data.ArrayLayout(outer, MOST_OUTER), "inner": data.ArrayLayout(inner, MOST_INNER), **extents, **changes,
        "last_output": address_bits(array, "outputs"), "last_slot": slot_bits(array), **links,
    })  # fmt: skip


def beat(array: SpatialArray, tensor: str) -> data.StructLayout:
    """Return the layout of what one cycle brings to the ports of weights or inputs.

    `last` ends a delivery, `final` the last delivery of a layer.
    """
    word = signed(operand_bits(array, tensor))
    return data.StructLayout({
        "words": data.ArrayLayout(word, array.lanes(tensor)), "at": fields(array, tensor), "last": 1, "final": 1,
    })  # fmt: skip


def result(array: SpatialArray) -> data.StructLayout:
    """Return the layout of the sums on all output ports in one cycle.

    `first` and `final` mark the first and the last visit of a tile: whether sums are to be added to what is there, and
    whether they are complete.
    """
    return data.StructLayout({
        "sums": data.ArrayLayout(signed(array.acc_bits), array.lanes("outputs")), "first": 1, "final": 1,
    })  # fmt: skip
