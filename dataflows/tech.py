"""Technology tables: energy per access and area, every entry with its unit and source.

SRAM figures are fits to CACTI; logic is scaled from published blocks. They are meant for comparing designs: wires,
clock tree, leakage, sequencer and memory controller are not in them.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from dataflows.errors import SpecError

CACTI = "CACTI as bundled with hwcomponents 1.0.40: 64-bit port, 1 bank, 1 read/write port, 1 to 512 KB"
SRAM_BITS = 64
SRAM_KB = tuple(2**i for i in range(10))
CACTI_ROWS: dict[int, dict[str, tuple[float, ...]]] = {
    45: {
        "read_pj": (1.67, 2.76, 3.39, 6.14, 11.6, 17.0, 25.9, 32.3, 44.7, 68.4),
        "write_pj": (3.49, 4.24, 6.45, 7.88, 10.7, 15.4, 19.7, 26.1, 38.5, 51.4),
        "area_mm2": (0.0036, 0.0075, 0.0135, 0.0263, 0.0507, 0.0949, 0.209, 0.430, 0.872, 1.645),
    },
    22: {
        "read_pj": (0.380, 0.648, 1.17, 1.59, 2.64, 3.79, 5.67, 7.40, 11.9, 15.3),
        "write_pj": (0.785, 0.943, 1.25, 1.77, 2.28, 3.10, 4.43, 6.16, 8.83, 12.2),
        "area_mm2": (0.00086, 0.0018, 0.0035, 0.0063, 0.0151, 0.0267, 0.0586, 0.119, 0.225, 0.442),
    },
}

MAC_SHEET = {(4, 4): 3066.0 / 16, (8, 8): 8171.7 / 16, (16, 16): 26870.5 / 16}
"""um2 of one multiply-accumulate unit by operand widths: 4 x 4 arrays of the Bit Fusion synthesis sheet, 45 nm, 500 MHz."""


@dataclass(frozen=True)
class PowerLaw:
    """``scale * KB**exponent`` with its error over the points it was fitted to."""

    scale: float
    exponent: float
    worst: float
    mean: float

    @classmethod
    def fit(cls, kilobytes: tuple[float, ...], values: tuple[float, ...]) -> PowerLaw:
        """Fit by least squares of logarithms."""
        x, y = np.log(kilobytes), np.log(values)
        exponent, offset = np.polyfit(x, y, 1)
        error = np.abs(np.exp(offset + exponent * x - y) - 1)
        return cls(float(np.exp(offset)), float(exponent), float(error.max()), float(error.mean()))

    def __call__(self, kilobytes: float) -> float:
        """Evaluate; sizes outside the fitted range cost as much as its nearest end."""
        return self.scale * min(max(kilobytes, SRAM_KB[0]), SRAM_KB[-1]) ** self.exponent


@dataclass(frozen=True, slots=True)
class Entry:
    """One constant: its value, unit and where it comes from."""

    value: float
    unit: str
    source: str


@dataclass(frozen=True, eq=False)
class Technology:
    """Energy and area of one process node.

    Attributes
    ----------
    name : str
        e.g. ``45nm``.
    node_nm : int
        Process node.
    entries : dict
        The constants by name, each an `Entry`.
    """

    name: str
    node_nm: int
    entries: dict[str, Entry]

    def value(self, name: str) -> float:
        """Return one constant."""
        return self.entries[name].value

    @cached_property
    def sram(self) -> dict[str, PowerLaw]:
        """The three CACTI fits: ``read_pj``, ``write_pj`` and ``area_mm2`` of a 64-bit wide bank against its size in KB."""
        return {name: PowerLaw.fit(SRAM_KB, row) for name, row in CACTI_ROWS[self.node_nm].items()}

    def _banks(self, words: int, word_bits: int) -> tuple[float, float]:
        """Cut a buffer into 64-bit wide banks: (number, KB of each); a narrower word is a fraction of a bank."""
        return word_bits / SRAM_BITS, words * SRAM_BITS / 8192

    def sram_read_pj(self, words: int, word_bits: int) -> float:
        """Energy to read one word of `word_bits` from a buffer `words` deep."""
        banks, kilobytes = self._banks(words, word_bits)
        return banks * self.sram["read_pj"](kilobytes)

    def sram_write_pj(self, words: int, word_bits: int) -> float:
        """Energy to write one word."""
        banks, kilobytes = self._banks(words, word_bits)
        return banks * self.sram["write_pj"](kilobytes)

    def sram_area_um2(self, words: int, word_bits: int) -> float:
        """Area of a buffer."""
        banks, kilobytes = self._banks(words, word_bits)
        return banks * self.sram["area_mm2"](kilobytes) * 1e6

    def mac_pj(self, input_bits: int, weight_bits: int, acc_bits: int) -> float:
        """One multiply-accumulate: the multiplier grows with the product of widths, the adder with its own."""
        return self.value("multiply_8x8_pj") * input_bits * weight_bits / 64 + self.value("add_32_pj") * acc_bits / 32

    def register_pj(self, bits: int) -> float:
        """Return the energy of writing a register of `bits`."""
        return self.value("register_bit_pj") * bits

    def dram_pj(self, bits: int) -> float:
        """Return the energy of moving `bits` to or from DRAM."""
        return self.value("dram_bit_pj") * bits

    def requantise_pj(self, acc_bits: int) -> float:
        """One output through the post unit: a multiply by 32 bits, the bias and rounding adds, a shift."""
        widths = acc_bits / 32
        adds = 2 * self.value("add_32_pj")
        return widths * (self.value("multiply_32x32_pj") + adds + self.value("shift_32_pj"))

    def pe_area_um2(self, input_bits: int, weight_bits: int) -> float:
        """One PE: multiplier, accumulating adder and registers."""
        return self.value("pe_base_um2") + self.value("pe_per_bit_product_um2") * input_bits * weight_bits

    def post_lane_area_um2(self, acc_bits: int) -> float:
        """One requantiser lane."""
        return self.value("post_lane_32_um2") * acc_bits / 32

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary with sources and fit errors."""
        return {
            "name": self.name,
            "node_nm": self.node_nm,
            "entries": {name: asdict(entry) for name, entry in self.entries.items()},
            "sram": {name: {**asdict(fit), "source": CACTI} for name, fit in self.sram.items()},
        }


