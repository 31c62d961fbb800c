"""Whole layers of a network as verification cases: which ones, and with which tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataflows.errors import SpecError
from dataflows.networks import image_size, onnx_file
from dataflows.workload import Layer, Network
from dse.job import Job
from mappers.network import NetworkMapping
from sim.cases import LayerCase
from sim.tensors import LayerTensors, random_tensors

MOST_CYCLES = 40_000_000
"""Cycles to simulate at most when layers are picked automatically: a few minutes."""

CLASSES: tuple[tuple[str, Callable[[Layer], bool]], ...] = (
    ("3x3", lambda layer: layer.G == 1 and (layer.R, layer.S) == (3, 3) and layer.stride == (1, 1)),
    ("1x1", lambda layer: layer.G == 1 and (layer.R, layer.S) == (1, 1) and layer.kind == "conv"),
    ("strided", lambda layer: layer.G == 1 and max(layer.stride) > 1),
    ("depthwise", lambda layer: layer.kind == "depthwise"),
)


@dataclass(frozen=True, slots=True)
class Picked:
    """Cases and where their numbers come from.

    Attributes
    ----------
    cases : tuple of LayerCase
        Flattened layers with their tilings and tensors.
    tensors : str
        ``quantised`` network tensors or ``random`` ones.
    note : str
        In words: the calibration, or why tensors are random.
    references : dict
        onnxruntime's outputs by layer name, where there are any.
    """

    cases: tuple[LayerCase, ...]
    tensors: str
    note: str
    references: dict[str, NDArray[np.integer]]


def check_names(job: Job, network: Network) -> None:
    """Raise `SpecError` for layers to verify that the network does not have."""
    names = [layer.name for layer in network.layers]
    for name in job.verify_layers or ():
        if name not in names:
            raise SpecError("verify.layers", name, f"one of {', '.join(names)}", "correct the name, or write auto")


def pick(job: Job, network: Network, mapped: NetworkMapping) -> list[str]:
    """Return the names of layers to verify: the largest of each class, then the largest others, each shape once.

    They take at most `MOST_CYCLES` together; where every layer takes more, the cheapest one is verified all the same.
    """
    if job.verify_layers is not None:
        return list(job.verify_layers)
    cycles = {each.name: each.result.cost.latency_cycles for each in mapped.layers}
    layers = sorted((layer for layer in network.layers if layer.name in cycles), key=lambda layer: -layer.macs)
    first = [next((layer for layer in layers if fits(layer)), None) for _name, fits in CLASSES]
    ordered = dict.fromkeys(layer.name for layer in [*first, *layers] if layer is not None)
    chosen: list[str] = []
    room = MOST_CYCLES
    for name in ordered:
        if len(chosen) < job.verify_count and cycles[name] <= room:
            chosen.append(name)
            room -= cycles[name]
    return chosen or [min(ordered, key=lambda name: cycles[name])]


def cases(job: Job, network: Network, mapped: NetworkMapping, names: Sequence[str]) -> Picked:
    """Return the cases of the named layers.

    Tensors are those of the quantised network on a real image where the network is an ONNX file with one image input and
    the array is at least 8 bits wide; random ones that reach the corners of the arithmetic otherwise.
    """
    quantised, note = _quantised(job, names)
    rng = np.random.default_rng(job.seed)
    by_shape = {(each.result.layer.shape): each.result for each in mapped.layers}
    made, references = [], {}
    for name in names:
        layer = next(layer for layer in network.layers if layer.name == name)
        result = by_shape[layer.flattened().shape]
        if quantised is None:
            tensors = random_tensors(result.layer, rng, acc_bits=job.budget.acc_bits)
        else:
            tensors = flat_tensors(quantised[name], result.layer)
            if quantised[name].reference is not None:
                references[name] = quantised[name].reference
        made.append(LayerCase(name, replace(result.layer, name=name), result.tiling, tensors))
    return Picked(tuple(made), "random" if quantised is None else "quantised", note, references)


def flat_tensors(layer: Any, flat: Layer) -> LayerTensors:
    """Return a `QuantizedLayer`'s tensors in the shape of the layer as it is mapped (rows may be merged)."""
    return LayerTensors(
        inputs=layer.inputs.reshape(flat.N, flat.G * flat.C, flat.H, flat.W), weights=layer.weights,
        bias=layer.bias.astype(np.int64), multiplier=layer.multiplier, shift=layer.shift,
        input_zero_point=layer.input_zero_point, output_zero_point=layer.output_zero_point, low=layer.low, high=layer.high,
    )  # fmt: skip


def _quantised(job: Job, names: Sequence[str]) -> tuple[dict[str, Any] | None, str]:
    path = onnx_file(job.network)
    if path is None:
        return None, "the network is a list of layers without weights"
    if job.budget.bits < 8:
        return None, f"the quantiser makes 8-bit tensors, the array takes {job.budget.bits} bits"
    from sim.quantize import extract, quantize_model

    size = job.shapes or image_size(job.network)
    if size is None:
        return None, "the input size of the network is not given (field input)"
    calibration, image = images(job.image, size)
    try:
        model = quantize_model(path, calibration, shapes=size, name=job.network)
        found = extract(model, image, list(names))
    except SpecError as error:
        return None, f"the network could not be quantised: {error}"
    note = f"int8 post-training quantisation by onnxruntime, {len(calibration)} calibration crops and a test crop of {job.image}"
    return {layer.layer.name: layer for layer in found}, note


def images(source: str, size: tuple[int, int]) -> tuple[list[NDArray[np.float32]], NDArray[np.float32]]:
    """Return calibration images and a test image; no pixel is in both.

    Parameters
    ----------
    source : str
        ``skimage:page`` (see `sim.quantize.page_images`), ``skimage:NAME`` of another image in `skimage.data`, or a file.
    size : tuple of int
        (H, W) of the network's input.

    Raises
    ------
    SpecError
        No such image, or one that cannot be read.
    """
    from sim.quantize import normalise, page_images

    if source == "skimage:page":
        return page_images(size)
    image = _read(source)
    height, width = image.shape[0], image.shape[1] // 2
    left, test = image[:, :width], image[:, width:]
    parts = (left, left[: height // 2], left[height // 2 :], left[height // 4 : height // 4 + height // 2])
    return [normalise(part, size) for part in parts], normalise(test, size)


def _read(source: str) -> NDArray[np.uint8]:
    try:
        import skimage.data
        import skimage.io
    except ImportError as error:
        fix = "install it with: pip install 'systolith[examples]'"
        raise SpecError("scikit-image", "not installed", "the scikit-image package, for images", fix) from error
    try:
        kind, _colon, name = source.partition(":")
        image = np.asarray(getattr(skimage.data, name)() if kind == "skimage" else skimage.io.imread(source))
    except (AttributeError, OSError, ValueError, TypeError) as error:
        raise SpecError("calibration.image", source, "skimage:NAME or an image file", "check the name") from error
    image = image[:, :, :3] if image.ndim == 3 else image
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or min(image.shape[:2]) < 8:
        found = f"{source}: {image.dtype} {image.shape}"
        raise SpecError("calibration.image", found, "8-bit grey or colour of at least 8 x 8 pixels", "convert the image")
    return image
