"""``generate``: every file there, all from one source."""

from __future__ import annotations

import json

import pytest

from systolith.specs import accelerator

ARCH = "os:rows=3,cols=2,name=tiny"


def test_every_file_of_a_design_is_written(systolith, folder):
    data = systolith("generate", ARCH, "-o", "chip", "--json").json
    written = {str(path.relative_to(folder)) for path in (folder / "chip").iterdir()}
    assert set(data["files"]) == written
    names = ("accelerator.v", "sram_1r1w.v", "params.json", "systolith_params.h", "accelerator.core")
    assert written >= {f"chip/{name}" for name in names}
    assert data["parameters"] == accelerator(ARCH).to_dict()
    assert "module tiny_accelerator(" in (folder / "chip/accelerator.v").read_text()


def test_writing_again_changes_nothing(systolith, folder):
    files = []
    for _ in range(2):
        assert systolith("generate", ARCH, "-o", "chip").code == 0
        files.append({path.name: path.read_bytes() for path in (folder / "chip").iterdir()})
    assert files[0] == files[1]


def test_parameters_come_back_as_the_design(systolith, folder):
    systolith("generate", ARCH, "-o", "chip")
    params = json.loads((folder / "chip/params.json").read_text())
    (folder / "again.yaml").write_text(json.dumps(params["accelerator"]))
    assert accelerator("again.yaml") == accelerator(ARCH)


def test_an_existing_folder_keeps_its_files_when_generation_fails(systolith, folder, monkeypatch):
    (folder / "chip").mkdir()
    (folder / "chip/params.json").write_text("old")

    def fail(acc: object) -> dict[str, str]:
        raise RuntimeError("no Yosys")

    monkeypatch.setattr("rtl.export.export", fail)
    ran = systolith("generate", ARCH, "-o", "chip")
    assert ran.code == 1
    assert [(path.name, path.read_text()) for path in (folder / "chip").iterdir()] == [("params.json", "old")]


@pytest.mark.parametrize("name", ["ws-16x16:name=a/b", "ws-16x16:name=-"])
def test_names_are_file_names(systolith, folder, name):
    ran = systolith("generate", name, "-o", "chip")
    assert (ran.code == 2) == ("/" in name)
