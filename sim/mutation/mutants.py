"""Mutants of a design: one pin of one cell of the generated hardware goes wrong, chosen by a selector input.

Yosys draws the pins (`mutate -list`) and puts all mutants into one netlist (`mutate -ctrl`), so one build of a simulator
serves them all. The netlist is that of the Verilog that we give away, flattened: a mutant is wrong in one place, not in
every instance of a module. Clock pins are left alone: a register that stands still is among the mutants of its outputs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dataflows.errors import SpecError
from rtl.emit import run_yosys
from rtl.library import Modules

__all__ = ["NETLIST", "SELECT", "SELECT_BITS", "Mutant", "Mutants", "alone", "draw", "netlist"]

SELECT, SELECT_BITS = "mutant", 16
"""The extra input: the number of the mutant that is on; 0 is the design as it is."""
NETLIST, PARTS = "netlist.il", "parts.il"
_ROOT = Path(__file__).parents[2]
_CLOCK = " -port CLK "
_SPARE = 1.1  # so many more are drawn, since clock pins are left out
WEIGHTS: tuple[tuple[str, int], ...] = ()
"""Options of ``mutate -cfg``; those of Yosys: bits, cells, wires, modules and lines of source count alike."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One pin that goes wrong.

    Attributes
    ----------
    number : int
        Value of the selector, from 1.
    mode : str
        What happens to the pin: ``inv`` inverted, ``const0`` and ``const1`` stuck, ``cnot0`` and ``cnot1`` inverted when
        another bit of the same port is 0 or 1.
    cell, port : str
        Name of the cell in the flattened netlist and its port.
    bit : int
        Of the port.
    other : int
        The other bit of ``cnot0`` and ``cnot1``, else -1.
    wire : str
        A named signal at this pin, or empty.
    source : tuple of str
        Lines of the generator that made the cell, ``file:line`` within the repository.
    command : str
        The Yosys command, for `netlist`.
    """

    number: int
    mode: str
    cell: str
    port: str
    bit: int
    other: int
    wire: str
    source: tuple[str, ...]
    command: str

    @property
    def place(self) -> str:
        """Where it is, in short: part, cell, port and bit, and the signal if it has a name."""
        signal = f" ({self.wire})" if self.wire else ""
        return f"{self.cell.replace('$flatten', '').replace(chr(92), '')}.{self.port}[{self.bit}]{signal}"


@dataclass(frozen=True, slots=True)
class Mutants:
    """A design with all its mutants.

    Attributes
    ----------
    top : str
        Module, with one more input, `SELECT`.
    original : str
        The flattened netlist without mutants, RTLIL.
    parts : str
        The same, not flattened.
    verilog : str
        The netlist with all mutants, without modules from elsewhere (memories).
    mutants : tuple of Mutant
    """

    top: str
    original: str
    parts: str
    verilog: str
    mutants: tuple[Mutant, ...]


def draw(modules: Modules, top: str, number: int, seed: int, *, only: Sequence[str] = (), extra: Sequence[Path] = ()) -> Mutants:
    """Draw mutants of `top` and put them into one netlist.

    Parameters
    ----------
    modules : Modules
        ``Modules(source=True)``, with `top` and all below it.
    top : str
        Name of the top module.
    number : int
        Mutants wanted; fewer if the design has no more pins.
    seed : int
        Decides which.
    only : sequence of str
        Parts of the design, by the names of their instances below the top; empty: everywhere.
    extra : sequence of Path
        Verilog files with modules that stay black boxes.

    Raises
    ------
    SpecError
        More mutants than the selector can tell apart.
    """
    if not 1 <= number < 1 << SELECT_BITS:
        raise SpecError("mutants", number, f"1 to {(1 << SELECT_BITS) - 1}", "ask for fewer")
    boxes = {f"extra{n}.v": path.read_text(encoding="utf-8") for n, path in enumerate(extra)}
    cells = " ".join([f"{top}/c:*{chr(92)}{part}.*" for part in only] + ["%u"] * (len(only) - 1)) or f"{top}/c:*"
    weights = " ".join(f"-cfg {name} {value}" for name, value in WEIGHTS)
    script = [
        *(f"read_verilog -lib {name}" for name in boxes), "read_rtlil design.il", f"hierarchy -check -top {top}", "proc",
        f"write_rtlil {PARTS}", "flatten", "opt_clean -purge", f"write_rtlil {NETLIST}",
        f"select -set pins {cells} {top}/t:$meminit* %d",
        f"mutate -list {round(_SPARE * number) + 8} -seed {seed} {weights} -o list.txt @pins",
    ]  # fmt: skip
    files, _ = run_yosys(script, {"design.il": modules.rtlil, **boxes}, [NETLIST, PARTS, "list.txt"])
    lines = [line for line in files["list.txt"].splitlines() if _CLOCK not in line][:number]
    mutants = tuple(_read(line, at) for at, line in enumerate(lines, 1))
    return Mutants(top, files[NETLIST], files[PARTS], netlist(files[NETLIST], top, mutants, boxes), mutants)


def netlist(original: str, top: str, mutants: Sequence[Mutant], boxes: dict[str, str] | None = None) -> str:
    """Return the Verilog of `original` with `mutants` behind the selector."""
    script = [f"read_verilog -lib {name}" for name in boxes or {}]
    # A mutant may set several selects of a one-hot multiplexer, for which its Verilog would stop the simulation.
    script += [f"read_rtlil {NETLIST}", *(mutant.command for mutant in mutants), "pmuxtree", "opt_clean"]
    script += ["write_verilog -noattr mutants.v"]
    files, _ = run_yosys(script, {NETLIST: original, **(boxes or {})}, ["mutants.v"])
    text = files["mutants.v"]
    if not re.search(rf"^  input \[{SELECT_BITS - 1}:0\] {SELECT}\b", text, re.MULTILINE):
        raise SpecError("mutants", 0, "at least one", f"no pin of {top} was found")
    return text


def alone(mutant: Mutant) -> str:
    """Return the command that makes `mutant` without a selector."""
    return mutant.command.replace(f" -ctrl {SELECT} {SELECT_BITS} {mutant.number}", "")


def _read(line: str, number: int) -> Mutant:
    """Read one line of ``mutate -list``."""
    words = line.split()
    options = [(words[n], words[n + 1]) for n in range(1, len(words), 2)]
    found = dict(options)
    source = dict.fromkeys(_short(value) for name, value in options if name == "-src")
    command = f"mutate -ctrl {SELECT} {SELECT_BITS} {number} " + " ".join(
        f"{name} {value}" for name, value in options if name not in ("-src", "-wire", "-wirebit")
    )
    wire = f"{found['-wire']}[{found['-wirebit']}]" if "-wire" in found else ""
    return Mutant(
        number, found["-mode"], found["-cell"], found["-port"], int(found["-portbit"]), int(found.get("-ctrlbit", -1)), wire,
        tuple(source), command,
    )  # fmt: skip


def _short(source: str) -> str:
    """Return a line of source relative to the repository, or to the library that it is in."""
    path, _, line = source.rpartition(":")
    place = Path(path)
    if place.is_relative_to(_ROOT / "rtl"):
        return f"{place.relative_to(_ROOT)}:{line}"
    parts = place.parts
    return "/".join(parts[parts.index("amaranth") :] if "amaranth" in parts else parts[-1:]) + f":{line}"
