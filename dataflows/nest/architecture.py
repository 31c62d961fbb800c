"""Architectures for loop nests: storage levels, outermost first, with an array of instances between neighbours.

Levels are listed from DRAM to the registers, as a mapping lists its loops. ``L3`` in a compact mapping counts from the
innermost level, which is ``L0`` (codesign reference, 4.1). The innermost fanout leads to the multipliers.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any, Literal

from dataflows.compression import DENSE, Format
from dataflows.datapath import Datapath
from dataflows.errors import SpecError
from dataflows.mapping import AXES
from dataflows.nest.rules import RELEVANT, TENSORS, WINDOW
from dataflows.workload import DIMS

Buffering = Literal["ideal", "double", "single"]
BUFFERING = ("ideal", "double", "single")
Skew = Literal["none", "systolic", "tree"]
SKEWS = ("none", "systolic", "tree")
Triple = tuple[float, float, float]
ROW_DIMS = ("K", "C", "K")
"""Dimensions that lie side by side in a row unless said otherwise: the channels, as in the suite's own buffers."""
Position = Literal["offchip", "shared", "row", "column", "plane", "pe"]
_POSITIONS: dict[str, Position] = {"rows": "row", "cols": "column", "planes": "plane"}
MOST_PJ = 1e30
"""The largest energy of an access, an operation or a cycle: sums and products of such are numbers still."""
_NAME = re.compile(r"[A-Za-z_][\w-]*")
_ALIAS = re.compile(r"L\d+")


def _energies(where: str, **given: float | Triple) -> None:
    """Refuse what is no energy: bounds of mappers hold for numbers that are not negative."""
    for name, value in given.items():
        for each in value if isinstance(value, tuple) else (value,):
            if not 0 <= each <= MOST_PJ:  # false for NaN too
                raise SpecError(f"{where}.{name}", value, f"numbers of pJ from 0 to {MOST_PJ:g}", "correct the energy")


@dataclass(frozen=True, slots=True)
class Axis:
    """One direction of an array: its name (``rows``, ``cols`` or ``planes``), size, and the dimensions it may unroll."""

    name: str
    size: int
    dims: str = "".join(DIMS)

    def __post_init__(self) -> None:
        if self.name not in AXES:
            raise SpecError("axis.name", self.name, ", ".join(AXES), "choose one of these directions")
        if not isinstance(self.size, int) or isinstance(self.size, bool) or self.size < 1:
            raise SpecError(f"axis.{self.name}", self.size, "a positive integer", "correct the size")
        if not self.dims or not set(self.dims) <= set(DIMS):
            raise SpecError(f"axis.{self.name}.dims", self.dims, f"letters of {''.join(DIMS)}", "correct the dimensions")


@dataclass(frozen=True, slots=True)
class Fanout:
    """The array of instances below a level, and the network that leads there.

    Attributes
    ----------
    axes : tuple of Axis
        Directions; none means one instance.
    multicast : bool
        One read serves all instances that want the same word (codesign reference, 4.4).
    reduction : bool
        Partial sums of several instances are added on their way up.
    links : bool
        Neighbours pass on input words that their windows share, so that the level reads their union once.
    hop_pj : float
        Energy of a word going from one instance to the next.
    add_pj : float
        Energy of one addition of the reduction network.
    skew : str
        Cycles from the first to the last instance, for the ramp: ``none`` for a broadcast, ``systolic`` one per hop,
        ``tree`` one per level of a binary adder tree (codesign reference, 4.6).
    """

    axes: tuple[Axis, ...] = ()
    multicast: bool = True
    reduction: bool = True
    links: bool = False
    hop_pj: float = 0.0
    add_pj: float = 0.0
    skew: Skew = "none"

    def __post_init__(self) -> None:
        if self.skew not in SKEWS:
            raise SpecError("fanout.skew", self.skew, ", ".join(SKEWS), "choose one of these")
        names = [axis.name for axis in self.axes]
        if len(set(names)) != len(names):
            raise SpecError("fanout.axes", names, "every axis once", "remove one")
        _energies("fanout", hop_pj=self.hop_pj, add_pj=self.add_pj)

    @property
    def size(self) -> int:
        """Instances."""
        return math.prod(axis.size for axis in self.axes)


