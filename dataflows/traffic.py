"""Operations without multiply-accumulates: element-wise sums, pooling, normalisation. Only their data movement is kept."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from dataflows.errors import SpecError

OPS = ("add", "mul", "activation", "maxpool", "avgpool", "softmax", "norm", "move")


@dataclass(frozen=True, slots=True)
class TrafficLayer:
    """One operation that moves words and multiplies nothing on the array.

    Attributes
    ----------
    name : str
        Unique among the traffic entries of a network.
    op : str
        One of `OPS`.
    input_words, output_words : int
        Elements read and written when every operand is moved once.
    bits : int
        Width of an element.
    after : str
        Name of the multiply-accumulate layer it follows; empty when it comes first.
    """

    name: str
    op: str
    input_words: int
    output_words: int
    bits: int = 8
    after: str = ""

    def __post_init__(self) -> None:
        if self.op not in OPS:
            raise SpecError(f"{self.name}.op", self.op, ", ".join(OPS), "choose one of these operations")
        for field in ("input_words", "output_words", "bits"):
            value = getattr(self, field)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise SpecError(f"{self.name}.{field}", value, "a positive integer", "correct the entry")

    @classmethod
    def elementwise(cls, name: str, op: str, words: int, *, operands: int = 1, bits: int = 8, after: str = "") -> TrafficLayer:
        """Build an operation on `operands` tensors of `words` elements each, which makes one such tensor."""
        return cls(name, op, operands * words, words, bits, after)

    @classmethod
    def pool(
        cls, name: str, op: str, *, C: int, H: int, W: int, R: int, S: int, stride: int, padding: int = 0, ceil: bool = False,
        N: int = 1, bits: int = 8, after: str = "",
    ) -> TrafficLayer:  # fmt: skip
        """Build a pooling of C channels from its input size; the output size rounds down unless `ceil` is set.

        Frameworks differ in the rounding (dense reference, 13.5). Rounding up counts windows that reach past the end, but
        not those that would start in the padding there, as ONNX and PyTorch do.
        """
        if stride < 1 or padding < 0:
            raise SpecError(f"{name}.stride, padding", (stride, padding), "a positive and a non-negative integer", "correct them")
        out = [pooled(size, taps, stride, padding, ceil) for size, taps in ((H, R), (W, S))]
        if min(out) < 1:
            raise SpecError(f"{name}.H,W", (H, W), "an input that the window fits", "enlarge the input or the padding")
        return cls(name, op, N * C * H * W, N * C * out[0] * out[1], bits, after)

    @property
    def macs(self) -> int:
        """Zero: these operations use no multiplier of the array."""
        return 0

    @property
    def words(self) -> int:
        """Elements read and written."""
        return self.input_words + self.output_words

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> TrafficLayer:
        """Inverse of `to_dict`."""
        return cls(**data)


def pooled(size: int, window: int, stride: int, padding: int = 0, ceil: bool = False) -> int:
    """Return the output extent of a pooling along one axis; less than 1 when the window does not fit."""
    span = size + 2 * padding - window
    count = (-(-span // stride) if ceil else span // stride) + 1
    return count - 1 if ceil and (count - 1) * stride >= size + padding else count
