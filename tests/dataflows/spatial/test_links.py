"""Links between neighbours against the reuse equation, explicit arborescences, and the figures of ShiDianNao."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from itertools import product
from random import Random
from typing import Any

import pytest

from dataflows.errors import SpecError
from dataflows.mapping import Level, Loop, Mapping
from dataflows.spatial import named
from dataflows.spatial.array import SpatialArray, SpatialAxis
from dataflows.spatial.cost import cost_of
from dataflows.spatial.links import Links, merged
from dataflows.spatial.program import OuterLoop, SpatialProgram, base, base_at, compile_spatial
from dataflows.spatial.schedule import schedule
from dataflows.spatial.streams import beats, indices
from dataflows.spatial.system.spec import SpatialSystem
from dataflows.workload import Layer
from tests.dataflows.spatial.random_links import draw_linked_program

PORT = 10_000
"""What a word from a port costs: more than any link."""
ROOT = ()


@lru_cache(maxsize=32)
def drawn(seed: int) -> SpatialProgram:
    return draw_linked_program(Random(seed), most=200)


def words(program: SpatialProgram, tensor: str) -> list[dict[tuple[int, ...], tuple[int, ...]]]:
    """Return, for every delivery, the word of every PE in use, from loop indices and places alone."""
    axes, layer = list(program.array.axes), program.layer
    offsets = {place: base_at(program.nest, axes, place, tensor) for place in product(*(range(axis.size) for axis in axes))}
    found = []
    for at in indices(program, tensor):
        origin = base(layer, tensor, at)
        found.append({
            place: tuple(a + b for a, b in zip(origin, offset, strict=True))
            for place, offset in offsets.items() if offset is not None
        })  # fmt: skip
    return found


def after(program: SpatialProgram, place: tuple[int, ...], axis: str) -> tuple[int, ...]:
    """Return the place one further along an axis."""
    return tuple(index + (each.name == axis) for index, each in zip(place, program.array.axes, strict=True))


@pytest.mark.parametrize("seed", range(12))
def test_links_bring_the_word_that_the_pe_wants(seed):
    program = drawn(seed)
    for tensor in ("weights", "inputs"):
        links, taken = Links(program, tensor), words(program, tensor)
        for number, each in enumerate(taken):
            for place, word in each.items():
                link = links.source(place, links.holding(number))
                if link is not None:
                    assert link.distance <= program.array.depth(tensor, link.axis)
                    assert taken[number - link.distance][after(program, place, link.axis)] == word


@pytest.mark.parametrize("seed", range(12))
def test_no_nearer_delivery_would_do(seed):
    """What one loop makes is the nearest: at any smaller distance some neighbour in the same runs has another word."""
    program = drawn(seed)
    for tensor in ("weights", "inputs"):
        taken = words(program, tensor)
        for link in Links(program, tensor).all:
            numbers = [number for number in range(len(taken)) if link.holds(number)]
            axis = next(at for at, each in enumerate(program.array.axes) if each.name == link.axis)
            pairs = [(place, after(program, place, link.axis)) for place in taken[0] if place[axis] == 0]
            for nearer in range(1, link.distance):
                assert any(taken[n][here] != taken[n - nearer][there] for n in numbers for here, there in pairs)


def arborescence(edges: dict[tuple, dict[tuple, int]]) -> int:
    """Return the cost of a cheapest arborescence from `ROOT`; `edges`: for every node, what may serve it, at which cost.

    Chu, Liu and Edmonds: every node takes its cheapest edge; a circle becomes one node, which an edge from outside enters at
    its cost less that of the edge it replaces.
    """
    best = {node: min(sources, key=sources.__getitem__) for node, sources in edges.items()}
    circle = next((found for node in edges if (found := _circle(best, node))), None)
    total = sum(edges[node][source] for node, source in best.items())
    if circle is None:
        return total
    merged_node = ("circle", *sorted(circle, key=repr))
    inside = sum(edges[node][best[node]] for node in circle)
    shrunk: dict[tuple, dict[tuple, int]] = {merged_node: {}}
    for node, sources in edges.items():
        target = merged_node if node in circle else node
        row = shrunk.setdefault(target, {})
        for source, cost in sources.items():
            origin = merged_node if source in circle else source
            if origin != target:
                less = sources[best[node]] if node in circle else 0
                row[origin] = min(row.get(origin, cost - less), cost - less)
    return inside + arborescence(shrunk)


def _circle(best: dict[tuple, tuple], node: tuple) -> set[tuple]:
    path = []
    while node in best and node not in path:
        path.append(node)
        node = best[node]
    return set(path[path.index(node) :]) if node in path else set()


def test_the_arborescence_is_cheapest():
    rng = Random(1)
    for _ in range(60):
        nodes = [(n,) for n in range(4)]
        edges = {node: {ROOT: rng.randint(5, 9)} | {a: rng.randint(0, 6) for a in nodes if a != node} for node in nodes}
        choices = product(*([(node, source) for source in edges[node]] for node in nodes))
        trees = [dict(choice) for choice in choices]
        costs = [sum(edges[n][s] for n, s in tree.items()) for tree in trees if not any(_circle(tree, n) for n in nodes)]
        assert arborescence(edges) == min(costs)


@pytest.mark.parametrize("seed", range(12))
def test_sources_are_a_cheapest_arborescence(seed):
    program = drawn(seed)
    for tensor in ("weights", "inputs"):
        links, taken = Links(program, tensor), words(program, tensor)
        for number, each in enumerate(taken):
            edges: dict[tuple, dict[tuple, int]] = {place: {ROOT: PORT} for place in each}
            for place, word in each.items():
                for link in links.all:
                    there = after(program, place, link.axis)
                    same_run = number % link.period >= link.distance
                    if same_run and taken[number - link.distance].get(there) == word:
                        edges[place][there] = min(link.distance, edges[place].get(there, PORT))
            chosen = [links.source(place, links.holding(number)) for place in each]
            assert sum(PORT if link is None else link.distance for link in chosen) == arborescence(edges)


@pytest.mark.parametrize("seed", range(12))
def test_streams_have_the_beats_of_the_schedule_and_the_words_of_the_cost(seed):
    program = drawn(seed)
    model, found = schedule(program), cost_of(program)
    for tensor in ("weights", "inputs"):
        stream = list(beats(program, tensor))
        assert len(stream) == model.beats[tensor]
        assert sum(word is not None for beat in stream for word in beat.words) == found.words[tensor]
        assert sum(beat.last for beat in stream) == program.tiles(tensor) == sum(Links(program, tensor).classes.values())


def test_an_array_without_links_is_never_faster():
    for seed in range(12):
        program = drawn(seed)
        plain = replace(program, array=replace(program.array, links=((), ())))
        assert schedule(plain).cycles >= schedule(program).cycles
        assert schedule(plain).beats["inputs"] >= schedule(program).beats["inputs"]


def patch(size: int, kernel: int, array: SpatialArray | None = None, pixels: int = 0, **steps: Any) -> SpatialProgram:
    """One filter, one channel, on an array of `size` x `size`; `pixels` output rows and columns."""
    pixels = pixels or size
    layer = Layer("patch", K=1, C=1, P=pixels, Q=pixels, R=kernel, S=kernel, **steps)
    tiles = (Loop("P", -(-pixels // size)), Loop("Q", -(-pixels // size)))
    loops = (*tiles, Loop("R", kernel), Loop("S", kernel), Loop("P", size, 1, "rows"), Loop("Q", size, 1, "cols"))
    return compile_spatial(layer, array or named.shidiannao(size, size, 16), Mapping((Level("stream", loops), Level("pe", ()))))


@pytest.mark.parametrize(("size", "kernel", "words"), [(8, 3, 100), (2, 3, 16), (8, 5, 144)])
def test_words_of_a_patch_are_the_patch_and_its_halo(size, kernel, words):
    """Where PEs remember a whole row of the window (dense reference, 7), against 64 R S without links."""
    assert cost_of(patch(size, kernel)).words["inputs"] == words == (size + kernel - 1) ** 2
    assert cost_of(patch(size, kernel, named.shidiannao(size, size))).words["inputs"] == (size * kernel) ** 2


@pytest.mark.parametrize("stride", [1, 2])
def test_distances_are_those_of_the_two_fifos(stride):
    links = {link.axis: link for link in Links(patch(4, 3, stride=(stride, stride)), "inputs").all}
    assert (links["cols"].distance, links["cols"].period) == (stride, 3)
    assert (links["rows"].distance, links["rows"].period) == (3 * stride, 9)


def test_a_dilated_window_is_linked_where_the_stride_is_a_multiple_of_it():
    assert Links(patch(4, 3, dilation=(2, 2)), "inputs").all == ()
    links = Links(patch(4, 3, dilation=(2, 2), stride=(2, 2)), "inputs").all
    assert [link.distance for link in links] == [1, 3]


def test_a_link_that_is_not_deep_enough_is_left_out():
    assert [link.axis for link in Links(patch(4, 3, named.shidiannao(4, 4, 2)), "inputs").all] == ["cols"]


@pytest.mark.parametrize(("kernel", "cycles"), [(3, (4619, 587)), (5, (12811, 1611))])
def test_a_tap_takes_one_cycle(kernel, cycles):
    """8 x 8 PEs, 64 x 64 outputs: one cycle for each of the 64 tiles' taps, where a port for every column takes eight."""
    before = schedule(patch(8, kernel, named.shidiannao(8, 8), pixels=64)).cycles
    assert (before, schedule(patch(8, kernel, pixels=64)).cycles) == cycles


