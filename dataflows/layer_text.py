"""Layers as people write them: ``conv:K=64,C=3,P=112,Q=112,R=7,S=7,stride=2`` and YAML lists of the same fields."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt, ValidationError

from dataflows.documents import spec_error
from dataflows.errors import SpecError
from dataflows.transposed import transposed_conv
from dataflows.workload import Activation, Layer, Network
from dataflows.yaml_lines import Document, read_yaml

Bits = Literal[4, 8, 16]
Density = Annotated[float, Field(gt=0, le=1)]
_Pair = PositiveInt | tuple[PositiveInt, PositiveInt]


def _not_negative(value: int | tuple[int, ...]) -> int | tuple[int, ...]:
    if any(p < 0 for p in (value if isinstance(value, tuple) else (value,))):
        raise ValueError("must not be negative")
    return value


_Padding = Annotated[int | tuple[int, int, int, int], AfterValidator(_not_negative)]


class _Common(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field("", description="unique within the network")
    bits: Bits = Field(8, description="width of inputs and weights")
    input_bits: Bits | None = Field(None, description="width of inputs, where it differs")
    weight_bits: Bits | None = Field(None, description="width of weights, where it differs")
    input_density: Density = Field(1.0, description="share of inputs that are not zero")
    weight_density: Density = Field(1.0, description="share of weights that are not zero")
    activation: Activation = "none"

    def rest(self) -> dict[str, Any]:
        """Return the fields that go to `Layer` as they are."""
        return {
            "input_bits": self.input_bits or self.bits, "weight_bits": self.weight_bits or self.bits,
            "input_density": self.input_density, "weight_density": self.weight_density, "activation": self.activation,
        }  # fmt: skip


class ConvText(_Common):
    """A convolution; K and C are totals over all groups, and either outputs (P, Q) or inputs (H, W) are given."""

    K: PositiveInt
    C: PositiveInt
    P: PositiveInt | None = None
    Q: PositiveInt | None = None
    H: PositiveInt | None = None
    W: PositiveInt | None = None
    R: PositiveInt = 1
    S: PositiveInt = 1
    G: PositiveInt = 1
    N: PositiveInt = 1
    stride: _Pair = 1
    padding: _Padding = 0
    dilation: _Pair = 1

    def layers(self, name: str) -> tuple[Layer, ...]:
        """Return the layer; sizes that are missing follow from the others, unpadded unless `padding` is given."""
        stride, dilation = _pair(self.stride), _pair(self.dilation)
        whole = self.padding
        pad = whole if isinstance(whole, tuple) else (whole, whole, whole, whole)
        size = []
        for axis, (have, out, taps) in enumerate(((self.H, self.P, self.R), (self.W, self.Q, self.S))):
            if have is None and out is None:
                allowed = f"{'PQ'[axis]} or {'HW'[axis]}"
                raise SpecError(f"{name}.{'HW'[axis]}", None, allowed, "give the output or the input size")
            reach = 0 if out is None else (out - 1) * stride[axis] + (taps - 1) * dilation[axis] + 1
            size.append(have if have is not None else max(1, reach - pad[axis] - pad[axis + 2]))
        layer = Layer.conv(
            name, K=self.K, C=self.C, H=size[0], W=size[1], R=self.R, S=self.S, stride=stride, padding=pad, dilation=dilation,
            G=self.G, N=self.N, **self.rest(),
        )  # fmt: skip
        for field, given, got in (("P", self.P, layer.P), ("Q", self.Q, layer.Q)):
            if given is not None and given != got:
                raise SpecError(f"{name}.{field}", given, f"{got}, which follows from the input size", "give only one of the two")
        return (layer,)


class TransposedText(_Common):
    """A transposed convolution, given by its input size; K and C are totals over all groups."""

    K: PositiveInt
    C: PositiveInt
    H: PositiveInt
    W: PositiveInt
    R: PositiveInt = 1
    S: PositiveInt = 1
    G: PositiveInt = 1
    N: PositiveInt = 1
    stride: _Pair = 1
    padding: _Padding = 0
    dilation: _Pair = 1
    output_padding: NonNegativeInt | tuple[NonNegativeInt, NonNegativeInt] = 0

    def layers(self, name: str) -> tuple[Layer, ...]:
        """Return one layer per stride phase, see `dataflows.transposed.split_phases`."""
        found = transposed_conv(
            name, K=self.K, C=self.C, H=self.H, W=self.W, R=self.R, S=self.S, stride=self.stride, padding=self.padding,
            dilation=self.dilation, output_padding=self.output_padding, G=self.G, N=self.N, **self.rest(),
        )  # fmt: skip
        if not found:
            raise SpecError(f"{name}.padding", self.padding, "an output that depends on the input", "cut less away")
        return found


class GemmText(_Common):
    """A matrix product, C (M x N) = A (M x K) B (K x N), or G of them with operands of their own."""

    M: PositiveInt
    N: PositiveInt
    K: PositiveInt
    G: PositiveInt = 1

    def layers(self, name: str) -> tuple[Layer, ...]:
        """Return the layer."""
        return (Layer.gemm(name, M=self.M, N=self.N, K=self.K, G=self.G, **self.rest()),)


Parsed = ConvText | TransposedText | GemmText
KINDS: dict[str, type[Parsed]] = {"conv": ConvText, "gemm": GemmText, "tconv": TransposedText}
_TUPLES = ("stride", "padding", "dilation", "output_padding")


def is_layer_text(text: str) -> bool:
    """Whether the text starts like an inline layer."""
    return text.partition(":")[0].strip() in KINDS and ":" in text


def parse_layer(text: str, name: str = "") -> Layer:
    """Read one inline layer, see `parse_layers`; text that means several raises `SpecError`."""
    found = parse_layers(text, name)
    if len(found) != 1:
        raise SpecError("layer", text, "text that means a single layer", f"this one is {len(found)} layers: use it as a network")
    return found[0]


def parse_network(text: str) -> Network:
    """Read inline text as a network of its own, see `parse_layers`."""
    parsed = _parse(text)
    name = parsed.name or text.partition(":")[0].strip()
    layers = parsed.layers(name)
    return Network(name, layers, sum(layer.parameters for layer in layers), text)


def parse_layers(text: str, name: str = "") -> tuple[Layer, ...]:
    """Read inline text.

    Parameters
    ----------
    text : str
        ``conv:``, ``gemm:`` or ``tconv:`` and ``key=value`` pairs; pairs and fours are joined by ``x``: ``stride=2x1``, and
        ``padding`` is ``top x left x bottom x right``. ``conv`` knows K, C, P, Q, H, W, R, S, G, N, stride, padding,
        dilation; ``tconv``, a transposed convolution, the same without P and Q but with output_padding; ``gemm`` M, N, K
        and G, the number of independent products. All know name, bits, input_bits, weight_bits, input_density,
        weight_density and activation.
    name : str
        Used when the text gives none; the kind when both are empty.

    Returns
    -------
    tuple of Layer
        One layer, or one per stride phase of a transposed convolution.

    Raises
    ------
    SpecError
        Naming the pair or the field.
    """
    parsed = _parse(text)
    return parsed.layers(parsed.name or name or text.partition(":")[0].strip())


def _parse(text: str) -> Parsed:
    kind, _, body = text.partition(":")
    kind = kind.strip()
    if kind not in KINDS:
        raise SpecError("layer", text, "conv:, gemm: or tconv: and KEY=VALUE,...", "start with the kind of layer")
    fields: dict[str, Any] = {}
    for pair in filter(None, (part.strip() for part in body.split(","))):
        key, equals, value = (part.strip() for part in pair.partition("="))
        if not equals or not value:
            raise SpecError(f"{kind}:", pair, "KEY=VALUE", "write the pair with one =")
        if key in fields:
            raise SpecError(f"{kind}:{key}", pair, "each key once", "remove one of the two")
        fields[key] = tuple(value.split("x")) if key in _TUPLES and "x" in value else value
    return _validated(kind, {key: _number(value) for key, value in fields.items()}, lambda field: f"{kind}:{field}")


def read_layers(path: str | Path) -> Network:
    """Read a YAML file of layers.

    The file is a list, or a mapping with `layers` and optionally `name`. Each entry has `conv`, `gemm` or `tconv` with the
    fields of `parse_layers` and optionally `name`, or is inline text::

        layers:
          - {name: stem, conv: {K: 64, C: 3, H: 224, W: 224, R: 7, S: 7, stride: 2, padding: 3}}
          - gemm:M=1,N=1000,K=512

    Raises
    ------
    SpecError
        With ``file:line`` and the field.
    """
    document = read_yaml(path)
    data, prefix, name = document.data, (), Path(path).stem
    if isinstance(data, dict):
        for key in data:
            if key not in ("name", "layers"):
                raise SpecError(document.where(str(key)), key, "name, layers", "remove or rename the field")
        name = str(data.get("name") or name)
        data, prefix = data.get("layers"), ("layers",)
    if not isinstance(data, list) or not data:
        raise SpecError(document.where(*prefix), data, "a list of at least one layer", "list layers as - conv: or - gemm:")
    layers, taken = [], set()
    for index, entry in enumerate(data):
        for layer in _entry(document, (*prefix, index), entry, f"layer{index + 1}"):
            if layer.name in taken:
                raise SpecError(document.where(*prefix, index), layer.name, "a name no other layer has", "rename the layer")
            taken.add(layer.name)
            layers.append(layer)
    return Network(name, tuple(layers), sum(layer.parameters for layer in layers), str(path))


def _entry(document: Document, path: tuple[str | int, ...], entry: object, name: str) -> tuple[Layer, ...]:
    try:
        if isinstance(entry, str) and is_layer_text(entry):
            return parse_layers(entry, name)
        kind, fields, given = _parts(entry)
        parsed = _validated(kind, fields, lambda field: document.where(*path, kind, *field.split(".")))
        return parsed.layers(given or parsed.name or name)
    except SpecError as error:
        if error.path.startswith(document.path):
            raise
        raise SpecError(f"{document.where(*path)}: {error.path}", error.found, error.allowed, error.fix) from error


def _parts(entry: object) -> tuple[str, dict[str, Any], str]:
    """Split an entry into kind, fields and name."""
    if isinstance(entry, dict):
        kinds = [key for key in entry if key in KINDS]
        if len(kinds) == 1 and isinstance(entry[kinds[0]], dict) and set(entry) <= {*kinds, "name"}:
            return kinds[0], entry[kinds[0]], str(entry.get("name") or "")
    raise SpecError(
        "layer", entry, "{conv: {...}}, {gemm: {...}} or {tconv: {...}}, with an optional name", "give one kind with its fields"
    )


def _validated(kind: str, fields: dict[str, Any], where: Callable[[str], str]) -> Parsed:
    model = KINDS[kind]
    for key, value in fields.items():
        if isinstance(value, bool):  # YAML reads "yes" as true, and true would pass for 1
            raise SpecError(where(str(key)), value, "a number or a word", "correct the layer")
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise spec_error(model, error, lambda *loc: where(str(loc[0]) if loc else "")) from None


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value


def _number(value: Any) -> Any:
    """Turn decimal text into int, leave the rest for validation to refuse or to read as a fraction."""
    if isinstance(value, tuple):
        return tuple(_number(part) for part in value)
    return int(value) if value.lstrip("-").isdecimal() and value.isascii() and len(value) < 12 else value
