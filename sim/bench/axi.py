"""Drive an accelerator with the AXI shell by a script of register accesses, memory contents and faults."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dataflows.axi import AxiOptions
from dataflows.counters import Design
from dataflows.registers import ALL_COUNTERS
from dataflows.spatial.system.spec import SpatialSystem
from rtl.shell.export import axi_ports, axi_top_name, axi_verilog
from sim.bench.axi_top import TOP, axi_bench_verilog, bench_ports
from sim.memories import arbitrary_cells
from sim.runner import Build, Simulator, build, run

Step = dict[str, Any]


def step(do: str, **values: Any) -> Step:
    """Return a step: the name of a method of `sim.bench.cocotb_axi.Bench` and its arguments."""
    return {"do": do, **values}


def build_axi(
    acc: Design, axi: AxiOptions, *, depth_beats: int = 0, simulator: Simulator = "verilator", waves: bool = False
) -> Build:
    """Build the bench of a design, or find it in the cache; with `depth_beats` a memory is inside."""
    ports = axi_ports(acc, axi)
    design = axi_verilog(acc, axi)
    if simulator == "icarus" and isinstance(acc, SpatialSystem):
        design = arbitrary_cells(design)
    text = axi_bench_verilog(design, axi_top_name(acc), ports, acc, axi, depth_beats)
    return build(text, TOP, bench_ports(ports, axi, depth_beats), waves=waves, simulator=simulator)


def run_script(
    made: Build, steps: Sequence[Step], files: Mapping[str, bytes] | None = None, *, waves: Path | None = None,
    timeout: float = 3600,
) -> tuple[list[Any], dict[str, bytes]]:  # fmt: skip
    """Run a script from reset.

    Parameters
    ----------
    made : Build
        From `build_axi`.
    steps : sequence of Step
        In order; the first should be ``reset``.
    files : mapping of str to bytes
        What ``load`` steps name.
    waves : Path, optional
        Record waves here.
    timeout : float
        Seconds.

    Returns
    -------
    results : list
        One entry per step.
    dumps : dict of str to bytes
        What ``dump`` steps have written.

    Raises
    ------
    CheckFailed
        The simulation broke, or one of the bus models found its protocol violated.
    """
    with tempfile.TemporaryDirectory(prefix="systolith-") as scratch:
        work = Path(scratch)
        for name, content in (files or {}).items():
            (work / name).write_bytes(content)
        params = {"steps": list(steps)}
        found = run(made, "sim.bench.cocotb_axi", params=params, work=work, waves=waves, timeout=timeout)
        names = [each["file"] for each in steps if each["do"] == "dump"]
        return found["results"], {name: (work / name).read_bytes() for name in names}


def counters(words: Sequence[int]) -> dict[str, int]:
    """Return counters by name from the 32-bit words of a bank."""
    values = np.array(words, dtype="<u4").view("<u8")
    return {name: int(value) for (name, _meaning), value in zip(ALL_COUNTERS, values, strict=True)}
