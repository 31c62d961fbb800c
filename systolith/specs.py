"""What users type for an accelerator: a design file or folder, a preset, or an engine with parameters."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from dataflows.arch import Accelerator, Array, Memory
from dataflows.documents import validate
from dataflows.errors import SpecError
from dataflows.yaml_lines import Document, parse_yaml, read_yaml
from systolith import presets
from systolith.arch_names import Use, unknown
from systolith.textspec import flag, integer, is_file, pairs, split_head

ENGINES = {
    "ws": "weight stationary: each PE keeps one weight, inputs travel along rows, partial sums down columns",
    "os": "output stationary: each PE keeps one output, inputs travel along rows, weights down columns",
}
ARRAY_KEYS = ("rows", "cols", "input_bits", "weight_bits", "acc_bits", "pe_stages")
MEMORY_KEYS = ("bus_bytes", "interval", "latency")
BUFFER_KEYS = ("input_words", "weight_words", "acc_words", "post_lanes", "tile_blocks")
FLAG_KEYS = ("channelwise", "table")
KEYS = ("rows", "cols", "bits", *ARRAY_KEYS[2:], *BUFFER_KEYS, *FLAG_KEYS, *MEMORY_KEYS, "name")
WhatItIs = "an accelerator: a YAML file, a folder with design.yaml, a preset, or an engine such as ws:rows=8,cols=8"
Int = Annotated[int, Field(strict=True)]
Flag = Annotated[bool, Field(strict=True)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ArrayModel(_Strict):
    """The ``array`` of a design file."""

    rows: Int
    cols: Int
    dataflow: Literal["ws", "os"] = "ws"
    input_bits: Int = 8
    weight_bits: Int = 8
    acc_bits: Int | None = None
    pe_stages: Int = 0


class MemoryModel(_Strict):
    """The ``memory`` of a design file."""

    bus_bytes: Int = 16
    interval: Int = 1
    latency: Int = 32


class AcceleratorModel(_Strict):
    """A design file; what is left out gets the defaults of `complete`."""

    schema_version: Literal[1] = Field(default=1, alias="schema")
    description: str = ""
    name: str | None = None
    array: ArrayModel
    memory: MemoryModel = MemoryModel()
    input_words: Int | None = None
    weight_words: Int | None = None
    acc_words: Int | None = None
    post_lanes: Int | None = None
    tile_blocks: Int | None = None
    channelwise: Flag | None = None
    table: Flag | None = None


def accelerator(text: str, use: Use = "map") -> Accelerator:
    """Read an accelerator argument.

    Parameters
    ----------
    text : str
        A YAML path, a folder holding ``design.yaml``, a preset name, ``preset:key=value,...`` or ``ws:rows=3,cols=7,...``.
    use : str
        What else the command takes, for the message about other text (`systolith.arch_names`).

    Raises
    ------
    SpecError
        When `text` is none of these, or a value is out of range.
    """
    _refuse_foreign(text)
    path = Path(text)
    if is_file(f"{text}/design.yaml"):
        path = path / "design.yaml"
    if is_file(str(path)):
        return from_document(read_yaml(path, WhatItIs), path.stem)
    head, rest = split_head(text)
    if head in ENGINES or head in presets.names():
        given = _typed(pairs(rest, text, KEYS), text)
        try:
            return complete(head, given, text) if head in ENGINES else _override(preset(head), given, text)
        except SpecError as error:
            path = error.path if error.path.startswith(text) else f"{text}: {error.path}"
            raise SpecError(path, error.found, error.allowed, error.fix) from None
    if Path(head).suffix in (".yaml", ".yml", ".json") or "/" in head:
        read_yaml(path, WhatItIs)  # raises: the file is missing or unreadable
    raise unknown(text, use)


def _refuse_foreign(text: str) -> None:
    """Raise for another tool's file, which would only be malformed here."""
    if is_file(text):
        from systolith import exchange

        exchange.refuse(text, "an accelerator of this suite")


def preset(name: str) -> Accelerator:
    """Return a bundled accelerator."""
    return from_document(parse_yaml(presets.text(name), name), name)


def from_document(document: Document, stem: str) -> Accelerator:
    """Build from a design file: the accelerator itself, or a design whose ``accelerator`` field holds it."""
    if isinstance(document.data, dict) and "accelerator" in document.data:
        document = document.part("accelerator")
    model = validate(AcceleratorModel, document)
    given: dict[str, Any] = {"name": model.name or stem}
    given |= {key: value for key in (*BUFFER_KEYS, *FLAG_KEYS) if (value := getattr(model, key)) is not None}
    given |= {key: value for part in (model.array, model.memory) for key, value in part.model_dump().items() if value is not None}
    try:
        return complete(given.pop("dataflow"), given, document.path)
    except SpecError as error:
        if error.path.startswith(document.path):
            raise
        loc = tuple(error.path.split("."))
        raise SpecError(document.where(*loc), error.found, error.allowed, error.fix) from None


def complete(dataflow: str, given: dict[str, Any], argument: str) -> Accelerator:
    """Fill in what was not given: buffers grow with the array, so that every preset network has a legal tile.

    A weight tile needs ``taps * min(C, rows)`` words at least and an input tile one filter window; the floors cover 11x11
    filters on few channels.
    """
    given = dict(given)
    for key in ("rows", "cols"):
        if key not in given:
            raise SpecError(argument, "nothing", f"a value for {key}", f"write for example {dataflow}:rows=8,cols=8")
    bits = given.pop("bits", 8)
    array = {"input_bits": bits, "weight_bits": bits, **{key: given.pop(key) for key in ARRAY_KEYS if key in given}}
    array.setdefault("acc_bits", 48 if max(array["input_bits"], array["weight_bits"]) > 8 else 32)
    rows, cols = array["rows"], array["cols"]
    sizes = {
        "input_words": max(256, 64 * rows),
        "weight_words": max(512, 32 * rows),
        "acc_words": max(64, 16 * max(rows, cols)),
        "post_lanes": min(4, cols),
        "tile_blocks": 8,
    }
    memory = {key: given.pop(key) for key in MEMORY_KEYS if key in given}
    made = Array(dataflow=dataflow, **array)  # type: ignore[arg-type]
    name = given.pop("name", f"{dataflow}-{rows}x{cols}")
    return Accelerator(name=name, array=made, memory=Memory(**memory), **{**sizes, **given})


def _override(base: Accelerator, given: dict[str, Any], argument: str) -> Accelerator:
    if not given:
        return base
    if "rows" in given or "cols" in given:  # another array: its buffers follow, unless given too
        array = {key: getattr(base.array, key) for key in ARRAY_KEYS if key not in ("acc_bits",)}
        flags = {key: getattr(base, key) for key in FLAG_KEYS}
        merged = {**array, **flags, "acc_bits": base.array.acc_bits, **asdict(base.memory), "name": base.name, **given}
        return complete(base.array.dataflow, merged, argument)
    bits = given.pop("bits", None)
    if bits is not None:
        given = {"input_bits": bits, "weight_bits": bits, **given}
    array = replace(base.array, **{key: given.pop(key) for key in ARRAY_KEYS if key in given})
    memory = replace(base.memory, **{key: given.pop(key) for key in MEMORY_KEYS if key in given})
    return replace(base, array=array, memory=memory, **given)


def _typed(texts: dict[str, str], argument: str) -> dict[str, Any]:
    def typed(key: str, value: str) -> object:
        path = f"{argument}: {key}"
        return value if key == "name" else flag(value, path) if key in FLAG_KEYS else integer(value, path)

    return {key: typed(key, value) for key, value in texts.items()}
