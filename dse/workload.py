"""The network of an exploration, at the array's operand width, and what becomes of its other nodes."""

from __future__ import annotations

from dataclasses import replace

from dataflows.networks import imported, network, onnx_file
from dataflows.onnx_import import Imported
from dataflows.workload import Network


def load(text: str, shapes: tuple[int, int] | None, bits: int) -> Imported:
    """Read a network and its coverage table; the table is empty for networks that are lists of layers.

    Raises
    ------
    SpecError
        See `dataflows.networks.network`.
    """
    if onnx_file(text) is None:
        found = Imported(network(text, shapes), ())
    else:
        found = imported(text, shapes).require_complete()
    return replace(found, network=_at_width(found.network, bits))


def _at_width(net: Network, bits: int) -> Network:
    """Return the network as it is after quantisation to signed operands of one width."""
    signs = {"input_signed": True, "weight_signed": True}
    layers = tuple(replace(layer, input_bits=bits, weight_bits=bits, output_bits=None, **signs) for layer in net.layers)
    return replace(net, layers=layers)
