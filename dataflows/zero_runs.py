"""Expected numbers of (run of zeros, word) pairs, every word non-zero with probability `density` independently.

Runs have `run_bits` bits, so that a pair covers up to B = 2**run_bits words; q stands for 1 - density. All compute in the
arithmetic of `density`: exactly for a `Fraction`.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache
from typing import Any

Number = float | Fraction

DENSE_STATES = 512
"""Up to so many states the chain of `memory_words` is one matrix; above, one matrix per frequency of the pairs' phase."""


def power_sums(ratio: Number, count: int) -> tuple[Number, Number]:
    """Return sum of ratio**m and sum of (count - m) * ratio**m over m = 1 .. count.

    By doubling, so that long blocks take logarithmic time; all terms are positive, so that no digits cancel.
    """
    total, weighted, power = 0 * ratio, 0 * ratio, 1 + 0 * ratio
    done = 0
    for bit in bin(count)[2:]:
        weighted = done * total + weighted + power * weighted
        total, power, done = total + power * total, power * power, 2 * done
        if bit == "1":
            weighted, power, done = weighted + total, power * ratio, done + 1
            total = total + power
    return total, weighted


def padding(words: int, density: Number, run_bits: int) -> Number:
    """Return the expected pairs with a zero word in front of non-zeros.

    A gap of g zeros takes floor(g / B) of them, B = 2**run_bits (sparse reference, 2.1). The word at position i ends a gap of
    at least mB zeros with probability density * q**(mB) if i >= mB, so that the sum over i and m is
    density * sum of (words - mB) q**(mB) over m = 1 .. M, M = floor((words - 1) / B).
    """
    span = 1 << run_bits
    most = (words - 1) // span
    total, weighted = power_sums((1 - density) ** span, most)
    return density * ((words - most * span) * total + span * weighted)


def trailing(words: int, density: Number, run_bits: int) -> Number:
    """Return the expected pairs for zeros at the end: ceil(t / B) for t of them, t > mB with probability q**(mB + 1)."""
    span, zero = 1 << run_bits, 1 - density
    total, _ = power_sums(zero**span, (words - 1) // span)
    return zero * (1 + total)


def pairs_per_word(density: Number, run_bits: int) -> Number:
    """Return pairs per word of an endless block: density / (1 - q**B), and 1 / B without non-zeros."""
    span = 1 << run_bits
    if isinstance(density, float) and 0 < density < 1:
        return density / -math.expm1(span * math.log1p(-density))
    return density / (1 - (1 - density) ** span) if density else Fraction(1, span)


@lru_cache(maxsize=4096, typed=True)  # 0.5 and Fraction(1, 2) are equal keys otherwise
def memory_words(words: int, density: Number, run_bits: int, pack: int, pairs: Number) -> Number:
    """Return the expected ceil(N / pack) for N pairs of one word or more: (E[N] + E[-N mod pack]) / pack.

    The remainder comes from the chain of states (zeros since the last pair, pairs mod pack). For a `Fraction` and more than
    `DENSE_STATES` of them it is walked word by word, which is slow.
    """
    span = 1 << run_bits
    if span * pack <= DENSE_STATES:
        last = _row(words, _powers(density, run_bits, pack))[0].reshape(pack, span)
    elif isinstance(density, float):
        last = _by_frequency(words, density, run_bits, pack)
    else:
        last = _by_word(words, density, run_bits, pack)
    missing = [-phase % pack for phase in range(pack)]
    waste = sum(last[phase, 0] * missing[phase] for phase in range(pack))
    waste += sum(last[phase, 1:].sum() * missing[(phase + 1) % pack] for phase in range(pack))
    return (pairs + waste) / pack


def _row(words: int, powers: list[Any]) -> Any:
    """Return the first row of the step for `words` words; `powers` has those for 1, 2, 4 ... and gets more when needed."""
    row: Any = None
    for bit in range(words.bit_length()):
        if bit == len(powers):
            powers.append(powers[-1] @ powers[-1])
        if words >> bit & 1:
            row = powers[bit][..., :1, :] if row is None else row @ powers[bit]
    return row


def _by_frequency(words: int, density: float, run_bits: int, pack: int) -> Any:
    """Return the probability of every (phase, zeros): the phase only turns, so its Fourier transform splits the chain."""
    import numpy as np

    return np.fft.irfft(_row(words, _turns(density, run_bits, pack))[:, 0], n=pack, axis=0)


def _by_word(words: int, density: Number, run_bits: int, pack: int) -> Any:
    """Return the same in the arithmetic of `density`."""
    import numpy as np

    state = np.zeros((pack, 1 << run_bits), dtype=object)
    state[0, 0] = 1
    for _ in range(words):
        ended = density * state.sum(axis=1) + (1 - density) * state[:, -1]
        state[:, 1:] = (1 - density) * state[:, :-1]
        state[:, 0] = np.roll(ended, 1)
    return state


@lru_cache(maxsize=64)
def _turns(density: float, run_bits: int, pack: int) -> list[Any]:
    """Return the chain's step for one word at every frequency, as `_powers` does for the whole."""
    import numpy as np

    span = 1 << run_bits
    turn = np.exp(-2j * np.pi * np.arange(pack // 2 + 1) / pack)
    step = np.zeros((len(turn), span, span), dtype=complex)
    zeros = np.arange(span - 1)
    step[:, zeros, zeros + 1] = 1 - density
    step[:, :, 0] = density * turn[:, None]
    step[:, -1, 0] = turn
    return [step]


@lru_cache(maxsize=64, typed=True)
def _powers(density: Number, run_bits: int, pack: int) -> list[Any]:
    """Return the chain's step for one word, to which `memory_words` adds those for 2, 4, 8 ... words as it needs them."""
    import numpy as np  # here: the command line shows its help without NumPy

    span = 1 << run_bits
    step = np.zeros((span * pack, span * pack), dtype=float if isinstance(density, float) else object)
    for state in range(span * pack):
        phase, run = divmod(state, span)
        ended = (phase + 1) % pack * span
        step[state, ended] += density
        step[state, state + 1 if run + 1 < span else ended] += 1 - density
    return [step]