@dataclass(frozen=True, slots=True)
class StorageLevel:
    """One storage level; triples are in the order weights, inputs, outputs.

    Attributes
    ----------
    name : str
        Unique within the architecture.
    holds : frozenset of str
        Tensors it stores; the others pass by.
    read_pj, write_pj : tuple of float
        Energy of one access, per tensor: of one word, or of one row where `row_bits` is given.
    word_bits : tuple of int or None
        Width of a word, per tensor; None: as wide as the layer's operand.
    row_bits : int or None
        Width of one access, which serves as many words as fit side by side; None: every word is an access of its own.
    row_dims : tuple of str
        Per tensor, the dimensions along which words lie side by side in a row. What one delivery brings along them (one
        child's tile, times the instances that share the parent) begins with a new row.
    capacity_bits : int, tuple or None
        Size of one instance: shared by its tensors, or per tensor (None: that tensor's is unlimited), or unlimited.
    bandwidth : float or None
        Accesses per cycle of one instance, reads and writes together; None is unlimited.
    read_bandwidth, write_bandwidth : float or None
        The same for separate ports.
    block_words : int
        Each tensor's accesses are rounded up to whole blocks for energy.
    buffering : str
        ``ideal``: filling overlaps at no cost, as Timeloop assumes. ``double``: it overlaps and takes a second copy of every
        tile. ``single``: one copy, and filling adds to the time.
    formats : tuple of Format
        How each tensor is stored, and moved to and from the level: dense, or compressed.
    fanout : Fanout
        The instances of the level below that one instance feeds.
    source : str
        Where its size and energies come from.
    """

    name: str
    holds: frozenset[str]
    read_pj: Triple = (0.0, 0.0, 0.0)
    write_pj: Triple = (0.0, 0.0, 0.0)
    word_bits: tuple[int | None, int | None, int | None] = (8, 8, 8)
    capacity_bits: int | tuple[int | None, int | None, int | None] | None = None
    bandwidth: float | None = None
    read_bandwidth: float | None = None
    write_bandwidth: float | None = None
    block_words: int = 1
    buffering: Buffering = "ideal"
    fanout: Fanout = Fanout()
    row_bits: int | None = None
    row_dims: tuple[str, str, str] = ROW_DIMS
    formats: tuple[Format, Format, Format] = (DENSE, DENSE, DENSE)
    source: str = ""
    plain: bool = field(default=True, init=False, repr=False, compare=False)
    """Whether every word is one access."""

    def __post_init__(self) -> None:
        where = f"level {self.name}"
        if not self.holds <= set(TENSORS):
            raise SpecError(f"{where}.holds", sorted(self.holds), ", ".join(TENSORS), "correct the names")
        if self.buffering not in BUFFERING:
            raise SpecError(f"{where}.buffering", self.buffering, ", ".join(BUFFERING), "choose one of these")
        for name in ("bandwidth", "read_bandwidth", "write_bandwidth"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise SpecError(f"{where}.{name}", value, "a positive number of words per cycle", "leave it out if unlimited")
        if self.bandwidth is not None and (self.read_bandwidth or self.write_bandwidth):
            raise SpecError(f"{where}.bandwidth", self.bandwidth, "one shared port or separate ports", "remove one of them")
        if self.block_words < 1 or any(bits is not None and bits < 1 for bits in (*self.word_bits, self.row_bits)):
            found = (self.block_words, self.word_bits, self.row_bits)
            raise SpecError(f"{where}.block_words, word_bits, row_bits", found, "at least 1", "correct them")
        if self.row_bits is None and None in self.word_bits:
            raise SpecError(f"{where}.word_bits", "layer", "a number, or row_bits too", "say how wide one access is")
        for tensor, dims in zip(TENSORS, self.row_dims, strict=True):
            allowed = RELEVANT[tensor] - WINDOW if tensor == "inputs" else RELEVANT[tensor]
            if not set(dims) <= allowed:  # a window moves along the others, so that rows would be cut
                raise SpecError(
                    f"{where}.row_dims.{tensor}", dims, f"letters of {''.join(sorted(allowed))}", "leave the others out"
                )
        sizes = self.capacity_bits if isinstance(self.capacity_bits, tuple) else (self.capacity_bits,)
        if any(size is not None and size < 1 for size in sizes):
            raise SpecError(f"{where}.capacity_bits", self.capacity_bits, "positive numbers of bits", "leave it out if unlimited")
        object.__setattr__(self, "plain", self.row_bits is None and all(one.kind == "dense" for one in self.formats))
        _energies(where, read_pj=self.read_pj, write_pj=self.write_pj)

    @property
    def limited(self) -> bool:
        """Whether a port has a finite bandwidth."""
        return self.bandwidth is not None or self.read_bandwidth is not None or self.write_bandwidth is not None

    @property
    def copies(self) -> int:
        """Copies of a tile that the capacity must hold."""
        return 2 if self.buffering == "double" else 1


@dataclass(frozen=True, slots=True)
class Architecture:
    """Storage levels around an array of multipliers.

    Attributes
    ----------
    name : str
        What messages call it.
    levels : tuple of StorageLevel
        Outermost first; the outermost holds all tensors.
    mac_pj : float
        Energy of one multiply-accumulate; at the native widths of the datapath where there is one.
    psum_bits : int or None
        Width of partial sums, for the strict rule; None: as wide as each level's words for outputs.
    leakage_pj : float
        Energy per cycle.
    area_um2 : float or None
        Area, where it is known.
    datapath : Datapath or None
        What operand widths and zeros do to a multiply-accumulate; None: every one takes a cycle and the same energy.
    source : str
        Where the figures come from.
    description : str
        What it is, and what was assumed.
    clock_mhz : float or None
        Clock, where it is known; leakage per cycle and peak rates follow from it, cycles do not.
    """

    name: str
    levels: tuple[StorageLevel, ...]
    mac_pj: float
    psum_bits: int | None = None
    leakage_pj: float = 0.0
    area_um2: float | None = None
    datapath: Datapath | None = None
    source: str = ""
    description: str = ""
    clock_mhz: float | None = None

    def __post_init__(self) -> None:
        if not self.levels:
            raise SpecError(f"{self.name}.levels", "none", "at least one level", "add the outermost, which holds all tensors")
        names = [level.name for level in self.levels]
        if len(set(names)) != len(names):
            raise SpecError(f"{self.name}.levels", names, "distinct names", "rename one")
        for at, name in enumerate(names):
            if not _NAME.fullmatch(name) or (_ALIAS.fullmatch(name) and name != f"L{len(names) - 1 - at}"):
                allowed = "letters, digits, _ and -, beginning with a letter; L0, L1, ... count from the innermost level"
                raise SpecError(f"{self.name}.levels[{at}].name", name, allowed, "rename the level")
        if self.levels[0].holds != set(TENSORS):
            where, allowed = f"{self.name}.{names[0]}.holds", "all of " + ", ".join(TENSORS)
            raise SpecError(where, sorted(self.levels[0].holds), allowed, "the outermost level has them all")
        if self.psum_bits is not None and self.psum_bits < 1:
            raise SpecError(f"{self.name}.psum_bits", self.psum_bits, "a positive integer", "correct it")
        if self.clock_mhz is not None and not 0 < self.clock_mhz < math.inf:
            raise SpecError(f"{self.name}.clock_mhz", self.clock_mhz, "a positive number of MHz", "correct it")
        _energies(self.name, mac_pj=self.mac_pj, leakage_pj=self.leakage_pj)
        if self.area_um2 is not None and not 0 <= self.area_um2 < math.inf:
            raise SpecError(f"{self.name}.area_um2", self.area_um2, "a number of square micrometres, not negative", "correct it")

    @property
    def pes(self) -> int:
        """Multipliers."""
        return math.prod(level.fanout.size for level in self.levels)

    def index(self, name: str) -> int:
        """Find a level by its name or by ``L0`` (innermost), ``L1``, ...; raise `SpecError` if there is none."""
        for index, level in enumerate(self.levels):
            if level.name == name:
                return index
        names = [level.name for level in self.levels]
        aliases = [f"L{len(names) - 1 - i}" for i in range(len(names))]
        if name in aliases:
            return aliases.index(name)
        known = ", ".join(f"{alias} = {level}" for alias, level in zip(aliases, names, strict=True))
        raise SpecError("mapping level", name, known, f"use the levels of {self.name}")

    def instances(self, index: int) -> int:
        """Instances of level `index`, counted from the outermost."""
        return math.prod(level.fanout.size for level in self.levels[:index])

    def position(self, index: int) -> Position:
        """Where level `index` sits: off chip, shared by all, one per row, column or plane, or one per PE."""
        if index == 0:
            return "offchip"
        axes = {axis.name for level in self.levels[:index] for axis in level.fanout.axes if axis.size > 1}
        if not axes:
            return "shared"
        below = {axis.name for level in self.levels[index:] for axis in level.fanout.axes if axis.size > 1}
        if not below or len(axes) > 1:
            return "pe"
        return _POSITIONS[axes.pop()]

    def to_dict(self) -> dict[str, Any]:
        """Return the YAML form."""
        from dataflows.nest.architecture_text import architecture_to_dict

        return architecture_to_dict(self)

    @classmethod
    def from_dict(cls, data: Any, path: str = "architecture") -> Architecture:
        """Read the YAML form; raise `SpecError` with the field's path."""
        from dataflows.nest.architecture_text import architecture_from_dict

        return architecture_from_dict(data, path)
