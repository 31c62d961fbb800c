"""Loop nests of address generators: what they visit."""

from __future__ import annotations

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from dataflows.spatial.system.nests import LoopNest, NestLoop, regular

LOOPS = st.lists(st.tuples(st.integers(2, 4), st.integers(1, 5)), max_size=4)


def visited(loops: list[tuple[int, int]]) -> list[int]:
    """Visit a nest given innermost first."""
    return [
        sum(at * step for at, (_, step) in zip(each, loops[::-1], strict=True))
        for each in product(*(range(n) for n, _ in loops[::-1]))
    ]


@given(LOOPS)
def test_a_nest_that_ascends_is_found_again(loops):
    reach, nest = 0, []
    for extent, gap in loops:
        nest.append((extent, reach + gap))
        reach += (extent - 1) * (reach + gap)
    places = visited(nest)
    assert places == sorted(set(places))
    found = regular(places)
    assert found is not None
    assert visited(found) == places


@given(st.sets(st.integers(0, 30), min_size=1, max_size=9))
def test_places_are_visited_in_order_or_refused(places):
    ordered = sorted(places)
    found = regular([place - ordered[0] for place in ordered])
    if found is not None:
        assert [place + ordered[0] for place in visited(found)] == ordered


def test_no_nest_has_a_gap_once():
    assert regular([0, 1, 3]) is None
    assert regular([0, 1, 3, 4]) == [(2, 1), (2, 3)]
    assert regular([5]) == []


@given(LOOPS, LOOPS, st.integers(0, 4))
def test_deltas_lead_to_the_sums_of_strides(inner, outer, change):
    change = min(change, len(outer))
    nest = LoopNest(
        ("a", "b"), tuple(NestLoop(n, (step, 2 * step - 3)) for n, step in inner),
        tuple(NestLoop(n, (-step, step * step)) for n, step in outer), change, len(outer),
    )  # fmt: skip
    loops = [*nest.inner, *nest.outer[change:]]
    deltas = [*nest.deltas()[0], *nest.deltas()[1][change:]]
    sums, counters = (0, 0), [0] * len(loops)
    for each in product(*(range(loop.extent) for loop in loops[::-1])):
        expected = [sum(at * loop.strides[n] for at, loop in zip(each[::-1], loops, strict=True)) for n in range(2)]
        assert list(sums) == expected
        advancing = next((at for at, loop in enumerate(loops) if counters[at] < loop.extent - 1), None)
        if advancing is not None:
            sums = (sums[0] + deltas[advancing][0], sums[1] + deltas[advancing][1])
            counters[:advancing] = [0] * advancing
            counters[advancing] += 1
    assert nest.length * nest.passes == len(list(product(*(range(loop.extent) for loop in loops))))
