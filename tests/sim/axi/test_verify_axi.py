"""Accelerators behind AXI: everything agrees on good hardware, and hardware with one fault is found."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import Any

import pytest
from amaranth import Module, Signal

import rtl.shell.bursts
import rtl.shell.master
import rtl.shell.top
from dataflows.arch import Accelerator, Array, Memory
from dataflows.axi import AxiOptions
from dataflows.errors import CheckFailed, SpecError
from dataflows.registers import Field
from rtl.shell.master import AxiMaster
from rtl.shell.registers import RegisterFile
from sim.axi.report import AxiReport
from sim.axi.verify import verify_axi, verify_axi_layers
from sim.golden.layer import golden_layer
from sim.runner import Simulator
from sim.verify import model_counters

pytestmark = pytest.mark.rtl
icarus = pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog is optional; it builds in a second")


def small(dataflow: str, rows: int, cols: int, **memory: int) -> Accelerator:
    """Buffers small enough that most random layers need several tiles."""
    sizes = {"input_words": 64, "weight_words": 64, "acc_words": 16, "post_lanes": 2, "tile_blocks": 2}
    return Accelerator("small", Array(rows, cols, dataflow), Memory(**memory), **sizes)


DESIGNS = {
    "ws": (small("ws", 3, 2, bus_bytes=16, latency=20), AxiOptions()),
    "os": (
        small("os", 2, 4, bus_bytes=4, latency=7),
        AxiOptions(queue_depth=2, burst_beats=5, read_bursts=3, write_bursts=1, address_bits=32, id_bits=1),
    ),
}


def failures(report: AxiReport) -> list[str]:
    return [str(case.to_dict()) for case in report.cases if not case.passed] + [name for name, held in report.checks if not held]


@pytest.mark.parametrize("name", DESIGNS)
def test_random_layers_failures_and_resets(name: str) -> None:
    acc, axi = DESIGNS[name]
    simulator: Simulator = "icarus" if name == "os" and shutil.which("iverilog") else "verilator"
    report = verify_axi(acc, axi, cases=5, seed=3, simulator=simulator)
    assert failures(report) == []
    assert len(report.cases) == 5
    assert len(report.checks) > 80
    assert any(case.read_wait for case in report.cases) == (name == "os")


@icarus
@pytest.mark.parametrize(
    "change",
    [{"burst_beats": 1, "read_bursts": 64, "queue_depth": 1}, pytest.param({"burst_beats": 256}, marks=pytest.mark.nightly)],
    ids=str,
)
def test_options_at_their_ends(change: dict[str, int]) -> None:
    acc = small("os", 2, 2, bus_bytes=32, latency=40)
    report = verify_axi(acc, replace(AxiOptions(address_bits=64), **change), cases=2, seed=8, simulator="icarus")
    assert failures(report) == []


def test_no_case_is_no_success() -> None:
    with pytest.raises(SpecError, match="at least one layer"):
        verify_axi_layers(*DESIGNS["ws"], [])


class Unconfirmed(AxiMaster):
    """Does not wait for write responses."""

    def elaborate(self, platform: object) -> Module:
        m = super().elaborate(platform)
        m.d.comb += self.idle.eq(1)
        return m


class Deaf(AxiMaster):
    """Hears no error of the memory."""

    def _errors(self, m: Module) -> None:
        pass


class Fickle(AxiMaster):
    """Takes its addresses back every other cycle."""

    def _channel(self, m: Module, name: str, bursts: Any, most: int) -> Any:
        channel = super()._channel(m, name, bursts, most)
        on = Signal(name=f"{name}_on")
        m.d.sync += on.eq(~on)
        m.d.comb += getattr(self, f"m_axi_{name}valid").eq(channel.valid & on)
        m.d.comb += channel.ready.eq(getattr(self, f"m_axi_{name}ready") & on)
        return channel


class Blunt(RegisterFile):
    """Ignores byte strobes, and clears every flag of a register with each write."""

    def _store(self, m: Module, field: Field, target: Signal) -> None:
        data = self.write_data[field.low : field.low + field.width]
        with m.If(self.write):
            m.d.sync += target.eq(data if field.access == "rw" else 0)


@icarus
@pytest.mark.parametrize(
    ("part", "mutant", "found"),
    [
        ("AxiMaster", Unconfirmed, ["no layer completes without write responses"]),
        ("AxiMaster", Deaf, ["read error: irq", "write error: irq"]),
        ("AxiMaster", Fickle, ["took back"]),
        ("RegisterFile", Blunt, ["byte strobes", "flags are cleared one by one"]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_fault_in_the_shell_is_found(part: str, mutant: type, found: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rtl.shell.top, part, mutant)
    acc, axi = DESIGNS["ws"]
    report = verify_axi(acc, axi, cases=1, seed=6, simulator="icarus")
    assert not report.passed
    assert all(any(part in text for text in failures(report)) for part in found), failures(report)


@icarus
def test_a_fault_that_costs_cycles_only_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rtl.shell.master, "BURST_QUEUE", 1)
    report = verify_axi(*DESIGNS["os"], cases=2, seed=3, simulator="icarus")
    assert not any(case.mismatches for case in report.cases)
    assert all(held for _name, held in report.checks)
    assert any(case.cycles_axi != case.cycles_exact for case in report.cases)


@icarus
def test_a_burst_across_a_page_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rtl.shell.bursts, "PAGE_BYTES", 1 << 20)
    with pytest.raises(CheckFailed, match="AssertionError"):
        verify_axi(*DESIGNS["ws"], cases=1, seed=6, simulator="icarus")


def test_wrong_models_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Outputs, counts and cycles, each of which alone makes a case fail."""

    def other_outputs(layer: Any, tensors: Any, **rest: Any) -> Any:
        right = golden_layer(layer, tensors, **rest)
        right[0, -1, -1, -1] ^= 1
        return right

    def more_counts(*job: Any) -> dict[str, int]:
        counts = model_counters(*job)
        return counts | {"dram_weights_reads": counts["dram_weights_reads"] + 1}

    monkeypatch.setattr("sim.axi.place.golden_layer", other_outputs)
    monkeypatch.setattr("sim.axi.verify.model_counters", more_counts)
    monkeypatch.setattr("sim.axi.verify.limit", lambda *job: 100)
    report = verify_axi(*DESIGNS["ws"], cases=1, seed=6)
    (case,) = report.cases
    assert (case.mismatches, case.counts_equal, case.passed, report.passed) == (2, False, False, False)
    assert case.cycles_axi > case.cycles_limit
    assert "totals of the queue" in failures(report)
    right = replace(case, mismatches=0, counts_equal=True, cycles_limit=case.cycles_axi)
    assert right.passed
    for wrong in ({"mismatches": 1}, {"counts_equal": False}, {"cycles_limit": case.cycles_axi - 1}):
        assert not replace(right, **wrong).passed
    assert not replace(right, cycles_model=case.cycles_axi + 1).passed
    assert not replace(right, cycles_exact=case.cycles_axi + 1).passed
