"""Networks quantised by name, with calibration inputs that fit them where there are any."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dataflows.errors import SpecError
from dataflows.networks import catalogue, entry, onnx_file
from dataflows.onnx_model import Shapes, activation_inputs, load_model, static_shape
from dataflows.onnx_options import parse_options, split_file
from sim.quantize.images import page_images
from sim.quantize.model import Feeds
from sim.quantize.network import QuantizedNetwork, quantize_network
from sim.quantize.text_lines import CALIBRATION_SEED, SIZE, text_lines

_LINES = 32
_NOISE = 4


def quantize_named(
    name_or_path: str | Path, calibration: Sequence[Feeds | NDArray[np.float32]] | None = None
) -> QuantizedNetwork:
    """Quantise a network by name.

    Parameters
    ----------
    name_or_path : str or Path
        A bundled name or a path of an ONNX file, each optionally with options (`dataflows.onnx_options.parse_options`).
    calibration : sequence, optional
        Inputs, see `quantize_network`; those of `calibration_inputs` when omitted.

    Raises
    ------
    SpecError
        Unknown name, a network without an ONNX file, or one that `quantize_network` refuses.
    """
    text = str(name_or_path)
    path, shapes = _file(text)
    split = split_file(text)
    name = split[0].stem if split else text.partition(":")[0]
    found = calibration_inputs(text) if calibration is None else calibration
    return quantize_network(path, found, shapes=shapes, name=name)


def calibration_inputs(name_or_path: str | Path) -> list[Feeds]:
    """Return calibration inputs of a network.

    Text lines for `ocr_cls`, parts of a scanned page for `ocr_det`; for any other network normal noise from a fixed seed, whose
    integers exercise every operation, though accuracy on real images asks for real images.
    """
    path, shapes = _file(str(name_or_path))
    inputs = {value.name: static_shape(value) for value in activation_inputs(load_model(path, *shapes))}
    for name, shape in inputs.items():
        if shape is None:
            raise SpecError(
                f"{path}: {name}", "open sizes", "a known shape", "give the sizes behind the name, such as :size=224x224"
            )
    name, (first, shape) = str(name_or_path).partition(":")[0], next(iter(inputs.items()))
    if name == "ocr_cls" and shape == (1, 3, *SIZE):
        return [{first: line.network_input()} for line in text_lines(_LINES, CALIBRATION_SEED)]
    if name == "ocr_det" and shape is not None:
        return [{first: image} for image in page_images((shape[2], shape[3]))[0]]
    rng = np.random.default_rng(CALIBRATION_SEED)
    return [{each: rng.normal(0, 1, size or ()).astype(np.float32) for each, size in inputs.items()} for _ in range(_NOISE)]


def _file(text: str) -> tuple[Path, list[Shapes | None]]:
    """Return the ONNX file and the shapes that options and catalogue give its inputs."""
    path = onnx_file(text)
    if path is None:
        if text.partition(":")[0] in (found.name for found in catalogue()):
            entry(text.partition(":")[0]).path()
        raise SpecError("network", text, "a network with an ONNX file", "give the file")
    split = split_file(text)
    options = parse_options(text, split[1] if split else text.partition(":")[2])
    if split is None:
        options = options.or_size(entry(text.partition(":")[0]).size)
    return path, [dict(options.named) or None, options.size]