def mac_area_fit() -> tuple[float, float, float]:
    """Fit ``base + slope * input_bits * weight_bits`` to the synthesis sheet; return (base, slope, worst relative error)."""
    products = np.array([a * b for a, b in MAC_SHEET], dtype=float)
    areas = np.array(list(MAC_SHEET.values()))
    basis = np.stack([np.ones_like(products), products], axis=1)
    coefficients = np.linalg.lstsq(basis / areas[:, None], np.ones_like(areas), rcond=None)[0]
    error = np.abs(basis @ coefficients / areas - 1).max()
    return float(coefficients[0]), float(coefficients[1]), float(error)


def node_ratio(names: tuple[str, ...]) -> float:
    """Return the geometric mean of 22 nm over 45 nm of the CACTI rows called `names`."""
    logs = [
        math.log(small / large)
        for name in names
        for small, large in zip(CACTI_ROWS[22][name], CACTI_ROWS[45][name], strict=True)
    ]
    return math.exp(sum(logs) / len(logs))


def _entries_45() -> dict[str, Entry]:
    base, slope, worst = mac_area_fit()
    horowitz = "Horowitz, ISSCC 2014, 45 nm"
    aladdin = "Aladdin datapath tables at 1 ns, 40/45 nm"
    sheet = f"Bit Fusion synthesis sheet, 45 nm, 500 MHz, fixed 4x4 arrays at 4, 8, 16 bits; linear fit, worst error {worst:.0%}"
    return {
        "multiply_8x8_pj": Entry(0.2, "pJ", f"{horowitz}; scaled with the product of operand widths"),
        "multiply_32x32_pj": Entry(3.1, "pJ", horowitz),
        "add_32_pj": Entry(0.1, "pJ", f"{horowitz}; scaled with width"),
        "shift_32_pj": Entry(0.417, "pJ", aladdin),
        "register_bit_pj": Entry(0.009, "pJ per bit written", aladdin),
        "dram_bit_pj": Entry(8.0, "pJ per bit", "Accelergy's LPDDR4 figure: 64 pJ per 8-bit word"),
        "pe_base_um2": Entry(base, "um2", sheet),
        "pe_per_bit_product_um2": Entry(slope, "um2 per input bit and weight bit", sheet),
        "post_lane_32_um2": Entry(6350 + 2 * 278 + 250, "um2", f"{aladdin}: 32-bit multiplier, two adders, shifter"),
    }


def _entries_22() -> dict[str, Entry]:
    energy, area = node_ratio(("read_pj", "write_pj")), node_ratio(("area_mm2",))
    found = {}
    for name, entry in _entries_45().items():
        if name.startswith("dram"):
            found[name] = entry  # off chip: does not shrink with the chip
            continue
        ratio = area if name.endswith("um2") else energy
        note = f"{entry.source}; times {ratio:.3f}, the mean 22 nm / 45 nm ratio of the CACTI rows"
        found[name] = Entry(entry.value * ratio, entry.unit, note)
    return found


TECHNOLOGIES = {"45nm": Technology("45nm", 45, _entries_45()), "22nm": Technology("22nm", 22, _entries_22())}
DEFAULT_TECHNOLOGY = "45nm"


def technology(name: str = DEFAULT_TECHNOLOGY) -> Technology:
    """Return the table called `name`; raise `SpecError` if there is none."""
    if name not in TECHNOLOGIES:
        raise SpecError("technology", name, ", ".join(TECHNOLOGIES), "choose one of these tables")
    return TECHNOLOGIES[name]
