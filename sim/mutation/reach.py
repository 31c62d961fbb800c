"""Which pins of a netlist can matter at all: those with a path, through registers too, to an output of the design.

Yosys keeps registers and multiplexers as wide as their signals, so unused bits are still there, as wide as in the Verilog. A
mutant of a pin without a path is equivalent, which needs no solver. Paths are followed bit by bit where a cell keeps bits
apart, and through the whole cell everywhere else.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from rtl.emit import run_yosys
from sim.mutation.mutants import NETLIST, Mutant, Mutants

__all__ = ["Reach"]

_BITWISE = frozenset({"$not", "$and", "$or", "$xor", "$xnor", "$pos"})
_RIPPLE = frozenset({"$add", "$sub", "$mul", "$neg"})
_NO_LOGIC = frozenset({"CLK", "ARST", "SRST"})
Pin = tuple[str, int]
Net = int | str


class Reach:
    """The nets of a flattened design from which an output can be changed.

    Parameters
    ----------
    drawn : Mutants
    """

    def __init__(self, drawn: Mutants) -> None:
        script = [f"read_rtlil {NETLIST}", "write_json netlist.json"]
        files, _ = run_yosys(script, {NETLIST: drawn.original}, ["netlist.json"])
        module = json.loads(files["netlist.json"])["modules"][drawn.top]
        self.cells: dict[str, Any] = module["cells"]
        self.ports: dict[str, Any] = module["ports"]

    def changes(self, mutant: Mutant) -> bool:
        """Whether the mutant's pin ever is what it would not be anyway: not if it is tied to that constant already."""
        nets = self.cells[mutant.cell.removeprefix("\\")]["connections"][mutant.port]
        if mutant.mode.startswith("const"):
            return nets[mutant.bit] != mutant.mode[-1]
        return not mutant.mode.startswith("cnot") or nets[mutant.other] not in {"0", "1"} - {mutant.mode[-1]}

    def matters(self, mutant: Mutant) -> bool:
        """Whether there is a path from the mutant's pin to an output."""
        cell = self.cells[mutant.cell.removeprefix("\\")]
        if _is_output(cell, mutant.port):
            return cell["connections"][mutant.port][mutant.bit] in self.live
        return any(net in self.live for net in self._driven(cell, mutant.port, mutant.bit))

    @cached_property
    def live(self) -> set[Net]:
        """Nets, and memories, with a path to an output."""
        drivers: dict[Net, list[tuple[Any, Pin]]] = {}
        reads: dict[Net, str] = {}
        for cell in self.cells.values():
            if cell["type"].startswith("$memrd"):
                reads |= dict.fromkeys(cell["connections"]["DATA"], _memory(cell))
            for port, nets in cell["connections"].items():
                for bit in range(len(nets)) if not _is_output(cell, port) else ():
                    for net in self._driven(cell, port, bit):
                        drivers.setdefault(net, []).append((cell, (port, bit)))
        todo = [net for port in self.ports.values() if port["direction"] == "output" for net in port["bits"]]
        found: set[Net] = set(todo)
        while todo:
            net = todo.pop()
            before = [cell["connections"][port][bit] for cell, (port, bit) in drivers.get(net, ())]
            if net in reads:
                before.append(reads[net])
            todo += set(before) - found
            found.update(before)
        return found

    def _driven(self, cell: Any, port: str, bit: int) -> Iterator[Net]:
        """Yield the nets that one bit of an input port changes at once."""
        kind, pins = cell["type"], cell["connections"]
        if port in _NO_LOGIC and kind.startswith("$"):
            yield from pins.get("Q", ())
        elif kind.startswith(("$memwr", "$meminit")):
            yield _memory(cell)
        elif kind in ("$dff", "$mux", "$pmux") and port in ("A", "B", "D"):
            out = pins["Q" if kind == "$dff" else "Y"]
            yield out[bit % len(out)]
        elif kind in _BITWISE or kind in _RIPPLE:
            out, last = pins["Y"], bit == len(pins[port]) - 1
            # The top bit of an operand is also its sign; carries go upward.
            yield from out[bit:] if last or kind in _RIPPLE else out[bit : bit + 1]
        else:
            for name, nets in pins.items():
                if _is_output(cell, name):
                    yield from nets


def _memory(cell: Any) -> str:
    """Return what stands for the contents of the memory that a cell reads or writes."""
    return f"memory {cell['parameters']['MEMID']}"


def _is_output(cell: Any, port: str) -> bool:
    return cell["port_directions"][port] == "output"
