"""Integer tensors of whole layers, read out of a QDQ model while onnxruntime runs it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dataflows.errors import SpecError
from dataflows.onnx_coverage import activation_of
from dataflows.onnx_graph import Graph, attributes
from dataflows.onnx_model import load_model, require_onnx
from dataflows.workload import Layer
from sim.golden.requantize import quantize_multiplier
from sim.quantize.model import Feeds, QuantizedModel, named_feeds, require_onnxruntime
from sim.quantize.tensors import QuantizedLayer

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

_LOW, _HIGH = -128, 127


@dataclass(frozen=True, slots=True)
class _Block:
    """DequantizeLinear (inputs, weights, bias), the layer, QuantizeLinear: one integer block of the QDQ form."""

    layer: Layer
    node: NodeProto
    inputs: NodeProto
    weights: NodeProto
    bias: str
    output: NodeProto


class _Model:
    """A QDQ model with its stored tensors and the producers of the others."""

    def __init__(self, model: QuantizedModel) -> None:
        onnx = require_onnx()
        self.proto: ModelProto = load_model(model.path)
        self.nodes = {node.name: node for node in self.proto.graph.node}
        self.makers = {name: node for node in self.proto.graph.node for name in node.output}
        self.readers: dict[str, list[NodeProto]] = {}
        for node in self.proto.graph.node:
            for name in node.input:
                self.readers.setdefault(name, []).append(node)
        self.stored = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in self.proto.graph.initializer}

    def scale(self, node: NodeProto) -> NDArray[np.float64]:
        """Return scale of a QuantizeLinear or DequantizeLinear in double precision."""
        return self.stored[node.input[1]].astype(np.float64)

    def zero_point(self, node: NodeProto) -> NDArray[np.int64]:
        """Return its zero point."""
        return self.stored[node.input[2]].astype(np.int64) if len(node.input) > 2 else np.zeros(1, np.int64)

    def block(self, layer: Layer) -> _Block | str:
        """Find the integer block of a layer, or say why there is none."""
        node = self.nodes.get(layer.name)
        if node is None or len(node.input) < 2:
            return "onnxruntime merged or removed the node"
        data, weights = (self.makers.get(name) for name in node.input[:2])
        if data is None or weights is None or {data.op_type, weights.op_type} != {"DequantizeLinear"}:
            return "its inputs or weights are not quantised"
        if weights.input[0] not in self.stored or data.input[0] in self.stored:
            return "its weights are not its second input"
        quantise = [reader for reader in self.readers.get(node.output[0], []) if reader.op_type == "QuantizeLinear"]
        if len(quantise) != 1:
            return "its output is not quantised"
        bias = node.input[2] if len(node.input) > 2 else ""
        return _Block(layer, node, data, weights, bias, quantise[0])


def extract(
    model: QuantizedModel, inputs: Feeds | NDArray[np.float32], layers: Sequence[str] | None = None
) -> list[QuantizedLayer]:
    """Run the quantised model and return the integers that enter and leave its layers.

    Parameters
    ----------
    model : QuantizedModel
        From `sim.quantize.model.quantize_model`.
    inputs : mapping or array
        Network input, by tensor name or bare when there is one.
    layers : sequence of str, optional
        Layer names; all layers that are integer blocks when omitted.

    Returns
    -------
    list of QuantizedLayer
        In network order. `reference` is onnxruntime's own output, computed without graph optimisations, that is in float32
        from dequantised operands and rounded to nearest even: its integer kernels saturate 16-bit sums on some processors,
        this does not.

    Raises
    ------
    SpecError
        Unknown layer names, or named layers that are not integer blocks.
    """
    known = {layer.name: layer for layer in model.network.layers}
    for name in layers or ():
        if name not in known:
            raise SpecError("layers", name, f"one of {', '.join(known)}", "correct the name")
    qdq, original = _Model(model), Graph(load_model(model.float_path))
    blocks = []
    for name in known if layers is None else [name for name in known if name in set(layers)]:
        block = qdq.block(replace(known[name], activation=_fused(name, original, qdq)))
        if isinstance(block, _Block):
            blocks.append(block)
        elif layers is not None:
            raise SpecError(f"layers.{name}", block, "a layer with quantised inputs, weights and outputs", "choose another layer")
    values = _run(qdq, blocks, named_feeds(qdq.proto, inputs, str(model.path)))
    return [_tensors(block, qdq, values) for block in blocks]


def _fused(name: str, original: Graph, qdq: _Model) -> Any:
    """Return the activation the quantiser absorbed: it stands behind the layer in float and is gone from the QDQ model."""
    node = next((node for node in original.nodes if node.name == name), None)
    reader = original.only_reader(node.output[0]) if node is not None else None
    return "none" if reader is None or reader.name in qdq.nodes else activation_of(reader, original)


def _run(qdq: _Model, blocks: list[_Block], feeds: dict[str, NDArray[np.float32]]) -> dict[str, NDArray[Any]]:
    onnx, runtime = require_onnx(), require_onnxruntime()
    wanted = sorted({block.inputs.input[0] for block in blocks} | {block.output.output[0] for block in blocks})
    if not wanted:
        return {}
    del qdq.proto.graph.output[:]
    qdq.proto.graph.output.extend(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.INT8, None) for name in wanted)
    options = runtime.SessionOptions()
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = runtime.InferenceSession(qdq.proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return dict(zip(wanted, session.run(wanted, feeds), strict=True))


def _tensors(block: _Block, qdq: _Model, values: dict[str, NDArray[Any]]) -> QuantizedLayer:
    layer, found = block.layer, attributes(block.node)
    weights, data, reference = qdq.stored[block.weights.input[0]], values[block.inputs.input[0]], values[block.output.output[0]]
    if block.node.op_type != "Conv":
        weights = weights.reshape(weights.shape[-2:])
        weights = weights if found.get("transB") else weights.T
        data = data if found.get("transA") else data.reshape(-1, layer.C).T
        reference = reference.reshape(-1, layer.K).T
    if qdq.zero_point(block.weights).any():
        raise SpecError(f"{layer.name}.weights", "a zero point other than 0", "symmetric weights", "quantise symmetrically")
    channels, area = layer.G * layer.K, (layer.R, layer.S)
    accumulator = qdq.scale(block.inputs) * qdq.scale(block.weights) * np.ones(channels)
    out_scale, zero_point = float(qdq.scale(block.output)), int(qdq.zero_point(block.output).reshape(()))
    pairs = np.array([quantize_multiplier(float(scale)) for scale in accumulator / out_scale], np.int64)
    low = max(_LOW, zero_point) if layer.activation != "none" else _LOW
    high = min(_HIGH, zero_point + round(6 / out_scale)) if layer.activation == "relu6" else _HIGH
    weights = weights.reshape(channels, layer.C, *area)
    in_zero_point = int(qdq.zero_point(block.inputs).reshape(()))
    bias = with_room(_bias(block, qdq, accumulator), weights, in_zero_point, layer.name)
    return QuantizedLayer(
        layer, inputs=data.reshape(layer.N, layer.G * layer.C, layer.H, layer.W),
        weights=weights, bias=bias, input_zero_point=in_zero_point, output_zero_point=zero_point,
        multiplier=pairs[:, 0], shift=pairs[:, 1], low=low, high=high,
        reference=reference.reshape(layer.N, channels, layer.P, layer.Q),
    )  # fmt: skip


def _bias(block: _Block, qdq: _Model, accumulator: NDArray[np.float64]) -> NDArray[np.int32]:
    """Return the bias as integers at accumulator scale."""
    if not block.bias:
        return np.zeros(accumulator.shape, np.int32)
    maker = qdq.makers.get(block.bias)
    if maker is None:
        return _rounded(qdq.stored[block.bias] / accumulator, block.layer.name)
    stored, scale = qdq.stored[maker.input[0]], qdq.scale(maker)
    # The product of two float32 scales is itself rounded to float32; a larger gap means another scale.
    if np.allclose(scale, accumulator, rtol=1e-6, atol=0):
        return (stored * np.ones(accumulator.shape, np.int32)).astype(np.int32)
    return _rounded(stored * scale / accumulator, block.layer.name)


def _rounded(values: NDArray[np.float64], name: str) -> NDArray[np.int32]:
    most = float(np.abs(values).max(initial=0))
    if not math.isfinite(most) or most > np.iinfo(np.int32).max:
        raise SpecError(f"{name}.bias", most, "less than 2**31 at accumulator scale", "calibrate with larger inputs")
    return np.rint(values).astype(np.int32)


def with_room(bias: NDArray[np.int32], weights: NDArray[np.int8], zero_point: int, name: str) -> NDArray[np.int32]:
    """Limit the bias so that no int8 input can push an accumulator out of 32 bits.

    The quantiser coarsens the weights of nearly dead channels until their bias just fits 32 bits, which leaves no room for
    the sum; a wrapped sum would have the wrong sign, a limited bias is off by a small part of one output step.
    """
    taps = weights.reshape(len(weights), -1).astype(np.int64)
    ends = np.stack((taps * (_LOW - zero_point), taps * (_HIGH - zero_point)))
    least, most = ends.min(axis=0).sum(axis=1), ends.max(axis=0).sum(axis=1)
    floor, ceiling = np.iinfo(np.int32).min - least, np.iinfo(np.int32).max - most
    if np.any(floor > ceiling):
        raise SpecError(f"{name}.weights", taps.shape[1], "at most about 65000 products per sum", "split the layer")
    return np.clip(bias.astype(np.int64), floor, ceiling).astype(np.int32)
