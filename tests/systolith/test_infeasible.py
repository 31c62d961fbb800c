"""Well-formed requests that cannot be met: exit 1, every reason with its level, amounts and remedy, the same as data."""

from __future__ import annotations

import json

import pytest

CONV = "conv:K=16,C=8,P=8,Q=8,R=3,S=3"
SMALL = "ws:rows=4,cols=4"
TALL = "conv:K=64,C=3,P=112,Q=112,R=7,S=7,stride=2"
NEST = "L3: P28 R7 Q56 K8 | L2: K4X | L1: K2 S7 Q2 P2 C3X | L0: P2"
DESIGN = "gemmini_dosa:dim=32,scratchpad_kb=2,accumulator_kb=16"
TWO = (
    "layers:\n- {name: a, conv: {K: 8, C: 8, P: 6, Q: 6, R: 3, S: 3}}\n- {name: b, conv: {K: 8, C: 4, P: 9, Q: 9, R: 5, S: 5}}\n"
)
FILTERS = "layers:\n- {name: a, conv: {K: 8, C: 8, P: 6, Q: 6, R: 40, S: 40}}\n"
WIDE = "layers:\n- {name: a, conv: {K: 8, C: 8, P: 6, Q: 70000, R: 3, S: 1}}\n"
PRINTED = (
    "dram | for K in 0..2 step 8\nbuffer | for C in 0..2 step 4\n | for R in 0..3\n | for S in 0..3\n | for P in 0..8\n"
    " | for Q in 0..8\narray | spatial on rows C in 0..4\n | spatial on cols K in 0..8\n"
)

# Arguments, files, and every reason: subject, level, demand, bound, unit, and a word of the remedy.
CASES = {
    "tile that does not fit a buffer": (
        ["cost", CONV, "--arch", SMALL, "--mapping", "L2 K2 ; L1 K2 C2 R3 S3 P8 Q8 ; L0 C4X K4X"], {},
        [("conv", "accumulator", 128, 64, "words", "acc_words")],
    ),
    "tile that does not fit a level": (
        ["cost", TALL, "--arch", DESIGN, "--mapping", NEST.replace("P2 C", "P32 C")], {},
        [("conv", "scratchpad", 28776, 16384, "bits", "shrink"), ("conv", "accumulator", 8192, 4096, "bits", "shrink")],
    ),
    "loops longer than an axis of an architecture": (
        ["cost", TALL, "--arch", "gemmini_dosa:dim=2", "--mapping", NEST], {},
        [
            ("conv", "scratchpad", 4, 2, "instances on cols", "at most 2"),
            ("conv", "accumulator", 3, 2, "instances on rows", "at most 2"),
        ],
    ),
    "loops longer than an axis of our array": (
        ["cost", CONV, "--arch", SMALL, "--mapping", "L2 K2 P4 ; L1 K2 C2 R3 S3 P2 Q8 ; L0 C6X K8X"], {},
        [("conv", "array", 6, 4, "instances on rows", "rows: 6"), ("conv", "array", 8, 4, "instances on cols", "cols: 8")],
    ),
    "the same, printed": (
        ["cost", CONV, "--arch", SMALL, "--mapping", "m.txt"], {"m.txt": PRINTED},
        [("conv", "array", 8, 4, "instances on cols", "cols: 8")],
    ),
    "mappings of several layers, each with its reasons": (
        ["cost", "two.yaml", "--arch", "tri256", "--mapping", "m.yaml"],
        {"two.yaml": TWO, "m.yaml": "mappings:\n  a: {levels: [{level: glb, loops: [K 17 on rows, C 8, P 6, Q 6, R 3, S 3]}]}\n"
         "  b: {levels: [{level: rf, loops: [K 8, C 4, P 9, Q 9, R 5, S 5]}]}\n"},
        [
            ("a", "glb", 17, 16, "instances on rows", "at most 16"),
            ("b", "rf", 16 * (800 + 4 * 13 * 13 + 648), 4096, "bits", "shrink"),
        ],
    ),
    "layer past the limits of a program, costed": (
        [
            "cost", "conv:K=16,C=8,P=8,Q=70000,R=3,S=3", "--arch", SMALL, "--mapping",
            "L2 K2 Q70000 ; L1 K2 C2 R3 S3 P8 ; L0 C4X K4X",
        ], {}, [("conv", "program", 70002, 65535, "columns of the padded input", "strips")],
    ),
    "layer past the limits of a program, mapped": (
        ["map", "wide.yaml", "--arch", SMALL], {"wide.yaml": WIDE},
        [("a", "program", 70000, 65535, "columns of the padded input", "strips")],
    ),
    "accelerator too small for any mapping": (
        ["map", "two.yaml", "--arch", f"{SMALL},weight_words=4"], {"two.yaml": TWO},
        [("a", "weight_buffer", 36, 4, "words", "weight_words"), ("b", "weight_buffer", 100, 4, "words", "weight_words")],
    ),
    "operands too wide for the array": (
        ["map", f"{CONV},bits=16", "--arch", SMALL], {},
        [("conv", "array", 16, 8, "bits", "input_bits: 16"), ("conv", "array", 16, 8, "bits", "weight_bits: 16")],
    ),
    "exploration of a layer past the limits": (
        ["explore", "spec.yaml"], {"spec.yaml": "network: wide.yaml\n", "wide.yaml": WIDE},
        [("a", "program", 70000, 65535, "columns of the padded input", "strips")],
    ),
    "exploration of a budget without room": (
        ["explore", "spec.yaml"],
        {
            "spec.yaml": "network: filters.yaml\nbudget: {macs: 4, buffer_kib: 1}\nsearch: {dataflows: [ws]}\n",
            "filters.yaml": FILTERS,
        },
        [("smallest ws array (1x1)", "input_buffer", None, 1024, "bytes of all buffers", "raise budget.buffer_kib")],
    ),
}  # fmt: skip


