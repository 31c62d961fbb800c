"""A float ONNX network made ready for integers: fixed shapes, constants and batch normalisation folded, every tensor readable."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import shorten
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dataflows.errors import SpecError
from dataflows.onnx_graph import Graph
from dataflows.onnx_model import Shapes, activation_inputs, load_model, require_onnx
from dataflows.onnx_shapes import infer_shapes
from sim.quantize.model import Feeds, named_feeds, named_nodes, require_onnxruntime, restore_names

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

_FATAL = 4  # errors come back as exceptions; onnxruntime need not print them too


@dataclass(frozen=True, slots=True, eq=False)
class FloatModel:
    """A folded network.

    Attributes
    ----------
    proto : onnx.ModelProto
        With inferred shapes; nodes are named like the layers of the original file.
    where : str
        The file, for messages.
    graph : Graph
        Index of `proto`.
    inputs, outputs : tuple of str
        Names of the tensors that enter and leave.
    """

    proto: ModelProto
    where: str
    graph: Graph = field(init=False)
    inputs: tuple[str, ...] = field(init=False)
    outputs: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "graph", Graph(self.proto))
        object.__setattr__(self, "inputs", tuple(value.name for value in activation_inputs(self.proto)))
        object.__setattr__(self, "outputs", tuple(value.name for value in self.proto.graph.output))

    def refuse(self, node: NodeProto, found: object, allowed: str, fix: str) -> SpecError:
        """Return the error that names a node which cannot be expressed."""
        return SpecError(f"{self.where}: {node.name} ({node.op_type})", found, allowed, fix)

    def feeds(self, entry: Feeds | NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """Return inputs by tensor name; a bare array is the only input."""
        return named_feeds(self.proto, entry, self.where)

    def session(self, tensors: Iterable[str]) -> FloatSession:
        """Return something that computes these tensors."""
        return FloatSession(self, tuple(tensors))


class FloatSession:
    """Runs a float network and returns any of its tensors; on one thread, so that results do not depend on the machine's load."""

    def __init__(self, model: FloatModel, tensors: tuple[str, ...]) -> None:
        onnx = require_onnx()
        self._model, self._tensors = model, [name for name in tensors if name not in model.inputs]
        proto = onnx.ModelProto()
        proto.CopyFrom(model.proto)
        del proto.graph.output[:]
        proto.graph.output.extend(
            onnx.helper.make_tensor_value_info(name, _kind(model.graph.elem_type(name)), None) for name in self._tensors
        )
        self._run = start(proto, model.where) if self._tensors else None

    def __call__(self, entry: Feeds | NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """Return the tensors that were asked for, by name."""
        feeds = self._model.feeds(entry)
        if self._run is None:
            return feeds
        try:
            return feeds | dict(zip(self._tensors, self._run.run(self._tensors, feeds), strict=True))
        except Exception as error:  # onnxruntime has no common base for its errors
            line = shorten(str(error), 200)
            raise SpecError(
                f"{self._model.where}: inputs", line, "inputs of the network's shapes", "correct the inputs"
            ) from error


def _kind(name: str) -> int:
    """Return the number of an element type; that of floats when unknown."""
    return getattr(require_onnx().TensorProto, name or "FLOAT")


def start(proto: ModelProto, where: str, level: str = "ORT_ENABLE_BASIC", save: Path | None = None) -> Any:
    """Return an onnxruntime session of a model, on one thread; `save` gets the optimised model."""
    runtime = require_onnxruntime()
    options = runtime.SessionOptions()
    options.graph_optimization_level = getattr(runtime.GraphOptimizationLevel, level)
    options.log_severity_level = _FATAL
    options.intra_op_num_threads = 1
    if save is not None:
        options.optimized_model_filepath = str(save)
    try:
        return runtime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        line = shorten(str(error) or type(error).__name__, 200)
        raise SpecError(where, line, "a float model that onnxruntime can run", "check inputs and operators") from error


def fold(path: str | Path, *shapes: Shapes | None) -> FloatModel:
    """Read a float ONNX file and fold what onnxruntime's portable optimisations fold.

    Parameters
    ----------
    path : str or Path
    shapes : mapping, tuple of int or None
        For dynamic inputs, see `dataflows.onnx_model.fix_shapes`; several are applied in turn.

    Raises
    ------
    SpecError
        A file that cannot be read, or that onnxruntime cannot run.
    """
    where = str(path)
    try:
        model = named_nodes(load_model(path, *shapes), where)
    except SpecError:
        raise
    except Exception as error:  # onnx's converter between versions has no common base for its errors
        line = shorten(str(error) or type(error).__name__, 200)
        raise SpecError(where, line, "a model that onnx can convert to opset 13", "export it at opset 13 or later") from error
    names = [node.name for node in model.graph.node]
    with TemporaryDirectory() as folder:
        saved = Path(folder) / "folded.onnx"
        start(model, where, save=saved)
        folded = restore_names(load_model(saved), names)
    return FloatModel(infer_shapes(folded, where), where)
