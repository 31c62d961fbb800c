"""Reading what Yosys reports of a netlist."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dse.physical.blocks import block_of

_MAPPING = re.compile(r"@mapping (\S+)")
_DELAY = re.compile(r"Delay =\s*([\d.]+) ps")


@dataclass(slots=True)
class Netlist:
    """Modules with their cells and the modules placed in them.

    Attributes
    ----------
    top : str
    cells : dict
        Module to number of each library cell in it.
    parts : dict
        Module to number of each module placed in it.
    """

    top: str
    cells: dict[str, Counter[str]] = field(default_factory=dict)
    parts: dict[str, Counter[str]] = field(default_factory=dict)

    @classmethod
    def read(cls, stat: Mapping[str, Any], top: str) -> Netlist:
        """Read ``stat -json``."""
        net = cls(top)
        own = {name.removeprefix("\\") for name in stat["modules"]}
        for name, found in stat["modules"].items():
            kinds = Counter(found["num_cells_by_type"])
            inside = {kind: count for kind, count in kinds.items() if kind in own}
            net.parts[name.removeprefix("\\")] = Counter(inside)
            net.cells[name.removeprefix("\\")] = kinds - Counter(inside)
        return net

    def placed(self, prefix: str) -> Counter[tuple[str, str]]:
        """Count the instances of every module by the block they belong to."""
        found: Counter[tuple[str, str]] = Counter()

        def place(module: str, parent: str | None, times: int) -> None:
            block = block_of(short(module, prefix), parent)
            found[module, block] += times
            for part, count in self.parts[module].items():
                place(part, block, times * count)

        place(self.top, None, 1)
        return found


def short(module: str, prefix: str) -> str:
    """Return a module's name without the design's prefix."""
    return module.removeprefix(prefix)


def multipliers(netlist: Mapping[str, Any]) -> dict[str, int]:
    """Count, per module of ``write_json``, the multiplications of two variables; by a constant it is a few adders."""
    found = {}
    for name, module in netlist["modules"].items():
        products = (cell["connections"] for cell in module["cells"].values() if cell["type"] == "$mul")
        found[name.removeprefix("\\")] = sum(all(_varies(wires[port]) for port in "AB") for wires in products)
    return found


def _varies(bits: list[int | str]) -> bool:
    return any(isinstance(bit, int) for bit in bits)


def delays(log: str) -> dict[str, float]:
    """Return the longest path of every module in ps; modules without logic have none."""
    found: dict[str, float] = {}
    module = ""
    for line in log.splitlines():
        if started := _MAPPING.search(line):
            module = started[1]
        elif delay := _DELAY.search(line):
            found[module] = max(found.get(module, 0.0), float(delay[1]))
    return found
