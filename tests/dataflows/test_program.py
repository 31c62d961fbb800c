"""Layer programs: words and back, mapping and back, and the addresses they walk."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.arch import Accelerator, Array
from dataflows.errors import SpecError
from dataflows.feasible import InfeasibleError
from dataflows.program import LEVELS, LayerProgram, Placement, Postprocess, compile_layer, place, program_beats
from dataflows.rounding import ROUNDINGS
from dataflows.tiling import Blocking, Tiling, mapping_of
from dataflows.workload import Layer
from tests.strategies import any_jobs, jobs, operations


def compiled(job: tuple[Layer, Accelerator, Tiling]) -> tuple[LayerProgram, Placement]:
    layer, acc, tiling = job
    where = place(layer, acc, tiling)
    return compile_layer(layer, acc, tiling, where), where


@given(any_jobs())
def test_words_and_mapping_round_trip(job: tuple[Layer, Accelerator, Tiling]) -> None:
    layer, acc, tiling = job
    program, _ = compiled(job)
    again = LayerProgram.from_words(program.words())
    assert again.words() == program.words()
    assert again.tiling(acc) == tiling
    assert again.mapping(layer, acc) == mapping_of(layer, acc, tiling)


def walk(program: LayerProgram, tensor: str, bits: int = 32) -> list[tuple[tuple[int, ...], int]]:
    """Add up deltas as the sequencer does; return loop indices (outermost first) and value of every step."""
    extents = [program[f"extent_{level}"] for level in range(LEVELS)]
    index, value = [0] * LEVELS, program[f"{tensor}_base"]
    steps = [(tuple(reversed(index)), value % (1 << bits))]
    while True:
        level = next((lv for lv in range(LEVELS) if index[lv] < extents[lv] - 1), None)
        if level is None:
            return steps
        index[:level] = [0] * level
        index[level] += 1
        value += program[f"{tensor}_delta_{level}"]
        steps.append((tuple(reversed(index)), value % (1 << bits)))


@settings(max_examples=60)
@given(any_jobs())
def test_addresses_follow_the_tensors(job: tuple[Layer, Accelerator, Tiling]) -> None:
    layer, acc, tiling = job
    program, where = compiled(job)
    blocking = Blocking.of(layer, acc)
    counts = tiling.counts(layer, blocking)
    packed = blocking.walks_groups
    order = (*tiling.order, "C")
    out_beats = acc.beats(acc.output_word_bits)
    plane = layer.P * layer.Q * out_beats
    out = dict(walk(program, "output"))
    assert [i for i, _ in walk(program, "output")] == list(itertools.product(*(range(counts[d]) for d in order)))
    for indices, address in out.items():
        at = dict(zip(order, indices, strict=True))
        block = at["G"] * (tiling.blocks if packed else blocking.k_blocks) + at["K"] * tiling.blocks
        group = at["N"] * blocking.group_blocks * blocking.k_blocks + block
        expected = where.outputs + group * plane + (at["P"] * tiling.p * layer.Q + at["Q"] * tiling.q) * out_beats
        assert address == expected % (1 << 32)
    for tensor, top in (("weight", where.inputs), ("scale", where.weights)):
        if tensor == "weight" and not blocking.weight_rows:
            continue
        assert all(where.scales <= address < top for _, address in walk(program, tensor))


@given(jobs(operations()), st.integers(0, 1 << 31), st.integers(0, 1 << 31))
def test_second_operands_may_lie_anywhere(job: tuple[Layer, Accelerator, Tiling], weights: int, other: int) -> None:
    """Tensors to add: the program leads from a plane of one to that of the other. Factors: a word per image and block."""
    layer, acc, tiling = job
    where = replace(place(layer, acc, tiling), weights=weights, other=other)
    program = compile_layer(layer, acc, tiling, where)
    apart = (other - where.inputs) % (1 << 32)
    order, blocking = (*tiling.order, "C"), Blocking.of(layer, acc)
    if layer.op == "add":
        assert program["input_plane_pitch"] % (1 << 32) == apart
        seen = dict(walk(program, "input"))
        assert all((seen[(*at, 1)] - seen[(*at, 0)]) % (1 << 32) == apart for *at, c in seen if c == 0 and (*at, 1) in seen)
    if layer.op == "multiply":
        step = tiling.blocks if blocking.walks_groups else 1
        for indices, address in walk(program, "weight"):
            at = dict(zip(order, indices, strict=True))
            word = at["N"] * blocking.group_blocks + at["G"] * step
            assert address == (weights + word * acc.beats(acc.weight_word_bits)) % (1 << 32)


def test_a_tile_too_large_says_what_lacks_how_much() -> None:
    layer = Layer.conv("big", K=8, C=8, H=40, W=40, R=3, S=3, padding=1)
    acc = Accelerator("a", Array(4, 4), input_words=64, weight_words=64, acc_words=64)
    tiling = Tiling(1, 1, 40, 40)
    with pytest.raises(InfeasibleError) as caught:
        compile_layer(layer, acc, tiling, place(layer, acc, tiling))
    lacking = {reason.level: reason.demand - reason.bound for reason in caught.value.reasons}
    assert lacking == {"input_buffer": 1600 - 64, "accumulator": 1600 - 64}


@given(jobs())
def test_a_table_lies_behind_the_program(job: tuple[Layer, Accelerator, Tiling]) -> None:
    layer, acc, tiling = job
    alone, with_table = place(layer, acc, tiling, 5), place(layer, acc, tiling, 5, table=True)
    beats = acc.table_entries * acc.array.input_bits // acc.beat_bits
    assert (with_table.program, with_table.scales - alone.scales) == (5, beats)
    assert program_beats(acc, table=True) - program_beats(acc) == beats
    program = compile_layer(layer, acc, tiling, with_table, Postprocess(table=True))
    assert [program["table"], compile_layer(layer, acc, tiling, alone)["table"]] == [1, 0]


@pytest.mark.parametrize(("bits", "table", "remedy"), [(16, True, "a narrower design"), (8, False, "table: true")])
def test_a_table_that_the_design_lacks(bits: int, table: bool, remedy: str) -> None:
    acc = Accelerator("a", Array(2, 2, input_bits=bits), post_lanes=2, table=table)
    layer, tiling = Layer.gemm("g", M=3, N=3, K=3), Tiling(1, 1, 1, 3)
    assert (acc.table_entries, acc.table_beats) == (0, 0)
    with pytest.raises(InfeasibleError, match=f"activation_table lacks .*{remedy}"):
        compile_layer(layer, acc, tiling, place(layer, acc, tiling), Postprocess(table=True))


def test_roundings_have_a_code() -> None:
    acc, layer, tiling = Accelerator("a", Array(2, 2), post_lanes=2), Layer.gemm("g", M=3, N=3, K=3), Tiling(1, 1, 1, 3)
    where = place(layer, acc, tiling)
    programs = [compile_layer(layer, acc, tiling, where, Postprocess(rounding=name)) for name in ROUNDINGS]
    assert [program["rounding"] for program in programs] == list(range(len(ROUNDINGS)))
    with pytest.raises(SpecError, match="half_down"):
        compile_layer(layer, acc, tiling, where, Postprocess(rounding="half_down"))


@given(st.integers(0, 2), st.integers(1, 2**32 - 1))
def test_a_damaged_header_is_refused(word: int, flip: int) -> None:
    layer = Layer.gemm("g", M=3, N=3, K=3)
    program, _ = compiled((layer, Accelerator("a", Array(2, 2), post_lanes=2), Tiling(1, 1, 1, 3)))
    words = program.words()
    words[word] ^= flip
    with pytest.raises(SpecError, match="program"):
        LayerProgram.from_words(words)
