"""Which loop dimension is which: told by the projections of the three tensors, not by letters.

A dimension that selects words of weights and outputs but not of inputs is K, whatever its name; C, N and G likewise. Two that
are added to address the inputs are a window: P and R, or Q and S. Names decide only between dimensions that play the same
part, such as the rows and columns of a 1 x 1 convolution.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dataflows.errors import SpecError
from dataflows.nest.rules import TENSORS

Term = tuple[str, int]
Rank = tuple[Term, ...]
ALIASES = {"B": "N", "M": "K", "OY": "P", "OX": "Q", "FY": "R", "FX": "S", "H": "P", "X": "Q", "Y": "P"}
"""Names that other tools use, where a dimension could be several of ours."""
TENSOR_NAMES = {
    "weights": ("weights", "weight", "w", "filters", "filter", "kernel", "b", "i2"),
    "inputs": ("inputs", "input", "i", "ifmap", "ifmaps", "activations", "a", "i1"),
    "outputs": ("outputs", "output", "o", "ofmap", "ofmaps", "psums", "psum", "z"),
}


@dataclass(frozen=True, slots=True)
class Space:
    """A tensor: its name, and per axis the dimensions that are added to address it, each times a coefficient."""

    name: str
    ranks: tuple[Rank, ...]
    where: str

    @property
    def plain(self) -> frozenset[str]:
        """Dimensions that address an axis alone, one by one."""
        return frozenset(dim for rank in self.ranks if len(rank) == 1 for dim, factor in rank if factor == 1)

    @property
    def windows(self) -> tuple[Rank, ...]:
        """Axes that are addressed by sums or by strides."""
        return tuple(rank for rank in self.ranks if len(rank) != 1 or any(factor != 1 for _, factor in rank))


@dataclass(frozen=True, slots=True)
class Names:
    """What another tool's names mean: dimensions by name (``{"M": "K"}``), tensors by name (``{"Weights": "weights"}``)."""

    dims: Mapping[str, str]
    tensors: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Shape:
    """The dimensions of a problem, and how its window moves (rows, columns)."""

    names: Names
    stride: tuple[int, int]
    dilation: tuple[int, int]


def tensor_of(name: str) -> str | None:
    """Return the tensor that a name usually stands for."""
    return next((tensor for tensor, known in TENSOR_NAMES.items() if name.lower() in known), None)


def roles(outputs: Space, others: tuple[Space, Space], dims: tuple[str, ...]) -> Shape:
    """Tell the dimensions of a problem apart.

    Parameters
    ----------
    outputs : Space
        The tensor that is written.
    others : tuple of Space
        The two that are read, in the order of the file.
    dims : tuple of str
        All dimensions.

    Raises
    ------
    SpecError
        Naming the dimension or axis that a convolution, a matrix product, or a batch of these does not have.
    """
    weights, inputs = _operands(others)
    for space in (outputs, weights, inputs):
        names = [dim for rank in space.ranks for dim, _ in rank]
        if twice := sorted({dim for dim in names if names.count(dim) > 1}):
            raise SpecError(space.where, f"{twice[0]} twice", "each dimension once in a projection", "rewrite the problem")
    for space in (outputs, weights):
        if space.windows:
            found = " + ".join(dim for dim, _ in space.windows[0])
            raise SpecError(
                space.where, f"an axis of {found} with strides or sums", "single dimensions", "only inputs have windows"
            )
    table, stride, dilation = _windows(outputs.plain, weights.plain, inputs)
    _plain(table, dims, (outputs, weights, inputs))
    tensors = {weights.name: TENSORS[0], inputs.name: TENSORS[1], outputs.name: TENSORS[2]}
    return Shape(Names(table, tensors), stride, dilation)


def _operands(others: tuple[Space, Space]) -> tuple[Space, Space]:
    """Return weights and inputs: inputs have windows; without any, by name, else inputs come first."""
    first, second = others
    if first.windows and second.windows:
        raise SpecError(
            second.where, f"windows in {first.name} and {second.name}", "windows in one tensor", "rewrite the problem"
        )
    if first.windows or second.windows:
        return (second, first) if first.windows else (first, second)
    told = (tensor_of(first.name), tensor_of(second.name))
    return (first, second) if told[0] == "weights" or told[1] == "inputs" else (second, first)


