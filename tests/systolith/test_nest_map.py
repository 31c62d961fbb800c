"""``map`` on architectures of mode ``timeloop``."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from systolith.cli import app

LAYER = "conv:K=16,C=8,P=14,Q=14,R=3,S=3"


def run(*arguments: str) -> tuple[int, str, str]:
    """Run a command; return exit code, standard output and standard error."""
    result = CliRunner().invoke(app, ["map", *arguments])
    return result.exit_code, result.stdout, result.stderr


def test_proves_and_draws_a_layer(tmp_path: Path) -> None:
    """Figures, the proof and the nest, which `cost` takes back."""
    code, out, _ = run(LAYER, "--arch", "tri256", "--json")
    assert code == 0
    data = json.loads(out)
    (row,) = data["layers"]
    assert (row["gap"], row["optimal"], data["total"]["optimal"], data["mode"]) == (0, True, True, "timeloop")
    nest = tmp_path / "nest.json"
    nest.write_text(json.dumps(row["mapping"]), encoding="utf-8")
    result = CliRunner().invoke(app, ["cost", LAYER, "--arch", "tri256", "--mapping", str(nest), "--json"])
    (again,) = json.loads(result.stdout)
    assert (again["cycles"], again["energy_pj"]) == (row["cycles"], row["energy_pj"])
    code, out, _ = run(LAYER, "--arch", "tri256", "--html", str(tmp_path / "page.html"))
    assert code == 0
    assert "proved to be the least there is" in out
    assert "dram[WIO]" in out
    assert "dram[WIO]" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_other_mappers_say_that_nothing_is_proved() -> None:
    """No gap, no claim."""
    for mapper in ("local", "random", "evolution"):
        code, out, _ = run(LAYER, "--arch", "tri256", "--mapper", mapper, "--seconds", "0.3", "--json")
        assert code == 0
        assert json.loads(out)["layers"][0]["gap"] is None


def test_options_change_the_space() -> None:
    """Without bypass every level holds what it can; other rules are other counts."""
    _, free, _ = run(LAYER, "--arch", "eyeriss", "--json")
    _, fixed, _ = run(LAYER, "--arch", "eyeriss", "--no-bypass", "--json")
    assert json.loads(free)["total"]["edp"] <= json.loads(fixed)["total"]["edp"]
    code, physical, _ = run(LAYER, "--arch", "eyeriss", "--rules", "halo=physical", "--seconds", "2", "--json")
    assert code == 0
    assert json.loads(physical)["total"]["edp"] <= json.loads(free)["total"]["edp"] * (1 + 1e-9)


def test_wrong_requests_get_one_line() -> None:
    """Exit code 2, what was found and what is allowed."""
    for arguments in (
        ("--arch", "tri256", "--mapper", "search"),
        ("--arch", "ws-16x16", "--mapper", "local"),
        ("--arch", "tri256", "--padded"),
        ("--arch", "ws-16x16", "--rules", "halo=physical"),
        ("--arch", "ws-16x16", "--no-bypass"),
        ("--arch", "tri256", "--rules", "halo=none"),
        ("--arch", "tri256", "--mapper", "exhaustive"),
    ):
        code, out, err = run(LAYER, *arguments)
        assert code == 2, arguments
        assert not out
        assert err.count("\n") <= 3
        assert "allowed:" in err


def test_what_does_not_fit_names_the_level(tmp_path: Path) -> None:
    """Exit code 1."""
    from dataflows.nest.presets import PRESETS

    text = PRESETS["tri256"]().to_dict()
    text["levels"][2]["capacity_bits"] = 16
    path = tmp_path / "small.yaml"
    path.write_text(json.dumps(text), encoding="utf-8")
    code, _, err = run(LAYER, "--arch", str(path), "--no-bypass")
    assert code == 1
    assert "rf lacks" in err
