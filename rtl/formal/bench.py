"""What is claimed of a component: free inputs, assumptions, claims, and situations that must be possible."""

from __future__ import annotations

import re
from typing import Any

from amaranth.back import rtlil
from amaranth.hdl import Assert, Assume, ClockDomain, Cover, Module, Signal, Value, ValueCastable
from amaranth.lib import wiring

from rtl.emit import run_yosys

__all__ = ["Bench"]

_CHECK = re.compile(r"(  cell \$check )\$\d+(\n(?:    .*\n)*?    connect \\A \\(?:claim|assumed|case)_(\w+)(?: \[0\])?\n)")
_BEFORE = [
    "read_rtlil bench.il", "hierarchy -check -top bench", "flatten", "proc", "memory -nomap", "memory_map",
    "setattr -unset init w:* w:rst %d",
]  # fmt: skip
_AFTER = [
    "async2sync", "chformal -lower", "opt -full", "dffunmap", "setundef -anyseq -undriven", "write_smt2 -wires bench.smt2",
]  # fmt: skip


class Bench:
    """A module around the component under proof.

    All registers and memories begin with any content; the first cycle, cycle 0, is one of reset, and there is no other.
    So what is claimed holds whatever a chip wakes up with. Claims and assumptions are about all cycles from 1 on.

    Parameters
    ----------
    only : str, optional
        Leave out all lemmas, and all claims but this one.

    Attributes
    ----------
    module : Module
        Place the component under proof, and registers that remember what a claim is about, here.
    claims : list of str
        Names, without lemmas.
    """

    def __init__(self, *, only: str | None = None) -> None:
        self.only = only
        self.module = m = Module()
        domain = ClockDomain("sync")
        self.reset = domain.rst = Signal(name="rst", init=1, reset_less=True)
        m.domains.sync = domain
        m.d.sync += domain.rst.eq(0)
        self._ports: list[Any] = [domain.clk]
        self._shown: list[str] = []
        self._inner: dict[str, str] = {}
        self._smt2 = ""
        self.claims: list[str] = []

    def free(self, *what: Any) -> None:
        """Let signals have any value in every cycle.

        Parameters
        ----------
        what : Signal, view of one, or component
            Of a component: all its inputs.
        """
        for item in what:
            if isinstance(item, wiring.Component):
                inputs = (value for _, member, value in item.signature.flatten(item) if member.flow == wiring.In)
            else:
                inputs = (item,)
            for value in inputs:
                signal = Value.cast(value) if isinstance(value, ValueCastable) else value
                self._ports.append(signal)

    def fixed(self, shape: Any, name: str, *, shown: bool = True) -> Signal:
        """Return a value that may be any but never changes; `shown`: with a row in traces."""
        value, before = Signal(shape, name=name), Signal(shape, name=f"{name}_before", reset_less=True)
        self.free(value)
        self.module.d.sync += before.eq(value)
        self.assume(f"{name}_stays", Value.cast(value) == Value.cast(before))
        if shown:
            self._shown.append(name)
        return value

    def inner(self, path: str, shape: Any, *, lemma: bool = True) -> Signal:
        """Return a signal inside a component.

        Parameters
        ----------
        path : str
            Names of the parts and of the signal, joined by dots; words of a memory are ``memory[0]`` and so on.
        shape : amaranth shape
            Its width must be that of the signal.
        lemma : bool
            Only lemmas look at it: where they are left out it has any value, and need not exist.
        """
        signal = Signal(shape, name=f"inner_{len(self._ports)}")
        if self.only is None or not lemma:
            self._inner[signal.name] = path
        self._ports.append(signal)
        return signal

    def assume(self, name: str, condition: Any) -> None:
        """Consider only runs in which `condition` holds in every cycle."""
        self.module.d.comb += Assume(self._flag(f"assumed_{name}", condition))

    def claim(self, name: str, condition: Any) -> None:
        """Claim that `condition` holds in every cycle."""
        self.claims.append(name)
        if self.only in (None, name):
            self.module.d.comb += Assert(self._flag(f"claim_{name}", condition))

    def lemma(self, name: str, condition: Any) -> None:
        """Claim what no user asks for, but what makes the claims inductive: how states inside belong together."""
        if self.only is None:
            self.module.d.comb += Assert(self._flag(f"claim_{name}", condition))

    def case(self, name: str, condition: Any) -> None:
        """Expect that some run comes to `condition`: claims that say nothing about it would be empty."""
        flag = Signal(name=f"case_{name}")
        self.module.d.comb += [flag.eq(condition & ~self.reset), Cover(flag)]

    def show(self, name: str, value: Any) -> Signal:
        """Return a signal equal to `value` that has a row in traces."""
        value = Value.cast(value)
        signal = Signal(value.shape(), name=name, attrs={"keep": 1})
        self.module.d.comb += signal.eq(value)
        self._shown.append(name)
        return signal

    @property
    def shown(self) -> tuple[str, ...]:
        """Rows of a trace."""
        return tuple(self._shown)

    @property
    def smt2(self) -> str:
        """The module as an SMT-LIB transition system with the annotations of yosys-smtbmc."""
        if not self._smt2:
            text = rtlil.convert(self.module, name="bench", ports=self._ports, emit_src=False)
            # Solvers report cells, which Amaranth numbers; @ keeps them apart from wires.
            text = _CHECK.sub(r"\1\\@\3\2", text)
            # To Amaranth the signals inside are inputs; here they get their drivers.
            inside = [f"connect -nounset -set {name} \\{path}" for name, path in self._inner.items()]
            script = [*_BEFORE, *(["delete -input w:inner_*"] if inside else []), *inside, *_AFTER]
            files, _ = run_yosys(script, {"bench.il": text}, ["bench.smt2"])
            self._smt2 = files["bench.smt2"]
        return self._smt2

    def _flag(self, name: str, condition: Any) -> Signal:
        flag = Signal(name=name)
        self.module.d.comb += flag.eq(condition | self.reset)
        return flag
