"""Layer files: what is written is read back, whatever the network."""

from __future__ import annotations

from dataclasses import replace

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dataflows.errors import SpecError
from dataflows.layer_text import parse_network, read_layers
from dataflows.layer_write import write_layers
from dataflows.networks import catalogue, network
from dataflows.traffic import OPS, TrafficLayer
from dataflows.workload import OPERAND_BITS, OUTPUT_BITS, Layer, Network
from tests.strategies import any_layers


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("layers") / "net.yaml"


@st.composite
def operands(draw, layer: Layer) -> Layer:
    return replace(
        layer, input_bits=draw(st.sampled_from(OPERAND_BITS)), weight_bits=draw(st.sampled_from(OPERAND_BITS)),
        output_bits=draw(st.sampled_from((None, *OUTPUT_BITS))), input_signed=draw(st.booleans()),
        weight_signed=draw(st.booleans()), weight_density=draw(st.floats(0.001, 1)),
        activation=draw(st.sampled_from(("none", "relu", "relu6"))),
    )  # fmt: skip


@st.composite
def networks(draw) -> Network:
    """Any layers, in any order beside any traffic, with names that YAML would read as something else."""
    words = draw(st.lists(st.sampled_from(("yes", "1", "1.5", "null", "a: b", "é", "#", "-", "c.0x1")), min_size=1, unique=True))
    chosen = tuple(replace(draw(operands(draw(any_layers()))), name=name) for name in words)
    entries = tuple(
        TrafficLayer(f"t{index}", op, draw(st.integers(1, 99)), draw(st.integers(1, 99)), bits, after)
        for index, (op, bits, after) in enumerate(
            draw(st.lists(st.tuples(st.sampled_from(OPS), st.integers(1, 32), st.sampled_from(("", *words))), max_size=4))
        )
    )
    return Network(draw(st.sampled_from(("net", "8", "a b"))), chosen, draw(st.integers(0, 9999)), "from a paper: 1", entries)


@given(networks())
def test_what_is_written_is_read_back(path, net):
    path.write_text(write_layers(net))
    assert read_layers(path) == net


@pytest.mark.parametrize("name", [found.name for found in catalogue()])
def test_every_bundled_network_is_a_layer_file(path, name):
    net = network(name)
    path.write_text(write_layers(net))
    assert read_layers(path) == net


def test_layers_are_written_as_people_do(path):
    path.write_text(
        "- {name: stem, conv: {K: 8, C: 3, H: 9, W: 9, R: 3, S: 3, stride: 2x2, padding: 1, input_signed: no}}\n"
        "- {name: fc, gemm: {M: 1, N: 10, K: 200, output_bits: 32}}\n".replace("2x2", "[2, 2]")
    )
    entries = yaml.safe_load(write_layers(read_layers(path)))["layers"]
    assert entries[0]["conv"] == {
        "K": 8, "C": 3, "H": 9, "W": 9, "R": 3, "S": 3, "stride": 2, "padding": 1, "input_signed": False,
    }  # fmt: skip
    assert entries[1]["gemm"] == {"M": 1, "N": 10, "K": 200, "output_bits": 32}


def test_traffic_after_a_layer_that_is_not_there():
    with pytest.raises(SpecError, match="layer of the network"):
        write_layers(Network("n", (Layer.gemm("g", M=1, N=1, K=1),), 1, "", (TrafficLayer("t", "add", 1, 1, after="h"),)))


FILE = """\
parameters: 7
layers:
  - {name: in, traffic: {op: move, input_words: 5, output_words: 6, bits: 16}}
  - {name: stem, conv: {K: 4, C: 3, H: 8, W: 8, R: 3, S: 3, padding: 1}}
  - {name: max, pool: {op: maxpool, C: 4, H: 8, W: 8, R: 3, S: 3, stride: 2, ceil: true}}
  - {name: att, attention: {heads: 2, queries: 3, keys: 5, width: 4, batch: 2}}
  - elementwise:op=add,words=48,operands=2,name=sum
  - {name: skip, elementwise: {op: add, words: 9, after: stem}}
"""


def test_traffic_and_attention_are_read(path):
    path.write_text(FILE)
    net = read_layers(path)
    assert [layer.name for layer in net.layers] == ["stem", "att.qk", "att.pv"]
    assert [(entry.name, entry.op, entry.input_words, entry.output_words, entry.bits, entry.after) for entry in net.traffic] == [
        ("in", "move", 5, 6, 16, ""), ("max", "maxpool", 256, 64, 8, "stem"), ("att.softmax", "softmax", 60, 60, 8, "att.qk"),
        ("sum", "add", 96, 48, 8, "att.pv"), ("skip", "add", 9, 9, 8, "stem"),
    ]  # fmt: skip
    assert net.parameters == 7
    path.write_text(FILE.replace("parameters: 7\n", ""))
    assert read_layers(path).parameters == 4 * 27  # K^T and V are made by the network


def test_attention_is_a_network_of_its_own():
    net = parse_network("attention:heads=12,queries=1,keys=128,width=64,input_bits=4,name=a")
    assert [(layer.name, layer.G, layer.macs, layer.input_bits) for layer in net.layers] == [
        ("a.qk", 12, 12 * 128 * 64, 4), ("a.pv", 12, 12 * 128 * 64, 4),
    ]  # fmt: skip
    assert (net.name, net.parameters, [entry.bits for entry in net.traffic]) == ("a", 0, [4])


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("- {pool: {op: maxpool, C: 1, H: 2, W: 2, R: 2, S: 2}}\n", "at least one layer"),
        ("- gemm:M=1,N=1,K=1\n- {name: t, elementwise: {op: sum, words: 3}}\n", ":2: [1]: t.op"),
        ("- gemm:M=1,N=1,K=1\n- {name: t, elementwise: {op: add, words: 3, after: q}}\n", "t after q"),
        ("- gemm:M=1,N=1,K=1\n- {name: t, pool: {op: avgpool, C: 1, H: 2, W: 2, R: 4, S: 2}}\n", ":2: [1]: t.H,W"),
        ("- gemm:M=1,N=1,K=1\n- {traffic: {op: add, input_words: 0, output_words: 1}}\n", ":2: [1].traffic.input_words"),
        ("- {gemm: {M: 1, N: 1, K: 1, input_signed: maybe}}\n", ":1: [0].gemm.input_signed"),
        ("- {gemm: {M: 1, N: 1, K: 1, output_bits: 1}}\n", ":1: [0].gemm.output_bits"),
        ("- {nest: {K: 1, C: 1, P: 4, Q: 1, H: 2, W: 1}}\n", "layer1.H"),
        ("- gemm:M=1,N=1,K=1\n- {name: t, attention: {heads: 1}}\n", ":2: [1].attention.queries"),
        ("parameters: no\nlayers:\n- gemm:M=1,N=1,K=1\n", ":1: parameters"),
        ("parameters: -1\nlayers:\n- gemm:M=1,N=1,K=1\n", ":1: parameters"),
    ],
)
def test_errors_name_file_line_and_field(path, text, named):
    path.write_text(text)
    with pytest.raises(SpecError) as caught:
        network(path)
    assert str(caught.value).startswith(f"{path}:")
    assert named in str(caught.value)


def test_traffic_alone_is_no_network():
    with pytest.raises(SpecError, match="at least one layer"):
        network("elementwise:op=add,words=3")
