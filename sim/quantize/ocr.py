"""The worked example: PP-OCR's text detector on a scanned page."""

from __future__ import annotations

from collections.abc import Sequence

from dataflows.networks import entry
from sim.quantize.extract import extract
from sim.quantize.images import page_images
from sim.quantize.model import QuantizedModel, quantize_model
from sim.quantize.tensors import QuantizedLayer


def quantize_ocr_det(
    layers: Sequence[str] | None = None, size: tuple[int, int] | None = None
) -> tuple[QuantizedModel, list[QuantizedLayer]]:
    """Quantise the bundled text detector and run it on one half of a page, calibrated on the other.

    Parameters
    ----------
    layers : sequence of str, optional
        Names of layers to return, all when omitted.
    size : tuple of int, optional
        (H, W), multiples of 32; that of the catalogue (320 x 320) when omitted.

    Returns
    -------
    QuantizedModel
    list of QuantizedLayer

    Raises
    ------
    SpecError
        A package is missing, or a layer name is unknown.
    """
    found = entry("ocr_det")
    chosen = size or found.size or (320, 320)
    calibration, image = page_images(chosen)
    model = quantize_model(found.path(), calibration, shapes=chosen, name=found.name)
    return model, extract(model, image, layers)
