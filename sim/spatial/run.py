"""From cases to port values, through the simulator, and back to sums."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataflows.nest.rules import TENSORS
from dataflows.spatial.array import COORDINATES, SpatialArray
from dataflows.spatial.program import Coordinates, SpatialProgram, Tag
from dataflows.spatial.schedule import schedule
from dataflows.spatial.streams import beats, results, sequence
from rtl.spatial import layouts
from rtl.spatial.export import PORTS, top_name, verilog
from rtl.spatial.pack import BeatPacker, ResultReader, program_bits, tag_bits
from sim.runner import Simulator, build, run
from sim.spatial.cases import SpatialCase

SLACK_CYCLES = 1000
FOREIGN = 0.3
"""Part of the words before which, under pauses, comes one that belongs to no PE."""


@dataclass(frozen=True, slots=True)
class Pauses:
    """How often streams pause: parts of the cycles."""

    gaps: float = 0.0
    stalls: float = 0.0

    @property
    def regular(self) -> bool:
        """Whether cycles mean anything."""
        return not (self.gaps or self.stalls)


@dataclass(frozen=True, slots=True, eq=False)
class Ran:
    """What came out of one case.

    Attributes
    ----------
    sums : ndarray of int64, (N, G, K, P, Q)
        Completed sums.
    seen : ndarray of int, the same shape
        How often each was completed.
    misplaced : int
        Sums whose marks were wrong, and sums that nobody asked for.
    cycles : int
        From that of start to that of the last result.
    busy : int
        From that of start to the last one in which the array was busy.
    beats : dict
        ``{tensor: beats taken or given}``.
    cpu_seconds : float
        CPU time of the simulation.
    """

    sums: NDArray[np.int64]
    seen: NDArray[np.int64]
    misplaced: int
    cycles: int
    busy: int
    beats: dict[str, int]
    cpu_seconds: float


def run_cases(
    array: SpatialArray, cases: Sequence[SpatialCase], *, name: str = "spatial", pauses: Pauses | None = None, seed: int = 0,
    simulator: Simulator = "verilator", waves: Path | None = None, interrupt: int = 0, timeout: float = 3600,
) -> list[Ran]:  # fmt: skip
    """Run cases one after the other on the array's Verilog, in one simulator process.

    The words of all cases are offered as one stream each, so that the array must leave alone what belongs to the next. It is
    reset before the first case; with `interrupt`, that case is begun, and reset away after so many cycles, before all.
    """
    pauses = pauses or Pauses()
    made = build(verilog(array, name), top_name(name), PORTS, waves=waves is not None, simulator=simulator)
    jobs = [stage(case, pauses, seed + number) for number, case in enumerate(cases)]
    params = {"jobs": jobs, "interrupt": interrupt}
    found = run(made, "sim.bench.cocotb_streams", params=params, waves=waves, timeout=timeout)["jobs"]
    return [collect(case.program, data) for case, data in zip(cases, found, strict=True)]


def stage(case: SpatialCase, pauses: Pauses, seed: int) -> dict[str, Any]:
    """Return a case as port values and limits, for `sim.bench.cocotb_streams`."""
    program, model = case.program, schedule(case.program)
    rng = Random(seed)
    tags, shifts = shifted(program, rng)
    slow = 1 if pauses.regular else 20
    streams, foreign = {}, {}
    for tensor, values in zip(TENSORS[:2], (case.weights, case.inputs), strict=True):
        plain = _packed(program, tensor, values, shifts)
        streams[tensor] = plain if pauses.regular else _with_foreign(program, tensor, plain, tags, rng)
        foreign[tensor] = len(streams[tensor]) - len(plain)
    return {
        "tags": [f"{tag:x}" for tag in tag_bits(replace(program, tags=tags))], "program": f"{program_bits(program):x}",
        **streams, "foreign": foreign,
        "results": model.beats["outputs"], "timeout": slow * 3 * model.cycles + SLACK_CYCLES,
        "gaps": pauses.gaps, "stalls": pauses.stalls, "seed": seed,
    }  # fmt: skip


def shifted(program: SpatialProgram, rng: Random) -> tuple[dict[Coordinates, Tag], dict[str, Coordinates]]:
    """Begin to count positions anywhere: return other tags that mean the same, and what to add to the fields of every beat.

    Only differences between tags and fields count, so all bits of both can be used with the smallest layer. Tags of PEs that
    take no part are drawn.
    """
    array = program.array
    top, slots = (1 << array.tag_bits) - 1, (1 << layouts.slot_bits(array)) - 1
    shifts = {}
    for tensor in TENSORS[:2]:
        places = [COORDINATES[tensor].index(field) for field in array.fields(tensor)]
        most = [max(word[place] for word in sequence(program, tensor)) for place in places]
        shifts[tensor] = tuple(rng.randint(0, top - each) for each in most)
    tags = {}
    for place, tag in program.tags.items():
        if tag.active:
            own = {tensor: _sum(getattr(tag, tensor), shift) for tensor, shift in shifts.items()}
            tags[place] = replace(tag, **own)
        else:
            junk = {tensor: tuple(rng.randint(0, top) for _ in shift) for tensor, shift in shifts.items()}
            tags[place] = Tag(False, junk["weights"], junk["inputs"], rng.randint(0, slots))
    return tags, shifts


def _sum(first: Coordinates, second: Coordinates) -> Coordinates:
    return tuple(a + b for a, b in zip(first, second, strict=True))


def _packed(program: SpatialProgram, tensor: str, values: NDArray[np.int64], shifts: dict[str, Coordinates]) -> list[str]:
    """Return all beats of a stream; words beyond the layer, or in its border, are zero."""
    pack, shift = BeatPacker(program.array, tensor), (0, 0, 0, 0, 0)
    if tensor == "inputs":
        shift = (0, 0, 0, program.layer.padding[0], program.layer.padding[1])
    shape = values.shape

    def word(at: Coordinates | None) -> int:
        if at is None:
            return 0
        where = tuple(index - less for index, less in zip(at, shift, strict=True))
        inside = all(0 <= index < size for index, size in zip(where, shape, strict=True))
        return int(values[where]) if inside else 0

    return [
        f"{pack([word(at) for at in beat.words], _sum(beat.fields, shifts[tensor]), beat.last, beat.final):x}"
        for beat in beats(program, tensor)
    ]


def _with_foreign(program: SpatialProgram, tensor: str, plain: list[str], tags: dict[Coordinates, Tag], rng: Random) -> list[str]:
    """Put words that no PE may take between others; their positions miss a tile by one field, most by one bit of it."""
    array, pack = program.array, BeatPacker(program.array, tensor)
    limit = 1 << layouts.operand_bits(array, tensor)
    extents, top = program.extents[tensor], 1 << array.tag_bits
    boxes = sorted({getattr(tag, tensor) for tag in tags.values() if tag.active})

    def nobody(at: Sequence[int]) -> bool:
        inside = all(0 <= place < top for place in at)
        return inside and not any(all(0 <= a - b < e for a, b, e in zip(at, box, extents, strict=True)) for box in boxes)

    # Round one tile all of them, behind the first delivery; then now and then one.
    box = rng.choice(boxes)
    misses = [_moved(box, field, sign << bit) for field, bit, sign in product(range(len(box)), range(array.tag_bits), (1, -1))]
    found = [pack([rng.randrange(limit) for _ in range(array.lanes(tensor))], at, False, False) for at in misses if nobody(at)]
    if not found:
        return plain
    ends = 1 << pack.last | 1 << pack.final
    words: list[int] = []
    for number, beat in enumerate(int(text, 16) for text in plain):
        if rng.random() < FOREIGN:
            words.append(rng.choice(found))
        words.append(beat)
        if beat & ends and number < len(sequence(program, tensor)):
            words = [*words[:-1], beat & ~ends, *found[:-1], found[-1] | beat & ends]
    return [f"{word:x}" for word in words]


def _moved(box: Coordinates, field: int, distance: int) -> Coordinates:
    return (*box[:field], box[field] + distance, *box[field + 1 :])


def collect(program: SpatialProgram, data: dict[str, Any]) -> Ran:
    """Return what `sim.bench.cocotb_streams` brought back as sums in their places."""
    ly, read = program.layer, ResultReader(program.array)
    shape = (ly.N, ly.G, ly.K, ly.P, ly.Q)
    running: dict[Coordinates, int] = {}
    sums, seen, misplaced = np.zeros(shape, np.int64), np.zeros(shape, np.int64), data["extra"]
    for text, places in zip(data["results"], results(program), strict=False):
        values, first, final = read(int(text, 16))
        for value, at in zip(values, places, strict=True):
            if at is None:
                continue
            misplaced += first != (at not in running)
            running[at] = value if first else running.get(at, 0) + value
            if final and all(index < size for index, size in zip(at, shape, strict=True)):
                sums[at], seen[at] = running[at], seen[at] + 1
    weights, inputs = data["beats"]
    taken = {"weights": weights, "inputs": inputs, "outputs": len(data["results"])}
    return Ran(sums, seen, misplaced, data["cycles"], data["busy"], taken, data["cpu_seconds"])
