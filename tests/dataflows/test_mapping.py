from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dataflows.errors import SpecError
from dataflows.mapping import AXES, LOOP_DIMS, Level, Loop, Mapping
from dataflows.nest.rules import LETTERS, TENSORS
from dataflows.residency import resident

LOOPS = st.builds(
    Loop, st.sampled_from(LOOP_DIMS), st.integers(1, 10**6), st.integers(1, 10**6), st.one_of(st.none(), st.sampled_from(AXES))
)
NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,9}", fullmatch=True)


@st.composite
def mappings(draw):
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    return Mapping(tuple(Level(name, tuple(draw(st.lists(LOOPS, max_size=6)))) for name in names))


@given(LOOPS)
def test_loop_round_trip(loop):
    assert Loop.parse(str(loop)) == loop


@given(mappings())
def test_dictionary_yaml_and_nest_are_the_same_mapping(mapping):
    assert Mapping.from_dict(mapping.to_dict()) == mapping
    assert Mapping.from_dict(yaml.safe_load(yaml.safe_dump(mapping.to_dict()))) == mapping
    assert Mapping.parse(str(mapping)) == mapping


@given(mappings(), st.data())
def test_comments_and_blank_space_mean_nothing(mapping, data):
    comments = st.sampled_from(["", "#", " # W I O", "   # for K in 0..3 | x"])
    lines = []
    for line in str(mapping).splitlines():
        lines += data.draw(st.lists(st.sampled_from(["", "# dram | for K in 0..2", "  #"]), max_size=2))
        lines.append(line.replace(" in ", "    in ").replace(" step", "   step") + data.draw(comments))
    assert Mapping.parse("\n".join(lines)) == mapping


def test_lines_are_counted_with_comments():
    with pytest.raises(SpecError, match="line 3"):
        Mapping.parse("# a picture\ndram | for K in 0..4 # fine\n     | for K to 3 # not fine")


@pytest.mark.parametrize("text", ["", "# nothing", "\n\n"])
def test_no_nest_is_refused(text):
    with pytest.raises(SpecError, match="no loop nest"):
        Mapping.parse(text)


def test_printed_nest():
    mapping = Mapping((Level("dram", (Loop("K", 4, 16), Loop("C", 2, 8))), Level("array", (Loop("C", 8, axis="rows"),))))
    assert str(mapping).splitlines() == [
        "dram  | for K in 0..4 step 16",
        "      |   for C in 0..2 step 8",
        "array |     spatial on rows C in 0..8",
    ]


@pytest.mark.parametrize("text", ["K", "K x", "K 0", "Z 4", "K 4 on depth", "K 4 step", "K 4 step 0", "k 4", "K 4 4"])
def test_malformed_loops_are_refused(text):
    with pytest.raises(SpecError, match="DIM EXTENT"):
        Loop.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "K 4 step 2",
        "| for K in 0..4",
        "dram | for K in 0..",
        "dram | K 4",
        "dram | for K in 0..4 step 0",
        "dram | for Z in 0..4",
        "dram | spatial on depth K in 0..4",
    ],
)
def test_malformed_nests_are_refused(text):
    with pytest.raises(SpecError, match="line 1"):
        Mapping.parse(text)


@pytest.mark.parametrize(
    ("data", "path"),
    [
        ([], "mapping"),
        ({"levels": "dram"}, "mapping"),
        ({"levels": ["dram"]}, "mapping.levels[0]"),
        ({"levels": [{"loops": []}]}, "mapping.levels[0]"),
        ({"levels": [{"level": "dram", "loops": ["K 4", "K"]}]}, "mapping.levels[0].loops[1]"),
        ({"levels": [{"level": "dram", "loop": ["K 4"]}]}, "mapping.levels[0].loop"),
        ({"levels": [{"level": "dram", "residency": ["weights"]}]}, "mapping.levels[0].residency"),
        ({"levels": [], "colour": "red"}, "mapping.colour"),
        ({"levels": [], "schema": 99}, "mapping.schema"),
        ({"levels": [], "schema": "one"}, "mapping.schema"),
        ({"levels": [{"level": "glb", "holds": "weights"}]}, "mapping.levels[0].holds"),
        ({"levels": [{"level": "glb", "holds": ["inputs", "weight"]}]}, "mapping.levels[0].holds[1]"),
        ({"levels": [{"level": "glb", "bypass": [["weights"]]}]}, "mapping.levels[0].bypass[0]"),
        ({"levels": [{"level": "glb", "holds": ["weights"], "bypass": ["inputs"]}]}, "mapping.levels[0]"),
        ({"levels": [{"level": "glb[W]", "holds": ["weights"]}]}, "mapping.levels[0]"),
        ({"levels": [{"level": "glb[-W]", "bypass": []}]}, "mapping.levels[0]"),
    ],
)
def test_malformed_dictionaries_name_the_field(data, path):
    with pytest.raises(SpecError) as caught:
        Mapping.from_dict(data)
    assert caught.value.path == path


TENSOR_LISTS = st.lists(st.sampled_from(TENSORS), unique=True)


@given(TENSOR_LISTS, st.sampled_from(["holds", "bypass"]))
def test_residency_is_a_list_or_brackets(tensors, key):
    """Object, YAML and printed nest say it in brackets, whichever way it came."""
    letters = "".join(letter for letter, tensor in LETTERS.items() if tensor in tensors)
    brackets = f"[{letters}]" if key == "holds" else f"[-{letters}]" if letters else ""
    found = Mapping.from_dict({"levels": [{"level": "glb", "loops": ["K 4"], key: tensors}]})
    assert found == Mapping((Level(f"glb{brackets}", (Loop("K", 4),)),))
    assert Mapping.from_dict(found.to_dict()) == Mapping.parse(str(found)) == found
    said = resident(found.levels[0].name)
    assert said is not None
    stay = set(tensors) if key == "holds" else set(TENSORS) - set(tensors)
    assert said.of(frozenset(TENSORS)) == stay


def test_only_a_bypassed_tensor_leaves_what_a_level_can_hold():
    said = resident("glb[-O]")
    assert said is not None
    assert said.of(frozenset(("inputs", "outputs"))) == {"inputs"}


def test_level_by_name():
    mapping = Mapping((Level("dram", ()),))
    assert mapping.level("dram").loops == ()
    with pytest.raises(SpecError, match="buffer"):
        mapping.level("buffer")
