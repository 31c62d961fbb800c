"""SCALE-Sim's configuration files."""

from __future__ import annotations

import pytest

from dataflows.errors import SpecError
from dataflows.exchange.scalesim_cfg import read_cfg
from dataflows.exchange.source import is_scalesim
from tests.dataflows.exchange.texts import EXAMPLES

TEXT = (EXAMPLES / "scalesim.cfg").read_text()


def test_the_example():
    found = read_cfg(EXAMPLES / "scalesim.cfg")
    assert is_scalesim(EXAMPLES / "scalesim.cfg")
    assert (found.name, found.rows, found.cols, found.dataflow) == ("weights_32", 32, 32, "ws")
    assert sum("without stalls" in note for note in found.notes) == 3
    assert any("[run_presets]" in note for note in found.notes)


@pytest.mark.parametrize(
    ("old", "new", "where", "found"),
    [
        ("ArrayHeight: 32\n", "", "t.cfg:1: ArrayHeight", "nothing"),
        ("ArrayWidth: 32", "ArrayWidth: -2", "t.cfg:6: ArrayWidth", "-2"),
        ("Dataflow: ws", "Dataflow: rs", "t.cfg:10: Dataflow", "rs"),
        ("[run_presets]", "[sparsity]\nSparsitySupport: true\n[run_presets]", "SparsitySupport", "true"),
        ("[architecture_presets]", "[architecture]", "t.cfg", "no section"),
        ("ArrayWidth: 32", "ArrayWidth: 32\nArrayWidth: 16", "t.cfg", "already exists"),
        ("[general]", "general", "t.cfg:1", "no section headers"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, monkeypatch, old, new, where, found):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.cfg").write_text(TEXT.replace(old, new))
    with pytest.raises(SpecError) as error:
        read_cfg("t.cfg")
    assert where in str(error.value)
    assert found in str(error.value.found)


def test_other_keys_and_separators(tmp_path):
    path = tmp_path / "t.cfg"
    path.write_text(
        TEXT.replace("Dataflow: ws", "Dataflow = OS\nMemoryBanks = 1").replace("run_name = weights_32", 'run_name = "x"')
    )
    found = read_cfg(path)
    assert (found.name, found.dataflow) == ("x", "os")
    assert any("memorybanks" in note for note in found.notes)
