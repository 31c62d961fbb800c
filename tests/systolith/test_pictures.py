"""Pictures of nests through the command line: colour on a terminal only, pages that stand alone."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from systolith import console

CONV = "conv:K=64,C=3,P=112,Q=112,R=7,S=7,stride=2"
DESIGN = "gemmini_dosa:dim=32,scratchpad_kb=2,accumulator_kb=16"
NEST = "L3: P28 R7 Q56 K8 | L2: K4X | L1: K2 S7 Q2 P2 C3X | L0: P2"
TIMELOOP = ["cost", CONV, "--arch", DESIGN, "--mapping", NEST]
MACHINE = [
    "cost",
    "conv:K=16,C=8,P=8,Q=8,R=3,S=3",
    "--arch",
    "ws:rows=4,cols=4",
    "--mapping",
    "L2 K2 P4 ; L1 K2 C2 R3 S3 P2 Q8 ; L0 C4X K4X",
]
MAP = ["map", "ocr_cls", "--arch", "ws-8x8"]


@pytest.mark.parametrize("columns", [80, 200])
def test_colour_on_a_terminal_and_the_same_text_in_a_pipe(systolith, monkeypatch, columns):
    screen = io.StringIO()
    terminal = Console(file=screen, force_terminal=True, width=columns, color_system="standard", highlight=False, markup=False)
    monkeypatch.setattr(console, "PIPE_WIDTH", columns)
    plain = systolith(*TIMELOOP).out
    monkeypatch.setattr(console, "_console", lambda *, stderr: terminal)
    systolith(*TIMELOOP)
    shown = screen.getvalue()
    assert "\x1b[" in shown
    assert "\x1b" not in plain
    bare = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    assert bare[bare.index("# conv:") :] == plain[plain.index("# conv:") :]
    assert max(map(len, plain[plain.index("# conv:") :].splitlines())) <= min(columns, 120)


@pytest.mark.parametrize(("args", "nests"), [(TIMELOOP, 1), (MACHINE, 1), (MAP, None)], ids=["timeloop", "machine", "map"])
def test_a_page_of_its_own(systolith, folder, args, nests):
    ran = systolith(*args, "--html", "out/nests.html", "--json")
    assert ran.code == 0
    rows = ran.json["layers"] if isinstance(ran.json, dict) else ran.json
    page = (folder / "out/nests.html").read_text()
    assert page.count('<div class="nest">') == (nests or len(rows))
    assert not re.findall(r"""(?:src|href)=(?!"#)|url\((?!#)|@import""", page)  # but to parts of itself
    for row in rows:
        assert f"{row['cycles']:,}" in page


@pytest.mark.parametrize("arch", ["maestro:dataflow=kcp_ws,pes=256", "scalesim:rows=8,cols=8,dataflow=ws"])
def test_tools_with_mappings_of_their_own_get_the_table(systolith, folder, arch):
    (row,) = systolith("cost", CONV, "--arch", arch, "--html", "cost.html", "--json").json
    page = (folder / "cost.html").read_text()
    assert f"<td>{row['cycles']:,}</td>" in page
    assert "Loop nests" not in page


def test_nests_of_a_page_are_mapping_files(systolith, folder):
    systolith(*MACHINE, "--html", "nests.html")
    (text,) = re.findall(r"<pre>(.*?)</pre>", (folder / "nests.html").read_text(), re.DOTALL)
    (folder / "m.txt").write_text(text)
    assert systolith(*MACHINE[:-1], "m.txt", "--json").json == systolith(*MACHINE, "--json").json


def test_pages_that_cannot_be_written(systolith, folder):
    (folder / "file").write_text("")
    for path in ("file/x.html", "."):
        ran = systolith(*MACHINE, "--html", path, "--json")
        assert ran.code == 2
        assert len(ran.err.splitlines()) == 1
    assert [each.name for each in folder.iterdir()] == ["file"]
