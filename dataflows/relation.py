"""What wires what: data relations, dataflow relations, and the transports that follow from them.

A *data relation* maps loop indices to an element of a tensor, d = M_D i; a *dataflow relation* maps time and place to
loop indices, i = [M_T M_S] (t, s). Two PEs want the same element of a tensor when M_D (M_T dt + M_S ds) = 0 (LEGO,
HPCA'25; dense reference, 10.2). Everything an array generator must know, who shares a word with whom and which way it
travels, is read off these small integer matrices; no dataflow is known by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dataflows.errors import SpecError
from dataflows.integers import Matrix, is_zero, join, kernel, multiply, solve
from dataflows.workload import DIMS

AXES = ("rows", "cols")
TENSORS = ("inputs", "weights", "outputs")


class Transport(StrEnum):
    """How one tensor crosses one array axis."""

    FORWARD = "forward"
    """All PEs along the axis want the same word: one register per hop."""
    BROADCAST = "broadcast"
    """The same without delay: one wire."""
    PRIVATE = "private"
    """Every PE along the axis wants, or makes, a word of its own."""
    NEIGHBOUR = "neighbour"
    """A PE wants the word its neighbour had some loop steps ago: a FIFO between them."""
    MULTICAST = "multicast"
    """PEs along a diagonal want the same word: words carry a tag."""
    REDUCE = "reduce"
    """PEs along the axis add to the same output."""


@dataclass(frozen=True, slots=True)
class Link:
    """One tensor along one axis.

    Attributes
    ----------
    tensor, axis : str
        A member of `TENSORS`, and of `AXES`.
    options : tuple of Transport
        Legal transports, cheapest first.
    shift : tuple of int
        For `Transport.NEIGHBOUR`: how many steps of each wave counter later the next PE along the innermost index of
        the axis uses a word than this one does (negative: earlier, so the word travels back); empty otherwise.
    """

    tensor: str
    axis: str
    options: tuple[Transport, ...]
    shift: tuple[int, ...] = ()

    @property
    def transport(self) -> Transport:
        """The cheapest legal transport."""
        return self.options[0]


def unit(*dims: str) -> Matrix:
    """Return the matrix whose columns select `dims`, shape (8, len(dims)), rows in the order of `DIMS`."""
    for dim in dims:
        if dim not in DIMS:
            raise SpecError("relation", dim, ", ".join(DIMS), "name a loop dimension")
    return tuple(tuple(int(row == dim) for dim in dims) for row in DIMS)


def data_relation(tensor: str, stride: tuple[int, int] = (1, 1), dilation: tuple[int, int] = (1, 1)) -> Matrix:
    """Return M_D of a tensor, one column per loop dimension in the order of `DIMS`.

    Rows are (n, g, c, y, x) for inputs with y = stride p + dilation r, (g, k, c, r, s) for weights, (n, g, k, p, q)
    for outputs.
    """
    if tensor == "inputs":
        y = {"P": stride[0], "R": dilation[0]}
        x = {"Q": stride[1], "S": dilation[1]}
        rows = [{"N": 1}, {"G": 1}, {"C": 1}, y, x]
    elif tensor in TENSORS:
        rows = [{dim: 1} for dim in ("GKCRS" if tensor == "weights" else "NGKPQ")]
    else:
        raise SpecError("tensor", tensor, ", ".join(TENSORS), "choose one of these")
    return tuple(tuple(row.get(dim, 0) for dim in DIMS) for row in rows)


@dataclass(frozen=True, slots=True)
class Relation:
    """A dataflow relation for a two-axis array.

    Attributes
    ----------
    rows, cols : Matrix
        M_S: what one step along the axis does to each loop index, shape (8, indices). An axis that unrolls a folded
        plane has two indices, outer first.
    wave : Matrix
        M_T of the innermost loops, which stream through the array without a pause; shape (8, counters), outermost
        first.
    delay : tuple of int
        Control vector c: cycles control lags from one PE to the next along (rows, cols); 1 systolic, 0 broadcast.
    """

    rows: Matrix
    cols: Matrix
    wave: Matrix
    delay: tuple[int, int] = (1, 1)

    def __post_init__(self) -> None:
        for name in ("rows", "cols", "wave"):
            matrix = getattr(self, name)
            if len(matrix) != len(DIMS) or len({len(row) for row in matrix}) != 1:
                raise SpecError(f"relation.{name}", matrix, f"{len(DIMS)} rows of equal length", "see dataflows.relation.unit")
        for name in ("rows", "cols"):
            if any(is_zero(tuple((value,) for value in column)) for column in zip(*getattr(self, name), strict=True)):
                raise SpecError(f"relation.{name}", getattr(self, name), "no zero column", "let every index move a loop")
        if any(step not in (0, 1) for step in self.delay):
            raise SpecError("relation.delay", self.delay, "0 or 1 per axis", "use 1 for systolic, 0 for broadcast")

    def space(self, axis: str) -> Matrix:
        """M_S of one axis."""
        return self.rows if axis == "rows" else self.cols

    def skew(self, row: int, col: int) -> int:
        """Cycles by which PE (row, col) lags PE (0, 0): c s."""
        return self.delay[0] * row + self.delay[1] * col


def group(data: Matrix, relation: Relation, axis: str) -> Matrix:
    """Return M_D M_S of one axis: PEs with equal g(s) = M_D M_S s want the same word in the same step."""
    return multiply(data, relation.space(axis))


def stationary(data: Matrix, relation: Relation) -> bool:
    """Tell whether a PE uses one element of the tensor for a whole wave: M_D M_T = 0."""
    return is_zero(multiply(data, relation.wave))


def derive(
    relation: Relation, stride: tuple[int, int] = (1, 1), dilation: tuple[int, int] = (1, 1)
) -> dict[tuple[str, str], Link]:
    """Return the link of every (tensor, axis)."""
    links = {}
    for tensor in TENSORS:
        data = data_relation(tensor, stride, dilation)
        for axis in AXES:
            make = _output_link if tensor == "outputs" else _operand_link
            links[tensor, axis] = make(tensor, axis, data, relation)
    return links


def _output_link(tensor: str, axis: str, data: Matrix, relation: Relation) -> Link:
    """Link outputs: where PEs share one, their products must be added on the way."""
    shared = _shared(axis, data, relation)
    return Link(tensor, axis, (Transport.REDUCE if shared else Transport.PRIVATE,))


def _operand_link(tensor: str, axis: str, data: Matrix, relation: Relation) -> Link:
    """Link inputs and weights: sharing in the same step first, then sharing with a delay, then a way of one's own."""
    own = group(data, relation, axis)
    if is_zero(own):
        delay = relation.delay[AXES.index(axis)]
        return Link(tensor, axis, (Transport.FORWARD if delay else Transport.BROADCAST,))
    options = []
    step = tuple((row[-1],) for row in own)
    shift = solve(multiply(data, relation.wave), tuple((-value[0],) for value in step)) if not is_zero(step) else None
    if shift is not None:
        options.append(Transport.NEIGHBOUR)
    if _shared(axis, data, relation):
        options.append(Transport.MULTICAST)
    options.append(Transport.PRIVATE)
    return Link(tensor, axis, tuple(options), shift or ())


def _shared(axis: str, data: Matrix, relation: Relation) -> bool:
    """Tell whether PEs at different places along `axis` (and anywhere along the other) are in one group."""
    own = group(data, relation, axis)
    other = group(data, relation, AXES[1 - AXES.index(axis)])
    width = len(own[0])
    return any(any(vector[:width]) for vector in kernel(join(own, other)))
