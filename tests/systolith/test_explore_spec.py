"""Exploration files: defaults, relative paths, overrides."""

from __future__ import annotations

import pytest

from dataflows.errors import SpecError
from systolith.commands.explore import override
from systolith.explore_spec import read_explore_spec


def write(folder, text: str):
    path = folder / "job.yaml"
    path.write_text(text)
    return path


def test_a_network_is_enough(tmp_path):
    spec = read_explore_spec(write(tmp_path, "network: resnet50\n"))
    assert spec.network == "resnet50"
    assert spec.name == "job"
    assert spec.shapes is None
    assert spec.calibration.image == "skimage:page"
    assert spec.search.dataflows == ("ws", "os")
    assert spec.verify.layers == "auto"


def test_everything_can_be_said(tmp_path):
    text = """
schema: 1
name: mine
network: ocr_det
input: {H: 64, W: 96}
calibration: {image: skimage:page}
budget: {macs: 64, buffer_kib: 32, bandwidth_bytes_per_cycle: 8, dram_latency: 20}
search: {evaluations: 10, seed: 3, dataflows: [os], objective: latency, bits: 4}
verify: {layers: [a, b], count: 2}
"""
    spec = read_explore_spec(write(tmp_path, text))
    assert spec.shapes == (64, 96)
    assert spec.to_dict() == read_explore_spec(write(tmp_path, text)).to_dict()
    assert spec.to_dict()["budget"] == {"macs": 64, "buffer_kib": 32, "bandwidth_bytes_per_cycle": 8, "dram_latency": 20}
    assert spec.to_dict()["verify"]["layers"] == ["a", "b"]


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("net.onnx", "{}/net.onnx"),
        ("sub/n.yaml", "{}/sub/n.yaml"),
        ("/x/n.onnx", "/x/n.onnx"),
        ("a.csv", "{}/a.csv"),
        ("a.onnx:size=8x8", "{}/a.onnx:size=8x8"),
        ("/x/n.onnx:seq=1", "/x/n.onnx:seq=1"),
        ("gpt2:seq=4", "gpt2:seq=4"),
    ],
)
def test_paths_are_relative_to_the_file(tmp_path, given, found):
    spec = read_explore_spec(write(tmp_path, f"network: {given}\ncalibration: {{image: page.png}}\n"))
    assert spec.network == found.format(tmp_path)
    assert spec.calibration.image == str(tmp_path / "page.png")


def test_the_command_line_overrides_the_search(tmp_path):
    spec = read_explore_spec(write(tmp_path, "network: resnet50\nsearch: {evaluations: 9, seed: 4}\n"))
    assert override(spec, evaluations=None, seed=None) == spec
    changed = override(spec, evaluations=3, seed=None).search
    assert (changed.evaluations, changed.seed) == (3, 4)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("dataflows: [ws, ws]", ["search.dataflows", "each dataflow once"]),
        ("dataflows: []", ["search.dataflows", "at least 1"]),
        ("evaluations: 0", ["search.evaluations", "greater than or equal to 1"]),
        ("evaluations: yes", ["search.evaluations", "True"]),
        ("objective: area", ["search.objective", "area", "edp"]),
        ("bits: 6", ["search.bits", "6"]),
    ],
)
def test_every_message_has_line_and_field(tmp_path, text, words):
    path = write(tmp_path, f"network: resnet50\nsearch:\n  {text}\n")
    with pytest.raises(SpecError) as caught:
        read_explore_spec(path)
    assert not [word for word in [f"{path}:3: ", *words] if word not in str(caught.value)], caught.value
