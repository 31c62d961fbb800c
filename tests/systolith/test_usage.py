"""What is said of options that a command does not have, and of names that are none."""

from __future__ import annotations

import pytest

ARGUMENT = "the architecture is an argument: systolith"
OPTIONS = {
    "verify --design nope": f"{ARGUMENT} verify ARCH",
    "verify --desin=nope": f"{ARGUMENT} verify ARCH",
    "generate --arch ws-8x8": f"{ARGUMENT} generate ARCH",
    "compile ocr_cls --desing ws-8x8": "did you mean '--design'?",
    "compile ocr_cls --arch ws-8x8": "did you mean '--design'?",
    "cost alexnet --design ws-8x8": "did you mean '--arch'?",
    "verify ws-8x8 --iamges 3": "did you mean '--images'?",
}


@pytest.mark.parametrize("line", OPTIONS)
def test_an_option_that_was_meant_is_named(systolith, line: str) -> None:
    ran = systolith(*line.split())
    assert (ran.code, ran.out) == (2, "")
    assert OPTIONS[line] in ran.err
    assert len(ran.err.splitlines()) == 1


@pytest.mark.parametrize("line", ["verify -q", "presets --design x", "verify ws-8x8 --zzz"])
def test_nothing_is_suggested_where_nothing_is_near(systolith, line: str) -> None:
    ran = systolith(*line.split())
    assert ran.code == 2
    assert "No such option" in ran.err
    assert "mean" not in ran.err
    assert "argument" not in ran.err


NAMES = {
    "verify nope": "see `systolith presets` and `engines`",
    "verify eyeris": "did you mean 'eyeriss'? eyeriss can only be costed",
    "verify gemini-like": "did you mean 'gemmini-like'?",
    "map alexnet --arch rcl": "did you mean 'rlc'? rlc can only be generated and verified",
}


@pytest.mark.parametrize("line", NAMES)
def test_a_name_is_suggested_with_what_can_be_done_with_it(systolith, line: str) -> None:
    ran = systolith(*line.split())
    assert ran.code == 2
    assert ran.err.strip().endswith(NAMES[line])
