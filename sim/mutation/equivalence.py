"""Whether a mutant can be told from the design at all: sequential equivalence with ABC, part by part.

A mutant changes one cell, so it is enough that the smallest part round that cell does the same as before for every run of
its inputs; parts are small where the whole design is not. Both versions start from the initial values of the Verilog
(a register without one from 0), reset is an input like any other, so whatever they do later is covered. First
`scorr` merges what is equal by induction; if something is left, `bmc3` looks for a run that tells them apart and `pdr` for a
proof that there is none. That a run of a part exists does not say that the whole design can bring it about: such a mutant
counts as one that survived.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from rtl.library import EmitError
from sim.mutation.mutants import Mutant, Mutants, alone
from sim.mutation.reach import Reach
from sim.mutation.verdict import Verdict

__all__ = ["Prover"]

_MAP = [
    "pmuxtree", "memory_map", "dffunmap", "techmap", "dffunmap", "aigmap", "opt_clean", "setundef -init -zero",
    "setundef -undriven -zero", "write_aiger -zinit out.aig",
]  # fmt: skip
_CHILD = "import sys; from pyosys import libyosys as ys; ys.run_pass('script ' + sys.argv[1], ys.Design())"
_ASSERTED = re.compile(r"was asserted in frame (\d+)")
_MODULE = re.compile(r"^(?:module|  cell) \\(\S+)(?: \\(\S+))?$", re.MULTILINE)
_BOX = re.compile(r"^attribute \\blackbox .*\n(?:attribute .*\n)*module \\(\S+)$", re.MULTILINE)
_OUTPUTS = frozenset({"Q"})
SCORR, BMC, PDR = 60, 5, 20
"""Seconds."""


@dataclass
class Prover:
    """Asks for every mutant of one design.

    Attributes
    ----------
    drawn : Mutants
    """

    drawn: Mutants
    _models: dict[tuple[str, str, tuple[str, ...]], bytes] = field(default_factory=dict)

    @cached_property
    def parts(self) -> dict[str, dict[str, str]]:
        """Instances in each module: ``{module: {instance: module}}``."""
        found: dict[str, dict[str, str]] = {}
        inside: dict[str, str] = {}
        for line in _MODULE.finditer(self.drawn.parts):
            if line[2] is None:
                inside = found.setdefault(line[1], {})
            else:
                inside[line[2]] = line[1]
        return found

    def levels(self, cell: str) -> list[tuple[str, str]]:
        """Return the parts that hold a cell of the flattened netlist, the smallest first, and the cell's name in each."""
        *path, leaf = [name.removeprefix("\\") for name in cell.removeprefix("$flatten").split(".")]
        modules = [self.drawn.top]
        for name in path:
            modules.append(self.parts[modules[-1]][name])
        found = []
        for depth, module in enumerate(modules):
            inside = path[depth:]
            if leaf.startswith("$"):
                name = "$flatten" + "".join(f"\\{part}." for part in inside) + leaf if inside else leaf
            else:
                name = "\\" + ".".join([*inside, leaf])
            found.append((module, name))
        return found[::-1]

    def ask(self, mutant: Mutant) -> Verdict:
        """Return ``equivalent``, ``survived`` or ``unknown``, and why; ``unknown`` too if a tool fails."""
        if not self._reach.changes(mutant):
            return Verdict(mutant, "equivalent", "the pin is that constant anyway")
        if not self._reach.matters(mutant):
            return Verdict(mutant, "equivalent", "no path to an output")
        said = []
        levels = self.levels(mutant.cell)
        # First the module itself with all parts in it taken out, then with the small ones in it, then what is round it. The
        # whole design is too large to learn anything in minutes: of it only what is between the parts, with constants in it.
        inner = levels[:2] if len(levels) > 2 else levels[:1]
        tries = [(*levels[0], True), *((module, cell, False) for module, cell in inner)]
        tries += [(*levels[1], True)] if len(levels) == 2 else []
        for module, cell, alone_ in tries:
            if alone_ and not self.parts[module]:
                continue
            try:
                status, how = self._ask(mutant, module, cell, self._outside(module, mutant.cell, alone_))
            except EmitError as error:
                status, how = "unknown", str(error)[-100:]
            if status == "equivalent":
                return Verdict(mutant, "equivalent", f"in {module}: {how}")
            said.append((status, f"in {module}: {how}"))
        told = [how for status, how in said if status == "survived"]
        return Verdict(mutant, "survived" if told else "unknown", (told or [how for _, how in said])[-1])

    @cached_property
    def _reach(self) -> Reach:
        return Reach(self.drawn)

    def _outside(self, module: str, cell: str, everything: bool) -> tuple[str, ...]:
        """Return the modules below `module` to take out, none round `cell`: all; or black boxes and what multiplies."""
        around = {name for name, _ in self.levels(cell)}
        return tuple(
            sorted(name for name in self._below(module) - around if everything or name in self._boxes or self._heavy(name))
        )

    def _below(self, module: str) -> set[str]:
        inside = set(self.parts[module].values())
        return inside.union(*(self._below(part) for part in inside))

    def _heavy(self, module: str) -> bool:
        return module in self._multiplies or any(self._heavy(part) for part in self.parts[module].values())

    @cached_property
    def _multiplies(self) -> set[str]:
        texts = re.split(r"^module \\", self.drawn.parts, flags=re.MULTILINE)[1:]
        return {text.split(maxsplit=1)[0] for text in texts if "cell $mul " in text}

    @cached_property
    def _boxes(self) -> set[str]:
        return set(_BOX.findall(self.drawn.parts))

    def _ask(self, mutant: Mutant, module: str, cell: str, outside: tuple[str, ...]) -> tuple[str, str]:
        command = alone(mutant).replace(f"-module {self.drawn.top} ", f"-module {module} ").replace(
            f"-cell {mutant.cell} ", f"-cell {cell} "
        )  # fmt: skip
        twice = ""
        if mutant.port in _OUTPUTS:
            # A pin behind a register loses its initial value; two inverters there, which change nothing, do the same.
            twice = "\n".join([re.sub(r"-mode \w+", "-mode inv", re.sub(r" -ctrlbit \d+", "", command))] * 2)
        key = (module, twice, outside)
        if key not in self._models:
            self._models[key] = self._model(module, twice, outside)
        with tempfile.TemporaryDirectory(prefix="systolith-") as folder:
            room = Path(folder)
            (room / "gold.aig").write_bytes(self._models[key])
            (room / "gate.aig").write_bytes(self._model(module, command, outside))
            log = _abc(room, "miter gold.aig gate.aig; write_aiger left.aig; scorr; write_aiger left.aig", SCORR)
            if "Error" in log or not (room / "left.aig").is_file():
                raise EmitError(f"ABC failed: {log[-300:]}")
            if _nothing_left((room / "left.aig").read_bytes()):
                return "equivalent", "by induction"
            log = _abc(room, f"read_aiger left.aig; bmc3 -F 60 -T {BMC}", 2 * BMC)
            if found := _ASSERTED.search(log):
                return "survived", f"a run of {int(found[1]) + 1} cycles tells them apart"
            log = _abc(room, f"read_aiger left.aig; pdr -T {PDR}", 2 * PDR)
        if "Property proved" in log:
            return "equivalent", "by reachability"
        if found := _ASSERTED.search(log):
            return "survived", f"a run of {int(found[1]) + 1} cycles tells them apart"
        return "unknown", "undecided when the time was up"

    def _model(self, module: str, commands: str, outside: tuple[str, ...]) -> bytes:
        """Return one part, with mutants, as gates and registers (AIGER).

        Modules that are taken out turn into more outputs and inputs: whatever they do, they do it with and without the mutant.
        """
        keep = [f"setattr -mod -set keep_hierarchy 1 {name}" for name in outside]
        script = ["read_rtlil parts.il", f"hierarchy -top {module}", *keep, "flatten", "opt_clean -purge", commands]
        # A named wire would become an output too, and a register that differs without anybody noticing would be told apart.
        taken_out = [f"rename -hide {module}/w:*", "expose -evert", f"delete {module} %n"]
        script += [*(taken_out if outside else []), *_MAP]
        with tempfile.TemporaryDirectory(prefix="systolith-") as folder:
            room = Path(folder)
            (room / "parts.il").write_text(self.drawn.parts, encoding="utf-8")
            (room / "run.ys").write_text("\n".join(script) + "\n", encoding="utf-8")
            command = [sys.executable, "-c", _CHILD, "run.ys"]
            done = subprocess.run(command, cwd=room, capture_output=True, text=True, errors="replace", check=False)
            if done.returncode or not (room / "out.aig").is_file():
                raise EmitError(f"Yosys failed: {(done.stdout + done.stderr)[-300:]}")
            return (room / "out.aig").read_bytes()


def _abc(room: Path, commands: str, seconds: float) -> str:
    """Run ABC and return what it printed; nothing more when the time is up."""
    import pyosys

    tool = Path(pyosys.__file__).parent / "yosys-abc"
    try:
        done = subprocess.run(
            [tool, "-c", commands], cwd=room, capture_output=True, text=True, errors="replace", check=False, timeout=seconds
        )
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout + done.stderr


def _nothing_left(aiger: bytes) -> bool:
    """Whether the one output is the constant 0."""
    head, first = aiger.split(b"\n", 2)[:2]
    return head.split()[3] == b"0" and first == b"0"
