"""The mutation run: what is drawn, what counts as killed, what the prover says, and a tenth of a night's run."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from benchmarks.mutation_page import page
from dataflows.errors import CheckFailed, SpecError
from rtl.library import Modules, place
from sim.mutation.arrays import array_mutants, passes, run_mutants
from sim.mutation.designs import ARRAYS
from sim.mutation.equivalence import Prover
from sim.mutation.mutants import SELECT, Mutants, draw
from sim.mutation.reach import Reach
from sim.mutation.verdict import EVERY, Verdict, order, verdicts


class Counting(wiring.Component):
    """Counts to nine, and again; bit 3 of `twin` is always bit 3 of the count."""

    def __init__(self) -> None:
        super().__init__({"enable": In(1), "count": Out(4), "twin": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        count, twin = Signal(4), Signal(4)
        following = Signal(4)
        m.d.comb += [following.eq(count + 1), self.count.eq(count), self.twin.eq(twin[3])]
        with m.If(self.enable):
            m.d.sync += [count.eq(following), twin.eq(following)]
            with m.If(count == 9):
                m.d.sync += [count.eq(0), twin.eq(0)]
        return m


class Product(wiring.Component):
    """A part too large for the prover."""

    def __init__(self) -> None:
        super().__init__({"a": In(8), "b": In(8), "y": Out(16)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.comb += self.y.eq(self.a * self.b)
        return m


class Masked(wiring.Component):
    """Something named that goes nowhere, in front of a part that multiplies, and pins that are constants."""

    def __init__(self, modules: Modules) -> None:
        self.modules = modules
        super().__init__({"a": In(8), "b": In(8), "y": Out(16)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        product = place(self.modules, m, "product", "product", Product)
        unseen, kept = Signal(8), Signal(8)
        m.d.comb += [kept.eq((unseen ^ self.b) & (unseen & ~unseen)), self.y.eq(product.y + 5)]
        m.d.comb += [product.a.eq(self.a | kept), product.b.eq(self.b)]
        m.d.sync += unseen.eq(self.a)
        return m


def drawn(number: int = 60) -> Mutants:
    modules = Modules(source=True)
    modules.add("counting", Counting())
    return draw(modules, "counting", number, 3)


def test_mutants_are_numbered_placed_and_selectable():
    found = drawn()
    assert [mutant.number for mutant in found.mutants] == list(range(1, len(found.mutants) + 1))
    assert {mutant.mode for mutant in found.mutants} == {"inv", "const0", "const1", "cnot0", "cnot1"}
    assert all(mutant.port != "CLK" for mutant in found.mutants)
    assert any(re.search(r"test_mutation\.py:\d+$", line) for mutant in found.mutants for line in mutant.source)
    assert re.search(rf"^  input .15:0. {SELECT};", found.verilog, re.MULTILINE)
    assert found == drawn()
    with pytest.raises(SpecError, match="mutants"):
        drawn(1 << 16)


def test_parts_are_drawn_alone():
    array = ARRAYS["array_ws"]
    modules = Modules(prefix="x_", source=True)
    from rtl.spatial.core import SpatialCore

    modules.add("x_array", SpatialCore(array=array, modules=modules))
    found = draw(modules, "x_array", 30, 1, only=["sequencer", "queue"])
    assert {re.split(r"[\\.]+", mutant.cell)[1] for mutant in found.mutants} == {"sequencer", "queue"}


def test_the_prover_tells_equivalent_mutants_from_others():
    """Counting never comes to 10 and more, so only pins that matter there, or none, may be called equivalent."""
    found = drawn()
    prover = Prover(found)
    said = {mutant.number: prover.ask(mutant) for mutant in found.mutants}
    statuses = [verdict.status for verdict in said.values()]
    assert set(statuses) == {"equivalent", "survived"}
    for mutant in found.mutants:
        if mutant.wire.startswith("count[") and mutant.mode == "inv":
            assert said[mutant.number].status == "survived", mutant
        if mutant.wire.startswith("twin[") and not mutant.wire.startswith("twin[3") and mutant.port == "Q" and mutant.other < 0:
            assert said[mutant.number].status == "equivalent", mutant


def test_the_prover_compares_ports_alone_and_knows_constants():
    modules = Modules(source=True)
    modules.add("masked", Masked(modules))
    found = draw(modules, "masked", 300, 3)
    prover, reach = Prover(found), Reach(found)
    register = [mutant for mutant in found.mutants if mutant.port in ("D", "Q")][:3]
    assert register
    assert {prover.ask(mutant).status for mutant in register} == {"equivalent"}, "named, but no port"
    (adder,) = (name for name, cell in reach.cells.items() if cell["type"] == "$add")
    pins = reach.cells[adder]["connections"]["B"]
    assert pins[:2] == ["1", "0"], "5 is added"
    pin = replace(register[0], cell=f"\\{adder}", port="B", bit=0)
    assert [reach.changes(replace(pin, mode=mode)) for mode in ("const1", "const0", "inv")] == [False, True, True]
    assert [reach.changes(replace(pin, mode=mode, other=1)) for mode in ("cnot0", "cnot1")] == [True, False]
    assert prover.ask(replace(pin, mode="const1")).how == "the pin is that constant anyway"


def test_an_unmutated_design_that_fails_voids_all_verdicts():
    mutants = drawn(EVERY + 2).mutants
    runs = [{"number": number, "failed": "sums" if number else "", "jobs": 1} for number in order(mutants)]
    assert {verdict.status for verdict in verdicts(mutants, runs)} == {"killed"}
    assert [run["number"] for run in runs].count(0) == 3
    with pytest.raises(CheckFailed, match="without mutants"):
        verdicts(mutants, [*runs[:-1], runs[-1] | {"failed": "cycles"}])
    with pytest.raises(CheckFailed, match="came to an end"):
        verdicts(mutants, runs[:-1])


def test_the_page_counts_what_is_not_equivalent():
    mutant = drawn().mutants[0]
    statuses = ["killed"] * 19 + ["equivalent"] * 5 + ["survived"]
    found = [
        {
            "mutant": {"number": at, "mode": "inv", "other": -1, "source": []},
            "status": status,
            "how": "sums",
            "place": mutant.place,
        }
        for at, status in enumerate(statuses)
    ]
    design = {"name": "x", "text": "X", "seed": 1, "date": "today", "versions": {"a": "1"}, "verdicts": found}
    text, enough = page([design])
    assert enough
    assert "| X | 25 | 19 | 5 | 0 | 1 | 95.0% |" in text
    assert not page([{**design, "verdicts": found[1:]}])[1]


@pytest.mark.rtl
@pytest.mark.slow
def test_a_tenth_of_the_run_of_an_array():
    """Without the long loops, which take their time; `make mutation` runs them, and the prover, on ten times as many."""
    array = ARRAYS["array_ws"]
    found = array_mutants(array, "array_ws", 40, 1)
    result = run_mutants(found, passes(array, 1, 10))
    killed = sum(verdict.status == "killed" for verdict in result)
    assert len(result) == 40
    assert killed >= 30, [verdict.mutant.place for verdict in result if verdict.status != "killed"]
    assert all(isinstance(replace(verdict, jobs=0), Verdict) and verdict.jobs for verdict in result)
