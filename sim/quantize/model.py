"""From a float ONNX file to a quantised one, through onnxruntime's own quantiser.

Recipe: static QDQ quantisation, int8 weights symmetric per output channel, int8 activations asymmetric per tensor, ranges
from calibration images (minimum and maximum). Only multiply-accumulate layers and the ReLUs behind them are quantised; the
rest of the network stays in float32, as it does on the host.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dataflows.errors import SpecError
from dataflows.onnx_graph import Graph
from dataflows.onnx_import import import_model
from dataflows.onnx_model import Shapes, activation_inputs, load_model, require_onnx
from dataflows.onnx_shapes import infer_shapes
from dataflows.workload import Network
from sim.cache import cache_dir, make_once

if TYPE_CHECKING:
    from onnx import ModelProto

# Part of the cache key: raise it when the recipe changes.
_RECIPE = 1
_QUANTISED_OPS = ["Conv", "Gemm", "MatMul", "Relu", "Clip"]
_PER_CHANNEL_OPSET = 13  # DequantizeLinear takes an axis from here on
_WARNINGS, _ERRORS = 2, 3
_IR_WITHOUT_WEIGHT_INPUTS = 4
Feeds = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class QuantizedModel:
    """A network in float and in integers.

    Attributes
    ----------
    network : Network
        Layers of `float_path` in the order of the original file; their names are the node names in both files.
    float_path : Path
        The model with fixed shapes and batch normalisation, biases and the like folded by onnxruntime.
    path : Path
        The same quantised, in QDQ form.
    """

    network: Network
    float_path: Path
    path: Path


def require_onnxruntime() -> Any:
    """Import and return `onnxruntime`; raise `SpecError` naming the extra when it is missing."""
    try:
        import onnxruntime
    except ImportError as error:
        fix = "install it with: pip install 'systolith[onnx]'"
        raise SpecError("onnxruntime", "not installed", "the onnxruntime package, to quantise", fix) from error
    return onnxruntime


def quantize_model(
    path: str | Path, calibration: Sequence[Feeds | NDArray[np.float32]], *, shapes: Shapes | None = None, name: str = ""
) -> QuantizedModel:
    """Quantise a float ONNX file; the result is kept in the user's cache under the hash of everything it depends on.

    Parameters
    ----------
    path : str or Path
        Float model.
    calibration : sequence
        Inputs: mappings by tensor name, or arrays when there is one input.
    shapes : mapping or tuple of int, optional
        For dynamic inputs, see `dataflows.onnx_model.fix_shapes`.
    name : str
        Of the network; the file stem when empty.

    Raises
    ------
    SpecError
        A file that cannot be read, no calibration inputs, or a model onnxruntime cannot quantise.
    """
    model = load_model(path, shapes)
    feeds = [named_feeds(model, entry, str(path)) for entry in calibration]
    if not feeds:
        raise SpecError("calibration", 0, "at least one input", "give calibration images")
    target = cache_dir("quantize") / _key(model, feeds)
    runtime = require_onnxruntime()
    runtime.set_default_logger_severity(_ERRORS)  # it warns about every unused tensor of the file
    try:
        made = make_once(target, lambda folder: _fill(model, feeds, folder, str(path)))
    except SpecError:
        raise
    except Exception as error:  # onnxruntime has no common base for its errors
        line = shorten(str(error) or type(error).__name__, 200)
        raise SpecError(str(path), line, "a float model onnxruntime can quantise", "check inputs and operators") from error
    finally:
        runtime.set_default_logger_severity(_WARNINGS)
    float_path = made / "float.onnx"
    prepared = infer_shapes(load_model(float_path), str(path))
    network = import_model(prepared, name=name or Path(path).stem, source=f"{path}, quantised by onnxruntime").network
    # onnxruntime sorts the nodes anew; layers keep the order of the file.
    place = {label: index for index, label in enumerate(Graph(infer_shapes(model, str(path))).names())}
    layers = sorted(network.layers, key=lambda layer: place.get(layer.name, len(place)))
    return QuantizedModel(replace(network, layers=tuple(layers)), float_path, made / "quantized.onnx")


def named_feeds(model: ModelProto, entry: Feeds | NDArray[np.float32], where: str) -> dict[str, NDArray[np.float32]]:
    """Return inputs by tensor name; a bare array is the only input."""
    inputs = [value.name for value in activation_inputs(model)]
    if isinstance(entry, Mapping):
        if set(entry) != set(inputs):
            raise SpecError(f"{where}: inputs", sorted(entry), ", ".join(inputs), "give every input by its name")
        return dict(entry)
    if len(inputs) != 1:
        raise SpecError(f"{where}: inputs", len(inputs), "one input", "give a mapping by tensor name")
    return {inputs[0]: entry}


def _key(model: ModelProto, feeds: list[dict[str, NDArray[np.float32]]]) -> str:
    digest = hashlib.sha256(f"{_RECIPE} {require_onnx().__version__} {require_onnxruntime().__version__}".encode())
    digest.update(model.SerializeToString(deterministic=True))
    for entry in feeds:
        for name, array in sorted(entry.items()):
            digest.update(f"{name} {array.dtype} {array.shape}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:32]


def _fill(model: ModelProto, feeds: list[dict[str, NDArray[np.float32]]], folder: Path, where: str) -> None:
    onnx = require_onnx()
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):
        """Hands out the calibration inputs one after the other."""

        def __init__(self) -> None:
            self._rest = iter(feeds)

        def get_next(self) -> dict[str, Any] | None:
            return next(self._rest, None)

    raw, prepared = folder / "raw.onnx", folder / "float.onnx"
    onnx.save(named_nodes(model, where), str(raw))
    quant_pre_process(str(raw), str(prepared), skip_symbolic_shape=True)
    names = [node.name for node in onnx.load(str(raw), load_external_data=False).graph.node]
    onnx.save(restore_names(onnx.load(str(prepared)), names), str(prepared))
    raw.unlink()
    quantize_static(
        str(prepared), str(folder / "quantized.onnx"), Reader(), quant_format=QuantFormat.QDQ, per_channel=True,
        activation_type=QuantType.QInt8, weight_type=QuantType.QInt8, op_types_to_quantize=_QUANTISED_OPS,
        extra_options={"WeightSymmetric": True, "ActivationSymmetric": False},
    )  # fmt: skip


def named_nodes(model: ModelProto, where: str) -> ModelProto:
    """Give each node its layer's name: the quantiser finds nodes by name, and so does `sim.quantize.extract`."""
    named = infer_shapes(model, where)
    for node, label in zip(named.graph.node, list(Graph(named).names()), strict=True):
        node.name = label
    if max(entry.version for entry in named.opset_import if entry.domain in ("", "ai.onnx")) < _PER_CHANNEL_OPSET:
        named = require_onnx().version_converter.convert_version(named, _PER_CHANNEL_OPSET)
    # Files before version 4 list weights among the inputs, where onnxruntime would let a caller replace them.
    fed = activation_inputs(named)
    del named.graph.input[:]
    named.graph.input.extend(fed)
    named.ir_version = max(named.ir_version, _IR_WITHOUT_WEIGHT_INPUTS)
    return named


def restore_names(model: ModelProto, names: Sequence[str]) -> ModelProto:
    """Give merged nodes, which onnxruntime calls ``NAME/MatMulAddFusion`` and the like, their layer's name again."""
    known, taken = set(names), {node.name for node in model.graph.node}
    for node, label in zip(model.graph.node, list(Graph(model).names()), strict=True):
        if node.name not in known:
            base = re.split(r"/\w+Fusion", node.name)[0]
            node.name = base if base in known and base not in taken else label
            taken.add(node.name)
    return model
