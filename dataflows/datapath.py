"""What operand widths and zeros do to a multiply-accumulate: its cycles, its energy and the bits of its operands.

Widths follow the precision reference (1, 2.4, 3 and 10.1) and the codesign reference (5.8), zeros the taxonomy of Sparseloop:
gating saves energy, skipping saves energy and time. All terms describe multipliers that never wait; engines add what they
lose to fragments, imbalance, conflicts and bandwidth.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from dataflows.compression import Number, checked_density
from dataflows.errors import SpecError, suggestion
from dataflows.feasible import Infeasible, InfeasibleError
from dataflows.option_text import join_options, split_options, whole

SCHEMES = ("parallel", "serial_weights", "serial_inputs", "serial_both", "composable")
STORAGE = ("tight", "rounded")
OPERANDS = ("weights", "inputs")
WIDEST = 16
"""Bits of the widest operand."""
_SERIAL = {
    "serial_weights": frozenset({"weights"}), "serial_inputs": frozenset({"inputs"}), "serial_both": frozenset(OPERANDS),
}  # fmt: skip
_WIDTHS = {"weight_bits": (1, WIDEST), "input_bits": (1, WIDEST), "acc_bits": (1, 64), "brick_bits": (1, WIDEST)}


@dataclass(frozen=True, slots=True)
class Datapath:
    """A multiplier with its accumulator.

    Attributes
    ----------
    scheme : str
        ``parallel``: one width, one multiply-accumulate per cycle. ``serial_weights`` (UNPU), ``serial_inputs`` (Stripes),
        ``serial_both`` (Loom, BISMO): one bit per cycle of these operands. ``composable``: small multipliers that fuse
        (Bit Fusion).
    weight_bits, input_bits : int
        Native widths, 1 to 16: those at which a multiply-accumulate counts as one.
    brick_bits : int
        Width of the small multipliers, a power of two below the native widths; 0 stands for 2. Composable only.
    acc_bits : int
        Width of the native accumulator.
    storage : str
        ``tight``: operands of any width lie side by side. ``rounded``: in fields of 2, 4, 8, 16 (32, 64) bits.
    gate, skip : frozenset of str
        Operands, of ``weights`` and ``inputs``, whose zeros save energy only, or energy and time.
    """

    scheme: str = "parallel"
    weight_bits: int = 8
    input_bits: int = 8
    brick_bits: int = 0
    acc_bits: int = 32
    storage: str = "tight"
    gate: frozenset[str] = frozenset()
    skip: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        _one_of(self.scheme, SCHEMES, "datapath.scheme")
        _one_of(self.storage, STORAGE, "datapath.storage")
        if self.scheme == "composable":
            object.__setattr__(self, "brick_bits", 2 if self.brick_bits == 0 else self.brick_bits)
        elif self.brick_bits != 0:
            fix = f"remove it: {self.scheme} multipliers have none"
            raise SpecError("datapath.brick_bits", self.brick_bits, "bricks of a composable datapath", fix)
        for name, (low, high) in _WIDTHS.items():
            if name != "brick_bits" or self.scheme == "composable":
                whole(getattr(self, name), f"datapath.{name}", low, high)
        for name in ("weight_bits", "input_bits") if self.scheme == "composable" else ():
            bricks, rest = divmod(getattr(self, name), self.brick_bits)
            if rest or bricks < 1 or bricks & (bricks - 1):
                allowed = f"{self.brick_bits} times a power of two, the bricks that fuse"
                raise SpecError(f"datapath.{name}", getattr(self, name), allowed, "change it or brick_bits")
        for name in ("gate", "skip"):
            object.__setattr__(self, name, _operands(getattr(self, name), f"datapath.{name}"))
        if both := self.gate & self.skip:
            allowed = "operands that are not skipped: what is skipped costs no energy either"
            raise SpecError("datapath.gate", "+".join(sorted(both)), allowed, "remove them from gate or from skip")

    def misfits(self, weight_bits: int, input_bits: int, subject: str = "") -> list[Infeasible]:
        """Return the operands too wide for the multiplier: serial ones never are, composable ones take more passes."""
        whole(weight_bits, "weight_bits", 1, WIDEST)
        whole(input_bits, "input_bits", 1, WIDEST)
        if self.scheme == "composable":
            return []
        sizes = (("weights", weight_bits, self.weight_bits), ("inputs", input_bits, self.input_bits))
        remedy = "choose narrower operands, a wider datapath, or one that is composable or serial in this operand"
        return [
            Infeasible(f"datapath.{operand}", bits, native, "bits", remedy, subject)
            for operand, bits, native in sizes
            if bits > native and operand not in _SERIAL.get(self.scheme, ())
        ]

    def passes(self, weight_bits: int, input_bits: int) -> Fraction:
        """Return the cycles of one multiply-accumulate relative to one at the native widths.

        Serial schemes take the real width, composable ones the next width that bricks fuse to; a composable datapath feeds
        what is wider than native in halves, over more cycles (precision reference, 2.4 and 10.1). A lower bound: below 1
        the reduction must fill the lanes (`lane_padding`), serial machines must have as many products at work as they need.

        Raises
        ------
        SpecError
            For widths outside 1 to 16.
        InfeasibleError
            For an operand too wide for the multiplier (`misfits`).
        """
        if reasons := self.misfits(weight_bits, input_bits):
            raise InfeasibleError(reasons)
        if self.scheme == "composable":
            return Fraction(self._fused(weight_bits) * self._fused(input_bits), self.weight_bits * self.input_bits)
        serial = _SERIAL.get(self.scheme, ())
        by_weights = Fraction(weight_bits, self.weight_bits) if "weights" in serial else Fraction(1)
        return by_weights * (Fraction(input_bits, self.input_bits) if "inputs" in serial else 1)

    def _fused(self, bits: int) -> int:
        bricks = -(-bits // self.brick_bits)
        return self.brick_bits << (bricks - 1).bit_length()

    def lanes(self, weight_bits: int, input_bits: int) -> int:
        """Return the products of one reduction that the multiplier adds up in one cycle (precision reference, 2.4)."""
        self.passes(weight_bits, input_bits)
        if self.scheme != "composable":
            return 1
        narrow = self.weight_bits // min(self._fused(weight_bits), self.weight_bits)
        return narrow * (self.input_bits // min(self._fused(input_bits), self.input_bits))

    def lane_padding(self, reduction: int, rows: int, weight_bits: int, input_bits: int) -> Fraction:
        """Return the padded over the real length of a reduction on `rows` multipliers: cdiv(K, R p) R p / K."""
        vector = whole(rows, "rows", 1, 1 << 30) * self.lanes(weight_bits, input_bits)
        return Fraction(-(-whole(reduction, "reduction", 1, 1 << 62) // vector) * vector, reduction)

    def mac_energy(self, weight_bits: int, input_bits: int, acc_bits: int | None = None) -> float:
        """Return the energy of one multiply-accumulate over that at the native widths.

        A cycle takes one unit per bit product that switches and one per accumulator bit: an 8 x 8 multiply of 0.2 pJ and a
        32-bit add of 0.1 pJ make the units equal (Horowitz, ISSCC 2014). Parallel multipliers gate the bits they do not
        need, serial ones have one bit of each serial operand per cycle, composable ones switch as a whole, whatever the
        width (codesign reference, 5.8; precision reference, 2.12). Nothing here compares one scheme with another: a
        composable unit takes more energy than a parallel one of its native widths.

        Parameters
        ----------
        weight_bits, input_bits : int
            Widths of the operands.
        acc_bits : int, optional
            Width of the sums, the native one if not given.
        """
        sums = self.acc_bits if acc_bits is None else whole(acc_bits, "acc_bits", 1, 128)
        cycle = self._switching(weight_bits, input_bits) + sums
        native = self._switching(self.weight_bits, self.input_bits) + self.acc_bits
        return float(self.passes(weight_bits, input_bits) * Fraction(cycle, native))

    def _switching(self, weight_bits: int, input_bits: int) -> int:
        """Bit products of one cycle."""
        if self.scheme == "composable":
            return self.weight_bits * self.input_bits
        serial = _SERIAL.get(self.scheme, ())
        return (1 if "weights" in serial else weight_bits) * (1 if "inputs" in serial else input_bits)

    def stored_bits(self, bits: int) -> int:
        """Return the memory bits of one operand or partial sum, by `storage`.

        Tight packing needs a reader that crosses word borders, whose area is not counted here.
        """
        whole(bits, "bits", 1, 128)
        return bits if self.storage == "tight" else max(2, 1 << (bits - 1).bit_length())

    @staticmethod
    def psum_bits(weight_bits: int, input_bits: int, reduction: int) -> int:
        """Return the width of a sum of `reduction` products, w + a + ceil(log2 K) (codesign reference, 5.8).

        Enough for signed x signed and unsigned x signed; unsigned x unsigned fits as an unsigned number. The bias is not
        included.
        """
        whole(weight_bits, "weight_bits", 1, WIDEST)
        whole(input_bits, "input_bits", 1, WIDEST)
        return weight_bits + input_bits + (whole(reduction, "reduction", 1, 1 << 62) - 1).bit_length()

    def work(self, weight_density: Number = 1, input_density: Number = 1) -> tuple[Number, Number]:
        """Return the shares of multiply-accumulates that take a cycle, and that take energy.

        Zeros are independent and uniform, and the work is balanced perfectly: the time is a lower bound, which engines
        miss by fragments, imbalance at barriers and conflicts. Exact for a `Fraction`.

        Raises
        ------
        SpecError
            For a density outside 0 to 1.
        """
        densities = {
            "weights": checked_density(weight_density, "weight_density"),
            "inputs": checked_density(input_density, "input_density"),
        }
        time = math.prod(densities[operand] for operand in OPERANDS if operand in self.skip)
        return time, time * math.prod(densities[operand] for operand in OPERANDS if operand in self.gate)

    def to_dict(self) -> dict[str, Any]:
        """Return the YAML form, all fields of the scheme written out."""
        bricks = {"brick_bits": self.brick_bits} if self.scheme == "composable" else {}
        return {
            "scheme": self.scheme, "weight_bits": self.weight_bits, "input_bits": self.input_bits, **bricks,
            "acc_bits": self.acc_bits, "storage": self.storage, "gate": _ordered(self.gate), "skip": _ordered(self.skip),
        }  # fmt: skip

    def __str__(self) -> str:
        shown = self.to_dict()
        del shown["scheme"]
        for name, default in (("acc_bits", 32), ("storage", "tight"), ("gate", []), ("skip", [])):
            if shown[name] == default:
                del shown[name]
        return join_options(self.scheme, {k: "+".join(v) if isinstance(v, list) else v for k, v in shown.items()})

    @classmethod
    def parse(cls, value: Any, path: str = "datapath") -> Datapath:
        """Read ``composable:weight_bits=8,input_bits=8,gate=inputs`` or the YAML form; `SpecError` with the field's path."""
        if isinstance(value, Datapath):
            return value
        if isinstance(value, str):
            scheme, given = split_options(value, path)
        elif isinstance(value, dict):
            scheme, given = value.get("scheme", "parallel"), {str(k): item for k, item in value.items() if k != "scheme"}
        else:
            raise SpecError(path, value, "text such as parallel:weight_bits=8, or {scheme: parallel}", "correct the value")
        known = (*_WIDTHS, "storage", "gate", "skip")
        for key in given:
            if key not in known:
                raise SpecError(f"{path}.{key}", given[key], ", ".join(known), suggestion(key, known))
        options: dict[str, Any] = dict(given)
        for key in _WIDTHS.keys() & given.keys():
            whole(given[key], f"{path}.{key}", *_WIDTHS[key])
        try:
            return cls(scheme, **options)
        except SpecError as error:
            raise SpecError(path + error.path.removeprefix("datapath"), error.found, error.allowed, error.fix) from None


def _one_of(value: Any, known: tuple[str, ...], path: str) -> None:
    if value not in known:
        raise SpecError(path, value, ", ".join(known), suggestion(str(value), known, "choose one of these"))


def _ordered(operands: Iterable[str]) -> list[str]:
    return [operand for operand in OPERANDS if operand in operands]


def _operands(value: Any, path: str) -> frozenset[str]:
    """Read a set of operands, or their names joined by ``+``."""
    parts = value.split("+") if isinstance(value, str) else value
    allowed = "weights, inputs, both (weights+inputs in text), or an empty list"
    if not isinstance(parts, list | tuple | set | frozenset):
        raise SpecError(path, value, allowed, "give a list")
    for part in parts:
        if part not in OPERANDS:
            raise SpecError(path, part, allowed, suggestion(str(part), OPERANDS, "choose one of these"))
    return frozenset(parts)


PARALLEL = Datapath()
"""8 x 8 bits, every product takes its cycle."""
