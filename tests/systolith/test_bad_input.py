"""Whatever a user gets wrong: one clear message, the right exit code, nothing left behind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

CONV = "conv:K=8,C=8,P=6,Q=6,R=3,S=3"

DESIGN = "array: {rows: 4, cols: 4}\n"
SPEC = "network: resnet50\n"

# Arguments, exit code, and words the message must contain. `{}` stands for the file written first, if any.
CASES = {
    "unknown command": (None, ["explor"], 2, ["explor"]),
    "unknown option": (None, ["networks", "--covrage"], 2, ["--covrage", "--coverage"]),
    "option of the wrong type": (None, ["verify", "ws-8x8", "--cases", "many"], 2, ["--cases", "many"]),
    "option out of range": (None, ["verify", "ws-8x8", "--cases", "0"], 2, ["--cases", "0"]),
    "unknown simulator": (None, ["verify", "ws-8x8", "--simulator", "vcs"], 2, ["--simulator", "vcs", "verilator"]),
    "unknown network": (None, ["networks", "resnet55"], 2, ["resnet55", "resnet50"]),
    "unknown preset": (None, ["generate", "ws-16x61"], 2, ["ws-16x61", "ws-16x16"]),
    "array that is none": (None, ["generate", "array_wss:rows=3"], 2, ["array_wss", "array_os", "did you mean 'array_ws'?"]),
    "array without a memory, to map on": (None, ["map", CONV, "--arch", "array_ws:rows=3"], 2, ["array_ws has no memory"]),
    "hardware that can only be costed": (None, ["verify", "maestro:dataflow=kcp_ws,pes=4"], 2, ["maestro can only be costed"]),
    "preset of mode timeloop that is none": (
        None, ["cost", CONV, "--arch", "gemini_dosa:dim=4", "--mapping", "L0"], 2, ["did you mean 'gemmini_dosa'?", "tri256"],
    ),
    "the same without parameters": (None, ["cost", CONV, "--arch", "tri265", "--mapping", "L0"], 2, ["did you mean 'tri256'?"]),
    "the same where it can only be costed": (None, ["map", CONV, "--arch", "tri265"], 2, ["did you mean 'tri256'?", "ws-8x8"]),
    "architecture of many letters": (None, ["cost", CONV, "--arch", "a" * 300, "--mapping", "L0"], 2, ["aaa", "see `systolith"]),
    "hardware of many letters": (None, ["generate", "a" * 300], 2, ["aaa", "see `systolith"]),
    "mapping of many letters": (None, ["cost", CONV, "--arch", "ws-8x8", "--mapping", "a" * 300], 2, ["aaa", "name too long"]),
    "other tool that is none": (None, ["cost", CONV, "--arch", "maestr:pes=4"], 2, ["did you mean 'maestro'?", "scalesim"]),
    "published machine that is none": (None, ["cost", CONV, "--arch", "zhang16"], 2, ["did you mean 'zhang15'?"]),
    "preset without parameters": (
        None, ["cost", CONV, "--arch", "tri256:rows=4", "--mapping", "L0"], 2, ["no parameters", "write tri256 alone"],
    ),
    "preset beyond all chips": (
        None, ["cost", CONV, "--arch", "gemmini_dosa:dim=99999999999", "--mapping", "L0"], 2,
        ["gemmini_dosa: dim: found 99999999999", "at most 4,096"],
    ),
    "size that is a word": (None, ["networks", "resnet50:size=abc"], 2, ["'abc'", "HxW", "size=320x320"]),
    "mapping that is empty": (None, ["cost", CONV, "--arch", "ws-8x8", "--mapping", ""], 2, ["--mapping: found 'an empty text'"]),
    "engine without columns": (None, ["generate", "ws:rows=3"], 2, ["ws:rows=3", "cols"]),
    "engine with a word for a number": (None, ["generate", "ws:rows=three,cols=7"], 2, ["rows", "three", "integer"]),
    "engine with a value out of range": (None, ["generate", "ws:rows=0,cols=7"], 2, ["array.rows", "0", "256"]),
    "engine with an unknown key": (None, ["generate", "ws:rows=3,columns=7"], 2, ["columns", "did you mean 'cols'?"]),
    "engine with a key twice": (None, ["generate", "ws:rows=3,cols=7,rows=4"], 2, ["rows", "each key once"]),
    "engine with an operand width that is not made": (
        None, ["generate", "ws:rows=3,cols=7,bits=12"], 2, ["input_bits", "12", "4, 8 or 16"],
    ),
    "missing design file": (None, ["generate", "nowhere/design.yaml"], 2, ["nowhere/design.yaml", "no such file"]),
    "folder without a design": (None, ["generate", "."], 2, ["'.'"]),
    "design with broken YAML": ("array: {rows: 4,\ncols: [\n", ["generate", "{}"], 2, ["{}:3", "YAML"]),
    "design that is binary": (b"\xff\xfe\x00\x01", ["generate", "{}"], 2, ["{}", "UTF-8"]),
    "design that is empty": ("", ["generate", "{}"], 2, ["{}", "empty"]),
    "design that is a list": ("- 1\n- 2\n", ["generate", "{}"], 2, ["{}:1", "name: value"]),
    "design of the wrong type": (
        "array:\n  rows: 4\n  cols: four\n", ["generate", "{}"], 2, ["{}:3", "array.cols", "four", "integer"],
    ),
    "design with half a row": ("array: {rows: 4.5, cols: 4}", ["generate", "{}"], 2, ["{}:1", "array.rows", "4.5", "integer"]),
    "design out of range": (DESIGN + "memory:\n  latency: 0\n", ["generate", "{}"], 2, ["{}:3", "memory.latency", "1000"]),
    "design with an unknown key": (DESIGN + "memory: {latencey: 3}\n", ["generate", "{}"], 2, ["{}:2", "latencey", "'latency'"]),
    "design with a key twice": (DESIGN + "acc_words: 9\nacc_words: 90\n", ["generate", "{}"], 2, ["{}:3", "acc_words", "line 2"]),
    "design of another schema": (DESIGN + "schema: 7\n", ["generate", "{}"], 2, ["{}:2", "schema", "7"]),
    "design that contains itself": ("array: &a {rows: *a}\n", ["generate", "{}"], 2, ["{}:1", "itself"]),
    "inline layer without channels": (None, ["networks", "conv:K=8,P=3,Q=3"], 2, ["conv:C"]),
    "inline layer without a value": (None, ["networks", "gemm:M=8,N,K=3"], 2, ["gemm", "'N'"]),
    "groups that do not divide": (None, ["networks", CONV + ",G=3"], 2, [".G", "3"]),
    "negative stride": (None, ["networks", CONV + ",stride=-1"], 2, ["stride", "-1"]),
    "layer the network does not have": (
        None, ["map", "ocr_cls", "--arch", "ws-8x8", "--layer", "Conv.O"], 2, ["--layer", "Conv.O", "did you mean 'Conv_"],
    ),
    "unknown mapper": (None, ["map", CONV, "--arch", "ws-8x8", "--mapper", "magic"], 2, ["--mapper", "magic", "search"]),
    "map without an array": (None, ["map", CONV], 2, ["--arch"]),
    "layer too wide for the array": (
        None, ["map", CONV + ",bits=16", "--arch", "ws-8x8"], 1, ["conv", "array", "needs 16, has 8", "input_bits: 16"],
    ),
    "layer too large for the buffers": (
        None, ["map", CONV, "--arch", "ws-8x8:weight_words=32"], 1,
        ["conv", "weight_buffer", "needs 72, has 32", "raise weight_words"],
    ),
    "missing mapping file": (
        None, ["cost", CONV, "--arch", "ws-8x8", "--mapping", "nowhere.yaml"], 2, ["nowhere.yaml", "no such file"],
    ),
    "size that is no size": (None, ["networks", "ocr_det", "--size", "320"], 2, ["--size", "320", "HxW"]),
    "missing network file": (None, ["networks", "nowhere.onnx"], 2, ["nowhere.onnx"]),
    "network with an unknown option": (None, ["networks", "ocr_det:transpose=phases"], 2, ["transpose", "'transposed'"]),
    "network with a word it does not know": (
        None, ["map", "ocr_det:transposed=yes", "--arch", "ws-8x8"], 2, ["transposed", "yes", "host or phases"],
    ),
    "network with two sizes": (None, ["networks", "ocr_det:size=64x64", "--size", "32x32"], 2, ["size, once"]),
    "layers and coverage at once": (None, ["networks", "ocr_det", "--yaml", "--coverage"], 2, ["--yaml", "--coverage"]),
    "signs that are none": (None, ["networks", CONV + ",input_signed=perhaps"], 2, ["conv:input_signed", "perhaps"]),
    "outputs wider than the array stores": (
        None, ["map", CONV + ",output_bits=16", "--arch", "ws-8x8"], 1, ["output bits", "needs 16, has 8", "requantise"],
    ),
    "layer file of traffic alone": (
        "- {pool: {op: maxpool, C: 1, H: 2, W: 2, R: 2, S: 2}}\n", ["networks", "{}"], 2, ["{}:1", "at least one layer"],
    ),
    "coverage of nothing": (None, ["networks", "--coverage"], 2, ["--coverage"]),
    "missing specification": (None, ["explore", "nowhere.yaml"], 2, ["nowhere.yaml", "no such file"]),
    "specification without a network": ("budget: {macs: 64}\n", ["explore", "{}"], 2, ["{}", "network", "required"]),
    "specification with an unknown field": (SPEC + "serach: {}\n", ["explore", "{}"], 2, ["{}:2", "serach", "'search'"]),
    "budget of the wrong type": (
        "network: resnet50\nbudget:\n  macs: lots\n", ["explore", "{}"], 2, ["{}:3", "budget.macs", "lots"],
    ),
    "no evaluations": (SPEC, ["explore", "{}", "--evaluations", "0"], 2, ["--evaluations", "'0'"]),
    "bandwidth no bus has": (SPEC + "budget:\n  bandwidth_bytes_per_cycle: 12\n", ["explore", "{}"], 2, ["{}:3", "12", "8, 16"]),
    "unknown dataflow": (SPEC + "search: {dataflows: [ws, rs]}\n", ["explore", "{}"], 2, ["{}:2", "dataflows", "rs"]),
    "report of a missing folder": (None, ["report", "nowhere"], 2, ["nowhere"]),
    "output below a file": (DESIGN, ["generate", "ws-8x8", "-o", "{}/out"], 2, ["{}/out", "folder"]),
    "exploration below a file": (SPEC, ["explore", "{}", "-o", "{}/out"], 2, ["{}/out", "folder"]),
    "waves below a file": (DESIGN, ["verify", "ws-8x8", "--waves", "{}/out.vcd"], 2, ["{}", "folder"]),
}  # fmt: skip


def test_a_layer_that_is_not_there_names_few_others(systolith):
    for name, words in {"nope": "`systolith networks resnet50`", "gpu_0_conv2": "did you mean 'gpu_0_conv1'?"}.items():
        ran = systolith("map", "resnet50", "--arch", "ws-8x8", "--layer", name)
        assert (ran.code, ran.out) == (2, "")
        assert len(ran.err) < 300
        assert " and 49 more; " in ran.err  # 54 in all
        assert words in ran.err


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")}


def prepare(folder: Path, content: str | bytes | None, args: list[str], words: list[str]) -> tuple[list[str], list[str]]:
    name = "given.yaml"
    if content is not None:
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return [arg.replace("{}", name) for arg in args], [word.replace("{}", name) for word in words]


@pytest.mark.parametrize("what", CASES)
def test_one_clear_message_and_nothing_written(what, systolith, folder):
    content, args, code, words = CASES[what]
    args, words = prepare(folder, content, args, words)
    before = snapshot(folder)
    ran = systolith(*args)
    assert ran.code == code
    assert ran.out == ""
    assert len(ran.err.splitlines()) == 1
    assert ran.err.startswith("error: ")
    assert "internal error" not in ran.err
    assert not [word for word in words if word not in ran.err], ran.err
    assert snapshot(folder) == before


@pytest.mark.parametrize("what", ["unknown preset", "design of the wrong type", "option of the wrong type", "unknown network"])
def test_json_errors_are_json(what, systolith, folder):
    content, args, code, words = CASES[what]
    args, words = prepare(folder, content, args, words)
    ran = systolith(*args, "--json")
    error = json.loads(ran.out)["error"]
    assert ran.code == code == error["exit_code"]
    assert not [word for word in words if word not in error["message"]]


def test_every_field_of_an_error_is_there(systolith):
    error = systolith("generate", "ws:rows=3,columns=7", "--json").json["error"]
    assert set(error) >= {"message", "path", "found", "allowed", "fix", "exit_code"}
    assert error["fix"] == "did you mean 'cols'?"


def test_files_that_are_no_networks(systolith, folder):
    (folder / "page.onnx").write_bytes(b"%PDF-1.4 this is not a network" * 10)
    ran = systolith("networks", "page.onnx")
    assert (ran.code, ran.out, len(ran.err.splitlines())) == (2, "", 1)
    assert "page.onnx" in ran.err
    assert "internal error" not in ran.err
