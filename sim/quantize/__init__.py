"""Post-training quantisation of float ONNX networks by onnxruntime, and the integer tensors of whole layers."""

from sim.quantize.extract import extract
from sim.quantize.images import normalise, page_images
from sim.quantize.model import QuantizedModel, quantize_model
from sim.quantize.ocr import quantize_ocr_det
from sim.quantize.tensors import Difference, QuantizedLayer, compare

__all__ = [
    "Difference", "QuantizedLayer", "QuantizedModel", "compare", "extract", "normalise", "page_images", "quantize_model",
    "quantize_ocr_det",
]  # fmt: skip
