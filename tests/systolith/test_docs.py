"""Examples in the manual are read by the code they describe."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml

from dataflows.layer_text import parse_layer
from dataflows.mapping import Mapping
from dataflows.picture.model import MEANING
from dataflows.tech import technology
from dataflows.tiling import Tiling, mapping_of
from sim.spatial.cases import random_cases
from sim.spatial.system.cases import random_cases as system_cases
from systolith import spatial_spec, system_spec
from systolith.explore_spec import read_explore_spec
from systolith.mapping_file import read_mappings
from systolith.specs import accelerator

ROOT = Path(__file__).resolve().parents[2]


def test_every_way_to_write_a_mapping_is_the_same_mapping(tmp_path):
    text = (ROOT / "docs/mappings.md").read_text()
    blocks = re.findall(r"```(yaml|text|compact)\n(.*?)```", text, re.DOTALL)
    assert [kind for kind, _ in blocks] == ["yaml", "text", "compact"]
    layer, acc = parse_layer("conv:K=16,C=8,P=8,Q=8,R=3,S=3"), accelerator("ws:rows=4,cols=4")
    expected = Tiling(blocks=2, c_blocks=2, p=2, q=8, order=("N", "G", "K", "P", "Q"))
    printed = dict(blocks)["text"]
    assert str(mapping_of(layer, acc, expected)) == printed.rstrip("\n")
    assert Mapping.parse(printed) == mapping_of(layer, acc, expected)
    for kind, block in blocks:
        path = tmp_path / f"mapping.{kind}"
        path.write_text(block)
        _, tiling = read_mappings(path, [layer], acc)["conv"]
        assert (tiling.blocks, tiling.c_blocks, tiling.p, tiling.q) == (2, 2, 2, 8)


def test_lists_of_the_manual_are_its_brackets():
    text = (ROOT / "docs/mappings.md").read_text().partition("## Residency")[2]
    rows = re.findall(r"^\| `(\{.*?\})` \| `(\{.*?\})` \|$", text, re.MULTILINE)
    assert len(rows) == 2
    for row in rows:
        listed, bracketed = (Mapping.from_dict({"levels": [yaml.safe_load(entry)]}) for entry in row)
        assert listed == bracketed
        assert "[" in listed.levels[0].name


def test_the_picture_in_the_manual_is_what_is_printed(systolith, folder, monkeypatch):
    text = (ROOT / "docs/mappings.md").read_text()
    (command,) = re.findall(r"```shell\nsystolith (cost .*?)```", text, re.DOTALL)
    (block,) = re.findall(r"```nest\n(.*?)```", text, re.DOTALL)
    monkeypatch.setattr("systolith.console.PIPE_WIDTH", 80)
    args = shlex.split(command.replace("\\\n", ""))
    assert systolith(*args).out.endswith(block)
    (folder / "m.txt").write_text(block)
    (row,) = systolith(*args, "--json").json
    assert systolith(*args[: args.index("--mapping")], "--mapping", "m.txt", "--json").json == [row]
    times = row["levels"]["scratchpad"]["weights"]["writes"] // row["levels"]["dram"]["weights"]["tile_words"]
    assert f"every weight {times:,} times" in " ".join(text.split())
    marks = set(re.findall(r"^\| `(\w+)` \|", text[text.index("## The picture") :], re.MULTILINE))
    assert marks == set(MEANING)


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda path: path.name)
def test_examples_are_valid(path):
    if (system := system_spec.find(str(path))) is not None:
        assert system_cases(system, 2, seed=1)
        return
    if (array := spatial_spec.find(str(path))) is not None:
        assert random_cases(array[1], 3, seed=1)
        return
    spec = read_explore_spec(path)
    assert spec.network
    assert spec.to_dict()["budget"]["macs"] > 0


def test_commands_of_the_readme_exist(systolith):
    text = (ROOT / "README.md").read_text()
    names = set(re.findall(r"`(?:\.venv/bin/)?systolith ([a-z]+)", text)) | {"presets", "engines"}
    assert names >= {"networks", "map", "cost", "generate", "verify", "report"}
    for name in sorted(names):
        assert systolith(name, "--help").code == 0


@pytest.mark.parametrize("command", re.findall(r"`systolith ((?:networks|map) [^`]*)`", (ROOT / "README.md").read_text()))
def test_short_commands_of_the_readme_run(systolith, command):
    assert systolith(*shlex.split(command)).code == 0


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_tests_and_files_that_the_manual_names_exist(page):
    text = page.read_text()
    sources = list((ROOT / "tests").rglob("test_*.py"))
    known = {source.stem for source in sources}
    for source in sources:
        known |= set(re.findall(r"^def (test_\w+)", source.read_text(), re.MULTILINE))
    assert set(re.findall(r"`(test_\w+)`", text)) <= known
    named = re.findall(r"`((?:dataflows|rtl|sim|tests|mappers|dse|systolith|examples)/[\w/.-]+\.\w+)`", text)
    assert [path for path in named if not (ROOT / path).is_file()] == []


@pytest.mark.parametrize("page", ["cost-model.md", "machine-cost.md"])
def test_every_term_of_a_cost_model_names_what_pins_it(page):
    """Rows of tables with a column of tests; a row may say that the test is the one above."""
    columns: list[str] = []
    rows = 0
    for line in (ROOT / "docs" / page).read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []
        if not cells:
            columns = []
        elif not columns:
            columns = cells
        elif "test" in columns and not set(line) <= set("|-"):
            assert re.search(r"`test_|the same", cells[columns.index("test")]), line
            rows += 1
    assert rows > 20


def test_the_manual_shows_the_technology_table():
    text = (ROOT / "docs/machine-cost.md").read_text()
    found = re.findall(r"^\| `(\w+)` \| ([\d.e+-]+) \| (.*?) \| (.*) \|$", text, re.MULTILINE)
    entries = technology("45nm").entries
    assert found == [(name, f"{entry.value:.4g}", entry.unit, entry.source) for name, entry in entries.items()]


def test_the_manual_shows_what_a_layer_costs(systolith):
    text = (ROOT / "docs/machine-cost.md").read_text()
    command = re.search(r"```shell\nsystolith (.*?)```", text, re.DOTALL)
    assert command
    ran = systolith(*shlex.split(command[1].replace("\\\n", "")), "--json")
    (row,) = ran.json
    assert row["check"] == {"equal": True, "differences": []}
    assert f"{row['macs']:,} multiply-accumulates" in text
    assert f"{row['energy_pj'] / 1e6:,.0f} uJ on {row['area_um2'] / 1e6:.3f} mm2" in text
