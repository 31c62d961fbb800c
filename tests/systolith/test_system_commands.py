"""Systems round arrays on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from dataflows.arch import Memory
from dataflows.spatial.system.coding import Coding
from systolith import spatial_spec, system_spec

ROOT = Path(__file__).resolve().parents[2]
WS = "system_ws:rows=16,cols=16,post_lanes=16"
GEMM = "gemm:M=64,N=64,K=64"
GROUPS = "conv:K=700,C=700,G=100,P=1,Q=1,R=1,S=1"


def test_a_named_system_is_its_array_with_buffers():
    system = system_spec.find("system_ws:rows=8,cols=4,weights_words=2,l2_inputs=99,channels=64,latency=7")
    assert system is not None
    assert ("array_ws", system.array) == spatial_spec.find("array_ws:rows=8,cols=4,weights_words=2")
    assert (system.l2_words, system.channels, system.memory) == ((4096, 99, 2048), 64, Memory(16, 1, 7))
    assert system.name == "system_ws"


@pytest.mark.parametrize(
    ("text", "coding"),
    [
        ("system_rs:rows=3,cols=4", Coding()), ("system_rs:rows=3,cols=4,rlc=0", None), ("system_ws:rows=4,cols=4", None),
        ("system_ws:rows=4,cols=4,rlc=3", Coding(3)), ("system_rs:rows=3,cols=4,rlc_rows=64,rlc_queue=4", Coding(5, 64, 4)),
    ],
)  # fmt: skip
def test_coders_of_named_systems(text, coding):
    """Eyeriss has coders, the others have none unless they are given some."""
    system = system_spec.find(text)
    assert system is not None
    assert system.coding == coding


def test_cost_says_why_a_tensor_is_not_coded(systolith):
    layer = "conv:K=16,C=16,P=8,Q=8,R=3,S=3,input_density=0.3,output_density=0.4"
    mapping = "dram Q2; stream C16 K16 P2 Q4 R3X P4X; pe S3"
    args = ("cost", layer, "--arch", "system_rs:rows=6,cols=4,l2_outputs=4096", "--mapping", mapping)
    (row,) = systolith(*args, "--json").json
    assert row["coded"] == []
    assert "loops over Q" in row["not_coded"]["outputs"]
    out = systolith(*args).out
    assert "inputs not coded: " in out


def test_a_file_of_an_array_with_buffers_is_a_system():
    system = system_spec.find(str(ROOT / "examples/system.yaml"))
    array = spatial_spec.find(str(ROOT / "examples/array.yaml"))
    assert system is not None
    assert array is not None
    assert system.array == array[1]
    assert (system.l2_words, system.memory, system.post_lanes) == ((2048, 2048, 1024), Memory(8, 1, 20), 2)
    assert system_spec.find(str(ROOT / "examples/array.yaml")) is None
    assert system_spec.find("array_ws:rows=8,cols=4") is None


def test_the_manual_says_what_cost_prints(systolith):
    text = (ROOT / "docs/systems.md").read_text()
    small = systolith("cost", GEMM, "--arch", WS, "--mapping", "dram Q2; stream K4 C4 Q32 C16X K16X", "--json").json[0]
    assert f"prints {small['cycles']:,} cycles" in text
    arch = f"{WS},l2_weights=9216,l2_inputs=17408,l2_outputs=3400"
    mapping = "dram P4 K4; stream C4 R3 S3 P7 Q28 C16X K16X"
    large = systolith("cost", "conv:K=64,C=64,P=28,Q=28,R=3,S=3", "--arch", arch, "--mapping", mapping, "--json").json[0]
    assert f"says {large['cycles']:,} cycles: {large['utilization']:.0%}".replace("%", " %") in text
    assert large["below_floor"] == small["below_floor"] == []
    (found,) = systolith("map", GEMM, "--arch", WS, "--json").json["layers"]
    assert f"a mapping of {found['cycles']:,}" in text


def test_cost_prints_words_of_every_level(systolith):
    out = systolith("cost", GEMM, "--arch", WS, "--mapping", "dram Q2; stream K4 C4 Q32 C16X K16X").out
    assert "mode system" in out
    assert "busy cycles: compute 1,024" in out


@pytest.mark.parametrize(
    ("args", "code", "told"),
    [
        (["generate", "system_ws:rows=3,cols=4,rlc=9"], 2, ["rlc", "1 to 8, or 0 for a system without coders"]),
        (["generate", "system_ws:rows=3,cols=4,rlc_rows=9"], 2, ["rlc_rows", "nothing without coders", "give rlc"]),
        (["verify", "system_rs:rows=3,cols=4,rlc_queue=1"], 2, ["rlc.queue", "2 to 256"]),
        (["map", "gemm:M=4,N=4,K=4", "--arch", "system_rs:rows=3,cols=4,rlc=x"], 2, ["rlc", "an integer"]),
        (["generate", "system_ws:rows=3"], 2, ["a value for cols", "system_ws:cols=8"]),
        (["generate", "system_ws:rows=3,cols=4,l2_input=5"], 2, ["l2_input", "l2_inputs"]),
        (["generate", "system_ws:rows=3,cols=4,bus_bytes=4"], 2, ["bus_bytes", "tag"]),
        (["generate", "system_ws:rows=3,cols=4,post_lanes=3"], 2, ["post_lanes", "power of two"]),
        (["verify", "system_wss:rows=3,cols=4"], 2, ["system_ws"]),
        (["map", GEMM, "--arch", WS, "--mapper", "naive"], 2, ["--mapper", "one mapper"]),
        (
            ["map", "conv:K=700,C=700,G=100,P=1,Q=1,R=1,S=1", "--arch", f"{WS},l2_outputs=17"],
            1,
            ["l2.outputs lacks 6 rows of 17 words"],
        ),
        (["map", "gemm:M=4,N=4000,K=4", "--arch", WS], 1, ["scales lacks 2,976 channels"]),
        (["cost", GEMM, "--arch", WS, "--mapping", "dram C4; stream K4 Q64 C16X K16X", "--check"], 2, ["verify"]),
        (["cost", GEMM, "--arch", WS, "--mapping", "dram K64 Q64; stream C64"], 1, ["beat of outputs"]),
        (["cost", GEMM, "--arch", WS, "--mapping", "dram C4; stream K4 Q64 C16X K16X"], 1, ["l2.outputs", "enlarge"]),
    ],
)
def test_mistakes_are_named(systolith, args, code, told):
    ran = systolith(*args)
    assert ran.code == code
    for part in told:
        assert part in ran.err


@pytest.mark.slow
def test_generate_writes_what_a_project_needs(systolith, folder):
    assert systolith("generate", str(ROOT / "examples/system.yaml"), "-o", "out", "--bus", "axi").code == 0
    names = {path.name for path in (folder / "out").iterdir()}
    assert {"accelerator.v", "accelerator_axi.v", "sram_1r1w.v", "params.json", "registers.md", "systolith_params.h"} <= names
    shell = (folder / "out/accelerator_axi.v").read_text()
    assert "module system_accelerator_axi(" in shell
    assert "module system_accelerator(" not in shell
    assert "module system_accelerator(" in (folder / "out/accelerator.v").read_text()
    for listed in (folder / "out/accelerator.f").read_text().split():
        assert listed in names


def test_what_map_finds_costs_what_it_says(systolith, folder):
    out = systolith("map", GEMM, "--arch", WS, "--json")
    data = out.json
    (row,) = data["layers"]
    (folder / "map.json").write_text(out.out)
    again = systolith("cost", GEMM, "--arch", WS, "--mapping", "map.json", "--json").json[0]
    assert (again["cycles"], again["energy_pj"]) == (row["cycles"], row["energy_pj"])
    assert again["below_floor"] == []
    given = systolith("cost", GEMM, "--arch", WS, "--mapping", "dram Q2; stream K4 C4 Q32 C16X K16X", "--json").json[0]
    assert row["edp"] < given["edp"]
    assert set(data["total"]) == {"cycles", "energy_pj", "edp", "macs", "seconds"}


def test_map_prints_one_layer_with_its_nest(systolith):
    out = systolith("map", GEMM, "--arch", WS, "--objective", "latency").out
    assert "on system_ws, by latency" in out
    assert "spatial on" in out
    assert "busy cycles: compute" in out


@pytest.mark.slow
def test_the_manual_says_what_depthwise_layers_take(systolith):
    text = (ROOT / "docs/systems.md").read_text()
    for name in ("system_dw:rows=4,cols=16", "system_os:rows=8,cols=8"):
        arch = f"{name},l2_inputs=32768,l2_outputs=16384,post_lanes=16"
        args = ("map", "mobilenet_v2", "--layer", "block2.1.dw", "--arch", arch, "--objective", "latency", "--json")
        (row,) = systolith(*args).json["layers"]
        assert f"| `{name}` | {row['cycles']:,} | {100 * row['utilization']:.1f} % |" in text


@pytest.mark.rtl
@pytest.mark.slow
def test_mapped_layers_of_a_network_are_verified(systolith):
    ran = systolith("verify", "system_ws:rows=4,cols=4", "--network", "gemm:M=12,N=8,K=16", "--json")
    (case,) = ran.json["cases"]
    assert (case["mismatches"], case["cycles_rtl"]) == (0, case["cycles_model"])


def test_one_layer_is_verified_on_systems_only(systolith):
    for args in (["verify", "ws:rows=4,cols=4", "--network", "ocr_cls", "--layer", "x"], ["verify", WS, "--layer", "x"]):
        ran = systolith(*args)
        assert (ran.code, "--layer" in ran.err) == (2, True)
