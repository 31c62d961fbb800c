"""What CACTI says of SRAMs that are 64 bits wide, by size; and how a size between two rows is read off.

Computed with the CACTI that hwcomponents-cacti 1.0.40 bundles and the settings that it gives: low-standby-power cells at 300 K
(``itrs-lstp``), one bank, least leakage first.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass

CACTI = "CACTI as bundled with hwcomponents-cacti 1.0.40: itrs-lstp cells, 300 K, 64-bit port, 1 bank"
SRAM_BITS = 64
SRAM_KB = tuple(2.0**i for i in range(-1, 14))
Rows = dict[str, tuple[float, ...]]
CACTI_ROWS: dict[int, Rows] = {
    45: {
        "read_pj": (1.41, 1.67, 2.76, 3.39, 6.14, 11.6, 17.0, 25.9, 32.3, 44.7, 68.4, 93.5, 127.5, 188.7, 254.9),
        "write_pj": (2.28, 3.49, 4.24, 6.45, 7.88, 10.7, 15.4, 19.7, 26.1, 38.5, 51.4, 76.2, 110.2, 155.1, 221.2),
        "area_mm2": (
            0.00214, 0.0036, 0.0075, 0.0135, 0.0263, 0.0507, 0.0949, 0.209, 0.430, 0.872, 1.645, 3.263, 6.466, 11.99, 23.76,
        ),
        "leakage_uw": (
            0.01892, 0.03539, 0.07417, 0.1404, 0.2568, 0.4692, 0.9239, 1.67, 3.341, 6.681, 12.5, 24.96, 49.93, 99.18, 198.4,
        ),
    },
    22: {
        "read_pj": (0.307, 0.380, 0.648, 1.17, 1.59, 2.64, 3.79, 5.67, 7.40, 11.9, 15.3, 23.5, 31.6, 43.9, 60.0),
        "write_pj": (0.500, 0.785, 0.943, 1.25, 1.77, 2.28, 3.10, 4.43, 6.16, 8.83, 12.2, 17.5, 25.6, 37.9, 54.0),
        "area_mm2": (
            0.00051, 0.00086, 0.0018, 0.0035, 0.0063, 0.0151, 0.0267, 0.0586, 0.119, 0.225, 0.442, 0.778, 1.543, 3.080, 6.099,
        ),
        "leakage_uw": (
            0.1435, 0.2688, 0.5153, 0.8924, 1.617, 2.872, 5.456, 9.77, 19.54, 35.37, 70.56, 137.9, 275.8, 551.6, 1103.0,
        ),
    },
}  # fmt: skip
"""One port that reads or writes."""
TWO_PORT_ROWS: dict[int, Rows] = {
    45: {
        "read_pj": (1.668, 1.985, 3.367, 4.157, 7.655, 14.61, 19.51, 33.95, 44.41, 64.8, 94.66, 136.0, 196.7, 290.2, 411.5),
        "write_pj": (2.807, 4.325, 5.28, 8.063, 9.89, 13.5, 18.4, 26.17, 36.62, 57.01, 73.34, 114.3, 175.0, 248.0, 369.3),
        "area_mm2": (
            0.004524, 0.00761, 0.01594, 0.02813, 0.05332, 0.1022, 0.2206, 0.4155, 0.85, 1.722, 3.276, 6.519, 12.91, 23.79, 47.26,
        ),
        "leakage_uw": (
            0.0231, 0.0438, 0.09247, 0.175, 0.3235, 0.5807, 1.161, 2.116, 4.233, 8.465, 16.06, 32.1, 64.2, 127.6, 255.3,
        ),
    },
    22: {
        "read_pj": (0.3727, 0.4639, 0.8115, 1.488, 2.015, 3.524, 5.06, 7.774, 10.61, 16.26, 22.12, 34.19, 48.8, 69.62, 99.16),
        "write_pj": (0.6243, 0.9829, 1.192, 1.591, 2.253, 3.075, 4.209, 6.217, 9.056, 13.24, 18.24, 26.71, 41.32, 63.62, 91.68),
        "area_mm2": (
            0.001084, 0.001824, 0.003819, 0.007256, 0.01275, 0.03022, 0.05272, 0.1175, 0.2378, 0.4117, 0.8967, 1.558, 3.087,
            5.862, 12.23,
        ),
        "leakage_uw": (
            0.1761, 0.3357, 0.6559, 1.148, 2.095, 3.656, 6.952, 12.85, 25.69, 49.62, 94.92, 185.8, 371.5, 780.3, 1486.0,
        ),
    },
}  # fmt: skip
"""One port that reads and one that writes."""


@dataclass(frozen=True, slots=True)
class Curve:
    """A quantity against the size in KB: the rows, and between them a straight line in logarithms.

    Beyond the ends the line through the last two rows goes on. The rows grow with the size, and so does the curve.
    """

    kilobytes: tuple[float, ...]
    values: tuple[float, ...]

    def __call__(self, kilobytes: float) -> float:
        """Return the quantity at a size; exactly the row's where there is one."""
        if kilobytes in self.kilobytes:
            return self.values[self.kilobytes.index(kilobytes)]
        low = min(max(bisect_right(self.kilobytes, kilobytes) - 1, 0), len(self.kilobytes) - 2)
        x0, x1 = self.kilobytes[low], self.kilobytes[low + 1]
        y0, y1 = self.values[low], self.values[low + 1]
        return y0 * (kilobytes / x0) ** (math.log(y1 / y0) / math.log(x1 / x0))


def curves(rows: Rows) -> dict[str, Curve]:
    """Return the curve of every quantity of a table."""
    return {name: Curve(SRAM_KB, values) for name, values in rows.items()}
