"""Post-training quantisation of float ONNX networks by onnxruntime, and the integer tensors of layers and networks."""

from sim.quantize.agreement import Agreement, agreement
from sim.quantize.bundled import calibration_inputs, quantize_named
from sim.quantize.extract import extract
from sim.quantize.images import normalise, page_images
from sim.quantize.model import QuantizedModel, quantize_model
from sim.quantize.network import QuantizedNetwork, quantize_network
from sim.quantize.ocr import quantize_ocr_det
from sim.quantize.tensors import Difference, QuantizedLayer, compare
from sim.quantize.text_lines import TextLine, text_lines

__all__ = [
    "Agreement", "Difference", "QuantizedLayer", "QuantizedModel", "QuantizedNetwork", "TextLine", "agreement",
    "calibration_inputs", "compare", "extract", "normalise", "page_images", "quantize_model", "quantize_named",
    "quantize_network", "quantize_ocr_det", "text_lines",
]  # fmt: skip
