"""The one reader of compact text, whatever the architecture."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflows.compact import Word, is_compact, read_parts
from dataflows.errors import SpecError

NAMES = ("dram", "glb", "glb2", "rf-1")
WORDS = st.builds(Word, st.sampled_from(["PQ", *"NGKCPQRS"]), st.integers(1, 10**9 - 1), st.booleans())
HELD = st.sampled_from(["", "[WI]", "[]", "[-O]"])


@st.composite
def texts(draw):
    """Levels in compact text, and what they say."""
    found, text = [], []
    for index in draw(st.lists(st.integers(0, 3), min_size=1, max_size=4, unique=True).map(sorted)):
        label, held = draw(st.sampled_from([NAMES[index], f"L{3 - index}"])), draw(HELD)
        words = draw(st.lists(WORDS, max_size=4))
        said = " ".join(map(str, words)) or draw(st.sampled_from(["", "-", "\u2013"]))
        text.append(f"{label}{held}{draw(st.sampled_from(['', ':', ' :']))} {said}".strip())
        found.append((index, label, held, tuple(words)))
    return draw(st.sampled_from([" ; ", ";", " | ", "\n", "\n\n", " - "])).join(text), found


@given(texts())
def test_what_is_written_is_read(case):
    text, found = case
    assert is_compact(text, NAMES)
    assert [tuple(part) for part in read_parts(text, NAMES, "text")] == found


@pytest.mark.parametrize(
    "text", ["L3", "dram", " glb ", "L2 ; L1 K4", "L2: K4", "glb[WI] K4", "dram | glb", "attic K4 ; glb", "rf-1: - | L1 K4"]
)
def test_what_looks_like_compact_text(text):
    assert is_compact(text, NAMES)


@pytest.mark.parametrize(
    "text",
    [
        "", "levels: []", "schema: 1", "layers:\n- K4", "{}", "dram | for K in 0..4", "dram |\nglb | spatial on rows K in 0..2",
        "mapping.txt", "L2.txt", "folder/L2", "dram.yaml", "drams", "tri256, mode timeloop",
    ],
)  # fmt: skip
def test_what_does_not(text):
    assert not is_compact(text, NAMES)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("L4 K2", ["text: level", "'L4'", "L3 = dram, L2 = glb, L1 = glb2, L0 = rf-1"]),
        ("L3 ; L9", ["'L9'"]),
        ("dram ; gbl K4", ["'gbl'", "did you mean 'glb'?"]),
        ("dram K4 glb C2", ["text: dram", "'glb'", "write ; before glb"]),
        ("dram K4 L1: C2", ["'L1:'", "write ; before L1:"]),
        ("dram 4K", ["'4K'", "K32 or C16X"]),
        ("dram K0", ["'K0'"]),
        ("dram K4Y", ["'K4Y'"]),
        ("dram[W K4", ["dram[W K4", "start every part with a level"]),
    ],
)
def test_text_of_another_form_names_the_word(text, words):
    with pytest.raises(SpecError) as caught:
        read_parts(text, NAMES, "text")
    assert not [word for word in words if word not in str(caught.value)], caught.value


def test_a_name_wins_over_a_number():
    assert [part.index for part in read_parts("L2 K4 ; L1 C2", ("L2", "L1"), "text")] == [0, 1]
