"""The Verilog top of the AXI bench: an accelerator with its shell, every port of it, and a protocol monitor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from dataflows.axi import AxiOptions
from dataflows.counters import Design

TOP = "axi_bench"
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

_MEMORY = (
    "arid", "awid", "araddr", "awaddr", "arlen", "awlen", "arvalid", "awvalid", "wvalid", "wlast", "rready", "bready", "wdata",
    "wstrb", "arready", "awready", "wready", "rvalid", "rlast", "bvalid", "rdata", "rresp", "bresp", "rid", "bid",
)  # fmt: skip


def axi_bench_verilog(
    accelerator: str, dut: str, ports: Sequence[tuple[str, str, int]], acc: Design, axi: AxiOptions, depth_beats: int = 0
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
    acc, axi : Accelerator or SpatialSystem, AxiOptions
        The design.
    depth_beats : int
        0: the memory ports are the bench's. Otherwise a memory of so many beats, a power of two, is inside.
    """
    inside = {name for name, _way, _width in ports if name.startswith("m_axi_")} if depth_beats else set()
    outer = [port for port in (*ports, *_controls(axi, depth_beats)) if port[0] not in inside]
    declared = [f"    {way} wire [{width - 1}:0] {name}" for name, way, width in outer]
    declared += [f"    output wire [{width - 1}:0] {name}" for name, width in MONITORED.items()]
    wires = [f"    wire [{width - 1}:0] {name};" for name, _way, width in ports if name in inside]
    parts = [_instance(dut, "dut", {}, {name: name for name, _way, _width in ports})]
    settings = {
        "ADDRESS": axi.address_bits, "DATA": acc.beat_bits, "MOST": axi.burst_beats, "READS": axi.read_bursts,
        "WRITES": axi.write_bursts,
    }  # fmt: skip
    clocks = {"clk": "aclk", "resetn": "aresetn"}
    watched = {name: f"m_axi_{name}" for name in _WATCHED}
    parts.append(_instance("axi_monitor", "monitor", settings, clocks | watched | {name: name for name in MONITORED}))
    files = ["axi_monitor.v"]
    if depth_beats:
        settings = {"ADDRESS": axi.address_bits, "DATA": acc.beat_bits, "ID": axi.id_bits, "DEPTH": depth_beats}
        bus = {name: f"m_axi_{name}" for name in _MEMORY}
        control = {name: name for name, _way, _width in _controls(axi, depth_beats)}
        parts.append(_instance("axi_dram", "memory", settings, clocks | bus | control))
        files.append("axi_dram.v")
    room = Path(__file__).parents[1] / "verilog"
    top = [f"module {TOP} (", ",\n".join(declared), ");", *wires, *parts, "endmodule", ""]
    return "\n".join([accelerator, *((room / name).read_text() for name in files), *top])


def _instance(module: str, name: str, parameters: Mapping[str, int], ports: Mapping[str, str]) -> str:
    """Return an instance of a module."""
    settings = f" #({', '.join(f'.{key}({value})' for key, value in parameters.items())})" if parameters else ""
    return f"    {module}{settings} {name} ({', '.join(f'.{port}({wire})' for port, wire in ports.items())});"


def _controls(axi: AxiOptions, depth_beats: int) -> tuple[tuple[str, str, int], ...]:
    """Return the ports that steer the memory inside the bench."""
    if not depth_beats:
        return ()
    widths = {"load": 1, "dump": 1, "load_beats": 32, "dump_first": 32, "dump_beats": 32, "cfg_latency": 16}
    inputs = (widths | {"cfg_base": axi.address_bits}).items()
    return (*((name, "input", width) for name, width in inputs), ("file_fault", "output", 1))


def bench_ports(ports: Sequence[tuple[str, str, int]], axi: AxiOptions, depth_beats: int = 0) -> tuple[str, ...]:
    """Return the names of all ports of the bench."""
    names = (*(name for name, _way, _width in (*ports, *_controls(axi, depth_beats))), *MONITORED)
    return tuple(name for name in names if not (depth_beats and name.startswith("m_axi_")))
