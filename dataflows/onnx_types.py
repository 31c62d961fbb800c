"""Operand types of quantised ONNX graphs, where QuantizeLinear and DequantizeLinear pairs stand around float operators."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dataflows.onnx_graph import Graph, attributes
from dataflows.onnx_layers import NotALayer
from dataflows.workload import OPERAND_BITS

if TYPE_CHECKING:
    from onnx import NodeProto

# Operators whose output holds the values of their first input.
_MOVES = ("Identity", "Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze", "Dropout")
_INTEGER = re.compile(r"(U?)INT(\d+)")


@dataclass(frozen=True, slots=True)
class Stored:
    """How a quantised tensor is stored.

    Attributes
    ----------
    bits : int
        Width of an element.
    signed : bool
        Whether elements are two's complement.
    centred : bool
        Whether the zero point is known to be the middle of the range: 0 of signed, 2**(bits - 1) of unsigned elements.
    """

    bits: int
    signed: bool
    centred: bool


def stored_as(name: str, graph: Graph) -> Stored | None:
    """Return how a tensor is stored before it is dequantised, None for one that stays float.

    Raises
    ------
    NotALayer
        When its type is none that layers have.
    """
    node = graph.producer(name)
    while node is not None and node.op_type in _MOVES and node.input:
        node = graph.producer(node.input[0])
    if node is None or node.op_type != "DequantizeLinear" or not node.input:
        return None
    return _stored(node, graph, graph.elem_type(node.input[0]) or _quantised_type(graph.producer(node.input[0]), graph))


def _stored(node: NodeProto, graph: Graph, text: str) -> Stored:
    zero = node.input[2] if len(node.input) > 2 else ""
    match = _INTEGER.fullmatch(text or (graph.elem_type(zero) if zero else "") or "UINT8")
    bits = int(match[2]) if match else 0
    if not match or bits not in OPERAND_BITS:
        raise NotALayer("rejected", f"operands of type {text}; integers of 2 to 16 bits are needed")
    signed = not match[1]
    value = graph.stored(zero) if zero else None
    middle = 0 if signed else 1 << (bits - 1)
    return Stored(bits, signed, bool((value == middle).all()) if value is not None else not zero and middle == 0)


def _quantised_type(node: NodeProto | None, graph: Graph) -> str:
    """Return the type that a QuantizeLinear makes: that of its zero point, or its attribute; empty for any other node."""
    if node is None or node.op_type != "QuantizeLinear":
        return ""
    if len(node.input) > 2 and node.input[2]:
        return graph.elem_type(node.input[2])
    number = attributes(node).get("output_dtype", 0)
    return {2: "UINT8", 3: "INT8", 4: "UINT16", 5: "INT16", 21: "UINT4", 22: "INT4"}.get(number, "UINT8")


def operand_fields(data: str, weights: str, output: str, graph: Graph) -> tuple[dict[str, Any], str]:
    """Return the widths and signs of a layer's operands.

    Parameters
    ----------
    data, weights, output : str
        Tensors that a layer reads and makes; `output` is the one behind the nodes that fold into the layer.
    graph : Graph

    Returns
    -------
    dict
        Fields of `Layer`; those of tensors that stay float are left out.
    str
        What the hardware does not have, empty otherwise.

    Raises
    ------
    NotALayer
        When a type is none that layers have.
    """
    fields: dict[str, Any] = {}
    found = {"input": stored_as(data, graph), "weight": stored_as(weights, graph)}
    for operand, stored in found.items():
        if stored is not None:
            fields |= {f"{operand}_bits": stored.bits, f"{operand}_signed": stored.signed}
    makers = graph.readers(output)
    if makers and all(node.op_type == "QuantizeLinear" for node in makers):
        made = _stored(makers[0], graph, _quantised_type(makers[0], graph))
        if made.bits != fields.get("input_bits", 8):
            fields["output_bits"] = made.bits
    weight = found["weight"]
    note = "weights have a zero point" if weight is not None and graph.is_constant(weights) and not weight.centred else ""
    return fields, note
