"""Modules are emitted once, wired in full, and mistakes end in one clear exception."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from amaranth.hdl import Instance, Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl.emit import SRAM_1R1W, emit, run_yosys
from rtl.library import EmitError, Modules, place
from rtl.sram import place_sram
from tests.rtl.lint import lint


class Stage(wiring.Component):
    """Delay a word by one cycle and add a constant."""

    def __init__(self, *, bits: int, step: int = 1) -> None:
        self.bits, self.step = bits, step
        super().__init__({"i": In(signed(bits)), "o": Out(signed(bits))})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.d.sync += self.o.eq(self.i + self.step)
        return m


class Chain(wiring.Component):
    """Several equal stages in a row."""

    def __init__(self, *, length: int, bits: int, modules: Modules | None) -> None:
        self.length, self.bits, self.modules = length, bits, modules
        super().__init__({"i": In(signed(bits)), "o": Out(signed(bits))})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        word = self.i
        for k in range(self.length):
            stage = place(self.modules, m, f"stage_{k}", "stage", Stage, bits=self.bits)
            m.d.comb += stage.i.eq(word)
            word = stage.o
        m.d.comb += self.o.eq(word)
        return m


class Store(wiring.Component):
    """A memory with its ports brought out."""

    def __init__(self, *, depth: int, width: int, modules: Modules | None) -> None:
        self.depth, self.width, self.modules = depth, width, modules
        address = max(1, (depth - 1).bit_length())
        ports = {"we": In(1), "waddr": In(address), "wdata": In(width), "re": In(1), "raddr": In(address), "rdata": Out(width)}
        super().__init__(ports)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        port = place_sram(self.modules, m, "words", depth=self.depth, width=self.width)
        m.d.comb += [getattr(port, name).eq(getattr(self, name)) for name in ("we", "waddr", "wdata", "re", "raddr")]
        m.d.comb += self.rdata.eq(port.rdata)
        return m


class Fixed(wiring.Component):
    """An elaboratable made of whatever the test wants to see refused."""

    def __init__(self, build: Any) -> None:
        self.build = build
        super().__init__({"i": In(4), "o": Out(4)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        self.build(self, m)
        return m


def chain_text(length: int, bits: int = 8) -> str:
    modules = Modules()
    modules.add("chain", Chain(length=length, bits=bits, modules=modules))
    return emit(modules, "chain")


def test_equal_parts_become_one_module_with_every_port_wired(tmp_path: Path) -> None:
    text = chain_text(5)
    assert sorted(re.findall(r"^module (\w+)", text, re.MULTILINE)) == ["chain", "stage"]
    bodies = re.findall(r"^  stage stage_\d \((.*?)\);", text, re.MULTILINE | re.DOTALL)
    assert len(bodies) == 5
    for body in bodies:
        assert set(re.findall(r"\.(\w+)\(\w+\)", body)) == {"clk", "rst", "i", "o"}
    verdict = lint(text, "chain", tmp_path)
    assert verdict.returncode == 0, verdict.stderr


def test_equal_designs_give_equal_text_free_of_tool_versions() -> None:
    assert chain_text(3) == chain_text(3)
    assert chain_text(3) != chain_text(4)
    assert "Yosys" not in chain_text(3)


def test_one_name_cannot_mean_two_things() -> None:
    modules = Modules()
    modules.add("stage", Stage(bits=8))
    modules.add("stage", Stage(bits=8))
    with pytest.raises(EmitError, match="'stage' is taken by a module with other content"):
        modules.add("stage", Stage(bits=8, step=2))
    modules = Modules()
    assert modules.require("stage", Stage, {"bits": 8}) == modules.require("stage", Stage, {"bits": 8})
    assert modules.names == ("stage",)
    with pytest.raises(EmitError, match="'stage' is taken by Stage"):
        modules.require("stage", Stage, {"bits": 4})


def test_inner_modules_get_plain_names(tmp_path: Path) -> None:
    modules = Modules()
    modules.add("chain", Chain(length=2, bits=8, modules=None))
    text = emit(modules, "chain")
    assert set(re.findall(r"^module (\S+?)\(", text, re.MULTILINE)) == {"chain", "chain__stage_0", "chain__stage_1"}
    assert lint(text, "chain", tmp_path).returncode == 0


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda s, m: m.submodules.__setitem__("x", Instance("nowhere", i_i=s.i, o_o=s.o)), "nowhere.*not part of the design"),
        (lambda s, m: m.submodules.__setitem__("x", Instance("sram_1r1w", p_DEPTH=4, i_wrong=s.i, o_rdata=s.o)), "wrong"),
    ],
)
def test_mistakes_end_in_one_exception(build: Any, said: str) -> None:
    modules = Modules()
    modules.add("fixed", Fixed(build))
    with pytest.raises(EmitError, match=said):
        emit(modules, "fixed", [SRAM_1R1W])


def test_bad_names_and_missing_tops() -> None:
    modules = Modules()
    with pytest.raises(EmitError, match="not a Verilog identifier"):
        modules.add("a.b", None)
    with pytest.raises(EmitError, match="top module 'x' is not among no modules"):
        emit(modules, "x")
    with pytest.raises(EmitError, match="No such command: nonsense"):
        run_yosys(["nonsense"], {}, [])


def test_memories_are_black_boxes_with_their_text_appended(tmp_path: Path) -> None:
    modules = Modules()
    modules.add("store", Store(depth=100, width=24, modules=modules))
    text = emit(modules, "store", [SRAM_1R1W])
    assert text.count("module sram_1r1w") == 1
    assert text.endswith(SRAM_1R1W.read_text(encoding="utf-8"))
    found = re.search(r"sram_1r1w #\((.*?)\) words \((.*?)\);", text, re.DOTALL)
    assert found is not None
    assert {name: int(value.split("d")[-1]) for name, value in re.findall(r"\.(\w+)\((\S+)\)", found[1])} == {
        "DEPTH": 100, "WIDTH": 24, "AW": 7,
    }  # fmt: skip
    assert set(re.findall(r"\.(\w+)\(", found[2])) == {"clk", "we", "waddr", "wdata", "re", "raddr", "rdata"}
    verdict = lint(text, "store", tmp_path)
    assert verdict.returncode == 0, verdict.stderr


def test_lint_sees_a_broken_text(tmp_path: Path) -> None:
    assert lint(chain_text(2).replace(".i(", ".j("), "chain", tmp_path).returncode != 0


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_simulated_memory_keeps_the_stated_rules(data: Any) -> None:
    depth = data.draw(st.integers(1, 9))
    address = st.integers(0, depth - 1)
    step = st.tuples(st.booleans(), address, st.integers(0, 255), st.booleans(), address)
    steps = data.draw(st.lists(step, min_size=1, max_size=20))
    dut = Store(depth=depth, width=8, modules=None)
    words, held = [0] * depth, 0

    async def bench(ctx: Any) -> None:
        nonlocal held
        for we, waddr, wdata, re_, raddr in steps:
            for name, value in (("we", we), ("waddr", waddr), ("wdata", wdata), ("re", re_), ("raddr", raddr)):
                ctx.set(getattr(dut, name), int(value))
            await ctx.tick()
            held = words[raddr] if re_ else held
            if we:
                words[waddr] = wdata
            assert ctx.get(dut.rdata) == held

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()


def test_elaboratables_without_signature_name_their_ports() -> None:
    m = Module()
    a, b = Signal(4, name="a"), Signal(4, name="b")
    m.d.sync += b.eq(a)
    modules = Modules()
    modules.add("plain", m, ports=[a, b])
    assert "output [3:0] b" in emit(modules, "plain")
