"""Codecs on the command line: generate, verify, engines, and mistakes."""

from __future__ import annotations

import json

import pytest

from dataflows.compression import Format
from systolith.codec_spec import Codec, find
from tests.rtl.lint import lint


def test_a_codec_is_eyeriss_unless_told_otherwise():
    assert find("rlc") == ("rlc", Codec(Format("rlc", run_bits=5, pack=3, flag_bits=1), 16, 20))
    assert find("rlc:pack=2,word_bits=8") == ("rlc", Codec(Format("rlc", run_bits=5, pack=2, flag_bits=1), 8, 20))
    assert find("ws:rows=2,cols=2") is None


def test_generate_writes_the_verilog_and_its_ports(systolith, folder):
    made = systolith("generate", "rlc", "-o", "out", "--json").json
    assert made["parameters"]["run_bits"] == 5
    ports = json.loads((folder / "out" / "params.json").read_text())["ports"]
    assert ports["stored__payload"]["width"] == 64
    assert ports["stored__payload"]["fields"][-1] == {"name": "flag", "bit": 63, "width": 1, "signed": False}
    text = (folder / "out" / "codec.v").read_text()
    assert "module rlc_codec" in text
    judged = lint(text, "rlc_codec", folder, "-Wno-WIDTHTRUNC")
    assert judged.returncode == 0, judged.stderr


def test_verify_runs_the_verilog(systolith):
    report = systolith("verify", "rlc:length_bits=9", "--cases", "4", "--json").json
    assert report["passed"]
    assert [case["name"] for case in report["cases"]][:4] == ["0_whole", "1_whole", "2_whole", "3_whole"]
    assert all(case["cycles_rtl"] == case["cycles_model"] for case in report["cases"][:4])


def test_engines_lists_it(systolith):
    rows = {row["name"]: row for row in systolith("engines", "--json").json}
    assert rows["rlc"]["parameters"] == ["run_bits", "pack", "flag_bits", "word_bits", "length_bits"]
    assert "rlc" in systolith("engines").out


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["generate", "rlc:word_bits=33"], ["rlc:word_bits=33: word_bits", "1 to 32"]),
        (["generate", "rlc:run_bits=0"], ["run_bits", "1 to 16"]),
        (["generate", "rlc:length_bits=0"], ["length_bits", "1 to 48"]),
        (["generate", "rlc:flag_bits=-1"], ["flag_bits", "0 to 64"]),
        (["generate", "rlc:runs=5"], ["runs", "run_bits"]),
        (["verify", "rlc:run_bits=9"], ["pack up to 1 with run_bits=9"]),
        (["verify", "rcl"], ["rlc"]),
        (["verify", "rlc", "--bus", "axi"], ["--bus", "streams"]),
        (["synthesize", "rlc"], ["can only be generated and verified"]),
    ],
)  # fmt: skip
def test_mistakes_are_named(systolith, folder, args, words):
    ran = systolith(*args)
    assert ran.code == 2, ran.err
    assert len(ran.err.strip().splitlines()) == 1
    for word in words:
        assert word in ran.err
    assert not list(folder.iterdir())
