"""Technology tables: energy per access, area and leakage, every entry with its unit and source.

SRAM figures are CACTI's (`dataflows.sram_tables`); logic is scaled from published blocks. They are meant for comparing
designs: wires, clock tree, sequencer and memory controller are not in them.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from dataflows.errors import SpecError, suggestion
from dataflows.sram_tables import CACTI, CACTI_ROWS, SRAM_BITS, TWO_PORT_ROWS, Curve, curves

MAC_SHEET = {(4, 4): 3066.0 / 16, (8, 8): 8171.7 / 16, (16, 16): 26870.5 / 16}
"""um2 of one multiply-accumulate unit by operand widths: 4 x 4 arrays of the Bit Fusion synthesis sheet, 45 nm, 500 MHz."""
COMPOSABLE_SHEET = {
    4: (5670.2 / 3066.0, 942252 / 659402), 8: (27752.8 / 8171.7, 3673500 / 1627500), 16: (141302.2 / 26870.5, 16907600 / 4821500),
}  # fmt: skip
"""Area and dynamic power of a composable unit of 2-bit bricks over a fixed one, by native width: 4 x 4 arrays of that sheet."""
LEAKAGE_SHEET = 257700 / 8171.7
"""nW per um2 of logic: the 4 x 4 array of fixed 8 x 8 units of that sheet."""


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
    def sram(self) -> dict[str, Curve]:
        """CACTI's ``read_pj``, ``write_pj``, ``area_mm2`` and ``leakage_uw`` of a 64-bit wide bank against its size in KB."""
        return curves(CACTI_ROWS[self.node_nm])

    @cached_property
    def sram_two_ports(self) -> dict[str, Curve]:
        """The same with one port to read and one to write."""
        return curves(TWO_PORT_ROWS[self.node_nm])

    def _sram(self, name: str, words: float, word_bits: int, ports: int) -> float:
        """Read a curve for a buffer cut into 64-bit wide banks side by side; a narrower word is a fraction of a bank.

        CACTI's own 32-bit and 128-bit banks take 0.80 to 1.47 of that; one bank of 256 (512) bits takes up to 1.60 (1.67)
        to read and 1.72 (2.17) to write, so wide words are taken to come from several banks.
        """
        curve = (self.sram if ports == 1 else self.sram_two_ports)[name]
        return word_bits / SRAM_BITS * curve(words * SRAM_BITS / 8192)

    def sram_read_pj(self, words: float, word_bits: int, ports: int = 1) -> float:
        """Energy to read one word of `word_bits` from a buffer `words` deep."""
        return self._sram("read_pj", words, word_bits, ports)

    def sram_write_pj(self, words: float, word_bits: int, ports: int = 1) -> float:
        """Energy to write one word."""
        return self._sram("write_pj", words, word_bits, ports)

    def sram_area_um2(self, words: float, word_bits: int, ports: int = 1) -> float:
        """Area of a buffer."""
        return self._sram("area_mm2", words, word_bits, ports) * 1e6

    def sram_leakage_mw(self, words: float, word_bits: int, ports: int = 1) -> float:
        """Power that a buffer leaks."""
        return self._sram("leakage_uw", words, word_bits, ports) * 1e-3

    def logic_leakage_mw(self, area_um2: float) -> float:
        """Power that logic of an area leaks; 0 where the table has no figure."""
        return (
            self.entries["logic_leakage_nw_per_um2"].value * area_um2 * 1e-6
            if "logic_leakage_nw_per_um2" in self.entries
            else 0.0
        )

    def mac_pj(self, input_bits: int, weight_bits: int, acc_bits: int) -> float:
        """One multiply-accumulate: the multiplier grows with the product of widths, the adder with its own."""
        return self.value("multiply_8x8_pj") * input_bits * weight_bits / 64 + self.value("add_32_pj") * acc_bits / 32

    def register_pj(self, bits: int) -> float:
        """Return the energy of writing a register of `bits`."""
        return self.value("register_bit_pj") * bits

    def register_area_um2(self, bits: int) -> float:
        """Return the area of registers."""
        return self.value("register_bit_um2") * bits

    def add_pj(self, bits: int) -> float:
        """Return the energy of one addition."""
        return self.value("add_32_pj") * bits / 32

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
        """Return a JSON-ready dictionary with sources and the rows of the SRAM curves."""
        return {
            "name": self.name,
            "node_nm": self.node_nm,
            "entries": {name: asdict(entry) for name, entry in self.entries.items()},
            "sram": {
                name: {"kilobytes": list(curve.kilobytes), "values": list(curve.values), "source": CACTI}
                for name, curve in self.sram.items()
            },
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
        math.log(small / large) for name in names for small, large in zip(CACTI_ROWS[22][name], CACTI_ROWS[45][name], strict=True)
    ]
    return math.exp(sum(logs) / len(logs))


