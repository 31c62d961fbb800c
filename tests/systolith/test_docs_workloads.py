"""The manual's page on workloads says what the code does."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from dataflows.layer_kinds import KINDS
from dataflows.networks import TableEntry, catalogue, network
from dataflows.onnx_options import CHOICES

TEXT = (Path(__file__).resolve().parents[2] / "docs/workloads.md").read_text()


@pytest.mark.parametrize("command", re.findall(r"`systolith ([^`]+)`", TEXT))
def test_commands_run(systolith, command):
    assert systolith(*shlex.split(command)).code == 0


def test_files_are_read(tmp_path):
    files = dict(re.findall(r"```(yaml|csv)\n(.*?)```", TEXT, re.DOTALL))
    assert set(files) == {"yaml", "csv"}
    for suffix, text in files.items():
        (tmp_path / f"net.{suffix}").write_text(text)
    tiny = network(tmp_path / "net.yaml")
    assert [layer.name for layer in tiny.layers] == ["stem", "dw", "up.0x0", "up.0x1", "up.1x0", "up.1x1", "layer5"]
    assert [(entry.name, entry.after, entry.output_words) for entry in tiny.traffic] == [("down", "up.1x1", 16 * 16 * 16)]
    assert [(layer.P, layer.Q) for layer in network(tmp_path / "net.csv").layers] == [(55, 55), (27, 27)]


def test_the_table_of_networks_is_true():
    rows = {row[0]: row[1:] for row in re.findall(r"^\| (\w+) \| ([\d,]+) \| ([\d,]+) \| ([\w, ]+) \|$", TEXT, re.MULTILINE)}
    found = {entry.name: entry for entry in catalogue() if isinstance(entry, TableEntry)}
    assert list(rows) == list(found)
    for name, (macs, weights, options) in rows.items():
        assert (macs, weights) == (f"{network(name).macs:,}", f"{network(name).parameters:,}")
        assert options == ", ".join(found[name].options)


def test_every_option_of_onnx_networks_is_named():
    for option, (usual, other) in CHOICES.items():
        assert f"`{option}={other}`" in TEXT
        assert f"`{usual}`" in TEXT


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_is_named(kind):
    assert f"`{kind}`" in TEXT
    words = set(re.findall(r"\w+", TEXT))
    assert set(KINDS[kind].model_fields) <= words
