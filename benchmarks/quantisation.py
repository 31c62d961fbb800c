"""Which bundled networks become graphs of integer operations, and how the direction classifier does on text lines.

Run with ``python -m benchmarks.quantisation [IMAGES] [--networks]``; `docs/quantisation.md` has the figures. ``--networks`` tries
every bundled network with an ONNX file; VGG-19 and its 144 million weights take minutes.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import yaml

from dataflows.errors import SpecError
from dataflows.networks import CatalogueEntry, catalogue
from sim.quantize import agreement, calibration_inputs, quantize_named, text_lines
from sim.quantize.text_lines import TEST_SEED

IMAGES = 100


def classifier(images: int) -> dict[str, Any]:
    """Return how often the classifier in float and in integers name the drawn direction, and the errors of its logits."""
    quantized, lines = quantize_named("ocr_cls"), text_lines(images, TEST_SEED)
    found = agreement(quantized, [line.network_input() for line in lines])
    drawn = [line.rotated for line in lines]
    return {
        "images": images,
        "equal classes": found.agreeing,
        "float right": sum(bool(a) == b for a, b in zip(found.float_classes, drawn, strict=True)),
        "integers right": sum(bool(a) == b for a, b in zip(found.integer_classes, drawn, strict=True)),
        "logit error, mean": round(float(np.mean(found.errors)), 3),
        "logit error, largest": round(max(found.errors), 3),
        "logit step": round(found.steps, 3),
        "distance of logits, median": round(float(np.median(found.margins)), 3),
        "distance of logits, least": round(min(found.margins), 3),
    }


def networks() -> Iterator[dict[str, Any]]:
    """Yield per bundled network its operations and the noise of its tensors, or why it is refused."""
    for name in (entry.name for entry in catalogue() if isinstance(entry, CatalogueEntry)):
        try:
            quantized = quantize_named(name)
        except SpecError as error:
            yield {"network": name, "refused": f"{error.path.rpartition(' ')[2]} {error.found}"}
            continue
        image = calibration_inputs(name)[0]
        named = [op.output for op in quantized.graph.ops if quantized.model.graph.shape(op.output)]
        real, made = quantized.model.session(named)(image), quantized.run(image)
        noise = [_decibels(real[each], quantized.scale(each).real(made[each])) for each in named]
        ops = dict(sorted(Counter(op.layer.op for op in quantized.graph.ops).items()))
        yield {"network": name, "operations": ops, "signal to noise, dB, median": round(float(np.median(noise)), 1)}


def _decibels(real: Any, made: Any) -> float:
    wanted = real.ravel().astype(np.float64)
    noise = float(np.mean((wanted - made.ravel()) ** 2))
    return float(10 * np.log10(np.mean(wanted**2) / noise)) if noise else float("inf")


def main() -> None:
    """Print the figures as YAML."""
    numbers = [word for word in sys.argv[1:] if word.isdecimal()]
    print(yaml.safe_dump(classifier(int(numbers[0]) if numbers else IMAGES), sort_keys=False), flush=True)
    if "--networks" in sys.argv[1:]:
        for row in networks():
            print(yaml.safe_dump([row], sort_keys=False, width=120), end="", flush=True)


if __name__ == "__main__":
    main()
