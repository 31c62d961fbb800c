"""Lifetimes and memory plans: against brute force."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from dataflows.arch import Accelerator, Array, Memory
from dataflows.compile.allocate import allocate, most_alive
from dataflows.compile.lifetimes import Lifetime, lifetimes
from dataflows.compile.memory import ALIGN_BYTES, place_activations
from dataflows.graph import Graph, GraphOp, GraphTensor
from dataflows.workload import Layer


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Chains and branches of 1x1 layers, sums and pools over tensors of any depth on one plane."""
    tensors = [GraphTensor("t0", 1, draw(st.integers(1, 20)), 3, 4, 1.0, 0)]
    ops = []
    for number in range(1, draw(st.integers(2, 12))):
        first = draw(st.sampled_from(tensors))
        same = [each for each in tensors if each.C == first.C]
        kind = draw(st.sampled_from(("mac", "add", "max")))
        channels = draw(st.integers(1, 40)) if kind == "mac" else first.C
        made = GraphTensor(f"t{number}", 1, channels, 3, 4, 1.0, 0)
        if kind == "mac":
            layer, inputs = Layer.conv(f"op{number}", K=channels, C=first.C, H=3, W=4, R=1, S=1), (first.name,)
        elif kind == "add":
            layer = Layer(f"op{number}", K=1, C=2, G=channels, P=3, Q=4, op="add")
            inputs = (first.name, draw(st.sampled_from(same)).name)
        else:
            layer, inputs = Layer(f"op{number}", K=1, C=1, G=channels, P=3, Q=4, op="max"), (first.name,)
        ops.append(GraphOp(layer, inputs, made.name))
        tensors.append(made)
    outputs = draw(st.lists(st.sampled_from([each.name for each in tensors[1:]]), min_size=1, max_size=2, unique=True))
    return Graph("drawn", tuple(tensors), tuple(ops), ("t0",), tuple(outputs))


def needed(graph: Graph, name: str) -> set[int]:
    """Operations during which a tensor must be there, from first principles: made or given before, read or taken after."""
    makers = [number for number, op in enumerate(graph.ops) if op.output == name]
    made = makers[0] if makers else 0
    last = max([made, *(number for number, op in enumerate(graph.ops) if name in op.inputs)])
    return set(range(made, len(graph.ops) if name in graph.outputs else last + 1))


@given(graphs())
def test_a_tensor_lives_from_where_it_is_made_to_where_it_is_read_last(graph: Graph) -> None:
    found = lifetimes(graph)
    assert {name: set(range(life.first, life.last + 1)) for name, life in found.items()} == {
        tensor.name: needed(graph, tensor.name) for tensor in graph.tensors
    }
    assert set(lifetimes(graph, keep_all=True).values()) == {Lifetime(0, len(graph.ops) - 1)}


@given(graphs(), st.sampled_from((4, 16, 128)), st.sampled_from((2, 8)), st.integers(0, 9), st.booleans())
def test_tensors_needed_at_the_same_time_share_no_beat(graph: Graph, bus: int, side: int, base: int, keep: bool) -> None:
    acc = Accelerator("a", Array(side, side), Memory(bus_bytes=bus), post_lanes=1)
    unit = max(1, ALIGN_BYTES // bus)
    placed = place_activations(graph, acc, base * unit, keep_all=keep)
    for one, other in combinations(placed.tensors, 2):
        if keep or needed(graph, one) & needed(graph, other):
            first, second = placed.tensors[one], placed.tensors[other]
            assert first.end <= second.first or second.end <= first.first
    for name, region in placed.tensors.items():
        tensor = graph.tensor(name)
        assert region.beats * bus >= tensor.words * acc.array.input_bits // 8
        assert region.first % unit == 0
        assert placed.region.first <= region.first
        assert region.end <= placed.region.end
    assert placed.region.beats >= placed.most_alive_beats
    if keep:
        assert placed.region.beats == placed.most_alive_beats, "tensors one after the other leave no gap"


pieces = st.lists(st.tuples(st.integers(1, 30), st.integers(0, 12), st.integers(0, 6)), min_size=1, max_size=25)


@given(pieces)
def test_plans_hold_between_the_lower_bound_and_no_reuse(drawn: list[tuple[int, int, int]]) -> None:
    sizes = {f"t{number}": size for number, (size, _first, _span) in enumerate(drawn)}
    alive = {f"t{number}": Lifetime(first, first + span) for number, (_size, first, span) in enumerate(drawn)}
    plan = allocate(sizes, alive)
    least = most_alive(sizes, alive)
    assert least == max(sum(sizes[name] for name, life in alive.items() if life.first <= at <= life.last) for at in range(20))
    assert least <= plan.total <= sum(sizes.values())
    for one, other in combinations(sizes, 2):
        if alive[one].meets(alive[other]):
            apart = (
                plan.offsets[one] + sizes[one] <= plan.offsets[other] or plan.offsets[other] + sizes[other] <= plan.offsets[one]
            )
            assert apart


@given(st.integers(1, 30), st.integers(2, 20))
def test_a_chain_of_equal_tensors_takes_two(size: int, length: int) -> None:
    sizes = {f"t{number}": size for number in range(length)}
    alive = {f"t{number}": Lifetime(max(0, number - 1), number) for number in range(length)}
    assert allocate(sizes, alive).total == most_alive(sizes, alive) == 2 * size