def run(systolith, folder, what: str, *extra: str):
    args, given, reasons = CASES[what]
    for name, text in given.items():
        (folder / name).write_text(text)
    before = sorted(folder.iterdir())
    ran = systolith(*args, *extra)
    assert ran.code == 1, ran.err
    assert sorted(folder.iterdir()) == before
    return ran, reasons


@pytest.mark.parametrize("what", CASES)
def test_reasons_are_data(what, systolith, folder):
    ran, expected = run(systolith, folder, what, "--json")
    error = json.loads(ran.out)["error"]
    assert error["exit_code"] == 1
    assert len(error["reasons"]) == len(expected)
    for reason, (subject, level, demand, bound, unit, remedy) in zip(error["reasons"], expected, strict=True):
        assert set(reason) == {"subject", "level", "demand", "bound", "unit", "remedy"}
        assert (reason["subject"], reason["level"], reason["bound"], reason["unit"]) == (subject, level, bound, unit)
        assert reason["demand"] == demand or (demand is None and reason["demand"] > bound)
        assert remedy in reason["remedy"]


@pytest.mark.parametrize("what", CASES)
def test_the_message_says_which_level_lacks_how_much(what, systolith, folder):
    ran, expected = run(systolith, folder, what)
    assert ran.out == ""
    *_, message = ran.err.splitlines()
    assert message.startswith("error: no valid mapping: ")
    for subject, level, demand, bound, unit, remedy in expected:
        lack = f"{subject}: {level} lacks " + (
            "" if demand is None else f"{demand - bound:,} {unit}: needs {demand:,}, has {bound:,}; "
        )
        assert lack in message
        assert remedy in message


def test_long_lists_are_cut_in_the_message_only(systolith):
    args = ["map", "resnet50", "--arch", "ws-8x8:weight_words=8", "--json"]
    ran = systolith(*args)
    reasons = ran.json["error"]["reasons"]
    assert len(reasons) > 6
    assert f"; and {len(reasons) - 6} more reasons; smallest change that makes it feasible: weight_words 147 " in ran.err
    assert sum(reason["subject"] in ran.err for reason in reasons) >= 6


def test_raising_what_is_asked_for_helps(systolith):
    """The remedy is one: with the demand as the new bound, the same request is met."""
    ran = systolith("map", CONV, "--arch", f"{SMALL},weight_words=4", "--json")
    (reason,) = ran.json["error"]["reasons"]
    assert systolith("map", CONV, "--arch", f"{SMALL},weight_words={reason['demand']}").code == 0
    assert systolith("map", CONV, "--arch", f"{SMALL},weight_words={reason['demand'] - 1}").code == 1