_ACCELERGY = "Accelergy's DRAM table (hwcomponents-cacti)"
DRAM = {
    "lpddr4": Entry(8.0, "pJ per bit", f"{_ACCELERGY}: 64 pJ per 8-bit word"),
    "lpddr": Entry(40.0, "pJ per bit", f"{_ACCELERGY}, which names Malladi et al., ISCA 2012"),
    "ddr3": Entry(70.0, "pJ per bit", f"{_ACCELERGY}, which names Chatterjee et al., MICRO 2017"),
    "gddr5": Entry(14.0, "pJ per bit", _ACCELERGY),
    "hbm2": Entry(3.9, "pJ per bit", _ACCELERGY),
    "hmc": Entry(4.2, "pJ per bit", f"{_ACCELERGY}, which names Gao et al., ASPLOS 2017"),
}
"""Energy of moving a bit to or from a kind of DRAM, device and interface together."""


def dram(name: str, path: str = "dram") -> Entry:
    """Return a kind of DRAM; raise `SpecError` if there is none of that name."""
    if not isinstance(name, str) or name not in DRAM:
        raise SpecError(path, name, ", ".join(DRAM), suggestion(str(name), DRAM, "choose one of these"))
    return DRAM[name]


def composable_ratios(weight_bits: int, input_bits: int, brick_bits: int) -> tuple[float, float] | None:
    """Return area and energy of a composable unit over a fixed one of its native widths, read off `COMPOSABLE_SHEET`.

    Between the rows straight lines in logarithms of the native width, the geometric mean of both. None where the sheet
    has nothing: other bricks than 2 bits, and widths outside 4 to 16.
    """
    width = math.sqrt(weight_bits * input_bits)
    if brick_bits != 2 or not min(COMPOSABLE_SHEET) <= width <= max(COMPOSABLE_SHEET):
        return None
    sizes = tuple(float(size) for size in COMPOSABLE_SHEET)
    area, energy = (Curve(sizes, column)(width) for column in zip(*COMPOSABLE_SHEET.values(), strict=True))
    return area, energy


def _entries_45() -> dict[str, Entry]:
    base, slope, worst = mac_area_fit()
    horowitz = "Horowitz, ISSCC 2014, 45 nm"
    aladdin = "Aladdin datapath tables at 1 ns, 40/45 nm"
    sheet = f"Bit Fusion synthesis sheet, 45 nm, 500 MHz, fixed 4x4 arrays at 4, 8, 16 bits; linear fit, worst error {worst:.0%}"
    sheet_leakage = "Bit Fusion synthesis sheet, 45 nm: leakage over area of the fixed 8 x 8 array"
    return {
        "multiply_8x8_pj": Entry(0.2, "pJ", f"{horowitz}; scaled with the product of operand widths"),
        "multiply_32x32_pj": Entry(3.1, "pJ", horowitz),
        "add_32_pj": Entry(0.1, "pJ", f"{horowitz}; scaled with width"),
        "shift_32_pj": Entry(0.417, "pJ", aladdin),
        "register_bit_pj": Entry(0.009, "pJ per bit written", aladdin),
        "register_bit_um2": Entry(5.98, "um2 per bit", aladdin),
        "dram_bit_pj": DRAM["lpddr4"],
        "clock_mhz": Entry(500.0, "MHz", "clock of the Bit Fusion synthesis sheet"),
        "logic_leakage_nw_per_um2": Entry(LEAKAGE_SHEET, "nW per um2", sheet_leakage),
        "pe_base_um2": Entry(base, "um2", sheet),
        "pe_per_bit_product_um2": Entry(slope, "um2 per input bit and weight bit", sheet),
        "post_lane_32_um2": Entry(6350 + 2 * 278 + 250, "um2", f"{aladdin}: 32-bit multiplier, two adders, shifter"),
    }


def _entries_22() -> dict[str, Entry]:
    energy, area = node_ratio(("read_pj", "write_pj")), node_ratio(("area_mm2",))
    found = {}
    for name, entry in _entries_45().items():
        if name.startswith(("dram", "clock")):
            found[name] = entry  # off chip: does not shrink with the chip; the clock is a common base for comparison
            continue
        if name.startswith("logic_leakage"):
            continue  # leakage does not follow size, and no source gives it
        ratio = area if name.endswith("um2") else energy
        note = f"{entry.source}; times {ratio:.3f}, the mean 22 nm / 45 nm ratio of the CACTI rows"
        found[name] = Entry(entry.value * ratio, entry.unit, note)
    return found


TECHNOLOGIES = {"45nm": Technology("45nm", 45, _entries_45()), "22nm": Technology("22nm", 22, _entries_22())}
DEFAULT_TECHNOLOGY = "45nm"


def technology(name: str = DEFAULT_TECHNOLOGY) -> Technology:
    """Return the table called `name`; raise `SpecError` if there is none."""
    if not isinstance(name, str) or name not in TECHNOLOGIES:
        raise SpecError("technology", name, ", ".join(TECHNOLOGIES), "choose one of these tables")
    return TECHNOLOGIES[name]
