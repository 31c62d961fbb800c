"""Loops as long as they may be: for every counter of the sequencer layers that go round tens of thousands of times.

One multiply-accumulate per iteration and the same words every time, so that the bench has nothing to do in between. Two
extents per counter, 5555 and AAAA in hexadecimal and one, bring every bit of a counter, and of what it is compared with, to
0 and to 1 where the other extent has it the other way round. And all loops together, short, for the carries between them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod
from typing import Any

from dataflows.mapping import Level, Mapping
from dataflows.spatial.array import LONGEST_INNER, LONGEST_OUTER, MOST_INNER, MOST_OUTER, SpatialArray
from dataflows.spatial.program import InnerLoop, OuterLoop, SpatialProgram, compile_spatial
from dataflows.spatial.schedule import schedule
from dataflows.spatial.streams import beats, results
from dataflows.workload import Layer
from rtl.spatial.pack import BeatPacker, ResultReader, program_bits, tag_bits

__all__ = ["LongLoop", "long_loops"]

WEIGHT, INPUT = 3, -5
PATTERNS = (0x5555, 0xAAAA)


@dataclass(frozen=True, slots=True)
class LongLoop:
    """One layer with one long loop.

    Attributes
    ----------
    name : str
        Which counter, and its extent.
    job : dict
        For `sim.bench.cocotb_streams.run_long`.
    cycles : int
        From that of start to that of the only result.
    mask, expected : int
        The bits of the result that mean something, and what they must be.
    """

    name: str
    job: dict[str, Any]
    cycles: int
    mask: int
    expected: int


def long_loops(array: SpatialArray) -> Iterator[LongLoop]:
    """Yield the layers, the short ones first."""
    single = Layer.gemm("long", M=1, N=1, K=1, input_bits=array.input_bits, weight_bits=array.weight_bits)
    base = compile_spatial(single, array, Mapping((Level("stream", ()), Level("pe", ()))))
    outer, inner = (OuterLoop("C", 1, 0),) * MOST_OUTER, (InnerLoop("C", 1, (0, 0, 0)),) * MOST_INNER
    base = replace(base, outer=outer, inner=inner, changes=(MOST_OUTER,) * 3)
    loops = tuple(OuterLoop("C", 2 + at % 2, 0) for at in range(MOST_OUTER))
    yield _long("all outer", replace(base, outer=loops, changes=(0, 0, MOST_OUTER)), prod(loop.extent for loop in loops))
    loops = tuple(InnerLoop("C", 3 - at % 2, (0, 0, 0)) for at in range(MOST_INNER))
    yield _long("all inner", replace(base, inner=loops), prod(loop.extent for loop in loops))
    for extent in (pattern % (LONGEST_INNER + 1) + 1 for pattern in PATTERNS):
        for at in range(MOST_INNER):
            loops = (*inner[:at], InnerLoop("C", extent, (0, 0, 0)), *inner[at + 1 :])
            yield _long(f"inner {at}: {extent}", replace(base, inner=loops), extent)

    for extent in (pattern % (LONGEST_OUTER + 1) + 1 for pattern in PATTERNS):
        for at in range(MOST_OUTER):
            loops = (*outer[:at], OuterLoop("C", extent, 0), *outer[at + 1 :])
            yield _long(f"outer {at}: {extent}", replace(base, outer=loops, changes=(at, at, MOST_OUTER)), extent)


def _long(name: str, program: SpatialProgram, times: int) -> LongLoop:
    array = program.array
    model = schedule(program)
    job: dict[str, Any] = {"tags": [f"{tag:x}" for tag in tag_bits(program)], "program": f"{program_bits(program):x}"}
    for tensor, word in (("weights", WEIGHT), ("inputs", INPUT)):
        first = next(beats(program, tensor))
        lanes = [word if at is not None else 0 for at in first.words]
        # The last beat of the layer is not marked: beats after it are offered and must not be taken.
        job[tensor] = f"{BeatPacker(array, tensor)(lanes, first.fields, True, False):x}"
    reader, (places,) = ResultReader(array), tuple(results(program))
    total = times * WEIGHT * INPUT % (1 << array.acc_bits)
    lanes = [lane for lane, at in enumerate(places) if at is not None]
    marks = 1 << reader.first | 1 << reader.final
    mask = sum((1 << array.acc_bits) - 1 << lane * array.acc_bits for lane in lanes)
    expected = sum(total << lane * array.acc_bits for lane in lanes)
    job["limit"] = model.cycles + 1
    return LongLoop(name, job, model.cycles, mask | marks, expected | marks)
