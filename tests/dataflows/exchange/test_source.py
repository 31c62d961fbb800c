"""Files of other tools are told by their content."""

from __future__ import annotations

import pytest

from dataflows.errors import SpecError
from dataflows.exchange.files import what
from dataflows.exchange.source import kinds, recognised
from tests.dataflows.exchange.texts import EXAMPLES


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("timeloop_problem", "timeloop problem"),
        ("timeloop_arch", "timeloop architecture"),
        ("timeloop_mapping", "timeloop mapping"),
        ("zigzag_workload", "zigzag workload"),
        ("zigzag_accelerator", "zigzag accelerator"),
        ("zigzag_mapping", "zigzag mapping"),
    ],
)
def test_examples_of_each_kind(name, kind):
    found = recognised(EXAMPLES / f"{name}.yaml")
    assert found is not None
    assert found[1] == (kind,)
    tool, held = kind.split()
    assert what(EXAMPLES / f"{name}.yaml") == f"a {'Timeloop' if tool == 'timeloop' else 'ZigZag'} {held}"


def test_our_own_examples_are_none_of_theirs():
    for path in (*EXAMPLES.parent.glob("*.yaml"), *(EXAMPLES.parents[1] / "dataflows").rglob("*.yaml")):
        assert recognised(path) is None, path


def test_our_own_mappings_are_none_of_timeloops():
    assert kinds({"mapping": {"levels": []}}) == ()
    assert kinds({"problem": {"shape": {}}, "architecture": {"nodes": []}, "mapping": []}) == (
        "timeloop problem", "timeloop architecture", "timeloop mapping",
    )  # fmt: skip


@pytest.mark.parametrize("line", ["problem: {{ shape }}", "problem:\n  {% include 'x' %}"])
def test_templates_are_named_with_their_line(tmp_path, line):
    path = tmp_path / "t.yaml"
    path.write_text(f"# {{{{ in a comment }}}}\n{line}\n")
    with pytest.raises(SpecError, match="a jinja2 template") as error:
        recognised(path)
    assert error.value.path.startswith(f"{path}:{2 + line.count(chr(10))}")


def test_unknown_tags_are_refused_with_their_place(tmp_path):
    path = tmp_path / "t.yaml"
    path.write_text("architecture:\n  nodes:\n  - !Magic {name: x}\n")
    with pytest.raises(SpecError, match="Magic"):
        recognised(path)
