"""The kinds of entries that layer texts and layer files have, and the fields of each."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt

from dataflows.attention import attention_products
from dataflows.errors import SpecError
from dataflows.traffic import TrafficLayer
from dataflows.transposed import transposed_conv
from dataflows.workload import OPERAND_BITS, OUTPUT_BITS, Activation, Layer, Op

Bits = Annotated[int, Field(ge=OPERAND_BITS[0], le=OPERAND_BITS[-1])]
OutputBits = Annotated[int, Field(ge=OUTPUT_BITS[0], le=OUTPUT_BITS[-1])]
Density = Annotated[float, Field(gt=0, le=1)]
Part = Layer | TrafficLayer
_Pair = PositiveInt | tuple[PositiveInt, PositiveInt]


def _not_negative(value: int | tuple[int, ...]) -> int | tuple[int, ...]:
    if any(p < 0 for p in (value if isinstance(value, tuple) else (value,))):
        raise ValueError("must not be negative")
    return value


_Padding = Annotated[int | tuple[int, int, int, int], AfterValidator(_not_negative)]


class _Named(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    stored: ClassVar[bool] = True
    """Whether the operands in the role of weights are parameters of the network."""

    name: str = Field("", description="unique within the network")


class _Common(_Named):
    bits: Bits = Field(8, description="width of inputs and weights")
    input_bits: Bits | None = Field(None, description="width of inputs, where it differs")
    weight_bits: Bits | None = Field(None, description="width of weights, where it differs")
    output_bits: OutputBits | None = Field(None, description="width of outputs, where it is not that of inputs")
    input_signed: bool = Field(True, description="whether inputs are signed")
    weight_signed: bool = Field(True, description="whether weights are signed")
    input_density: Density = Field(1.0, description="share of inputs that are not zero")
    weight_density: Density = Field(1.0, description="share of weights that are not zero")
    output_density: Density = Field(1.0, description="share of final outputs that are not zero")
    activation: Activation = "none"

    def rest(self) -> dict[str, Any]:
        """Return the fields that go to `Layer` as they are."""
        return {
            "input_bits": self.input_bits or self.bits, "weight_bits": self.weight_bits or self.bits,
            "output_bits": self.output_bits, "input_signed": self.input_signed, "weight_signed": self.weight_signed,
            "input_density": self.input_density, "weight_density": self.weight_density,
            "output_density": self.output_density, "activation": self.activation,
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

    def parts(self, name: str, after: str) -> tuple[Part, ...]:
        """Return the layer; sizes that are missing follow from the others, unpadded unless `padding` is given."""
        stride, dilation, pad = _pair(self.stride), _pair(self.dilation), _four(self.padding)
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

    def parts(self, name: str, after: str) -> tuple[Part, ...]:
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

    def parts(self, name: str, after: str) -> tuple[Part, ...]:
        """Return the layer."""
        return (Layer.gemm(name, M=self.M, N=self.N, K=self.K, G=self.G, **self.rest()),)


class AttentionText(_Common):
    """Q x K^T, softmax and P x V of one attention layer; every head of every sequence is a product of its own."""

    stored: ClassVar[bool] = False

    heads: PositiveInt
    queries: PositiveInt
    keys: PositiveInt
    width: PositiveInt
    batch: PositiveInt = 1

    def parts(self, name: str, after: str) -> tuple[Part, ...]:
        """Return both products with the softmax between them, see `dataflows.attention.attention_products`."""
        sizes = {"heads": self.heads, "queries": self.queries, "keys": self.keys, "width": self.width, "batch": self.batch}
        return attention_products(name, **sizes, **self.rest())


class NestText(_Common):
    """A loop nest field by field: K and C are per group, and the input may be larger than the outputs need."""

    K: PositiveInt
    C: PositiveInt
    P: PositiveInt
    Q: PositiveInt
    R: PositiveInt = 1
    S: PositiveInt = 1
    N: PositiveInt = 1
    G: PositiveInt = 1
    H: PositiveInt
    W: PositiveInt
    stride: _Pair = 1
    dilation: _Pair = 1
    padding: _Padding = 0
    op: Op = Field("mac", description="operation of the layer")

    def parts(self, name: str, after: str) -> tuple[Part, ...]:
        """Return the layer."""
        sizes = {dim: getattr(self, dim) for dim in ("K", "C", "P", "Q", "R", "S", "N", "G", "H", "W")}
        moves = {"stride": _pair(self.stride), "dilation": _pair(self.dilation), "padding": _four(self.padding)}
        return (Layer(name, **sizes, **moves, op=self.op, **self.rest()),)


class _TwoTensors(_Common):
    operation: ClassVar[Op]
    operands: ClassVar[int] = 1

    C: PositiveInt
    H: PositiveInt
    W: PositiveInt
    N: PositiveInt = 1

    def parts(self, name: str, after: str) -> tuple[Part, ...]:
        """Return the layer."""
        sizes = {"N": self.N, "G": self.C, "K": 1, "C": self.operands, "P": self.H, "Q": self.W, "H": self.H, "W": self.W}
        return (Layer(name, **sizes, op=self.operation, **self.rest()),)


class AddText(_TwoTensors):
    """The sum of two tensors of C channels, run by the accelerator."""

    operation: ClassVar[Op] = "add"
    operands: ClassVar[int] = 2


class MultiplyText(_TwoTensors):
    """A tensor of C channels times one value per image and channel, run by the accelerator."""

    operation: ClassVar[Op] = "multiply"


class _RunPool(_Common):
    operation: ClassVar[Op]

    C: PositiveInt
    H: PositiveInt
    W: PositiveInt
    R: PositiveInt
    S: PositiveInt
    N: PositiveInt = 1
    stride: _Pair = 1
    padding: _Padding = 0
    dilation: _Pair = 1

    def parts(self, name: str, after: str) -> tuple[Part, ...]:
        """Return the layer."""
        layer = Layer.conv(
            name, K=self.C, C=self.C, G=self.C, H=self.H, W=self.W, R=self.R, S=self.S, stride=_pair(self.stride),
            padding=_four(self.padding), dilation=_pair(self.dilation), N=self.N, op=self.operation, **self.rest(),
        )  # fmt: skip
        return (layer,)


class MaxPoolText(_RunPool):
    """The largest value of every window, run by the accelerator."""

    operation: ClassVar[Op] = "max"


class AveragePoolText(_RunPool):
    """The average of every window, padding counted as zeros, run by the accelerator."""

    operation: ClassVar[Op] = "average"


class _Traffic(_Named):
    op: str
    bits: PositiveInt = Field(8, description="width of an element")
    after: str | None = Field(None, description="layer it follows; the one before it in the file unless given")

    def follows(self, after: str) -> str:
        """Return the name of the layer it follows."""
        return after if self.after is None else self.after


class PoolText(_Traffic):
    """A pooling, given by its input size."""

    C: PositiveInt
    H: PositiveInt
    W: PositiveInt
    R: PositiveInt
    S: PositiveInt
    stride: PositiveInt = 1
    padding: NonNegativeInt = 0
    ceil: bool = Field(False, description="round the output size up")
    N: PositiveInt = 1

    def parts(self, name: str, after: str) -> tuple[Part, ...]:
        """Return what it reads and writes."""
        sizes = {key: getattr(self, key) for key in ("C", "H", "W", "R", "S", "stride", "padding", "ceil", "N", "bits")}
        return (TrafficLayer.pool(name, self.op, **sizes, after=self.follows(after)),)


class ElementwiseText(_Traffic):
    """An operation on `operands` tensors of `words` elements, which makes one such tensor."""

    words: PositiveInt
    operands: PositiveInt = 1

    def parts(self, name: str, after: str) -> tuple[Part, ...]:
        """Return what it reads and writes."""
        sizes = {"operands": self.operands, "bits": self.bits, "after": self.follows(after)}
        return (TrafficLayer.elementwise(name, self.op, self.words, **sizes),)


class TrafficText(_Traffic):
    """Any operation that moves words only."""

    input_words: PositiveInt
    output_words: PositiveInt

    def parts(self, name: str, after: str) -> tuple[Part, ...]:
        """Return what it reads and writes."""
        return (TrafficLayer(name, self.op, self.input_words, self.output_words, self.bits, self.follows(after)),)


Run = ConvText | TransposedText | GemmText | AttentionText | NestText | AddText | MultiplyText | MaxPoolText | AveragePoolText
Parsed = Run | PoolText | ElementwiseText | TrafficText
LAYER_KINDS: dict[str, type[Parsed]] = {
    "conv": ConvText, "gemm": GemmText, "tconv": TransposedText, "attention": AttentionText, "nest": NestText,
    "add": AddText, "multiply": MultiplyText, "maxpool": MaxPoolText, "avgpool": AveragePoolText,
}  # fmt: skip
KINDS: dict[str, type[Parsed]] = {**LAYER_KINDS, "pool": PoolText, "elementwise": ElementwiseText, "traffic": TrafficText}
FLAGS = ("input_signed", "weight_signed", "ceil")
TUPLES = ("stride", "padding", "dilation", "output_padding")


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value


def _four(value: int | tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    return (value, value, value, value) if isinstance(value, int) else value
