"""Reading ONNX files: bytes to a model whose input shapes are known.

Nothing here decides what a layer is; see `dataflows.onnx_import`. `onnx` is an optional dependency and is imported when
first used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataflows.errors import SpecError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import ModelProto, TensorProto, ValueInfoProto

# Input shapes by tensor name and sizes by name of a dimension, or (H, W) for a network with one image input.
Shapes = Mapping[str, Sequence[int] | int] | tuple[int, int]


def require_onnx() -> Any:
    """Import and return the `onnx` package; raise `SpecError` naming the extra to install when it is missing."""
    try:
        import onnx
    except ImportError as error:
        raise SpecError(
            "onnx", "not installed", "the onnx package, to read ONNX files", "install it with: pip install 'systolith[onnx]'"
        ) from error
    return onnx


def load_model(path: str | Path, *shapes: Shapes | None) -> ModelProto:
    """Read an ONNX file and fix its dynamic inputs.

    Parameters
    ----------
    path : str or Path
        The file; external weight files are not read.
    shapes : mapping, tuple of int or None
        See `fix_shapes`; several are applied in turn.

    Returns
    -------
    onnx.ModelProto
        Without inferred shapes; see `dataflows.onnx_shapes.infer_shapes`.

    Raises
    ------
    SpecError
        Missing file, bytes that are not ONNX, or shapes that do not fit the inputs.
    """
    model = _parse(Path(path))
    for each in shapes or (None,):
        fix_shapes(model, each, str(path))
    return model


def _parse(path: Path) -> ModelProto:
    onnx = require_onnx()
    # protobuf comes with onnx; DecodeError has no better public home.
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(str(path), load_external_data=False)
    except FileNotFoundError as error:
        raise SpecError(str(path), "no such file", "an ONNX file", "check the path") from error
    except OSError as error:
        raise SpecError(str(path), error.strerror or "unreadable", "a readable ONNX file", "check the path") from error
    except (DecodeError, ValueError, RuntimeError) as error:
        raise SpecError(str(path), "bytes that are not ONNX", "an ONNX file", "export the network again") from error
    # Protobuf happily reads an empty file, and now and then random bytes, as a message with nothing in it.
    if not model.ir_version or not model.graph.node:
        raise SpecError(str(path), "no graph", "an ONNX file with a graph of at least one node", "export the network again")
    # Text that is not UTF-8 comes out of protobuf as bytes and would surface anywhere.
    texts = [text for node in model.graph.node for text in (node.name, node.op_type, node.domain, *node.input, *node.output)]
    values = (*model.graph.input, *model.graph.output, *model.graph.value_info, *model.graph.initializer)
    texts += [value.name for value in values] + [attribute.name for node in model.graph.node for attribute in node.attribute]
    if not all(isinstance(text, str) for text in texts):
        raise SpecError(str(path), "names that are not UTF-8 text", "an undamaged ONNX file", "export the network again")
    return model


def activation_inputs(model: ModelProto) -> list[ValueInfoProto]:
    """Return the graph inputs that are fed at run time (older files list weights among the inputs too)."""
    stored = {tensor.name for tensor in model.graph.initializer}
    stored |= {tensor.values.name for tensor in model.graph.sparse_initializer}
    return [value for value in model.graph.input if value.name not in stored]


def stored_value(tensor: TensorProto) -> NDArray[Any] | None:
    """Return a stored tensor, None when it lives in another file or its bytes do not make its shape."""
    onnx = require_onnx()
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        return None
    try:
        return onnx.numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError, AttributeError):  # what damaged tensors raise
        return None


def static_shape(value: ValueInfoProto) -> tuple[int, ...] | None:
    """Return the shape of a tensor, or None when its rank or a dimension is unknown."""
    tensor = value.type.tensor_type
    if not tensor.HasField("shape"):
        return None
    dims = [d.dim_value if d.HasField("dim_value") else -1 for d in tensor.shape.dim]
    return tuple(dims) if all(d > 0 for d in dims) else None


def fix_shapes(model: ModelProto, shapes: Shapes | None, where: str) -> None:
    """Set input shapes in place.

    A batch (first) dimension that is the only unknown one becomes 1. Everything derived from the old shapes is dropped.

    Parameters
    ----------
    model : onnx.ModelProto
        Changed in place.
    shapes : mapping or tuple of int, optional
        Full shapes by input name and sizes by name of an open dimension, e.g. ``{"x": (1, 3, 320, 320), "seq": 128}``, or
        ``(H, W)`` for the one input of rank four.
    where : str
        File name for messages.

    Raises
    ------
    SpecError
        Unknown input or dimension, wrong rank, sizes that are not positive integers, or (H, W) without exactly one image input.
    """
    inputs = {value.name: value for value in activation_inputs(model)}
    for name, shape in _full_shapes(inputs, shapes, where).items():
        value = inputs[name].type.tensor_type
        known = len(value.shape.dim) if value.HasField("shape") else len(shape)
        if known != len(shape) or not all(_is_size(size) for size in shape):
            raise SpecError(f"{where}: shapes.{name}", tuple(shape), f"{known} positive integers", "give one size per dimension")
        value.shape.Clear()
        for size in shape:
            value.shape.dim.add().dim_value = size
    for value in inputs.values():
        dims = value.type.tensor_type.shape.dim
        if dims and not _is_static(dims[0]) and all(_is_static(d) for d in dims[1:]):
            dims[0].Clear()
            dims[0].dim_value = 1
    if shapes is not None:
        del model.graph.value_info[:]
        for value in model.graph.output:
            value.type.tensor_type.ClearField("shape")


def _full_shapes(inputs: Mapping[str, ValueInfoProto], shapes: Shapes | None, where: str) -> dict[str, tuple[int, ...]]:
    if shapes is None:
        return {}
    if isinstance(shapes, Mapping):
        return _named_shapes(inputs, shapes, where)
    images = [value for value in inputs.values() if len(value.type.tensor_type.shape.dim) == 4]
    if len(images) != 1 or len(shapes) != 2:
        allowed = "(height, width) and exactly one input of rank four"
        raise SpecError(f"{where}: shapes", tuple(shapes), allowed, "give full shapes by input name")
    dims = images[0].type.tensor_type.shape.dim
    if not _is_static(dims[1]):
        fix = f"give the full shape of {images[0].name}"
        raise SpecError(f"{where}: shapes", tuple(shapes), "a known number of channels", fix)
    batch = dims[0].dim_value if _is_static(dims[0]) else 1
    return {images[0].name: (batch, dims[1].dim_value, *shapes)}


def _named_shapes(
    inputs: Mapping[str, ValueInfoProto], given: Mapping[str, Sequence[int] | int], where: str
) -> dict[str, tuple[int, ...]]:
    """Return the full shapes that are given, and set open dimensions by their names in place."""
    dims = [dim for value in inputs.values() for dim in value.type.tensor_type.shape.dim if not _is_static(dim)]
    names = sorted({dim.dim_param for dim in dims} - {""})
    found = {}
    for name, size in given.items():
        if name in names and not isinstance(size, Sequence):
            if not _is_size(size):
                raise SpecError(f"{where}: {name}", size, "a positive integer", "correct the size")
            for dim in dims:
                if dim.dim_param == name:
                    dim.dim_value = size
        elif name in inputs:
            found[name] = tuple(size) if isinstance(size, Sequence) else (size,)
        else:
            allowed = f"one of the inputs {', '.join(inputs)}" + (f" or of the dimensions {', '.join(names)}" if names else "")
            raise SpecError(f"{where}: shapes", name, allowed, "correct the name of the input or dimension")
    return found


def open_sizes(model: ModelProto) -> str:
    """Return what to do about a shape that is not known: the options that fix the sizes which the file leaves open."""
    words, example = [], ""
    for value in activation_inputs(model):
        dims = value.type.tensor_type.shape.dim
        if not value.type.tensor_type.HasField("shape"):
            words.append(f"{value.name} of any rank")
            example = example or f"{value.name}=1x3x224x224"
        elif not all(_is_static(dim) for dim in dims):
            sizes = [str(dim.dim_value) if _is_static(dim) else dim.dim_param or "?" for dim in dims]
            words.append(f"{value.name}[{', '.join(sizes)}]")
            named = next((dim.dim_param for dim in dims if not _is_static(dim) and dim.dim_param), "")
            image = "size=224x224" if len(dims) == 4 and _is_static(dims[1]) else ""
            full = f"{value.name}={'x'.join(size if size.isdecimal() else '1' for size in sizes)}"
            example = example or image or (f"{named}=128" if named else full)
    if not words:
        return "it depends on the data"
    return f"give the shapes of the network inputs, which leaves open {' and '.join(words)}: FILE.onnx:{example}"


def _is_static(dim: Any) -> bool:
    return dim.HasField("dim_value") and dim.dim_value > 0


def _is_size(size: object) -> bool:
    return isinstance(size, int) and not isinstance(size, bool) and size > 0
