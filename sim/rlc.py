"""Verification of a run-length codec: its Verilog against NumPy, back to back and with pauses."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataflows.compression import Format
from dataflows.errors import SpecError
from rtl.rlc.export import PORTS, top_name, verilog
from sim.formats.rlc import encode
from sim.runner import Simulator, build, run
from sim.verify import CaseResult, VerifyReport

__all__ = ["directed_tensors", "random_tensors", "verify_codec", "verify_tensors"]

PAUSES = 0.4
"""Part of the cycles in which each stream pauses, in the second run."""
MOST_WORDS = 400
QUIET = 64
"""Cycles after which a codec with nothing to do is done."""
Progress = Callable[[int, int, str], None]


def random_tensors(number: int, form: Format, word_bits: int, seed: int, most: int = MOST_WORDS) -> list[NDArray[np.int64]]:
    """Draw tensors of 1 to `most` words: dense, sparse, empty, in clusters, with extremes and runs as long as the field."""
    rng, low = np.random.default_rng(seed), -(1 << word_bits - 1)
    found = []
    for index in range(number):
        words = int(rng.integers(1, most + 1)) if index % 5 else min(most, 1 + index % 7)
        density = (0.0, 0.03, 0.25, 0.8, 1.0)[index % 5]
        kept = rng.random(words) < density
        if index % 3 == 2:  # clusters: blocks of zeros about as long as a run
            kept &= (np.arange(words) // ((1 << form.run_bits) + index % 4)) % 2 == 0
        values = np.where(rng.random(words) < 0.1, low, rng.integers(low, -low, words))
        found.append(np.where(kept, values, 0))
    return found


def directed_tensors(form: Format, word_bits: int, most: int) -> list[NDArray[np.int64]]:
    """Return tensors about the longest run that a pair says: one zero less, as many and one more, then a word, then at the end.

    Random tensors of `MOST_WORDS` words do not come to it where the field is wide. Those longer than `most` words are left out.
    """
    span, low = 1 << form.run_bits, -(1 << word_bits - 1)
    lengths = (span - 2, span - 1, span)
    found = [np.array([0] * zeros + [low] * words) for words in (1, 0) for zeros in lengths if zeros + words]
    return [values for values in found if len(values) <= most]


def verify_codec(
    form: Format, word_bits: int = 16, length_bits: int = 20, *, cases: int = 20, seed: int = 0,
    simulator: Simulator = "verilator", waves: Path | None = None, progress: Progress | None = None,
) -> VerifyReport:  # fmt: skip
    """Verify a codec on random tensors (`random_tensors`), and on those of the longest run (`directed_tensors`)."""
    tensors = random_tensors(cases, form, word_bits, seed, min(MOST_WORDS, 1 << length_bits))
    tensors += directed_tensors(form, word_bits, 1 << length_bits)
    return verify_tensors(form, word_bits, tensors, length_bits, seed=seed, simulator=simulator, waves=waves, progress=progress)


def verify_tensors(
    form: Format, word_bits: int, tensors: Sequence[NDArray[np.int64]], length_bits: int = 20, *, seed: int = 0,
    simulator: Simulator = "verilator", waves: Path | None = None, progress: Progress | None = None,
) -> VerifyReport:  # fmt: skip
    """Encode and decode tensors on the Verilog, one after the other without a gap, then again with random pauses.

    Every memory word and every word is compared with `sim.formats.rlc`. In the first run both directions take as many cycles
    as a tensor has words; ``cycles`` of a case is the sum. In the second run only contents count.

    Raises
    ------
    SpecError
        There is no tensor, one has no words, which a stream cannot say, or more than ``2**length_bits``.
    CheckFailed
        The simulation broke.
    """
    if not tensors or not all(0 < len(values) <= 1 << length_bits for values in tensors):
        allowed = f"at least one, each of 1 to {1 << length_bits} words"
        raise SpecError("tensors", [len(values) for values in tensors], allowed, "leave it out")
    started = time.perf_counter()
    coded = [[int.from_bytes(row.tobytes(), "little") for row in encode(values, word_bits, form)] for values in tensors]
    plain = [_words(values, word_bits) for values in tensors]
    feeds = {"store": _flat(plain), "load": _flat(coded), "lengths": [len(values) - 1 for values in tensors]}
    total = len(feeds["store"])
    job = {
        "feeds": {name: [f"{payload:x}" for payload in payloads] for name, payloads in feeds.items()},
        "takes": ["stored", "loaded"], "quiet": QUIET, "timeout": 20 * total + 1000,
    }  # fmt: skip
    jobs = [job | {"pauses": pauses, "seed": seed} for pauses in (0.0, PAUSES)]
    if progress:
        progress(0, 1, f"building and running on {simulator}")
    text = verilog(form, word_bits, length_bits)
    made = build(text, top_name(), PORTS, waves=waves is not None, simulator=simulator)
    ran = run(made, "sim.bench.cocotb_rlc", params={"jobs": jobs}, waves=waves)["jobs"]
    results = tuple(
        _compare(f"{at}_{'paused' if paused else 'whole'}", at, coded, plain, one, exact=not paused)
        for paused, one in enumerate(ran)
        for at in range(len(tensors))
    )
    return VerifyReport(simulator, results, time.perf_counter() - started, 0.0)


def _words(values: NDArray[np.int64], word_bits: int) -> list[int]:
    """Return the payloads of a tensor: words in two's complement, the last one marked."""
    payloads = (values & ((1 << word_bits) - 1)).tolist()
    payloads[-1] |= 1 << word_bits
    return payloads


def _flat(parts: Sequence[Sequence[int]]) -> list[int]:
    return [payload for part in parts for payload in part]


def _compare(
    name: str, at: int, coded: Sequence[list[int]], plain: Sequence[list[int]], one: dict[str, Any], *, exact: bool
) -> CaseResult:
    """Compare one tensor's share of both outputs; the last one answers for what concerns the whole run."""
    wrong, first, counts, cycles = 0, "", {}, 0
    for stream, expected in (("stored", coded), ("loaded", plain)):
        before = sum(map(len, expected[:at]))
        wanted, found = expected[at], one["found"][stream][before:]
        found = found if at == len(expected) - 1 else found[: len(wanted)]
        texts = [int(text, 16) for text, _cycle in found]
        differ = [n for n in range(max(len(wanted), len(texts))) if texts[n : n + 1] != wanted[n : n + 1]]
        if differ and not first:
            n = differ[0]
            first = f"{stream} {n}: found {texts[n : n + 1]}, expected {wanted[n : n + 1]}"
        wrong += len(differ)
        counts[stream] = len(found)
        if found:
            begun = one["found"][stream][before - 1][1] if before else 1
            cycles += found[-1][1] - begun
    if at == len(plain) - 1 and (one["fault"] or any(one["left"].values())):
        wrong, first = wrong + 1, first or f"fault {one['fault']}, payloads not taken: {one['left']}"
    model = {"stored": len(coded[at]), "loaded": len(plain[at])}
    words = len(plain[at])
    return CaseResult(name, wrong, sum(model.values()), first, cycles if exact else None, 2 * words, counts, model, 0)
