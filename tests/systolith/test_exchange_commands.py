"""Files of Timeloop, ZigZag and SCALE-Sim on the command line, and `convert`."""

from __future__ import annotations

import math
import re
import shlex
import shutil
from pathlib import Path

import pytest
import yaml

from dataflows.nest.architecture import Architecture
from systolith.exchange import workload

EXAMPLES = Path(__file__).resolve().parents[2] / "examples/exchange"
TIMELOOP = tuple(str(EXAMPLES / f"timeloop_{name}.yaml") for name in ("problem", "arch", "mapping"))
ZIGZAG = tuple(str(EXAMPLES / f"zigzag_{name}.yaml") for name in ("workload", "accelerator", "mapping"))
CFG = str(EXAMPLES / "scalesim.cfg")


def costs(systolith, network: str, arch: str, mapping: str, *more: str) -> list[dict]:
    ran = systolith("cost", network, "--arch", arch, "--mapping", mapping, "--json", *more)
    assert ran.code == 0, ran.err
    return ran.json


def words(row: dict) -> dict[tuple[str, str], int]:
    """Words by tensor over all levels."""
    found: dict[tuple[str, str], int] = {}
    for tensors in row["levels"].values():
        for tensor, counted in tensors.items():
            for key in ("reads", "writes"):
                found[tensor, key] = found.get((tensor, key), 0) + counted[key]
    return found


def test_cost_of_timeloops_files_is_the_worked_example(systolith):
    """Codesign reference 4.7: 10,436,608 cycles and 3,056.4 uJ."""
    (row,) = costs(systolith, *TIMELOOP)
    assert row["cycles"] == 10_436_608
    assert round(row["energy_pj"] / 1e6, 1) == 3056.4
    assert "not_understood" not in row
    layer, arch = "conv:name=stem,K=64,C=3,P=112,Q=112,R=7,S=7,stride=2", "gemmini_dosa:dim=32,scratchpad_kb=2,accumulator_kb=16"
    ours = costs(
        systolith, layer, arch, "L3: P28 R7 Q56 K8 | L2: K4X | L1: K2 S7 Q2 P2 C3X | L0: P2",
    )  # fmt: skip
    assert words(ours[0]) == words(row)


def test_cost_of_zigzags_files_says_what_it_left_out(systolith):
    rows = costs(systolith, *ZIGZAG)
    assert [row["layer"] for row in rows] == ["conv", "classify"]
    notes = rows[0]["not_understood"]
    assert any("Add left out" in note for note in notes)
    assert any("unit_area" in note for note in notes)
    ran = systolith("cost", ZIGZAG[0], "--arch", ZIGZAG[1], "--mapping", ZIGZAG[2], "--layer", "conv")
    assert "not understood: unit_area" in ran.err
    assert "plain-256, mode timeloop" in ran.out
    assert ran.code == 0


@pytest.mark.parametrize("arch", [CFG, f"scalesim:config={CFG}", "scalesim:rows=32,cols=32,dataflow=ws"])
def test_scalesims_architecture(systolith, arch):
    """A published figure: 3,551 cycles for a GEMM of 128 on a 32 x 32 weight stationary array."""
    ran = systolith("cost", "gemm:M=128,N=128,K=128", "--arch", arch, "--json")
    assert ran.json[0]["cycles"] == 3551
    assert ("without stalls" in ran.err) == (CFG in arch)


def test_what_is_given_goes_before_the_file(systolith):
    ran = systolith("cost", "gemm:M=128,N=128,K=128", "--arch", f"scalesim:config={CFG},dataflow=os", "--json")
    assert ran.json[0]["cycles"] == 3039


@pytest.mark.parametrize(
    ("kind", "to"), [("timeloop", "systolith"), ("timeloop", "timeloop"), ("zigzag", "systolith"), ("zigzag", "timeloop")]
)
def test_what_is_converted_costs_the_same(systolith, folder, kind, to):
    given = TIMELOOP if kind == "timeloop" else ZIGZAG
    before = costs(systolith, *given)
    ran = systolith("convert", *given, "--to", to, "-o", "made")
    assert ran.code == 0, ran.err
    names = ["network"] if to == "systolith" else sorted(path.stem for path in (folder / "made").glob("problem*"))
    found = []
    for name in names:
        mapping = "mapping" if to == "systolith" else name.replace("problem", "mapping")
        found += costs(systolith, f"made/{name}.yaml", "made/architecture.yaml", f"made/{mapping}.yaml")
    after = {row["layer"]: row for row in found}
    for row in before:
        same = after[row["layer"]]
        assert (same["cycles"], words(same)) == (row["cycles"], words(row))
        assert math.isclose(same["energy_pj"], row["energy_pj"], rel_tol=1e-12)
    assert "for " in (folder / "made/mapping.txt").read_text()


