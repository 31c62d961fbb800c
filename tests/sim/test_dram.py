"""The behavioural DRAM keeps its contract: latency and interval to the cycle, order and values under random stalls."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import pytest

import sim
from sim.runner import build, run

DRAM = (Path(sim.__file__).parent / "verilog" / "dram.v").read_text()
PORTS = (
    "clk", "rst", "cfg_latency", "cfg_interval", "cfg_stall", "cfg_pause", "cfg_seed", "req_valid", "req_ready", "req_write",
    "req_addr",
    "req_data", "rsp_valid", "rsp_data", "load", "load_beats", "dump", "dump_first", "dump_beats", "fault", "file_fault",
)  # fmt: skip
SMALL = DRAM.replace("WIDTH = 128", "WIDTH = 64").replace("DEPTH = 65536", "DEPTH = 64")

pytestmark = pytest.mark.rtl


@pytest.mark.parametrize("simulator", ["verilator", "icarus"])
def test_contract(simulator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if simulator == "icarus" and not shutil.which("iverilog"):
        pytest.skip("Icarus is optional")
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    corners = itertools.product((1, 2, 7, 1000), (1, 2, 5), (1.0, 0.5))
    exact = [{"latency": lat, "interval": k, "stall": 0, "eagerness": e} for lat, k, e in corners]
    stalled = [{"latency": lat, "interval": k, "stall": 20000, "eagerness": 0.9} for lat in (1, 30, 1000) for k in (1, 3)]
    jobs = [{**job, "seed": 7 + i, "cycles": 1400 if job["latency"] == 1000 else 500} for i, job in enumerate(exact + stalled)]
    found = run(build(SMALL, "dram", PORTS, simulator=simulator), "cocotb_dram", params={"jobs": jobs}, timeout=300)
    assert len(found) == len(jobs)
    for job, stats in zip(jobs, found, strict=True):
        assert stats["wrong"] == "", job
        assert stats["fault"] == 0, job
        assert stats["reads"] > 30, job
        assert (stats["refused"] > 0) == (stats["late"] > 0) == (job["stall"] > 0), job
