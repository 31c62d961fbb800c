"""The Verilog top of the AXI bench: an accelerator with its shell, every port of it, and a protocol monitor."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dataflows.arch import Accelerator
from dataflows.axi import AxiOptions

TOP = "axi_bench"
LEAST_LATENCY = 2
"""Cycles from AR to R that the memory model takes by itself."""

MONITORED = {"faults": 7, "open_reads": 16, "open_writes": 16, "bursts": 32, "beats": 32, "read_latency": 16}
TRY_CYCLES = 100
"""Cycles between two looks at a register that is waited for."""
FAULTS = (
    "a channel took back or changed what it offered",
    "a burst is too long, not INCR, narrow or unaligned",
    "a burst crosses a 4 KB boundary",
    "write data do not fit their address",
    "more bursts are on their way than allowed",
    "a response was not asked for or not taken",
    "valid is high during reset",
)
_WATCHED = (
    "araddr", "awaddr", "arlen", "awlen", "arsize", "awsize", "arburst", "awburst", "arvalid", "arready", "awvalid", "awready",
    "wvalid", "wready", "wlast", "rvalid", "rready", "rlast", "bvalid", "bready", "wdata", "wstrb",
)  # fmt: skip


def axi_bench_verilog(
    accelerator: str, dut: str, ports: Sequence[tuple[str, str, int]], acc: Accelerator, axi: AxiOptions
) -> str:
    """Return the Verilog of the whole bench.

    Parameters
    ----------
    accelerator : str
        Verilog with module `dut`.
    dut : str
        Top module of the accelerator.
    ports : sequence of (str, str, int)
        Its ports: name, direction, width.
    acc, axi : Accelerator, AxiOptions
        The design.
    """
    declared = [f"    {way} wire [{width - 1}:0] {name}" for name, way, width in ports]
    declared += [f"    output wire [{width - 1}:0] {name}" for name, width in MONITORED.items()]
    names = [f".{name}({name})" for name, _way, _width in ports]
    watched = [f".{name}(m_axi_{name})" for name in _WATCHED] + [f".{name}({name})" for name in MONITORED]
    settings = {
        "ADDRESS": axi.address_bits, "DATA": acc.beat_bits, "MOST": axi.burst_beats, "READS": axi.read_bursts,
        "WRITES": axi.write_bursts,
    }  # fmt: skip
    top = [
        f"module {TOP} (", ",\n".join(declared), ");", f"    {dut} dut ({', '.join(names)});",
        f"    axi_monitor #({', '.join(f'.{name}({value})' for name, value in settings.items())}) monitor (",
        f"        .clk(aclk), .resetn(aresetn), {', '.join(watched)});", "endmodule", "",
    ]  # fmt: skip
    monitor = (Path(__file__).parents[1] / "verilog" / "axi_monitor.v").read_text()
    return "\n".join([accelerator, monitor, *top])


def bench_ports(ports: Sequence[tuple[str, str, int]]) -> tuple[str, ...]:
    """Return the names of all ports of the bench."""
    return (*(name for name, _way, _width in ports), *MONITORED)