def test_our_own_mapping_becomes_timeloops(systolith, folder):
    """From compact text to our YAML to Timeloop's directives, and back."""
    network, arch = "conv:name=l,K=4,C=2,P=4,Q=4,R=3,S=3", "tri256"
    (row,) = costs(systolith, network, arch, "L2 K2 P4 ; L1 Q4 C2X ; L0 K2 R3 S3")
    (folder / "m.yaml").write_text(yaml.safe_dump({"layers": [{"name": "l", "mapping": row["mapping"]}]}))
    ran = systolith("convert", "m.yaml", "--network", network, "--arch", arch, "--to", "timeloop", "-o", "t")
    assert ran.code == 0, ran.err
    directives = yaml.safe_load((folder / "t/mapping.yaml").read_text())["mapping"]
    assert directives[0]["factors"].startswith("N=1 G=1 K=2 C=1 P=4")
    (again,) = costs(systolith, network, arch, "t/mapping.yaml")
    assert (again["cycles"], again["levels"], again["energy_pj"]) == (row["cycles"], row["levels"], row["energy_pj"])
    (theirs,) = costs(systolith, "t/problem.yaml", "t/architecture.yaml", "t/mapping.yaml")
    assert words(theirs) == words(row)


def test_convert_prints_without_a_folder(systolith):
    ran = systolith("convert", ZIGZAG[1], "--to", "systolith")
    head, _, text = ran.out.partition("\n")
    assert head == "# architecture.yaml"
    assert Architecture.from_dict(yaml.safe_load(text)).levels[1].name == "glb"
    ran = systolith("convert", ZIGZAG[0], "--to", "timeloop", "--json")
    assert sorted(ran.json["files"]) == ["problem-classify.yaml", "problem-conv.yaml"]
    assert any("Add left out" in note for note in ran.json["not_understood"])
    ran = systolith("convert", CFG, "--to", "systolith")
    assert "scalesim:rows=32,cols=32,dataflow=ws" in ran.out


def test_one_file_may_hold_everything(systolith, folder):
    (folder / "all.yaml").write_text("\n".join(Path(name).read_text() for name in TIMELOOP))
    (row,) = costs(systolith, "all.yaml", "all.yaml", "all.yaml")
    assert row["cycles"] == 10_436_608
    assert systolith("convert", "all.yaml", "--to", "systolith", "-o", "o").code == 0


def test_map_takes_another_tools_network(systolith, folder):
    text = Path(ZIGZAG[0]).read_text().replace("64, 64, 56, 56, 3, 3", "8, 8, 4, 4, 3, 3").replace("64, 1024, 512", "8, 8, 8")
    (folder / "w.yaml").write_text(text.replace("16", "8"))
    ran = systolith("map", "w.yaml", "--arch", "ws:rows=4,cols=4", "--json")
    assert ran.code == 0, ran.err
    assert [row["name"] for row in ran.json["layers"]] == ["conv", "classify"]
    assert "Add left out" in ran.err


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (("cost", TIMELOOP[0], "--arch", TIMELOOP[2], "--mapping", TIMELOOP[2]), "a Timeloop mapping"),
        (("cost", TIMELOOP[0], "--arch", TIMELOOP[1], "--mapping", TIMELOOP[0]), "a Timeloop problem"),
        (("cost", TIMELOOP[0], "--arch", "ws:rows=4,cols=4", "--mapping", TIMELOOP[2]), "a Timeloop mapping"),
        (("cost", "resnet18", "--arch", "tri256", "--mapping", TIMELOOP[2]), "name one of them with --layer"),
        (("map", TIMELOOP[0], "--arch", TIMELOOP[2]), "a Timeloop mapping"),
        (("networks", ZIGZAG[0]), "a ZigZag workload"),
        (("convert", "none.yaml", "--to", "timeloop"), "no such file"),
        (("convert", TIMELOOP[2], "--to", "systolith"), "a mapping without its architecture"),
        (("convert", ZIGZAG[2], ZIGZAG[1], "--to", "systolith"), "a mapping without its network"),
        (("convert", TIMELOOP[1], "--to", "systolith"), "give the problem too"),
        (("convert", *ZIGZAG, TIMELOOP[0], "--to", "systolith"), "a second network"),
        (("convert", str(EXAMPLES.parent / "ocr-edge.yaml"), "--to", "timeloop"), "a network, an architecture of mode timeloop"),
        (("convert", CFG, "--to", "timeloop"), "an array of SCALE-Sim"),
        (
            ("convert", TIMELOOP[2], "--network", TIMELOOP[0], "--arch", "ws:rows=4,cols=4", "--to", "systolith"),
            "no architecture",
        ),
    ],
)
def test_what_does_not_go_together_is_named(systolith, args, named):
    ran = systolith(*args)
    assert ran.code == 2, ran.err
    assert named in ran.err
    assert ran.err.count("error:") == 1


def test_commands_of_the_manual(systolith, folder):
    manual = (EXAMPLES.parents[1] / "docs/exchange.md").read_text()
    (block,) = re.findall(r"```shell\ncd examples/exchange\n(.*?)```", manual, re.DOTALL)
    for path in EXAMPLES.iterdir():
        shutil.copy(path, folder)
    for line in block.strip().splitlines():
        words = [
            name for word in shlex.split(line)[1:] for name in (sorted(map(str, Path().glob(word))) if "*" in word else [word])
        ]
        ran = systolith(*words)
        assert ran.code == 0, ran.err
    assert sorted(path.name for path in Path("out").iterdir())[0] == "architecture.yaml"


def test_workload_is_none_for_our_own(folder):
    (folder / "n.yaml").write_text("layers:\n  - gemm:M=1,N=2,K=3\n")
    assert workload("n.yaml") is None
    assert workload("resnet18") is None
