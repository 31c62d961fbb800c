"""SCALE-Sim topology files: random files against the tool's own formulas, and errors that name the cell."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflows.errors import SpecError
from dataflows.networks import network
from dataflows.topology import read_topology

CONV = "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides,"


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("topologies") / "net.csv"

    def write(text):
        path.write_text(text)
        return path

    return write


@st.composite
def convolutions(draw):
    R, S = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    H, W = R + draw(st.integers(0, 20)), S + draw(st.integers(0, 20))
    return H, W, R, S, draw(st.integers(1, 64)), draw(st.integers(1, 64)), draw(st.integers(1, 4))


def line(draw, name, numbers, separator=","):
    """A row as people format it: padded cells, an ending comma or none, a comment, blank lines around."""
    pad = draw(st.sampled_from(("", " ", "   ")))
    end = draw(st.sampled_from(("", ",", " ,", ",#dw", ", # note, with comma")))
    text = f"{separator}{pad}".join((name, *map(str, numbers))) + (end if separator == "," else draw(st.sampled_from(("", "\t"))))
    return draw(st.sampled_from(("", "\n", " \n", ",,\n"))) + text + draw(st.sampled_from(("\n", "\r\n")))


@given(st.data(), st.lists(convolutions(), min_size=1, max_size=5), st.booleans())
def test_convolutions(file, data, rows, tabs):
    header, separator = (CONV.replace(",", "\t"), "\t") if tabs else (CONV, ",")
    text = header + "\n" + "".join(line(data.draw, f"c{i}", row, separator) for i, row in enumerate(rows))
    found = network(file(text))
    assert [layer.name for layer in found.layers] == [f"c{i}" for i in range(len(rows))]
    for layer, (H, W, R, S, C, K, stride) in zip(found.layers, rows, strict=True):
        rows_out, cols_out = math.ceil((H - R + stride) / stride), math.ceil((W - S + stride) / stride)
        assert (layer.P, layer.Q, layer.H, layer.W) == (rows_out, cols_out, H, W)
        assert layer.macs == rows_out * cols_out * R * S * C * K
        assert layer.padding[:2] == (0, 0)
        # The last window ends exactly where input and padding end, unless the input has rows that no window reads.
        assert (rows_out - 1) * stride + R == H + layer.padding[2]
        assert max(layer.padding) < stride
    assert found.parameters == sum(R * S * C * K for _, _, R, S, C, K, _ in rows)


@given(st.data(), st.lists(st.tuples(*[st.integers(1, 5000)] * 3), min_size=1, max_size=5))
def test_matrix_products(file, data, rows):
    header = data.draw(st.sampled_from(("Layer,M,N,K", "Layer,M,N,K,", "Layer name, m, n, k,", "\ufeffLayer,M,N,K,")))
    found = network(file(header + "\n" + "".join(line(data.draw, f"g{i}", row) for i, row in enumerate(rows))))
    assert [(layer.Q, layer.K, layer.C) for layer in found.layers] == rows
    assert {layer.kind for layer in found.layers} == {"gemm"}
    assert found.name == "net"


def test_the_shipped_alexnet_has_55_columns_from_224_pixels(file):
    """The dense reference, 11.3, records 3025 x 96 x 363 for this row."""
    (layer,) = network(
        file(f"{CONV}\nConv1     ,224         ,224        ,11           ,11          ,3       ,96        ,4      ,")
    ).layers
    assert (layer.P * layer.Q, layer.K, layer.C * layer.R * layer.S) == (3025, 96, 363)
    assert layer.padding == (0, 0, 3, 3)


def test_depthwise_rows(file):
    path = file(f"{CONV}\nConv2_dw,10,10,3,3,32,1,1,#dw\nDP_3,10,10,3,3,16,2,1,\npw,8,8,1,1,32,1,1,\n")
    wide, tool, point = network(path).layers
    assert (wide.kind, wide.K, wide.C) == ("conv", 1, 32)
    assert (tool.kind, tool.G, tool.K, tool.C, tool.macs) == ("depthwise", 16, 2, 1, 64 * 9 * 32)
    right, _, _ = read_topology(path, depthwise=True).layers
    assert (right.kind, right.G, right.K, right.macs, right.parameters) == ("depthwise", 32, 1, wide.macs, wide.parameters)
    assert right.output_words == 32 * wide.output_words
    assert point.kind == "conv"


def test_names_repeat_and_strides_differ(file):
    header = CONV.replace("Strides", "Stride height, Stride width")
    found = network(file(f"{header}\nConv5_1,9,9,3,3,4,4,2,3,\nConv5_1,9,9,3,3,4,4,1,1,\n,9,9,3,3,4,4,1,1\n")).layers
    assert [layer.name for layer in found] == ["Conv5_1", "Conv5_1_2", "layer3"]
    assert [layer.stride for layer in found] == [(2, 3), (1, 1), (1, 1)]


def test_sparsity_becomes_density(file):
    conv = network(file(f"{CONV} Sparsity\nc,5,5,4,4,1,4,1,2:4,\nd,5,5,4,4,1,4,1,1,\ne,5,5,4,4,1,4,1\n")).layers
    assert [layer.weight_density for layer in conv] == [0.5, 1.0, 1.0]
    (gemm,) = network(file("Layer,M,N,K,Sparsity\ng,4,4,4,1:4\n")).layers
    assert gemm.weight_density == 0.25


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", ":1: "), ("\n\nname,a,b\n", ":3: header"), (f"{CONV}\n", ":1: "), ("c,9,9,3,3,4,4,1,\n", ":1: header"),
        (f"{CONV}\n\nc,9,x,3,3,4,4,1\n", ":3: IFMAP Width"), (f"{CONV}\nc,9,9,3,3,4,4\n", ":2: Strides"),
        (f"{CONV}\nc,9,9,3,3,4,,1,\n", ":2: Num Filter"), (f"{CONV}\nc,9,9,3,3,0,4,1,\n", ":2: Channels"),
        (f"{CONV}\nc,2,9,3,3,4,4,1,\n", ":2: Filter Height"), (f"{CONV}\nc,9,2,3,3,4,4,1,\n", ":2: Filter Width"),
        (f"{CONV}\nc,9,9,3,3,4,4,1,7\n", ":2: Sparsity"), (f"{CONV} Sparsity\nc,9,9,3,3,4,4,1,4:2\n", ":2: Sparsity"),
        ("Layer,M,N,K\ng,1,2\n", ":2: K"), ("Layer,M,N,K\ng,1,-2,3\n", ":2: N"), ("Layer,M,N,K\ng,1,2.0,3\n", ":2: N"),
        ("Layer,M,N,K\ng,1,2,3,4\n", ":2: Sparsity"), ("Layer,M,N,K\ng,٣,2,3\n", ":2: M"),
    ],
)  # fmt: skip
def test_errors_name_file_line_and_field(file, text, place):
    path = file(text)
    with pytest.raises(SpecError) as caught:
        network(path)
    assert str(caught.value).startswith(f"{path}{place}")


@given(st.text(max_size=200))
def test_no_text_crashes(file, text):
    path = file(text.encode("utf-8", "replace").decode())
    for start in ("", CONV + "\n", "Layer,M,N,K\n"):
        try:
            assert network(file(start + path.read_text())).layers
        except SpecError:
            continue


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "latin.csv").write_bytes(b"\xff\xfe\x00")
    for name in ("latin.csv", "missing.csv"):
        with pytest.raises(SpecError):
            network(tmp_path / name)