def _windows(
    outputs: frozenset[str], weights: frozenset[str], inputs: Space
) -> tuple[dict[str, str], tuple[int, int], tuple[int, int]]:
    """Name the dimensions of the input window."""
    windows = inputs.windows
    if len(windows) > 2:
        raise SpecError(inputs.where, f"{len(windows)} axes with windows", "at most two: rows and columns", "split the problem")
    pairs: list[tuple[Term | None, Term | None]] = []
    for rank in windows:
        moves = [term for term in rank if term[0] in outputs and term[0] not in weights]
        taps = [term for term in rank if term[0] in weights and term[0] not in outputs]
        if len(moves) > 1 or len(taps) > 1 or len(moves) + len(taps) != len(rank):
            found = " + ".join(f"{factor} {dim}" for dim, factor in rank)
            allowed = "one dimension of the outputs plus one of the weights"
            raise SpecError(inputs.where, found, allowed, "only windows of convolutions are understood")
        pairs.append((moves[0] if moves else None, taps[0] if taps else None))
    if len(pairs) == 2 and _wanted(pairs[0]) == "Q" and _wanted(pairs[1]) != "Q":
        pairs.reverse()
    if len(pairs) == 1 and _wanted(pairs[0]) == "Q":
        pairs.insert(0, (None, None))
    table, stride, dilation = {}, [1, 1], [1, 1]
    for axis, (move, tap) in enumerate(pairs):
        if move is not None:
            table[move[0]], stride[axis] = "PQ"[axis], move[1]
        if tap is not None:
            table[tap[0]], dilation[axis] = "RS"[axis], tap[1]
    return table, (stride[0], stride[1]), (dilation[0], dilation[1])


def _wanted(pair: tuple[Term | None, Term | None]) -> str:
    """Return ours for the row or column that a pair is named like."""
    for term, like in zip(pair, ({"P", "Q"}, {"R", "S"}), strict=True):
        name = ours(term[0]) if term is not None else ""
        if name in like:
            return {"R": "P", "S": "Q"}.get(name, name)
    return ""


def ours(name: str) -> str:
    """Return our letter for a name, as far as names tell."""
    return ALIASES.get(name.upper(), name.upper())


def _plain(table: dict[str, str], dims: tuple[str, ...], spaces: tuple[Space, Space, Space]) -> None:
    """Name the dimensions that address axes alone; `table` has those of windows and grows."""
    outputs, weights, inputs = spaces
    waiting: dict[str, list[str]] = {}
    for dim in dims:
        if dim in table:
            continue
        member = tuple(dim in space.plain for space in (outputs, weights, inputs))
        kind = {(True,) * 3: "G", (True, False, True): "N", (True, True, False): "K", (False, True, True): "C"}.get(member)
        if kind is None:
            holders = [space.name for space, there in zip(spaces, member, strict=True) if there]
            found = f"dimension {dim}, which addresses {' and '.join(holders) or 'no tensor'} alone"
            allowed = "dimensions that address at least two tensors"
            raise SpecError(outputs.where, found, allowed, "only products of weights and inputs are understood")
        waiting.setdefault(kind, []).append(dim)
    for kind in ("G", "K", "N", "C"):
        if kind in waiting:
            _assign(table, waiting[kind], _letters(table, kind, bool(inputs.windows)), kind, outputs.where)


def _letters(table: dict[str, str], kind: str, windows: bool) -> list[str]:
    """Return the letters that a kind may take, the likeliest first: P, Q, R and S too, where no window uses them."""
    taken = set(table.values())
    rows, cols = taken.isdisjoint("PR"), taken.isdisjoint("QS")
    if kind == "N":
        return ["N", *"Q" * cols, *"P" * rows] if windows else ["Q", "P", "N"]
    return ["C", *"R" * rows, *"S" * cols] if kind == "C" else [kind]


def _assign(table: dict[str, str], found: list[str], letters: list[str], kind: str, where: str) -> None:
    if len(found) > len(letters):
        allowed = f"at most {len(letters)} dimensions that play the part of {kind}"
        raise SpecError(where, ", ".join(found), allowed, "merge them into one dimension")
    rest, left = [], list(letters)
    for dim in found:
        if ours(dim) in left:
            table[dim] = ours(dim)
            left.remove(ours(dim))
        else:
            rest.append(dim)
    for dim in rest:
        table[dim] = left.pop(0)
