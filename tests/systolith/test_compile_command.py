"""``compile`` and ``verify --network`` on a small ONNX file."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from dataflows.program import PROGRAM_WORDS, LayerProgram
from tests.dataflows.onnx_models import node, save
from tests.small_network import DESIGN

ROOT = Path(__file__).resolve().parents[2]
SIMULATOR = "icarus" if shutil.which("iverilog") else "verilator"
FILES = {"image.bin", "memory_map.json", "programs.txt", "systolith_params.h", "network.h", "network.c", "main.c"}


@pytest.fixture
def model(folder: Path) -> str:
    """A residual block with a gate, pooled to two scores."""
    rng = np.random.default_rng(2)

    def weights(*shape: int) -> np.ndarray:
        return rng.normal(0, 0.4, shape).astype(np.float32)

    nodes = [
        node("Conv", ["x", "A"], ["a"], pads=[1, 1, 1, 1], name="first"), node("HardSwish", ["a"], ["b"]),
        node("Conv", ["b", "B"], ["c"], pads=[1, 1, 1, 1], group=5, name="depthwise"), node("Relu", ["c"], ["d"]),
        node("GlobalAveragePool", ["d"], ["p"], name="squeeze"), node("Conv", ["p", "C"], ["g"], name="gate"),
        node("HardSigmoid", ["g"], ["h"]), node("Mul", ["d", "h"], ["m"], name="excite"),
        node("Add", ["m", "b"], ["s"], name="sum"),
        node("MaxPool", ["s"], ["t"], kernel_shape=[2, 2], strides=[2, 2], name="top"),
        node("Flatten", ["t"], ["f"]), node("Gemm", ["f", "D"], ["z"], name="head"), node("Softmax", ["z"], ["y"], axis=1),
    ]  # fmt: skip
    constants = {"A": weights(5, 2, 3, 3), "B": weights(5, 1, 3, 3), "C": weights(5, 5, 1, 1), "D": weights(5 * 6, 2)}
    save(folder / "tiny.onnx", nodes, {"x": [1, 2, 4, 6]}, ["y"], constants)
    return "tiny.onnx"


def test_compile_writes_what_software_needs(systolith, folder: Path, model: str) -> None:
    ran = systolith("compile", model, "--design", DESIGN, "-o", "out", "--json")
    assert ran.code == 0, ran.err
    data, found = ran.json, json.loads((folder / "out/memory_map.json").read_text())
    assert {Path(name).name for name in data["files"]} == FILES == {path.name for path in (folder / "out").iterdir()}
    image = np.fromfile(folder / "out/image.bin", np.uint8)
    assert image.size == data["image_bytes"] == found["image"]["bytes"]
    assert data["cycles"] == sum(op["cycles"] for op in found["ops"]) < data["cycles_start_to_irq"]
    for op in found["ops"]:
        at = op["program"]["byte"]
        program = LayerProgram.from_words(image[at : at + 4 * PROGRAM_WORDS].view("<u4").tolist())
        assert program["scale_base"] == op["scales"]["beat"]
    made = subprocess.run(
        ["gcc", "-Wall", "-Wextra", "-Werror", "main.c", "network.c", "-o", "main", "-lm"], cwd=folder / "out", check=False,
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    shown = systolith("compile", model, "--design", DESIGN, "-o", "out", "--keep-all")
    assert shown.code == 0
    assert "squeeze" in shown.out
    assert json.loads((folder / "out/memory_map.json").read_text())["total_bytes"] > data["total_bytes"]


def test_the_manual_shows_how_to_call_the_host(systolith, folder: Path, model: str) -> None:
    (shown,) = re.findall(r"```c\n(.*?)```", (ROOT / "docs/compile.md").read_text(), re.DOTALL)
    include, _, body = shown.partition("\n\n")
    around = "int once(uintptr_t registers, uint64_t memory_address, uint8_t *memory, const uint8_t *image);\n"
    around += around.replace(";", "\n{")
    assert systolith("compile", model, "--design", DESIGN, "-o", "out").code == 0
    (folder / "out/shown.c").write_text(f"{include}\n{around}\n{body}\nreturn 0;\n}}\n")
    made = subprocess.run(
        ["gcc", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "shown.c"], cwd=folder / "out", check=False, capture_output=True,
        text=True, timeout=60,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr


WRONG = {
    "not square": (["compile", "tiny.onnx", "--design", "ws:rows=4,cols=8"], 2, "as many rows as columns"),
    "too small": (["compile", "tiny.onnx", "--design", "ws:rows=4,cols=4,input_words=8"], 1, "squeeze"),
    "no channels": (["compile", "tiny.onnx", "--design", f"{DESIGN},channelwise=false"], 1, "channelwise"),
    "no file": (["compile", "absent.onnx", "--design", DESIGN], 2, "absent.onnx"),
    "no graph": (["compile", "vgg16", "--design", DESIGN], 2, "a network with an ONNX file"),
    "no queue": (["compile", "tiny.onnx", "--design", DESIGN, "--bus", "native"], 2, "axi"),
    "no queue, before any work": (["compile", "absent.onnx", "--design", DESIGN, "--bus", "native"], 2, "axi"),
    "no queue, verified": (["verify", DESIGN, "--network", "absent.onnx", "--bus", "native"], 2, "axi, which has the queue"),
    "narrow sums": (["compile", "tiny.onnx", "--design", f"{DESIGN},acc_bits=16"], 2, "acc_bits"),
    "no design": (["compile", "tiny.onnx", "--design", "wss-4x4"], 2, "wss-4x4"),
    "an array": (["compile", "tiny.onnx", "--design", "array_rs:rows=3,cols=4"], 2, "array_rs"),
    "waves": (["verify", DESIGN, "--network", "tiny.onnx", "--waves", "w.vcd"], 2, "--waves"),
    "not square, verified": (["verify", "ws:rows=4,cols=8", "--network", "tiny.onnx"], 2, "as many rows as columns"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_compiled_leaves_one_message_and_no_file(systolith, folder: Path, model: str, name: str) -> None:
    words, code, text = WRONG[name]
    ran = systolith(*words, *(["-o", "out"] if words[0] == "compile" else []))
    assert (ran.code, ran.out) == (code, "")
    assert text in ran.err
    assert ran.err.count("error:") == 1
    assert not (folder / "out").exists()


@pytest.mark.rtl
def test_a_network_from_a_file_runs_on_the_verilog(systolith, model: str) -> None:
    ran = systolith("verify", DESIGN, "--network", model, "--images", "2", "--simulator", SIMULATOR, "--json")
    assert ran.code == 0, ran.err
    first, second = ran.json["images"]
    assert (first["keep_all"], second["keep_all"]) == (True, False)
    assert {op["op"] for op in first["ops"]} == {"mac", "average", "multiply", "add", "max"}
    for image in (first, second):
        assert image["mismatches"] == 0
        assert image["cycles_rtl"] == image["cycles_model"] == sum(op["cycles_rtl"] for op in image["ops"])
        assert image["class_rtl"] in (0, 1)
