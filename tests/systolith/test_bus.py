"""``--bus axi``: the same designs with the shell, and what is wrong said before any work."""

from __future__ import annotations

import json
import shutil

import pytest

ARCH = "os:rows=2,cols=2,name=tiny,input_words=64,weight_words=64,acc_words=16"


def test_generate_adds_the_shell(systolith, folder):
    data = systolith("generate", ARCH, "--bus", "axi:queue_depth=3,address_bits=32", "-o", "chip", "--json").json
    written = {str(path.relative_to(folder)) for path in (folder / "chip").iterdir()}
    assert set(data["files"]) == written
    assert written >= {"chip/accelerator.v", "chip/accelerator_axi.v", "chip/registers.md"}
    assert "module tiny_accelerator_axi(" in (folder / "chip/accelerator_axi.v").read_text()
    assert json.loads((folder / "chip/params.json").read_text())["axi"]["queue_depth"] == 3


@pytest.mark.parametrize(
    ("bus", "words"),
    [
        ("ax", "did you mean 'axi'?"),
        ("axi:depth=3", "queue_depth"),
        ("axi:burst_beats=x", "an integer"),
        ("axi:burst_beats=300", "1 to 256"),
    ],
)
@pytest.mark.parametrize("command", ["generate", "verify"])
def test_what_is_wrong_with_a_bus_is_said(systolith, command, bus, words):
    ran = systolith(command, ARCH, "--bus", bus)
    assert ran.code == 2
    assert words in ran.err


@pytest.mark.rtl
@pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog is optional; it builds in a second")
def test_verify_behind_axi_tells_what_failed(systolith, monkeypatch):
    args = ("verify", ARCH, "--bus", "axi", "--cases", "1", "--seed", "2", "--simulator", "icarus")
    data = systolith(*args, "--json").json
    (case,) = data["cases"]
    assert (data["passed"], data["bus"], case["mismatches"]) == (True, "axi", 0)
    assert case["cycles_model"] <= case["cycles_axi"] == case["cycles_model"] + case["difference"] <= case["cycles_limit"]
    monkeypatch.setattr("sim.axi.script.MAP_VERSION", 7)
    monkeypatch.setattr("sim.axi.verify.limit", lambda *job: 100)
    ran = systolith(*args)
    assert ran.code == 1
    assert "1 of 1 cases differ" in ran.err
    assert "not so: VERSION" in ran.err