def test_loops_of_one_dimension_are_one():
    loops = (OuterLoop("S", 2, 1), OuterLoop("K", 1, 7), OuterLoop("S", 3, 2), OuterLoop("R", 2, 1), OuterLoop("R", 2, 4))
    assert list(merged(loops)) == [OuterLoop("S", 6, 1), OuterLoop("R", 2, 1), OuterLoop("R", 2, 4)]


AXES = (SpatialAxis("rows", 2, delay=0), SpatialAxis("cols", 2, delay=1))


@pytest.mark.parametrize(
    ("links", "words", "message"),
    [
        (((), (("cols", 2),)), 1, "systolic"),
        (((), (("rows", 0),)), 1, "deliveries from 1"),
        (((), (("planes", 1),)), 1, "axes, each once: rows, cols"),
        (((("rows", 1),), ()), 2, "1 where neighbours are linked"),
    ],
)
def test_links_that_cannot_be_are_refused(links, words, message):
    with pytest.raises(SpecError, match=message):
        SpatialArray(AXES, (words, words, 1), links=links)


def test_links_round_trip():
    array = SpatialArray(AXES, links=((), (("rows", 5),)))
    assert array.to_dict()["links"] == {"weights": {}, "inputs": {"rows": 5}}
    assert SpatialArray.from_dict(array.to_dict()) == array
    with pytest.raises(SpecError, match="write for example"):
        SpatialArray.from_dict({**array.to_dict(), "links": {"inputs": [1]}})
    with pytest.raises(SpecError, match="outputs"):
        SpatialArray.from_dict({**array.to_dict(), "links": {"outputs": {"rows": 1}}})


def test_a_memory_system_takes_no_links():
    with pytest.raises(SpecError, match="links"):
        SpatialSystem(named.shidiannao(2, 2, 4))
