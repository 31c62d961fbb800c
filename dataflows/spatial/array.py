"""A spatial array as it is generated: axes, private storage of the PEs, and ports.

Which PEs share a word, and where sums meet, is not fixed here: it follows from the loops that a layer's program unrolls
(`dataflows.spatial.program`). Every PE knows its *group* of a tensor as a tag (dense reference, 10.2; 3.6).
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from dataflows.errors import SpecError
from dataflows.nest.architecture import Architecture, Axis, Fanout, StorageLevel
from dataflows.nest.rules import TENSORS
from dataflows.workload import DIMS

SCHEMA = 1
AXES = ("rows", "cols", "planes")
MOST_PES = 1 << 14
MOST_L1 = 1 << 12
MOST_ACC_BITS = 48
MOST_PE_STAGES = 2
MOST_DEPTH = 1 << 10
"""Deliveries that a PE remembers for its neighbours."""
MOST_OUTER, MOST_INNER = 12, 8
"""Loops that the sequencer has counters for, above the PEs and in them."""
LONGEST_OUTER, LONGEST_INNER = (1 << 16) - 1, (1 << 12) - 1
COORDINATES: dict[str, tuple[str, ...]] = {
    "weights": ("G", "K", "C", "R", "S"),
    "inputs": ("N", "G", "C", "Y", "X"),
    "outputs": ("N", "G", "K", "P", "Q"),
}
"""Coordinates of a word of each tensor; Y and X are the row and column of the padded input."""
MOVES = {"P": "Y", "R": "Y", "Q": "X", "S": "X"}
"""Coordinate of the inputs that a dimension of the window moves."""

Depths = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class SpatialAxis:
    """One direction of the array.

    Attributes
    ----------
    name : str
        ``rows``, ``cols`` or ``planes``.
    size : int
        PEs along it.
    dims : str
        Loop dimensions that a program may unroll along it, one or several at a time.
    delay : int
        Control delay: 1 for a systolic axis, where words, control and sums move one PE per cycle, 0 for a broadcast with a
        tree of adders.
    """

    name: str
    size: int
    dims: str = "".join(DIMS)
    delay: int = 1

    def __post_init__(self) -> None:
        where = f"axis {self.name}"
        if self.name not in AXES:
            raise SpecError("axis.name", self.name, ", ".join(AXES), "choose one of these")
        if not _whole(self.size, 1, MOST_PES):
            raise SpecError(f"{where}.size", self.size, f"an integer from 1 to {MOST_PES}", "correct the size")
        letters = self.dims if isinstance(self.dims, str) else ""
        if not letters or not set(letters) <= set(DIMS) or len(set(letters)) != len(letters):
            raise SpecError(f"{where}.dims", self.dims, f"letters of {''.join(DIMS)}, each once", "correct the dimensions")
        if not _whole(self.delay, 0, 1):
            raise SpecError(f"{where}.delay", self.delay, "1 systolic or 0 broadcast", "choose one of these")


@dataclass(frozen=True, slots=True)
class SpatialArray:
    """An array of PEs, each with a multiplier, an accumulator and addressed storage for every operand.

    Attributes
    ----------
    axes : tuple of SpatialAxis
        One to three.
    l1_words : tuple of int
        Words for weights, inputs and outputs that a PE has, twice: one half fills or drains while the other is used. 1 is a
        plain register.
    ports : tuple of frozenset of str
        Per tensor (weights, inputs, outputs), the axes along which every index has a port of its own. PEs that share a port
        share what comes over it by tag, and hand in their sums one group after the other.
    input_bits, weight_bits, acc_bits : int
        Signed widths; sums wrap modulo 2**acc_bits.
    tag_bits : int
        Width of a tag: the positions that one delivery spreads over along a coordinate.
    pe_stages : int
        Registers between the storage of a PE and its adder, 0 to 2: behind the operands, then behind the product too.
    tree_levels : int
        Adder levels of a tree between two registers; 0 for one register behind the whole tree.
    zero_gating : bool
        A PE whose next input is zero leaves its multiplier, the read of the weight and the sum alone, as Eyeriss' PEs do (dense
        reference, 3.2). Values and cycles stay the same.
    links : tuple
        For weights and for inputs, pairs of an axis and a depth: along that axis, PEs may take what their neighbour one index
        further took up to so many deliveries ago (`dataflows.spatial.links`). Only along broadcast axes, whose PEs take a
        delivery in the same cycles, and for tensors of which a PE holds one word.
    """

    axes: tuple[SpatialAxis, ...]
    l1_words: tuple[int, int, int] = (1, 1, 1)
    ports: tuple[frozenset[str], frozenset[str], frozenset[str]] = (frozenset(), frozenset(), frozenset())
    input_bits: int = 8
    weight_bits: int = 8
    acc_bits: int = 32
    tag_bits: int = 8
    pe_stages: int = 0
    tree_levels: int = 0
    zero_gating: bool = False
    links: tuple[Depths, Depths] = ((), ())

    def __post_init__(self) -> None:
        names = [axis.name for axis in self.axes]
        if not 1 <= len(names) <= len(AXES) or len(set(names)) != len(names):
            raise SpecError("array.axes", names, "one to three axes, each once", "correct the axes")
        if self.pes > MOST_PES:
            raise SpecError("array.axes", self.pes, f"at most {MOST_PES} PEs", "make an axis shorter")
        for tensor, words, ports in zip(TENSORS, self.l1_words, self.ports, strict=True):
            if not _whole(words, 1, MOST_L1):
                raise SpecError(f"array.l1_words.{tensor}", words, f"an integer from 1 to {MOST_L1}", "correct the size")
            if not ports <= set(names):
                raise SpecError(f"array.ports.{tensor}", sorted(ports), f"names of axes: {', '.join(names)}", "correct them")
        self._check_width("input_bits", 2, 16)
        self._check_width("weight_bits", 2, 16)
        self._check_width("acc_bits", self.input_bits + self.weight_bits, MOST_ACC_BITS)
        self._check_width("tag_bits", 1, 16)
        self._check_width("pe_stages", 0, MOST_PE_STAGES)
        self._check_width("tree_levels", 0, MOST_PES.bit_length())
        if not isinstance(self.zero_gating, bool):
            raise SpecError("array.zero_gating", self.zero_gating, "true or false", "correct the value")
        for tensor, depths in zip(TENSORS, self.links, strict=False):
            self._check_links(tensor, depths)

    def _check_links(self, tensor: str, depths: Depths) -> None:
        path, broadcast = f"array.links.{tensor}", [axis.name for axis in self.axes if axis.delay == 0]
        names = [name for name, _ in depths]
        if len(set(names)) != len(names) or not set(names) <= {axis.name for axis in self.axes}:
            allowed = f"axes, each once: {', '.join(axis.name for axis in self.axes)}"
            raise SpecError(path, ", ".join(map(str, names)), allowed, "correct the names")
        for name, depth in depths:
            if name not in broadcast:
                allowed = "an axis with delay 0, whose PEs take a delivery in the same cycles"
                raise SpecError(f"{path}.{name}", "a systolic axis", allowed, "set its delay to 0, or leave the link out")
            if not _whole(depth, 1, MOST_DEPTH):
                raise SpecError(f"{path}.{name}", depth, f"deliveries from 1 to {MOST_DEPTH}", "correct the depth")
        words = self.l1_words[TENSORS.index(tensor)]
        if depths and words != 1:
            allowed = "1 where neighbours are linked"
            raise SpecError(path, f"{words} words of {tensor} in a PE", allowed, f"set l1_words.{tensor}: 1")

    def _check_width(self, name: str, low: int, high: int) -> None:
        if not _whole(getattr(self, name), low, high):
            raise SpecError(f"array.{name}", getattr(self, name), f"an integer from {low} to {high}", "correct the value")

    @property
    def pes(self) -> int:
        """Processing elements."""
        return math.prod(axis.size for axis in self.axes)

    def axis(self, name: str) -> SpatialAxis:
        """Return the axis called `name`."""
        return next(axis for axis in self.axes if axis.name == name)

    def ported(self, tensor: str) -> list[SpatialAxis]:
        """Axes along which a tensor has ports."""
        return [axis for axis in self.axes if axis.name in self.ports[TENSORS.index(tensor)]]

    def shared(self, tensor: str) -> list[SpatialAxis]:
        """Axes whose PEs share a port of the tensor."""
        return [axis for axis in self.axes if axis.name not in self.ports[TENSORS.index(tensor)]]

    def linked(self, tensor: str) -> list[SpatialAxis]:
        """Axes along which PEs may take words of a tensor from their neighbours."""
        names = [name for name, _ in self._depths(tensor)]
        return [axis for axis in self.axes if axis.name in names]

    def depth(self, tensor: str, axis: str = "") -> int:
        """Return the deliveries that a PE remembers for the neighbour along an axis; without one, the most of all."""
        return max((depth for name, depth in self._depths(tensor) if axis in ("", name)), default=0)

    def _depths(self, tensor: str) -> Depths:
        return self.links[TENSORS.index(tensor)] if tensor != "outputs" else ()

    def hops(self, axis: SpatialAxis) -> int:
        """Return the registers that a sum passes along an axis: one per PE of a chain, those of a tree otherwise."""
        if axis.delay:
            return axis.size
        levels = (axis.size - 1).bit_length()
        return max(1, -(-levels // self.tree_levels)) if self.tree_levels else 1

    def lanes(self, tensor: str) -> int:
        """Ports of a tensor: words that it moves in a cycle."""
        return math.prod(axis.size for axis in self.ported(tensor))

    def fields(self, tensor: str) -> tuple[str, ...]:
        """Coordinates that PEs of one port may tell words by: those that a dimension of a shared axis can move."""
        dims = "".join(axis.dims for axis in self.shared(tensor))
        moved = {MOVES.get(dim, dim) if tensor == "inputs" else dim for dim in dims}
        return tuple(name for name in COORDINATES[tensor] if name in moved)

    def architecture(self, name: str = "array") -> Architecture:
        """Return the levels as the language of loop nests has them: streams in front of PEs."""
        axes = tuple(Axis(axis.name, axis.size, axis.dims) for axis in self.axes)
        words = (self.weight_bits, self.input_bits, self.acc_bits)
        sizes = [count * bits for count, bits in zip(self.l1_words, words, strict=True)]
        everything = frozenset(TENSORS)
        stream = StorageLevel("stream", everything, word_bits=words, fanout=Fanout(axes, links=True))
        private = StorageLevel("pe", everything, word_bits=words, capacity_bits=(sizes[0], sizes[1], sizes[2]))
        return Architecture(name, (stream, private), mac_pj=0.0, psum_bits=self.acc_bits)

    def to_dict(self) -> dict[str, Any]:
        """Return the YAML form, per-tensor values as tables."""
        ports = {tensor: sorted(axes) for tensor, axes in zip(TENSORS, self.ports, strict=True)}
        words = dict(zip(TENSORS, self.l1_words, strict=True))
        links = {tensor: dict(depths) for tensor, depths in zip(TENSORS, self.links, strict=False)}
        return {
            "schema": SCHEMA, **asdict(self), "axes": [asdict(axis) for axis in self.axes], "l1_words": words, "ports": ports,
            "links": links,
        }  # fmt: skip

    @classmethod
    def from_dict(cls, data: Any, path: str = "array") -> SpatialArray:
        """Read the YAML form; raise `SpecError` with the field's path."""
        from dataflows.spatial.array_text import array_from_dict

        return array_from_dict(data, path)


def _whole(value: object, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
