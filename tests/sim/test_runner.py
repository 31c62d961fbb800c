"""Runner and bench: exact cycles on a hand-written accelerator, cache, failures, waves."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from dataflows.errors import CheckFailed, SpecError
from sim.bench.bulk import POISON, Job, run_jobs
from sim.bench.top import PORTS, TOP, bench_verilog
from sim.cache import VARIABLE, cache_dir, make_once, prune
from sim.runner import build, versions

TINY = (Path(__file__).parent / "tiny_accelerator.v").read_text()
BEATS = 16

rtl = pytest.mark.rtl


def tiny_cycles(latency: int, interval: int) -> int:
    """Work out the cycles by hand: from the start pulse, 16 reads, the last answer or the interval, 16 writes, done."""
    first = 1
    last_read = first + (BEATS - 1) * interval
    first_write = max(last_read + latency + 1, last_read + interval)
    return first_write + (BEATS - 1) * interval + 1


def image(seed: int = 0, beats: int = 64) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (beats, 16), np.uint8)


def plus_one(beats: np.ndarray) -> np.ndarray:
    rows = [(int.from_bytes(row.tobytes(), "little") + 1) % (1 << 128) for row in beats]
    return np.frombuffer(b"".join(row.to_bytes(16, "little") for row in rows), np.uint8).reshape(-1, 16)


def simulators() -> list[object]:
    missing = shutil.which("iverilog") is None
    return ["verilator", pytest.param("icarus", marks=pytest.mark.skipif(missing, reason="Icarus is optional"))]


@rtl
@pytest.mark.parametrize("simulator", simulators())
def test_values_cycles_and_counters(simulator: str) -> None:
    profiles = [(latency, interval) for latency in (1, 2, 3, 32, 1000) for interval in (1, 2, 7)]
    data = [image(i) for i in range(len(profiles))]
    data[0][:] = 255  # carries through the whole beat
    jobs = [
        Job(f"{lat}/{k}", data[i], program_addr=i, dump=(i + BEATS, BEATS), latency=lat, interval=k)
        for i, (lat, k) in enumerate(profiles)
    ]
    results = run_jobs(TINY, 16, 1000, jobs, simulator=simulator)
    assert [r.name for r in results] == [job.name for job in jobs]
    for i, ((latency, interval), result) in enumerate(zip(profiles, results, strict=True)):
        assert result.finished
        assert result.cycles == tiny_cycles(latency, interval), result.name
        np.testing.assert_array_equal(result.dump, plus_one(data[i][i : i + BEATS]))
        assert result.counters == [1, *(3 * c for c in range(1, 63)), (1 << 48) - 1]
        assert result.error == data[i][i + BEATS - 1, 0]


@rtl
def test_stalls_timeouts_and_restarts() -> None:
    data = image(1)
    out = (BEATS, BEATS)
    jobs = [
        Job("stalled", data, dump=out, stall=30000, seed=5),
        Job("again", data, dump=out, reset=False),
        Job("late", data, dump=out, timeout_cycles=20),
        Job("after", data[:BEATS], dump=(BEATS, BEATS + 3), reset=False),
    ]
    stalled, again, late, after = run_jobs(TINY, 16, 1000, jobs)
    np.testing.assert_array_equal(stalled.dump, plus_one(data[:BEATS]))
    assert stalled.cycles > tiny_cycles(32, 1)
    assert (again.counters[0], again.cycles) == (2, tiny_cycles(32, 1))
    assert not late.finished
    assert late.cycles == 20
    assert after.finished
    assert after.counters[0] == 1  # reset all the same: the job before had hung
    np.testing.assert_array_equal(after.dump[:BEATS], plus_one(data[:BEATS]))
    assert (after.dump[BEATS:] == POISON).all()


@rtl
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("held[written[3:0]] + 1;", "tick; reg [127:0] tick; always @(posedge clk) tick <= tick + 1;"), "changed or went away"),
        (("base + 16 + written", "32'h7fffffff"), "beyond the memory"),
        (("written == 15", "written == 14"), "outside start .. done"),
    ],
)
def test_port_contract_is_enforced(change: tuple[str, str], message: str) -> None:
    broken = TINY.replace(*change)
    if "14" in change[1]:  # done one write early, the last write follows
        broken = broken.replace("running <= 0;\n                        done", "done").replace("running && got", "got")
    with pytest.raises(CheckFailed, match=message):
        run_jobs(broken, 16, 1000, [Job("x", image(), interval=4)])


@rtl
def test_loads_fast() -> None:
    big = image(2, beats=1 << 18)
    began = time.perf_counter()
    result = run_jobs(TINY, 16, 1000, [Job("big", big, dump=(BEATS, (1 << 18) - BEATS))])[0]
    seconds = time.perf_counter() - began
    np.testing.assert_array_equal(result.dump[BEATS:], big[2 * BEATS :])
    assert big.nbytes / seconds > 200e3  # megabytes are no burden, on a busy machine too (start-up included)


@rtl
def test_waves_on_demand(tmp_path: Path) -> None:
    target = tmp_path / "new" / "waves.vcd"
    run_jobs(TINY, 16, 1000, [Job("x", image())], waves=target)
    text = target.read_text()
    assert "$var" in text
    assert "counter_value" in text


@rtl
def test_build_failure_names_the_line(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CheckFailed, match=r"syntax error"):
        build("module x; oops endmodule", "x", [])
    assert capfd.readouterr() == ("", "")


@rtl
def test_hung_simulator_is_killed() -> None:
    with pytest.raises(CheckFailed, match=r"did not end within 3 s"):
        run_jobs(TINY.replace("written == 15", "0"), 16, 1000, [Job("x", image(), timeout_cycles=1 << 40)], timeout=3)


@rtl
def test_build_is_cached_and_keyed_by_content() -> None:
    text = bench_verilog(TINY, bus_bytes=16, depth_beats=1000)
    first = build(text, TOP, PORTS)
    began = time.perf_counter()
    assert build(text, TOP, PORTS) == first
    assert time.perf_counter() - began < 1
    assert first.directory.is_relative_to(cache_dir())
    assert {"verilator", "cocotb", "compiler"} <= versions().keys()


def test_depth_is_shared() -> None:
    def text(beats: int) -> str:
        return bench_verilog(TINY, bus_bytes=16, depth_beats=beats)

    assert text(1) == text(1 << 18) != text((1 << 18) + 1) == text(1 << 19)


def test_user_errors(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"job.image"):
        run_jobs(TINY, 16, 10, [Job("job", np.zeros((4, 8), np.uint8))])
    with pytest.raises(SpecError, match=r"job.latency"):
        run_jobs(TINY, 16, 10, [Job("job", image(), latency=0)])
    with pytest.raises(SpecError, match=r"simulator"):
        build("", "x", [], simulator="vcs")  # type: ignore[arg-type]
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "file" / "below"))
    with pytest.raises(SpecError, match=VARIABLE):
        cache_dir()


def test_make_once_survives_failure_and_race(tmp_path: Path) -> None:
    target = tmp_path / "made"

    def fail(scratch: Path) -> None:
        (scratch / "half").write_text("")
        raise CheckFailed("no")

    with pytest.raises(CheckFailed):
        make_once(target, fail)
    assert [p.name for p in tmp_path.iterdir()] == ["made.lock"]
    (tmp_path / "made.99.tmp").mkdir()  # what a killed process leaves
    calls = []

    def slow(scratch: Path) -> None:
        calls.append(scratch)
        time.sleep(0.1)
        (scratch / "whole").write_text("yes")

    threads = [threading.Thread(target=make_once, args=(target, slow)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1
    assert (target / "whole").read_text() == "yes"
    assert not list(tmp_path.glob("*.tmp"))


def test_prune_keeps_the_latest(tmp_path: Path) -> None:
    for i in range(5):
        (tmp_path / str(i)).mkdir()
        os.utime(tmp_path / str(i), (i, i))
    prune(tmp_path, 2)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["3", "4"]


@rtl
@pytest.mark.slow
def test_kill_halfway_leaves_no_trace(tmp_path: Path) -> None:
    """A build killed with SIGKILL leaves no orphan process, and the next one succeeds."""
    environment = {**os.environ, VARIABLE: str(tmp_path)}
    code = "import sys; from sim.runner import build; build(sys.stdin.read(), 'm', ['a'])"
    verilog = b"module m(input a); endmodule"
    child = subprocess.Popen([sys.executable, "-c", code], env=environment, stdin=subprocess.PIPE)
    child.stdin.write(verilog)
    child.stdin.close()
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("simulators/*.tmp/Vtop.mk")) and time.monotonic() < deadline:
        time.sleep(0.05)
    child.send_signal(signal.SIGKILL)
    child.wait()
    deadline = time.monotonic() + 20
    while _processes_in(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _processes_in(tmp_path)
    assert list(tmp_path.glob("simulators/*.tmp"))
    subprocess.run([sys.executable, "-c", code], env=environment, input=verilog, check=True)
    assert list(tmp_path.glob("simulators/*/m"))
    assert not list(tmp_path.glob("simulators/*.tmp"))


def _processes_in(directory: Path) -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (entry / "cwd").readlink().is_relative_to(directory):
                found.append(entry.name)
        except OSError:
            continue  # gone, or not ours
    return found
