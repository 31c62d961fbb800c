"""What the coders do with a row of a coded feature map (dense reference, 3.7; `dataflows.spatial.system.coding`)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class RowCode:
    """What the coders do with one row; a step is a cycle in which they do not wait.

    Attributes
    ----------
    held : tuple of int
        Steps of the decoder for every memory word.
    given : tuple of int
        Step of the decoder, from the row's first on, in which it gives each beat.
    taken : tuple of int
        Step of the encoder, from the row's first on, in which it has done with each beat.
    made : tuple of int
        Step of the encoder in which each memory word is complete.
    """

    held: tuple[int, ...]
    given: tuple[int, ...]
    taken: tuple[int, ...]
    made: tuple[int, ...]

    @property
    def beats(self) -> int:
        """Memory words."""
        return len(self.held)

    def cut(self, wanted: int) -> tuple[tuple[int, ...], int]:
        """Return the decoder's steps for every memory word, and that of the last beat, if only `wanted` beats are taken."""
        last = self.given[wanted - 1]
        before = 0
        for at, steps in enumerate(self.held):
            if last < before + steps:
                more = len(self.held) - at - 1
                # The memory word that gave the last beat goes at once if it has the flag, otherwise in the next cycle.
                return (*self.held[:at], last - before + 1 + (more > 0), *(1,) * more), last
            before += steps
        raise AssertionError("every beat is given by a memory word")


def row_code(values: NDArray, run_bits: int, pack: int, words: int) -> RowCode:
    """Return what the coders do with a row.

    Parameters
    ----------
    values : array of int, shape (beats * words,)
        The row, less the zero point.
    run_bits, pack, words : int
        Width of a run, pairs in a memory word, words in a beat.
    """
    span = 1 << run_bits
    ends = np.flatnonzero(values)
    edges = np.append(ends, len(values))
    gaps = np.diff(edges, prepend=-1) - 1
    long = np.flatnonzero(gaps >= span)
    full = [edges[at] - gaps[at] + span * np.arange(1, gaps[at] // span + 1) - 1 for at in long]
    closers = np.unique(np.concatenate([ends, *full, [len(values) - 1]])).astype(np.int64)
    before = np.append(-1, closers[:-1]) + 1
    crossed = closers // words - before // words  # beats that zeros end, given before the pair's own word is placed
    step = np.cumsum(crossed + 1) - 1
    pairs = np.arange(len(closers))
    firsts = np.arange(0, len(closers), pack)
    beats = len(values) // words
    finals = (np.arange(beats) + 1) * words - 1
    owner = np.searchsorted(closers, finals)  # the pair that ends a beat, or the one whose zeros do
    own = closers[owner] == finals
    given = np.where(own, step[owner], step[owner] - crossed[owner] + np.arange(beats) - before[owner] // words)
    idle = np.cumsum(~own)  # steps of the encoder without a pair, up to and with each beat
    last = np.append(firsts[1:] - 1, len(closers) - 1)
    return RowCode(
        tuple(np.add.reduceat(crossed + 1, firsts).tolist()), tuple(given.tolist()),
        tuple((np.searchsorted(closers, finals, side="right") + idle - 1).tolist()),
        tuple((pairs[last] + np.append(0, idle)[closers[last] // words]).tolist()),
    )  # fmt: skip
