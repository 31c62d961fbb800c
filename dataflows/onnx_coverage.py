"""What becomes of each ONNX node: mapped to the accelerator, folded into a layer, left to the host, or rejected."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from dataflows.onnx_graph import Graph, attributes, subgraphs

if TYPE_CHECKING:
    from onnx import NodeProto

Status = Literal["mapped", "folded", "host", "rejected"]

_PASSES = dict.fromkeys(("Identity", "Dropout"), "passes its input through")
_FREE = {
    **_PASSES,
    **dict.fromkeys(("Reshape", "Flatten", "Squeeze", "Unsqueeze"), "elements keep their order"),
    **dict.fromkeys(("QuantizeLinear", "DequantizeLinear"), "part of requantisation"),
}
_QUANTISED = ("QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger", "DynamicQuantizeLinear")
_REASONS = {
    "ConvTranspose": "overlapping outputs are scattered, which the array does not do",
    "Transpose": "moves data",
    "Concat": "joins tensors with scales of their own",
    "Split": "moves data",
    "Slice": "moves data",
    "Pad": "moves data",
    "Resize": "interpolates",
    "Upsample": "interpolates",
    "Add": "sums two activations",
    "Sum": "sums activations",
    "Mul": "multiplies two activations, or scales one that no layer produces alone",
    "Softmax": "exponentials and a sum over a row",
    "LRN": "normalises across channels with values of the run",
    "BatchNormalization": "no layer directly before it to fold into",
    "Relu": "no layer directly before it to fold into",
    "Clip": "no layer directly before it, or bounds other than ReLU and ReLU6",
    "LSTM": "recurrent",
    "GRU": "recurrent",
    "RNN": "recurrent",
}


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """One row of the coverage table.

    Attributes
    ----------
    name : str
        Unique within the network; for mapped nodes the name of the layer.
    op_type : str
        ONNX operator.
    status : str
        ``mapped`` (a layer), ``folded`` (costs nothing at run time), ``host`` (left to software) or ``rejected``
        (cannot be described).
    reason : str
        Why, in one clause.
    """

    name: str
    op_type: str
    status: Status
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return asdict(self)


def status_elsewhere(node: NodeProto, graph: Graph) -> tuple[Status, str]:
    """Return status and reason of a node that is neither a layer nor folded into one."""
    if subgraphs(node):
        return "rejected", "control flow: how often its body runs is not known"
    if node.op_type in _QUANTISED:
        return "rejected", "a quantised operator; give the float model, or one of QuantizeLinear and DequantizeLinear pairs"
    if all(not name or graph.is_constant(name) for name in node.output):
        return "folded", "constant"
    if node.op_type in _FREE:
        return "folded", _FREE[node.op_type]
    if node.domain not in ("", "ai.onnx"):
        return "host", f"operator of domain {node.domain}"
    if "Pool" in node.op_type:
        return "host", "pooling has no weights"
    return "host", _REASONS.get(node.op_type, "not a multiply-accumulate layer")


def followers(graph: Graph, node: NodeProto, channels: int, axis: int) -> tuple[list[tuple[NodeProto, str]], str]:
    """Return the nodes that fold into a layer, and the layer's activation.

    Batch normalisation, biases and per-channel factors go into weights and bias; a ReLU or ReLU6 becomes the clip bounds of
    requantisation, after which nothing but copies can follow. A tensor that is read twice ends the chain.

    Parameters
    ----------
    graph : Graph
    node : onnx.NodeProto
        The Conv, Gemm or MatMul.
    channels : int
        Output channels.
    axis : int
        Their axis, counted from the end.

    Returns
    -------
    list of (onnx.NodeProto, str)
        Folded nodes with the reason.
    str
        ``none``, ``relu`` or ``relu6``.
    """
    folded: list[tuple[NodeProto, str]] = []
    activation = "none"
    tensor = node.output[0]
    while (reader := graph.only_reader(tensor)) is not None and reader.output:
        clip = activation_of(reader, graph)
        if reader.op_type in _PASSES:
            folded.append((reader, _PASSES[reader.op_type]))
        elif activation != "none":
            break
        elif clip != "none":
            activation = clip
            folded.append((reader, "clip bounds of requantisation"))
        elif _per_channel(reader, graph, tensor, channels, axis):
            folded.append((reader, "folded into weights and bias"))
        else:
            break
        tensor = reader.output[0]
    return folded, activation


def activation_of(node: NodeProto, graph: Graph) -> str:
    """Return ``relu``, ``relu6`` or, for any other node, ``none``."""
    if node.op_type == "Relu":
        return "relu"
    if node.op_type != "Clip":
        return "none"
    found = attributes(node)
    bounds = [found.get("min"), found.get("max")]
    for position, name in enumerate(node.input[1:3]):
        if name:
            bounds[position] = graph.scalar(name)
            if bounds[position] is None:
                return "none"
    low, high = bounds
    if low != 0 or not isinstance(high, float | int | None):
        return "none"
    # Exporters write "no upper bound" as the largest float32, 3.4e38.
    return "relu6" if high == 6 else "relu" if high is None or high > 1e38 else "none"


def _per_channel(node: NodeProto, graph: Graph, tensor: str, channels: int, axis: int) -> bool:
    if node.op_type == "BatchNormalization":
        return node.input[0] == tensor and all(graph.is_constant(name) for name in node.input[1:])
    if node.op_type not in ("Add", "Sub", "Mul", "Div") or len(node.input) != 2:
        return False
    if node.op_type in ("Sub", "Div") and node.input[0] != tensor:
        return False
    other = node.input[1] if node.input[0] == tensor else node.input[0]
    shape, whole = graph.shape(other), graph.shape(tensor)
    if not graph.is_constant(other) or shape is None or whole is None or len(shape) > len(whole):
        return False
    per_channel = [1] * max(len(shape), -axis)
    per_channel[axis] = channels
    return all(size in (1, most) for size, most in zip(reversed(shape), reversed(per_channel), strict=False))
