"""Run-length coding of one tensor, bit by bit as `rtl.rlc` does it (dense reference, 3.7; docs/run-length-coding.md).

A pair is a run of zeros and the word after them; several pairs and a flag make a memory word. Bit 0 upwards: run and level of
the first pair, of the second, ..., then the flag, which is 1 in the last memory word of a tensor. Pairs that the last memory
word does not need are zero. How long a tensor is, the decoder has to be told: zeros at its end look like such pairs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dataflows.compression import Format
from dataflows.errors import SpecError

__all__ = ["EYERISS", "decode", "encode", "from_runs", "runs"]

EYERISS = Format("rlc", run_bits=5, pack=3, flag_bits=1)
"""64 bits for three runs of up to 31 zeros with words of 16 bits each."""


def runs(values: ArrayLike, run_bits: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the runs and levels of a tensor.

    Parameters
    ----------
    values : array_like of int, shape (words,)
        The tensor.
    run_bits : int
        Width of a run. A longer one takes pairs whose level is a zero, itself one of the zeros that are coded; so does one at
        the end.

    Returns
    -------
    runs, levels : ndarray of int64, shape (pairs,)
    """
    flat = np.asarray(values, dtype=np.int64)
    span = 1 << run_bits
    ends = np.append(np.flatnonzero(flat), len(flat))
    gaps = np.diff(ends, prepend=-1) - 1  # zeros before each word that is none, and those at the end
    full, rest = gaps // span, gaps % span
    last = rest[-1] != 0  # whether zeros at the end need a pair beyond full runs
    counts = full + 1
    counts[-1] += int(last) - 1
    at_end = np.cumsum(counts) - 1  # where the pair of each of these words is
    found_runs = np.full(int(counts.sum()), span - 1, dtype=np.int64)
    levels = np.zeros_like(found_runs)
    found_runs[at_end[:-1]], levels[at_end[:-1]] = rest[:-1], flat[ends[:-1]]
    if last:
        found_runs[-1] = rest[-1] - 1
    return found_runs, levels


def from_runs(found_runs: ArrayLike, levels: ArrayLike, length: int) -> NDArray[np.int64]:
    """Return the tensor of `length` words; what pairs say beyond it is left out.

    Raises
    ------
    SpecError
        The pairs hold fewer words.
    """
    ends = np.cumsum(np.asarray(found_runs, dtype=np.int64) + 1)
    total = int(ends[-1]) if len(ends) else 0
    if total < length:
        raise SpecError("length", length, f"at most {total}, the words that the pairs hold", "give all pairs")
    found = np.zeros(max(total, length), dtype=np.int64)
    found[ends - 1] = levels
    return found[:length]


def encode(values: ArrayLike, word_bits: int = 16, form: Format = EYERISS) -> NDArray[np.uint8]:
    """Code one tensor.

    Parameters
    ----------
    values : array_like of int, shape (words,)
        Two's complement; must fit.
    word_bits : int
        Width of a word.
    form : Format
        Of kind ``rlc``. Segments are tensors of their own.

    Returns
    -------
    ndarray of uint8, shape (memory words, ceil(bits of one / 8))
        Little endian; no memory word for no words.

    Raises
    ------
    SpecError
        For a word that does not fit, or a format that is not run-length coding.
    """
    width = _width(form, word_bits)
    flat = np.asarray(values, dtype=np.int64).reshape(-1)
    low, high = -(1 << word_bits - 1), 1 << word_bits - 1
    if len(flat) and not (low <= flat.min() and flat.max() < high):
        raise SpecError("values", f"{flat.min()} to {flat.max()}", f"{low} to {high - 1}", "widen word_bits")
    found_runs, levels = runs(flat, form.run_bits)
    memory_words = -(-len(levels) // form.pack)
    pairs = np.zeros((memory_words * form.pack, 2), dtype=np.int64)
    pairs[: len(levels), 0], pairs[: len(levels), 1] = found_runs, levels
    bits = np.concatenate([_bits(pairs[:, :1], form.run_bits), _bits(pairs[:, 1:], word_bits)], axis=1)
    whole = np.zeros((memory_words, width), dtype=np.uint8)
    whole[:, : form.pack * (form.run_bits + word_bits)] = bits.reshape(memory_words, form.pack * (form.run_bits + word_bits))
    if form.flag_bits and memory_words:
        whole[-1, form.pack * (form.run_bits + word_bits)] = 1
    return np.packbits(whole, axis=1, bitorder="little")


def decode(packed: NDArray[np.uint8], length: int, word_bits: int = 16, form: Format = EYERISS) -> NDArray[np.int64]:
    """Inverse of `encode`.

    Parameters
    ----------
    packed : ndarray of uint8, shape (memory words, bytes of one)
        As `encode` returns it.
    length : int
        Words of the tensor.

    Returns
    -------
    ndarray of int64, shape (length,)

    Raises
    ------
    SpecError
        Memory words of another width, too few or too many of them, or a flag elsewhere than in the last one.
    """
    width = _width(form, word_bits)
    if packed.ndim != 2 or packed.shape[1] != -(-width // 8):
        raise SpecError("packed", packed.shape, f"(memory words, {-(-width // 8)})", "check the format and word_bits")
    bits = np.unpackbits(packed, axis=1, bitorder="little")[:, :width]
    pair_bits = form.run_bits + word_bits
    if form.flag_bits:
        flags = bits[:, form.pack * pair_bits]
        if flags.sum() != min(1, len(flags)) or not flags[-1:].all():
            raise SpecError(
                "packed", f"flags in words {np.flatnonzero(flags).tolist()}", "one, in the last", "give a whole tensor"
            )
    pairs = bits[:, : form.pack * pair_bits].reshape(-1, pair_bits).astype(np.int64)
    found_runs = pairs[:, : form.run_bits] @ (1 << np.arange(form.run_bits))
    levels = pairs[:, form.run_bits :] @ (1 << np.arange(word_bits))
    levels -= (levels >> (word_bits - 1)) << word_bits
    before = int((found_runs[: -form.pack] + 1).sum())
    if len(packed) and before >= length:
        raise SpecError("length", length, f"more than {before}, where the last memory word begins", "cut the tensor's own words")
    return from_runs(found_runs, levels, length)


def _width(form: Format, word_bits: int) -> int:
    """Return the bits of a memory word of a format that is coded as a whole."""
    if form.kind != "rlc" or form.segment:
        raise SpecError("format", str(form), "rlc without segments", "code every segment as a tensor of its own")
    if not 1 <= word_bits <= 32:
        raise SpecError("word_bits", word_bits, "1 to 32", "correct the width")
    return form.pack * (form.run_bits + word_bits) + form.flag_bits


def _bits(column: NDArray[np.int64], bits: int) -> NDArray[np.uint8]:
    return ((column >> np.arange(bits)) & 1).astype(np.uint8)
