"""The modules of one design: each distinct one is emitted once and instantiated as often as needed.

Amaranth writes a fresh module for every component *object*, so an array of 4096 equal PEs would be 4096 modules. A
component that places equal parts therefore asks `place` for them, with a `Modules` to get ``Instance``s of a module
emitted once, or with None to get ordinary submodules, which is what the Amaranth simulator needs (it ignores an
``Instance`` without a word). The calling code is the same in both cases.
"""

from __future__ import annotations

import re
from typing import Any

from amaranth.back import rtlil
from amaranth.hdl import ClockSignal, Instance, Module, ResetInserter, ResetSignal, ShapeCastable, Signal, Value
from amaranth.lib import wiring

from dataflows.errors import SystolithError

__all__ = ["EmitError", "Modules", "place"]

_NAME = re.compile(r"[A-Za-z_]\w*")
_INPUT = re.compile(r"^  wire width \d+ input \d+ +(?:signed )?\\(\S+)$", re.MULTILINE)
_INNER = re.compile(r"^((?:module|  cell) )\\(\w+(?:\.\w+)+)(?= |$)", re.MULTILINE)


class EmitError(SystolithError):
    """A component could not be turned into Verilog: a mistake in a generator, not in its input."""

    exit_code = 1


class Modules:
    """Distinct modules by name, as RTLIL text, in the order in which they became complete (parts before wholes).

    Parameters
    ----------
    prefix : str
        Put before the name of every placed module, so that several designs can live in one chip.
    source : bool
        Keep, as attributes, the lines of Python that made each cell: machine paths, so not for what is given away.

    Examples
    --------
    >>> modules = Modules()
    >>> modules.add("counter", Counter(width=8))        # doctest: +SKIP
    >>> emit(modules, "counter")                        # doctest: +SKIP
    """

    def __init__(self, prefix: str = "", *, source: bool = False) -> None:
        self.prefix, self.source = prefix, source
        self._texts: dict[str, str] = {}
        self._placed: dict[str, tuple[type[wiring.Component], dict[str, Any], wiring.Signature]] = {}

    def __contains__(self, name: object) -> bool:
        return name in self._texts

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the modules added so far."""
        return tuple(self._texts)

    @property
    def rtlil(self) -> str:
        """All modules as one RTLIL text."""
        return "\n".join(self._texts.values())

    def add(self, name: str, component: Any, ports: Any = None) -> str:
        """Elaborate `component` as module `name` and return the name.

        Parameters
        ----------
        name : str
            Verilog identifier. Inner modules are called ``name__child``.
        component : amaranth Elaboratable
            The parts it asks `place` for are added first.
        ports : sequence of Signal, optional
            Needed only for an elaboratable without a signature.

        Raises
        ------
        EmitError
            If `name` is taken by a module with other content, or is no identifier.
        """
        if not _NAME.fullmatch(name):
            raise EmitError(f"module name {name!r} is not a Verilog identifier")
        text = _tidy(rtlil.convert(component, name=name, ports=ports, emit_src=self.source))
        if self._texts.setdefault(name, text) != text:
            raise EmitError(f"module name {name!r} is taken by a module with other content")
        return name

    def require(self, name: str, kind: type[wiring.Component], parameters: dict[str, Any]) -> wiring.Signature:
        """Add ``kind(**parameters)`` as module `name` unless it is there already, and return its signature.

        Raises
        ------
        EmitError
            If `name` is taken by another class or by other parameters.
        """
        if name not in self._placed:
            component = kind(**parameters)
            self.add(name, component)
            self._placed[name] = (kind, parameters, component.signature)
        taken_by, with_parameters, signature = self._placed[name]
        if (taken_by, with_parameters) != (kind, parameters):
            raise EmitError(
                f"module name {name!r} is taken by {taken_by.__name__} with {with_parameters}; "
                f"wanted for {kind.__name__} with {parameters}"
            )
        return signature

    def inputs(self, name: str) -> frozenset[str]:
        """Input ports of module `name`."""
        own = self._texts[name].split(f"module \\{name}\n", 1)[1].split("\nend\n", 1)[0]
        return frozenset(_INPUT.findall(own))


def place(
    modules: Modules | None, m: Module, instance: str, name: str, kind: type[wiring.Component], /,
    reset: Value | None = None, **parameters: Any,
) -> Any:  # fmt: skip
    """Place one ``kind(**parameters)`` inside `m` and return an object with its ports.

    Parameters
    ----------
    modules : Modules or None
        None: a submodule, for simulation. Otherwise an ``Instance`` of module `name`, emitted once.
    m : Module
        Where to place it; its ``sync`` clock and reset are connected.
    instance, name : str
        Names of this instance and of the module.
    kind : component class
        Its parameters must compare by value: they tell equal modules from different ones.
    reset : Value, optional
        Resets this part, beside the reset of the domain.
    """
    if modules is None:
        component = kind(**parameters)
        m.submodules[instance] = component if reset is None else ResetInserter(reset)(component)
        return component
    name = modules.prefix + name
    signature = modules.require(name, kind, parameters)
    interface = _wires(signature, (instance,))
    ports: dict[str, Any] = {}
    for path, member, value in signature.flatten(interface):
        prefix = "i" if member.flow == wiring.In else "o"
        ports[f"{prefix}_{'__'.join(map(str, path))}"] = Value.cast(value)
    inputs = modules.inputs(name)
    if "clk" in inputs:
        ports["i_clk"] = ClockSignal()
    if "rst" in inputs:
        ports["i_rst"] = ResetSignal() if reset is None else ResetSignal() | reset
    m.submodules[instance] = Instance(name, **ports)
    return interface


def _wires(signature: wiring.Signature, path: tuple[str, ...]) -> Any:
    """Return an interface of plain wires, seen through the layouts of their members.

    A wire that is made as a struct gets an alias for every field, and there is one for every port of every instance: most
    of the text of a large array, all of which Yosys would drop.
    """
    interface: Any = signature.create(path=path)
    for name, member in signature.members.items():
        if member.dimensions:
            continue
        if member.is_signature:
            setattr(interface, name, _wires(member.signature, (*path, name)))
        elif isinstance(member.shape, ShapeCastable):
            made = Value.cast(getattr(interface, name))
            setattr(interface, name, member.shape(Signal(made.shape(), name=made.name, init=made.init)))
    return interface


def _tidy(text: str) -> str:
    """Give inner modules plain names: ``a.b`` would be an escaped identifier in Verilog."""
    return _INNER.sub(lambda found: f"{found[1]}\\{found[2].replace('.', '__')}", text)
