"""The accelerators that fit a budget and can run every layer of a network; legal by construction.

Which shapes fit follows from the smallest tile of every layer: its words depend on the rows of the array only, so the
bytes needed grow with rows and with cols, and the shapes that fit are ``cols <= most_cols(dataflow, rows)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from dataflows.arch import Accelerator, Array, Dataflow
from dataflows.feasible import Infeasible, InfeasibleError
from dataflows.tiling import Blocking, Tiling, tile_words
from dataflows.workload import Layer
from dse.budget import Budget

LARGEST_SIDE = 256
MOST_WORDS = 1 << 16
GRAIN = 8
"""Buffer words are multiples of this, so that designs that hardly differ are one design."""

BUFFERS = ("input_words", "weight_words", "acc_words")
Words = dict[str, int]


@dataclass(frozen=True)
class Space:
    """All hardware points of a search.

    Attributes
    ----------
    budget : Budget
        Limits.
    layers : tuple of Layer
        Layers that every point must be able to run, in the form the mapper maps (`Layer.flattened`).
    dataflows : tuple of str
        Dataflows to choose from.
    """

    budget: Budget
    layers: tuple[Layer, ...]
    dataflows: tuple[Dataflow, ...] = ("ws", "os")
    _most_cols: dict[str, list[int]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        table = {flow: self._shapes(flow) for flow in self.dataflows}
        object.__setattr__(self, "_most_cols", table)

    @classmethod
    def of(cls, budget: Budget, layers: Sequence[Layer], dataflows: Sequence[Dataflow]) -> Space:
        """Build the space and check that it is not empty.

        Raises
        ------
        InfeasibleError
            When not even the smallest array fits; says how many bytes are missing and where most are needed.
        """
        shapes = {layer.flattened().shape: layer.flattened() for layer in layers}
        space = cls(budget, tuple(shapes.values()), tuple(dataflows))
        if not any(space._most_cols.values()):
            raise InfeasibleError([space._lack(flow) for flow in space.dataflows])
        return replace(space, dataflows=tuple(flow for flow in space.dataflows if space._most_cols[flow]))

    def most_rows(self, dataflow: str) -> int:
        """Return the largest number of rows that fits; any smaller number fits too."""
        return len(self._most_cols[dataflow])

    def most_cols(self, dataflow: str, rows: int) -> int:
        """Return the largest number of columns that fits; any smaller number fits too."""
        return self._most_cols[dataflow][rows - 1]

    def least_words(self, dataflow: str, rows: int, cols: int) -> Words:
        """Return the words of one buffer half that the smallest tile of every layer needs."""
        least = self._smallest_words(rows, cols)
        return {
            "input_words": max(4, least["input_buffer"]),
            "weight_words": max(4, rows, least["weight_buffer"]),
            "acc_words": max(4, rows if dataflow == "os" else 1),
        }

    def least(self, dataflow: str, rows: int, cols: int, lanes: int = 1, tile_blocks: int = 1) -> Accelerator:
        """Return the accelerator of this shape with the smallest buffers."""
        return self._build(dataflow, rows, cols, lanes, tile_blocks, self.least_words(dataflow, rows, cols))

    def build(self, dataflow: str, rows: int, cols: int, *, lanes: int, tile_blocks: int, want: dict[str, float]) -> Accelerator:
        """Return a legal accelerator of a shape that fits, as close to the wishes as the byte budget allows.

        Parameters
        ----------
        dataflow, rows, cols
            A shape within `most_rows` and `most_cols`.
        lanes, tile_blocks : int
            Wished; halved, blocks first, while the smallest buffers do not fit beside them.
        want : dict of float
            Wished words of each half, raised to the smallest need; scaled down together to fit, but not below it.
        """
        lanes = min(lanes, cols, self.budget.lanes)
        while self.least(dataflow, rows, cols, lanes, tile_blocks).buffer_bytes > self.budget.buffer_bytes:
            lanes, tile_blocks = (lanes, tile_blocks // 2) if tile_blocks > 1 else (lanes // 2, 1)
        least = self.least_words(dataflow, rows, cols)

        def made(part: float) -> Accelerator:
            words = {name: _grain(part * want[name], least[name]) for name in BUFFERS}
            return self._build(dataflow, rows, cols, lanes, tile_blocks, words)

        if made(1.0).buffer_bytes <= self.budget.buffer_bytes:
            return made(1.0)
        low, high = 0.0, 1.0
        for _ in range(24):  # 2**-24 of a buffer is less than a word
            middle = (low + high) / 2
            low, high = (middle, high) if made(middle).buffer_bytes <= self.budget.buffer_bytes else (low, middle)
        return made(low)

    def share(self, dataflow: str, rows: int, cols: int, shares: dict[str, float], *, tile_blocks: int) -> Accelerator:
        """Return the accelerator that spends the whole budget in the given proportions of bytes, as many lanes as allowed."""
        least = self.least(dataflow, rows, cols)
        bits = _bits_per_word(least)
        total = sum(shares.values())
        want = {name: shares[name] / total * 8 * self.budget.buffer_bytes / bits[name] for name in BUFFERS}
        return self.build(dataflow, rows, cols, lanes=self.budget.lanes, tile_blocks=tile_blocks, want=want)

    def room(self, dataflow: str, rows: int, cols: int) -> Words:
        """Return for each buffer the words it could have if the others had their least."""
        least = self.least(dataflow, rows, cols)
        spare = 8 * (self.budget.buffer_bytes - least.buffer_bytes)
        return {
            name: min(MOST_WORDS, getattr(least, name) + max(0, spare) // bits) for name, bits in _bits_per_word(least).items()
        }

    def _shapes(self, dataflow: str) -> list[int]:
        """Return the most columns for 1, 2, 3 ... rows, as far as any fit."""
        found: list[int] = []
        cols = LARGEST_SIDE
        for rows in range(1, min(LARGEST_SIDE, self.budget.macs) + 1):
            cols = min(cols, self.budget.macs // rows)  # what did not fit fewer rows does not fit more
            while cols and not self._fits(dataflow, rows, cols):
                cols -= 1
            if not cols:
                break
            found.append(cols)
        return found

    def _fits(self, dataflow: str, rows: int, cols: int) -> bool:
        words = self.least_words(dataflow, rows, cols)
        if max(words.values()) > MOST_WORDS:
            return False
        return self._build(dataflow, rows, cols, 1, 1, words).buffer_bytes <= self.budget.buffer_bytes

    def _smallest_words(self, rows: int, cols: int) -> Words:
        """Return the words that the smallest tiles need; the array's other parameters do not matter."""
        probe = Accelerator("probe", Array(rows, cols), weight_words=MOST_WORDS, post_lanes=1)
        needs = [tile_words(layer, Blocking.of(layer, probe), Tiling(1, 1, 1, 1)) for layer in self.layers]
        return {name: max(need[name] for need in needs) for name in ("input_buffer", "weight_buffer")}

    def _build(self, dataflow: str, rows: int, cols: int, lanes: int, tile_blocks: int, words: Words) -> Accelerator:
        bits, budget = self.budget.bits, self.budget
        array = Array(rows, cols, dataflow, input_bits=bits, weight_bits=bits, acc_bits=budget.acc_bits)  # type: ignore[arg-type]
        return Accelerator(f"{dataflow}-{rows}x{cols}", array, budget.memory, post_lanes=lanes, tile_blocks=tile_blocks, **words)

    def _lack(self, dataflow: str) -> Infeasible:
        """Say what the smallest array is short of."""
        words = self.least_words(dataflow, 1, 1)
        name, most = max(words.items(), key=lambda item: item[1])
        if most > MOST_WORDS:
            remedy = f"{name} would need {most} words; use a smaller network input or filter"
            return Infeasible(name, most, MOST_WORDS, "words", remedy, f"{dataflow} 1x1")
        acc = self._build(dataflow, 1, 1, 1, 1, words)
        parts = {level.name: -(-level.size_bits // 8) for level in acc.levels() if level.words}
        largest = max(parts, key=lambda level: parts[level])
        remedy = (
            f"raise budget.buffer_kib to at least {-(-acc.buffer_bytes // 1024)} "
            f"(the {largest} alone takes {parts[largest]} bytes)"
        )
        return Infeasible(
            largest, acc.buffer_bytes, self.budget.buffer_bytes, "bytes of all buffers", remedy,
            f"smallest {dataflow} array (1x1)",
        )  # fmt: skip


def _grain(words: float, least: int) -> int:
    """Round down to the grain, but not below what is needed."""
    return min(MOST_WORDS, max(least, int(words) // GRAIN * GRAIN))


def _bits_per_word(acc: Accelerator) -> Words:
    """Return the bits that one more word in each half costs; accumulator and output buffer grow together."""
    return {
        "input_words": 2 * acc.input_word_bits,
        "weight_words": 2 * acc.weight_word_bits,
        "acc_words": 2 * (acc.acc_word_bits + acc.output_word_bits),
    }
