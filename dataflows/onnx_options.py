"""Options of an ONNX network, written behind its name: ``net.onnx:size=320x320,transposed=phases``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dataflows.errors import SpecError, suggestion
from dataflows.onnx_model import Shapes

# What a word option may say, what it says when left out first.
CHOICES = {"transposed": ("host", "phases"), "products": ("host", "batched")}
_FILE = re.compile(r"(.*?\.onnx)(?::(.*))?", re.IGNORECASE | re.DOTALL)
_SIZE = re.compile(r"[0-9]{1,8}(x[0-9]{1,8})*")


@dataclass(frozen=True, slots=True)
class OnnxOptions:
    """How an ONNX network is read.

    Attributes
    ----------
    size : tuple of int or None
        (H, W) of the one image input.
    named : tuple of (str, int or tuple of int)
        Sizes by name of an open dimension, and full shapes by name of an input.
    transposed, products : bool
        As of `dataflows.onnx_import.import_onnx`.
    label : str
        What was given, to tell the network from the one without options.
    """

    size: tuple[int, int] | None = None
    named: tuple[tuple[str, int | tuple[int, ...]], ...] = ()
    transposed: bool = False
    products: bool = False
    label: str = ""

    def with_shapes(self, shapes: Shapes | None, text: str) -> OnnxOptions:
        """Add shapes that were given beside the text; a size that was given twice raises `SpecError`."""
        if shapes is None:
            return self
        if isinstance(shapes, Mapping):
            more = tuple((key, tuple(value) if isinstance(value, Sequence) else value) for key, value in shapes.items())
            return replace(self, named=self.named + more)
        if self.size is not None:
            raise SpecError(f"network {text}", shapes, "a size, once", "remove the option size or --size")
        return replace(self, size=shapes)

    def or_size(self, size: tuple[int, int] | None) -> OnnxOptions:
        """Return the options with a size for a network whose shapes are all left open."""
        return self if self.size or any(isinstance(value, tuple) for _, value in self.named) else replace(self, size=size)


def split_file(text: str) -> tuple[Path, str] | None:
    """Split the path of an ONNX file from its options; None when the text names no such file."""
    match = _FILE.fullmatch(text)
    return (Path(match[1]), match[2] or "") if match else None


def parse_options(text: str, body: str) -> OnnxOptions:
    """Read options.

    Parameters
    ----------
    text : str
        The whole argument, for messages.
    body : str
        ``key=value,...`` with ``size=HxW``, ``transposed=phases``, ``products=batched``, ``DIMENSION=SIZE`` or
        ``INPUT=AxBx...``.

    Raises
    ------
    SpecError
        Naming the option.
    """
    given: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in body.split(","))):
        key, _, value = (part.strip() for part in pair.partition("="))
        if not key or not value:
            allowed = "OPTION=VALUE with size, transposed, products, or the name of an input or open dimension"
            raise SpecError(text, pair, allowed, "correct the option")
        if key in given:
            raise SpecError(f"{text}: {key}", value, "each option once", "remove one of the two")
        given[key] = value
    words = {key: _word(text, key, given.pop(key)) for key in CHOICES if key in given}
    sizes = {key: _sizes(text, key, value) for key, value in given.items()}
    whole, size = sizes.pop("size", None), None
    if isinstance(whole, tuple) and len(whole) == 2:
        size = (whole[0], whole[1])
    elif whole is not None:
        raise SpecError(f"{text}: size", given["size"], "HxW with two positive integers", "write for example size=320x320")
    chosen = {key: f"_{CHOICES[key][1]}" for key, on in words.items() if on}
    label = "-".join(f"{key}{value}" for key, value in sorted({**given, **chosen}.items()))
    return OnnxOptions(size, tuple(sizes.items()), words.get("transposed", False), words.get("products", False), label)


def _word(text: str, key: str, value: str) -> bool:
    if value not in CHOICES[key]:
        raise SpecError(f"{text}: {key}", value, " or ".join(CHOICES[key]), "choose one of these")
    return value == CHOICES[key][1]


def _sizes(text: str, key: str, value: str) -> int | tuple[int, ...]:
    if not _SIZE.fullmatch(value) or not all(map(int, value.split("x"))):
        if key == "size":
            raise SpecError(f"{text}: size", value, "HxW with two positive integers", "write for example size=320x320")
        fix = suggestion(key, ("size", *CHOICES), "correct the size")
        raise SpecError(f"{text}: {key}", value, "a positive integer, or several joined by x", fix)
    return tuple(map(int, value.split("x"))) if "x" in value else int(value)
