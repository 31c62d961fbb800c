"""``synthesize``: what it prints and writes, and what it refuses."""

from __future__ import annotations

import json

import pytest

DESIGN = "ws:rows=2,cols=2,bits=4,acc_bits=12,name=tiny"


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("SYSTOLITH_CACHE", str(tmp_path_factory.mktemp("cache")))


def test_figures_on_paper_and_as_json_are_the_same(systolith, folder):
    data = systolith("synthesize", DESIGN, "--part", "array", "-o", "out", "--json").json
    assert {"out/netlist.v", "out/synthesis.json", "out/cells.lib", "out/yosys.log"} == set(data["files"])
    written = json.loads((folder / "out/synthesis.json").read_text())
    assert written.items() <= data.items()
    assert data["area_ge"] == pytest.approx(sum(row["total_ge"] for row in data["modules"]), abs=0.01)
    assert "module tiny_array(" in (folder / "out/netlist.v").read_text()
    ran = systolith("synthesize", DESIGN, "--part", "array")
    assert ran.code == 0
    assert f"{data['area_ge']:,.0f} GE" in ran.out
    assert "from the cache" in ran.out


def test_an_array_of_any_connectivity(systolith):
    ran = systolith("synthesize", "array_os:rows=1,cols=1,input_bits=4,weight_bits=4,acc_bits=12", "--part", "pe", "--json")
    assert (ran.json["design"], ran.json["part"], ran.json["multipliers"]) == ("array_os", "pe", 1)
    assert systolith("synthesize", "array_os:rows=1,cols=1", "--part", "core").code == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--device", "25k"), "--device: found '25k'; allowed: no such option without --fpga"),
        (("--fpga", "ecp5", "--flat"), "drop --flat"),
        (("--fpga", "ecp5", "--device", "1k"), "12k, 25k, 45k, 85k"),
        (("--fpga", "ice40"), "ecp5"),
        (("--library", "missing.lib"), "missing.lib"),
        (("--part", "half"), "half"),
    ],
)
def test_what_it_refuses(systolith, folder, options, message):
    ran = systolith("synthesize", DESIGN, *options, "-o", "out")
    assert ran.code == 2
    assert message in ran.err
    assert not (folder / "out").exists()
