"""Compiled networks, program by program, on a memory that many tensors share: a model of the device that knows no plan."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.arch import Accelerator, Array, Memory
from dataflows.axi import AxiOptions
from dataflows.compile.describe import describe, programs_text
from dataflows.compile.network import CompiledNetwork, compile_network, layers_to_map, require_addresses
from dataflows.compile.timing import op_cycles
from dataflows.errors import SpecError
from dataflows.feasible import InfeasibleError
from dataflows.program import LayerProgram
from mappers.layers import map_layers
from mappers.naive import NaiveMapper
from sim.formats.network import constant_image, pack_tensor, unpack_tensor
from sim.golden.network import OpTensors, run_graph
from sim.network import intact, memory_of
from sim.network_report import OpResult, Run
from tests.sim.network.device import run_program
from tests.small_network import random_inputs, small_network

ACC = Accelerator(
    "square", Array(4, 4), Memory(bus_bytes=8), input_words=512, weight_words=256, acc_words=64, post_lanes=2, tile_blocks=3
)


def compiled_small(
    acc: Accelerator = ACC, *, keep_all: bool = False, **sizes: int
) -> tuple[CompiledNetwork, dict[str, OpTensors]]:
    graph, tensors = small_network(np.random.default_rng(3), **sizes)
    tilings = map_layers(layers_to_map(graph, acc), acc, NaiveMapper())
    return compile_network(graph, acc, tilings, keep_all=keep_all, base=5 * 8), tensors


@given(st.sampled_from((2, 3, 4, 8)), st.sampled_from((4, 8, 32)), st.integers(2, 13), st.integers(2, 5), st.booleans())
@settings(max_examples=15)
def test_programs_in_order_on_shared_memory_make_the_golden_tensors(
    side: int, bus: int, channels: int, height: int, keep: bool
) -> None:
    acc = replace(ACC, array=Array(side, side), memory=Memory(bus_bytes=bus))
    compiled, tensors = compiled_small(acc, keep_all=keep, channels=2 * channels, height=height, width=4)
    graph = compiled.graph
    inputs = random_inputs(graph, np.random.default_rng(side))
    golden, memory = run_graph(graph, tensors, inputs), memory_of(compiled, tensors, inputs)
    constants = memory[: compiled.constants.end].copy()

    def held(name: str) -> np.ndarray:
        region = compiled.activations.tensors[name]
        return unpack_tensor(graph.tensor(name), acc, memory[region.first : region.end])

    for address in compiled.programs:
        op = run_program(compiled, tensors, memory, address)
        assert np.array_equal(held(op.op.output), golden[op.op.output])
    left = intact(compiled)
    assert set(graph.outputs) <= set(left)
    assert all(np.array_equal(held(name), golden[name]) for name in left)
    assert not keep or left == list(golden)
    assert np.array_equal(memory[: compiled.constants.end], constants)


def test_addresses_in_programs_are_those_of_the_map() -> None:
    compiled, _tensors = compiled_small()
    at = {name: region.first for name, region in compiled.activations.tensors.items()}
    for op in compiled.ops:
        program = op.program
        beats = compiled.acc.beats(compiled.acc.input_word_bits)
        before = (op.layer.padding[0] * op.layer.W + op.layer.padding[1]) * beats
        assert program["input_base"] == at[op.op.inputs[0]] - before
        assert program["output_base"] == at[op.op.output]
        assert program["scale_base"] == op.scales.first
        assert program["weight_base"] == (at[op.op.inputs[1]] if op.layer.op == "multiply" else op.weights.first)
        if op.layer.op == "add":
            assert program["input_plane_pitch"] == at[op.op.inputs[1]] - at[op.op.inputs[0]]
        assert LayerProgram.from_words(program.words()).words() == program.words()


def test_the_description_says_where_everything_is() -> None:
    compiled, tensors = compiled_small()
    cycles = op_cycles(compiled, AxiOptions())
    found = describe(compiled, cycles)
    assert found["total_bytes"] == compiled.end * 8
    assert found["image"]["bytes"] == constant_image(compiled, tensors).size
    assert found["activations"]["least_possible_bytes"] <= found["activations"]["peak_bytes"]
    assert found["activations"]["peak_bytes"] < found["activations"]["without_reuse_bytes"]
    assert found["cycles"] == sum(op["cycles"] for op in found["ops"])
    assert [op["name"] for op in found["ops"] if op["one_group"]] == ["grouped"]
    for tensor in found["tensors"]:
        made = compiled.graph.tensor(tensor["name"])
        packed = pack_tensor(made, compiled.acc, np.zeros(tensor["shape"], np.int64))
        assert (tensor["bytes"], tensor["beats"]) == (packed.size, len(packed))
        n, c, h, w = tensor["shape"]
        layout = tensor["layout"]
        assert tensor["bytes"] == n * layout["blocks"] * h * w * layout["word_bytes"]
        assert (layout["blocks"] - 1) * layout["lanes"] < c <= layout["blocks"] * layout["lanes"]
    text = programs_text(compiled, cycles)
    assert all(f" {op.name}: {op.layer.op}, program at beat {op.program_at.first}" in text for op in compiled.ops)


def test_what_cannot_be_compiled_is_refused() -> None:
    graph, tensors = small_network(np.random.default_rng(3))
    tilings = map_layers(layers_to_map(graph, ACC), ACC, NaiveMapper())
    with pytest.raises(SpecError, match="as many rows as columns"):
        compile_network(graph, replace(ACC, array=Array(4, 8)), tilings)
    with pytest.raises(SpecError, match="none for stem"):
        compile_network(graph, ACC, {})
    with pytest.raises(SpecError, match="equal widths to multiply"):
        layers_to_map(graph, replace(ACC, array=Array(4, 4, weight_bits=16)))
    with pytest.raises(SpecError, match="at most 4"):
        layers_to_map(graph, replace(ACC, array=Array(4, 4, input_bits=4, weight_bits=4)))
    second = replace(graph.ops[1], layer=replace(graph.ops[1].layer, name="stem"))
    with pytest.raises(SpecError, match="a name of its own"):
        layers_to_map(replace(graph, ops=(graph.ops[0], second), outputs=(second.output,)), ACC)
    small = replace(ACC, input_words=16)
    with pytest.raises(InfeasibleError, match="raise input_words"):
        compile_network(graph, small, tilings)
    with pytest.raises(InfeasibleError, match="squeeze"):
        map_layers(layers_to_map(graph, small), small, NaiveMapper())
    with pytest.raises(SpecError, match="addresses have 32 bits"):
        compile_network(graph, ACC, tilings, base=(1 << 32) - 64)
    compiled = compile_network(graph, ACC, tilings)
    with pytest.raises(SpecError, match="stem"):
        constant_image(compiled, {})
    bad = tensors["depthwise"]
    for wrong in (replace(bad, weights=None), replace(bad, multiplier=bad.multiplier[:1])):
        with pytest.raises(SpecError, match="depthwise"):
            constant_image(compiled, tensors | {"depthwise": wrong})
    with pytest.raises(SpecError, match="256 entries"):
        constant_image(compiled, tensors | {"stem": replace(tensors["stem"], table=None)})
    with pytest.raises(SpecError, match="8-bit values"):
        pack_tensor(graph.tensor("image"), ACC, np.full((1, 3, 13, 17), 128))
    with pytest.raises(SpecError, match="shape"):
        pack_tensor(graph.tensor("image"), ACC, np.zeros((1, 3, 13, 16), np.int64))


def test_a_run_passes_only_if_everything_agrees() -> None:
    op = OpResult("a", "mac", "y", 0, 10, "", 100, 100)
    good = Run(True, (op,), 100, 130, 130, (), 140, 1.0, {})
    assert good.passed
    for wrong in (
        replace(good, ops=(replace(op, mismatches=1),)), replace(good, ops=(replace(op, cycles_rtl=99),)),
        replace(good, cycles_rtl=101), replace(good, span_rtl=131), replace(good, counts_different=("cycles",)),
        replace(good, ops=(replace(op, checked=0),)),
    ):  # fmt: skip
        assert not wrong.passed


def test_a_map_ends_within_the_addresses_of_the_port() -> None:
    graph, _ = small_network(np.random.default_rng(3))
    tilings = map_layers(layers_to_map(graph, ACC), ACC, NaiveMapper())
    bus, page = ACC.memory.bus_bytes, 4096
    beats = compile_network(graph, ACC, tilings).end
    base = (1 << 32) // bus - -(-beats // (page // bus)) * (page // bus)  # the last page in which the map fits 32 bits
    require_addresses(compile_network(graph, ACC, tilings, base=base), AxiOptions(address_bits=32))
    beyond = compile_network(graph, ACC, tilings, base=base + page // bus)
    assert beyond.end * bus > 1 << 32
    require_addresses(beyond, AxiOptions(address_bits=33))
    with pytest.raises(SpecError, match="axi:address_bits=33") as caught:
        require_addresses(beyond, AxiOptions(address_bits=32))
    assert caught.value.path.endswith(".memory")
    require_addresses(beyond, AxiOptions(address_bits=40), (1 << 40) - (1 << 33))
    with pytest.raises(SpecError, match="1,099,511,627,776"):
        require_addresses(beyond, AxiOptions(address_bits=40), (1 << 40) - (1 << 32))
