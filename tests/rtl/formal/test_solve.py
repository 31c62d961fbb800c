"""The checker itself: what it says of small machines whose answers are known."""

from __future__ import annotations

import pytest
from amaranth.hdl import Signal

from rtl.formal.bench import Bench
from rtl.formal.solve import bounded, inductive, reach
from rtl.library import EmitError


def counter(end: int, *, most: int) -> Bench:
    """Count 0 .. end and begin again, when told; claim that the count is at most `most`."""
    bench = Bench()
    m = bench.module
    go, count = Signal(name="go"), Signal(8, name="count")
    bench.free(go)
    with m.If(go):
        m.d.sync += count.eq(count + 1)
        with m.If(count == end):
            m.d.sync += count.eq(0)
    bench.claim("small", count <= most)
    bench.case("end", count == end)
    bench.show("value", count)
    return bench


def test_what_is_inductive_is_proved() -> None:
    assert inductive(counter(5, most=5), 1).status == "proved"


def test_what_holds_but_is_not_inductive_is_left_open() -> None:
    # From 9 on, which no run comes to, the count goes on to 10: the claim alone does not exclude it.
    verdict = inductive(counter(5, most=9), 3)
    assert (verdict.status, verdict.failed) == ("unknown", ("small",))
    assert bounded(counter(5, most=9), 20).status == "proved"


def test_what_does_not_hold_is_refuted_with_the_shortest_run() -> None:
    # Cycle 0 is the reset, cycle 1 has the 0.
    bench = counter(9, most=5)
    assert bounded(bench, 7).status == "proved"
    verdict = bounded(bench, 8)
    assert (verdict.status, verdict.failed) == ("refuted", ("small",))
    cycles, values = (line.split()[1:] for line in verdict.trace.splitlines())
    assert cycles == [str(at) for at in range(8)]
    assert values[1:] == [str(at) for at in range(7)]
    assert inductive(bench, 8).status == "refuted"


def test_a_case_needs_its_cycles() -> None:
    assert reach(counter(5, most=9), 7).status == "proved"
    verdict = reach(counter(5, most=9), 6)
    assert (verdict.status, verdict.failed) == ("refuted", ("end",))


def test_registers_begin_with_anything_and_one_reset_is_enough() -> None:
    bench = counter(5, most=5)
    assert bounded(bench, 1).status == "proved"
    unreset, bad = Signal(4, reset_less=True, name="unreset"), Bench()
    bad.module.d.sync += unreset.eq(unreset + 1)
    bad.claim("never_nine", unreset != 9)
    assert bounded(bad, 2).failed == ("never_nine",)


def test_assumptions_that_exclude_every_run_are_an_error() -> None:
    bench = counter(5, most=5)
    bench.assume("impossible", Signal(name="never"))
    with pytest.raises(EmitError, match="no run satisfies the assumptions"):
        bounded(bench, 3)


def test_an_inner_signal_is_the_one_named() -> None:
    bench = counter(5, most=5)
    bench.claim("same", bench.inner("count", 8) <= 5)
    assert inductive(bench, 1).status == "proved"
    bench = counter(5, most=5)
    bench.claim("same", bench.inner("misspelt", 8) <= 5)
    with pytest.raises(EmitError, match="misspelt"):
        bounded(bench, 1)


def product(number: int, bits: int) -> Bench:
    """Claim that a number has no factors of so many bits."""
    bench = Bench()
    left, right = (bench.fixed(bits, name) for name in ("left", "right"))
    bench.claim("prime", (left * right != number) | (left == 1) | (right == 1))
    return bench


def test_a_fixed_value_is_any_but_stays() -> None:
    verdict = bounded(product(221, 8), 3)
    assert verdict.failed == ("prime",)
    left, right = (line.split()[2:] for line in verdict.trace.splitlines()[1:])
    assert {left[0], right[0]} == {"13", "17"}
    assert len(set(left)) == len(set(right)) == 1


def test_time_is_limited() -> None:
    verdict = bounded(product(718281828463 * 577215664943, 48), 3, timeout=2)
    assert (verdict.status, verdict.failed) == ("unknown", ())
    assert verdict.seconds < 10
