"""Workloads: layers as seven-dimensional loop nests plus groups, and networks of them.

Dimensions follow the field: N batch, K output channels, C input channels, P output rows, Q output columns,
R filter rows, S filter columns, G groups. K and C are *per group*; a depthwise layer has K = C = 1 and G channels
(codesign reference, 4.1). A GEMM of A (M x K) by B (K x N) is stored as Q = M, C = K, K = N, all else 1.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from dataflows.errors import SpecError
from dataflows.traffic import TrafficLayer

DIMS = ("N", "G", "K", "C", "P", "Q", "R", "S")
Dim = Literal["N", "G", "K", "C", "P", "Q", "R", "S"]
Activation = Literal["none", "relu", "relu6"]
Op = Literal["mac", "add", "multiply", "max", "average"]
OPS = ("mac", "add", "multiply", "max", "average")
OPERAND_BITS = range(2, 17)
OUTPUT_BITS = range(2, 33)
LARGEST = 10**15
"""Largest extent: energies and delays of all eight at once, multiplied, still are floating-point numbers."""
LONGEST_ROW = (1 << 16) - 1
SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Layer:
    """One multiply-accumulate layer.

    Attributes
    ----------
    name : str
        Unique within its network.
    N, G, K, C, P, Q, R, S : int
        Loop extents, K and C per group.
    H, W : int
        Input rows and columns, without padding.
    stride, dilation : tuple of int
        (rows, columns).
    padding : tuple of int
        (top, left, bottom, right).
    input_bits, weight_bits : int
        Operand widths, 2 to 16.
    activation : str
        Applied after requantisation: ``none``, ``relu`` or ``relu6``.
    input_density, weight_density, output_density : float
        Fraction of elements that are not zero, above 0 and at most 1, for engines that gate, skip or compress zeros.
        A dense engine does the same work at any density.
    input_signed, weight_signed : bool
        Whether operands are stored as two's complement. Unsigned ones of b bits become signed ones of b bits when
        2**(b - 1) is subtracted from values and zero point, which changes no product and no cost (precision reference, 7.4).
    output_bits : int or None
        Width of a final output word, 2 to 32; None for that of the inputs, see `output_width`.
    op : str
        ``mac``, or an operation channel by channel, which has K = 1 and a group per channel: ``add`` of two tensors (C = 2: the
        two operands, 1 x 1), ``multiply`` by one value per channel (C = 1, 1 x 1), ``max`` and ``average`` pooling (C = 1).
    """

    name: str
    K: int
    C: int
    P: int
    Q: int
    R: int = 1
    S: int = 1
    N: int = 1
    G: int = 1
    H: int = 0
    W: int = 0
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    input_bits: int = 8
    weight_bits: int = 8
    activation: Activation = "none"
    input_density: float = 1.0
    weight_density: float = 1.0
    input_signed: bool = True
    weight_signed: bool = True
    output_bits: int | None = None
    output_density: float = 1.0
    op: Op = "mac"

    def __post_init__(self) -> None:
        for dim in DIMS:
            _positive(self.name, dim, getattr(self, dim))
        for axis, (size, out, taps) in enumerate(((self.H, self.P, self.R), (self.W, self.Q, self.S))):
            extent = "HW"[axis]
            reach = (out - 1) * self.stride[axis] + (taps - 1) * self.dilation[axis] + 1
            least = reach - self.padding[axis] - self.padding[axis + 2]
            if size == 0:
                object.__setattr__(self, extent, max(1, least))
            elif size < least:
                raise SpecError(
                    f"{self.name}.{extent}", size, f"at least {least} for {out} outputs", "enlarge the input or the padding"
                )
        for field in ("stride", "dilation"):
            for value in getattr(self, field):
                _positive(self.name, field, value)
        if any(p < 0 for p in self.padding):
            raise SpecError(f"{self.name}.padding", self.padding, "non-negative integers", "crop the input instead")
        self._check_operands()

    def _check_operands(self) -> None:
        """Raise `SpecError` for a width, sign or density that is none."""
        widths = (("input_bits", OPERAND_BITS), ("weight_bits", OPERAND_BITS), ("output_bits", OUTPUT_BITS))
        for field, known in widths:
            value = getattr(self, field)
            if value is None and field == "output_bits":
                continue
            if not isinstance(value, int) or isinstance(value, bool) or value not in known:
                allowed = f"an integer from {known[0]} to {known[-1]}"
                raise SpecError(f"{self.name}.{field}", value, allowed, "choose one of these widths")
        self._check_op()
        for field in ("input_signed", "weight_signed"):
            if not isinstance(getattr(self, field), bool):
                raise SpecError(f"{self.name}.{field}", getattr(self, field), "true or false", "say whether values are signed")
        for field in ("input_density", "weight_density", "output_density"):
            value = getattr(self, field)
            if not isinstance(value, float | int) or isinstance(value, bool) or not 0 < value <= 1:
                raise SpecError(f"{self.name}.{field}", value, "a number above 0 and at most 1", "give the share of non-zeros")

    def _check_op(self) -> None:
        """Raise `SpecError` for an operation that there is not, or one whose shape is not channel by channel."""
        if self.op not in OPS:
            raise SpecError(f"{self.name}.op", self.op, ", ".join(OPS), "choose one of these operations")
        if self.op == "mac":
            return
        operands, point = (2 if self.op == "add" else 1), self.op in {"add", "multiply"}
        if (self.K, self.C) != (1, operands) or (point and (self.R, self.S) != (1, 1)):
            found = {dim: getattr(self, dim) for dim in "KCRS"}
            allowed = f"K = 1, C = {operands}" + (", R = S = 1" if point else "")
            raise SpecError(f"{self.name}.op", f"{self.op} with {found}", allowed, "give one group per channel")

    @classmethod
    def conv(
        cls, name: str, *, K: int, C: int, H: int, W: int, R: int, S: int, stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int, int, int] = 0, dilation: int | tuple[int, int] = 1, G: int = 1, N: int = 1, **rest: Any,
    ) -> Layer:  # fmt: skip
        """Build a convolution from its input size; K and C are totals over all groups."""
        st = (stride, stride) if isinstance(stride, int) else stride
        dil = (dilation, dilation) if isinstance(dilation, int) else dilation
        pad = (padding, padding, padding, padding) if isinstance(padding, int) else padding
        if K % G or C % G:
            raise SpecError(f"{name}.G", G, f"a divisor of K={K} and C={C}", "change the number of groups")
        P = (H + pad[0] + pad[2] - (R - 1) * dil[0] - 1) // st[0] + 1
        Q = (W + pad[1] + pad[3] - (S - 1) * dil[1] - 1) // st[1] + 1
        if P < 1 or Q < 1:
            allowed = "an input no smaller than the dilated filter"
            raise SpecError(f"{name}.H,W", (H, W), allowed, "enlarge the input or the padding")
        return cls(
            name=name, N=N, G=G, K=K // G, C=C // G, P=P, Q=Q, R=R, S=S, H=H, W=W, stride=st, dilation=dil, padding=pad, **rest
        )

    @classmethod
    def gemm(cls, name: str, *, M: int, N: int, K: int, **rest: Any) -> Layer:
        """Build C (M x N) = A (M x K) B (K x N).

        With ``G`` in `rest` it is a batch of G independent products, each with its own A and B: the columns of the G
        matrices A stand side by side as G x K channels, and so do the results. A batch that shares B is one product of
        more rows instead.
        """
        return cls(name=name, K=N, C=K, P=1, Q=M, H=1, W=M, **rest)

    @property
    def kind(self) -> str:
        """``gemm``, ``depthwise``, ``grouped`` or ``conv``."""
        if self.G > 1:
            return "depthwise" if self.C == 1 else "grouped"
        return "gemm" if (self.P, self.R, self.S, self.H) == (1, 1, 1, 1) else "conv"

    @property
    def macs(self) -> int:
        """Multiply-accumulates, padding included as the field counts them."""
        return self.N * self.G * self.K * self.C * self.P * self.Q * self.R * self.S

    @property
    def parameters(self) -> int:
        """Weights, without biases; none where the operation has no weights of its own."""
        return self.G * self.K * self.C * self.R * self.S if self.op == "mac" else 0

    @property
    def weight_words(self) -> int:
        """Elements in the role of weights: `parameters`, or for ``multiply`` the second tensor, a value per image and channel."""
        return self.N * self.G if self.op == "multiply" else self.parameters

    @property
    def input_words(self) -> int:
        """Elements of the input tensor."""
        return self.N * self.G * self.C * self.H * self.W

    @property
    def output_words(self) -> int:
        """Elements of the output tensor."""
        return self.N * self.G * self.K * self.P * self.Q

    @property
    def output_width(self) -> int:
        """Bits of a final output word."""
        return self.input_bits if self.output_bits is None else self.output_bits

    @property
    def shape(self) -> tuple[Any, ...]:
        """Everything but the name: layers of equal shape have equal mappings and costs."""
        return (
            self.N, self.G, self.K, self.C, self.P, self.Q, self.R, self.S, self.H, self.W,
            self.stride, self.dilation, self.padding, self.input_bits, self.weight_bits, self.activation,
            self.input_density, self.weight_density, self.input_signed, self.weight_signed, self.output_bits,
            self.output_density, self.op,
        )  # fmt: skip

    def flattened(self) -> Layer:
        """Merge rows into columns where nothing slides: a 1x1, stride-1, unpadded layer becomes P = 1, Q = P*Q.

        Memory layouts are the same word for word, so a mapping of the flattened layer runs on the original tensors.
        A plane of more than `LONGEST_ROW` pixels stays as it is: the layer program counts columns in 16 bits.
        """
        plain = (self.R, self.S) == (1, 1) and self.stride == (1, 1) and self.padding == (0, 0, 0, 0)
        if not plain or self.H != self.P or self.W != self.Q or self.P == 1 or self.P * self.Q > LONGEST_ROW:
            return self
        return replace(self, P=1, Q=self.P * self.Q, H=1, W=self.H * self.W, dilation=(1, 1))

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {"schema": SCHEMA, **asdict(self)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Layer:
        """Inverse of `to_dict`."""
        fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items() if k != "schema"}
        return cls(**fields)


@dataclass(frozen=True, slots=True)
class Network:
    """Layers in execution order.

    Attributes
    ----------
    name : str
        Preset name or file stem.
    layers : tuple of Layer
        The multiply-accumulate layers, one entry per occurrence.
    parameters : int
        Weights of the mapped layers, each tensor once (shared tensors are not counted twice).
    source : str
        Where the network comes from.
    traffic : tuple of TrafficLayer
        Operations between the layers that move data only. Mappers do not see them.
    """

    name: str
    layers: tuple[Layer, ...]
    parameters: int
    source: str = ""
    traffic: tuple[TrafficLayer, ...] = ()

    @property
    def macs(self) -> int:
        """Multiply-accumulates of all layers."""
        return sum(layer.macs for layer in self.layers)

    def distinct(self) -> list[tuple[Layer, int]]:
        """Return layers with distinct shapes and how often each occurs, in order of first appearance."""
        found: dict[tuple[Any, ...], list[Layer]] = {}
        for layer in self.layers:
            found.setdefault(layer.shape, []).append(layer)
        return [(group[0], len(group)) for group in found.values()]

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {
            "schema": SCHEMA, "name": self.name, "parameters": self.parameters, "source": self.source,
            "layers": [layer.to_dict() for layer in self.layers], "traffic": [entry.to_dict() for entry in self.traffic],
        }  # fmt: skip

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Network:
        """Inverse of `to_dict`."""
        layers = tuple(Layer.from_dict(entry) for entry in data["layers"])
        traffic = tuple(TrafficLayer.from_dict(entry) for entry in data.get("traffic", ()))
        return cls(data["name"], layers, data["parameters"], data.get("source", ""), traffic)


def only_macs(layer: Layer, model: str) -> None:
    """Raise `SpecError` for an operation channel by channel: `model` describes multiply-accumulates only."""
    if layer.op != "mac":
        fix = f"leave the operation out: {model} has multiply-accumulates only; dense accelerators run it"
        raise SpecError(f"{layer.name}.op", layer.op, "mac", fix)


def _positive(name: str, field: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise SpecError(f"{name}.{field}", value, "a positive integer", "correct the layer")
    if value > LARGEST:
        found = value if value < LARGEST**2 else "a longer number"
        raise SpecError(f"{name}.{field}", found, f"at most {LARGEST:,}", "split the layer")
