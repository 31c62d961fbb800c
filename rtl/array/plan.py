"""From a dataflow relation to the few facts the array is built from."""

from __future__ import annotations

from dataclasses import dataclass

from dataflows import arch
from dataflows.errors import SpecError
from dataflows.named import by_name
from dataflows.relation import Relation, Transport, data_relation, derive, stationary, unit

__all__ = ["ArrayPlan"]

# A word of the input buffer holds `rows` values along this dimension (docs/hardware.md).
WORD_DIM = "C"


@dataclass(frozen=True, slots=True)
class ArrayPlan:
    """What the array is, as derived from its relation, and its timing.

    Attributes
    ----------
    rows, cols : int
        PEs along each axis.
    input_bits, weight_bits, acc_bits : int
        Widths, all signed; sums wrap modulo 2**acc_bits.
    weights_stay : bool
        A PE keeps one weight for a wave, with a second one loaded behind it; otherwise weights pass through.
    outputs_stay : bool
        A PE adds up one output during a wave, and the finished one leaves during the next; otherwise partial sums
        run down the columns.
    serialise : bool
        The lanes of an input word are used one after the other by one row; otherwise one by each row.
    pe_stages : int
        Registers between the operands that enter a PE and its adder (`dataflows.arch.Array`).
    """

    rows: int
    cols: int
    input_bits: int
    weight_bits: int
    acc_bits: int
    weights_stay: bool
    outputs_stay: bool
    serialise: bool
    pe_stages: int = 0

    @classmethod
    def of(cls, array: arch.Array) -> ArrayPlan:
        """Plan the array of an accelerator."""
        names = ("rows", "cols", "input_bits", "weight_bits", "acc_bits", "pe_stages")
        sizes = {name: getattr(array, name) for name in names}
        return cls.derive(by_name(array.dataflow), **sizes)

    @classmethod
    def derive(
        cls, relation: Relation, *, rows: int, cols: int, input_bits: int, weight_bits: int, acc_bits: int, pe_stages: int = 0
    ) -> ArrayPlan:
        """Plan an array for `relation`.

        Raises
        ------
        SpecError
            Naming the tensor and axis, if the relation needs a transport this array does not have: inputs travel
            along rows of PEs, weights and sums along columns, everything one register per hop.
        """
        if relation.delay != (1, 1):
            raise SpecError("array.relation.delay", relation.delay, "(1, 1)", "let control travel one PE per cycle")
        stays = {tensor: stationary(data_relation(tensor), relation) for tensor in ("inputs", "weights", "outputs")}
        want = {
            ("inputs", "rows"): Transport.PRIVATE,
            ("inputs", "cols"): Transport.FORWARD,
            ("weights", "rows"): Transport.PRIVATE if stays["weights"] else Transport.FORWARD,
            ("weights", "cols"): Transport.PRIVATE,
            ("outputs", "rows"): Transport.PRIVATE if stays["outputs"] else Transport.REDUCE,
            ("outputs", "cols"): Transport.PRIVATE,
        }
        for (tensor, axis), link in derive(relation).items():
            have = want[tensor, axis]
            if have not in link.options:
                held = "stationary " if stays[tensor] else ""
                path = f"array.relation: {held}{tensor} along {axis}"
                raise SpecError(path, str(link.transport), str(have), "choose a relation this array can carry")
        if stays["inputs"]:
            raise SpecError("array.relation: inputs", "stationary", "inputs that stream", "choose another wave")
        return cls(
            rows, cols, input_bits, weight_bits, acc_bits, stays["weights"], stays["outputs"], _serialises(relation), pe_stages
        )

    @property
    def edge_latency(self) -> int:
        """Cycles the west edge adds before PE (0, 0): 1 when it serialises, else 0."""
        return int(self.serialise)

    @property
    def south_latency(self) -> int:
        """Cycles until a result is on lane 0 of `south`; lane c follows c cycles later.

        Counted from the cycle of the west word whose products it sums, or, where outputs stay, from the cycle of
        `take` to the result of row ``rows - 1``, after which rows - 2, ..., 0 follow, one per cycle.
        """
        return self.edge_latency + self.pe_stages + (1 if self.outputs_stay else self.rows)

    @property
    def wave_interval(self) -> int:
        """Fewest cycles between the starts of two waves: weights are loaded, and results drained, a row per cycle."""
        return self.rows


def _serialises(relation: Relation) -> bool:
    """Tell how an input word meets the array: its lanes side by side, or one after the other."""
    word = unit(WORD_DIM)
    if relation.rows == word:
        return False
    if tuple(row[-1:] for row in relation.wave) == word:
        return True
    allowed = f"{WORD_DIM} alone on rows, or innermost in the wave"
    raise SpecError("array.relation: words of inputs", f"no place for {WORD_DIM}", allowed, "reorder the loops")
