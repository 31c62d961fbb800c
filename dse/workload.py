"""The network of an exploration, at the array's operand width, and what becomes of its other nodes."""

from __future__ import annotations

from dataclasses import replace

from dataflows.networks import entry, network, onnx_file
from dataflows.onnx_import import Imported, import_onnx
from dataflows.workload import Network


def load(text: str, shapes: tuple[int, int] | None, bits: int) -> Imported:
    """Read a network and its coverage table; the table is empty for networks that are lists of layers.

    Raises
    ------
    SpecError
        See `dataflows.networks.network`.
    """
    path = onnx_file(text)
    if path is None:
        found = Imported(network(text, shapes), ())
    else:
        known = None if text.lower().endswith(".onnx") else entry(text)
        name, source = (known.name, known.source) if known else (path.stem, str(path))
        shapes = shapes or (known.size if known else None)
        found = import_onnx(path, shapes, name=name, source=source).require_complete()
    return replace(found, network=_at_width(found.network, bits))


def _at_width(net: Network, bits: int) -> Network:
    """Return the network as it is after quantisation to signed operands of one width."""
    signs = {"input_signed": True, "weight_signed": True}
    layers = tuple(replace(layer, input_bits=bits, weight_bits=bits, output_bits=None, **signs) for layer in net.layers)
    return replace(net, layers=layers)
