"""Accelerator arguments: presets, engines, files, and what is filled in."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dataflows.arch import Accelerator
from dataflows.errors import SpecError
from dataflows.networks import catalogue, network
from dataflows.tiling import smallest
from systolith import presets
from systolith.specs import accelerator


@pytest.mark.parametrize("name", presets.names())
def test_presets_are_complete(name):
    """A preset says everything itself: its sizes do not move when defaults do."""
    data = yaml.safe_load(presets.text(name))
    description = data.pop("description")
    assert description
    assert Accelerator.from_dict(data) == accelerator(name)
    assert accelerator(name).name == name == data["name"]


def test_published_sizes():
    gemmini, shidiannao = (accelerator(name).levels() for name in ("gemmini-like", "shidiannao-like"))
    kib = {name: {level.name: level.size_bits / 8192 for level in levels} for name, levels in (("g", gemmini), ("s", shidiannao))}
    assert kib["g"]["input_buffer"] + kib["g"]["weight_buffer"] == 256
    assert kib["g"]["accumulator"] == 64
    assert (kib["s"]["input_buffer"], kib["s"]["weight_buffer"]) == (64, 128)


@given(
    dataflow=st.sampled_from(["ws", "os"]), rows=st.integers(1, 256), cols=st.integers(1, 256), bits=st.sampled_from([4, 8, 16])
)  # fmt: skip
def test_every_array_has_legal_defaults(dataflow, rows, cols, bits):
    acc = accelerator(f"{dataflow}:rows={rows},cols={cols},bits={bits}")
    assert (acc.array.rows, acc.array.cols, acc.array.dataflow) == (rows, cols, dataflow)
    assert acc.array.input_bits == acc.array.weight_bits == bits
    assert acc.array.acc_bits == (48 if bits == 16 else 32)
    assert acc.name == f"{dataflow}-{rows}x{cols}"


@pytest.mark.parametrize("arch", ["ws:rows=3,cols=7", "os:rows=5,cols=2", "ws:rows=16,cols=16", "os:rows=64,cols=64", "ws-8x8"])
def test_default_buffers_hold_a_tile_of_every_bundled_network(arch):
    acc = accelerator(arch)
    for entry in catalogue():
        for layer, _ in network(entry.name).distinct():
            assert smallest(layer.flattened(), acc) == []


def test_changes_to_a_preset():
    base, changed = accelerator("ws-16x16"), accelerator("ws-16x16:acc_words=512,latency=7,name=mine")
    assert (changed.acc_words, changed.memory.latency, changed.name) == (512, 7, "mine")
    assert (changed.array, changed.input_words) == (base.array, base.input_words)
    assert accelerator("ws-16x16:rows=32").array.rows == 32
    assert accelerator("ws-16x16:bits=4").array.weight_bits == 4


def test_parts_that_can_be_left_out():
    whole, bare = accelerator("ws:rows=4,cols=4"), accelerator("ws:rows=4,cols=4,table=false,channelwise=false")
    assert ((whole.table_entries, whole.channel_lanes), (bare.table_entries, bare.channel_lanes)) == ((256, 4), (0, 0))
    assert accelerator("ws:rows=4,cols=4,bits=16").table_entries == 0
    assert not accelerator("ws-16x16:table=false").table
    with pytest.raises(SpecError, match="table"):
        accelerator("ws:rows=4,cols=4,table=0")


def test_a_design_survives_its_file(tmp_path):
    acc = accelerator("os:rows=5,cols=2,input_bits=4,interval=3,table=false")
    path = tmp_path / "design.yaml"
    path.write_text(yaml.safe_dump(acc.to_dict()))
    assert accelerator(str(path)) == acc
    path.write_text(yaml.safe_dump({"schema": 1, "accelerator": acc.to_dict(), "mappings": {}}))
    assert accelerator(str(path)) == accelerator(str(tmp_path)) == acc


def test_a_short_design_gets_name_and_sizes(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text("array: {rows: 4, cols: 2, dataflow: os}\n")
    assert accelerator(str(path)) == accelerator("os:rows=4,cols=2,name=tiny")
