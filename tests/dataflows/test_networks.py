"""The catalogue, files and inline layers."""

from __future__ import annotations

import pytest

from dataflows import networks, onnx_model
from dataflows.errors import SpecError
from dataflows.layer_text import parse_layer, read_layers
from dataflows.networks import CatalogueEntry, catalogue, network, networks_json, onnx_file
from dataflows.onnx_import import import_onnx
from dataflows.workload import Layer
from tests.dataflows.onnx_models import node, save, weights

# Convolution and fully connected layers: layers, millions of weights, 10**9 multiply-accumulates. ResNet-50 and VGG-19 are
# the published figures; the others were counted from the files independently of this importer.
COUNTS = {
    "bvlc_alexnet": (8, "60.95", "0.655"),
    "zfnet512": (8, "87.24", "1.482"),
    "squeezenet": (26, "1.23", "0.349"),
    "shufflenet": (50, "1.37", "0.125"),
    "inception_v1": (58, "6.99", "1.432"),
    "inception_v2": (70, "11.17", "2.019"),
    "densenet121": (121, "7.89", "2.834"),
    "resnet50": (54, "25.50", "4.089"),
    "vgg19": (19, "143.65", "19.632"),
}


@pytest.mark.parametrize("name", COUNTS)
def test_counts_of_known_networks(name):
    found = network(name)
    assert (len(found.layers), f"{found.parameters / 1e6:.2f}", f"{found.macs / 1e9:.3f}") == COUNTS[name]


def test_shufflenet_has_sixteen_depthwise_layers():
    kinds = [layer.kind for layer in network("shufflenet").layers]
    assert kinds.count("depthwise") == 16
    assert {layer.G for layer in network("shufflenet").layers if layer.kind == "grouped"} == {4}


@pytest.mark.parametrize(("name", "convs", "gemms"), [("ocr_det", 83, 0), ("ocr_rec", 57, 9), ("ocr_cls", 53, 1)])
def test_ocr_networks(name, convs, gemms):
    found = networks.entry(name)
    rows = [row for row in import_onnx(found.path(), found.size).coverage if row.status == "mapped"]
    assert [sum(row.op_type == kind for row in rows) for kind in ("Conv", "MatMul")] == [convs, gemms]
    assert f"{found.size[0]} x {found.size[1]}" in found.source


def test_listing_has_the_fields_scripts_rely_on():
    rows = networks_json()
    assert [row["name"] for row in rows] == [found.name for found in catalogue()]
    assert len(rows) == 23
    for row in rows:
        assert set(row) == {"name", "layers", "macs", "parameters", "source"}
        assert row["layers"] > 0
        assert row["macs"] > row["parameters"] > 0


def test_every_node_of_every_network_has_a_row():
    for found in catalogue():
        if not isinstance(found, CatalogueEntry):
            continue
        covered = import_onnx(found.path(), found.size)
        assert len(covered.coverage) == len(onnx_model.load_model(found.path()).graph.node)
        assert len({row.name for row in covered.coverage}) == len(covered.coverage)
        assert covered.counts()["mapped"] == len(covered.network.layers)
        assert "rejected" not in covered.counts()
        assert {layer.name for layer in covered.network.layers} == {r.name for r in covered.coverage if r.status == "mapped"}
        assert all(row.reason for row in covered.coverage)


def test_unknown_name_suggests():
    with pytest.raises(SpecError, match=r"did you mean resnet50"):
        network("resnet-50")
    with pytest.raises(SpecError, match=r"systolith networks"):
        network("qqqqqq")


def test_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setattr(networks, "find_spec", lambda name: None)
    with pytest.raises(SpecError, match=r"systolith\[examples\]"):
        networks.entry("ocr_det").path()
    missing = [row for row in networks_json() if row["macs"] is None]
    assert [row["name"] for row in missing] == [found.name for found in catalogue() if isinstance(found, CatalogueEntry)]


def test_which_networks_have_a_file(tmp_path):
    assert onnx_file("resnet50") == networks.entry("resnet50").path()
    assert onnx_file("net.onnx").name == "net.onnx"
    for text in ("vgg16", "bert_base:seq=4", "gemm:M=1,N=1,K=1", "a.yaml", "a.csv"):
        assert onnx_file(text) is None
    with pytest.raises(SpecError, match="a table of layers"):
        networks.entry("vgg16").path()
    with pytest.raises(SpecError, match="mobilenet_v2"):
        onnx_file("mobilenetv2")


@pytest.mark.parametrize(
    ("text", "size", "named"),
    [
        ("bert_base:sq=3", None, "seq"), ("bert_base:seq=513", None, "512"), ("bert_base:seq=0", None, "from 1"),
        ("bert_base:seq=x", None, "integer"), ("bert_base:seq", None, "integer"), ("bert_base:seq=3,seq=4", None, "once"),
        ("gpt2:seq=4,new=5", None, "seq=4"), ("resnet50:batch=2", None, "gpu_0/data_0"), ("vgg16", (2, 2), "no input size"),
        ("unet", (300, 400), "square"), ("unet:size=572", (300, 300), "once"), ("unet:size=20", None, "enc"),
    ],
)  # fmt: skip
def test_options_are_checked(text, size, named):
    with pytest.raises(SpecError, match=named):
        network(text, size)


def test_missing_onnx_names_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(SpecError, match=r"systolith\[onnx\]"):
        network("whatever.onnx")


def test_size_can_be_changed():
    assert network("ocr_det", (64, 96)).layers[0].W == 96
    assert network("ocr_det").layers[0].W == 320


def test_onnx_path(tmp_path):
    conv = node("Conv", ["x", "w"], ["y"], "c")
    path = save(tmp_path / "tiny.onnx", [conv], {"x": (1, 3, 8, 8)}, ["y"], {"w": weights(4, 3, 3, 3)})
    found = network(path)
    assert (found.name, found.macs) == ("tiny", 36 * 4 * 27)
    empty = save(tmp_path / "none.onnx", [node("Relu", ["x"], ["y"])], {"x": (1, 3, 8, 8)}, ["y"])
    with pytest.raises(SpecError, match="Conv, Gemm, MatMul"):
        network(str(empty))


@pytest.mark.parametrize(
    ("text", "layer"),
    [
        ("conv:K=64,C=3,P=112,Q=112,R=7,S=7,stride=2", Layer("conv", 64, 3, 112, 112, 7, 7, H=229, W=229, stride=(2, 2))),
        (
            "conv:K=64,C=3,H=224,W=224,R=7,S=7,stride=2,padding=3,name=stem",
            Layer.conv("stem", K=64, C=3, H=224, W=224, R=7, S=7, stride=2, padding=3),
        ),
        (
            "conv:K=8,C=8,G=8,H=9,W=7,R=3,S=3,stride=2x1,padding=0x1x2x1",
            Layer.conv("conv", K=8, C=8, G=8, H=9, W=7, R=3, S=3, stride=(2, 1), padding=(0, 1, 2, 1)),
        ),
        (
            "conv: K=2, C=2, P=4, Q=4, R=3, S=3, padding=1, dilation=2, N=3",
            Layer.conv("conv", K=2, C=2, N=3, H=6, W=6, R=3, S=3, padding=1, dilation=2),
        ),
        ("gemm:M=512,N=256,K=128", Layer.gemm("gemm", M=512, N=256, K=128)),
        ("gemm:M=5,N=6,K=7,G=12", Layer.gemm("gemm", M=5, N=6, K=7, G=12)),
        (
            "gemm:M=5,N=6,K=7,input_bits=16,input_density=0.5,weight_density=.25",
            Layer.gemm("gemm", M=5, N=6, K=7, input_bits=16, input_density=0.5, weight_density=0.25),
        ),
        (
            "tconv:K=2,C=3,H=4,W=5,R=3,S=3,padding=1",
            Layer.conv("tconv", K=2, C=3, H=4, W=5, R=3, S=3, padding=1),
        ),
        (
            "gemm:M=1,N=2,K=3,bits=4,activation=relu",
            Layer.gemm("gemm", M=1, N=2, K=3, input_bits=4, weight_bits=4, activation="relu"),
        ),
    ],
)
def test_inline_layers(text, layer):
    assert parse_layer(text) == layer
    found = network(text)
    assert (found.layers, found.macs, found.parameters) == ((layer,), layer.macs, layer.parameters)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("conv:K=64", "conv:C"),
        ("conv:K=4,C=4,R=3,S=3", "P or H"),
        ("conv:K=a,C=2,P=1,Q=1", "conv:K"),
        ("conv:K=3,C=2,P=2,Q=2,G=2", "divisor"),
        ("conv:K=2,C=2,P=2,Q=2,stride=2x0", "conv:stride"),
        ("conv:K=2,C=2,P=2,Q=2,stride=", "stride="),
        ("conv:K=2,C=2,P=2,Q=2,padding=-1", "conv:padding"),
        ("conv:K=2,C=2,P=2,Q=2,padding=1x1", "conv:padding"),
        ("conv:K=2,C=2,P=9,Q=2,H=4", "P"),
        ("conv:K=2,C=2,P=2,Q=2,bits=1", "greater than or equal to 2"),
        ("conv:K=2,C=2,P=2,Q=2,K=2", "once"),
        ("conv:K=0,C=2,P=2,Q=2", "conv:K"),
        ("conv:K=1e3,C=2,P=2,Q=2", "conv:K"),
        ("gemm:M=1,N=2,K=3,Z=1", "gemm:Z"),
        ("gemm:", "gemm:M"),
        ("gemm:M=1,N=2,K=3,weight_density=0", "gemm:weight_density"),
        ("gemm:M=1,N=2,K=3,input_density=nan", "gemm:input_density"),
        ("tconv:K=1,C=1,H=2", "tconv:W"),
        ("tconv:K=1,C=1,H=2,W=2,output_padding=0x-1", "tconv:output_padding"),
        ("tconv:K=1,C=1,H=1,W=1,stride=2,output_padding=1,padding=1x1x0x0", "depends on the input"),
        ("conv:K=" + "9" * 5000 + ",C=2,P=2,Q=2", "conv:K"),
    ],
)
def test_inline_errors_name_the_field(text, named):
    with pytest.raises(SpecError) as caught:
        network(text)
    assert named in str(caught.value)


def test_a_transposed_layer_is_a_network_of_its_phases(tmp_path):
    found = network("tconv:name=up,K=2,C=3,H=4,W=4,R=4,S=4,stride=2,padding=1")
    assert [layer.name for layer in found.layers] == ["up.0x0", "up.0x1", "up.1x0", "up.1x1"]
    assert (found.name, found.parameters, found.macs) == ("up", 2 * 3 * 16, 2 * 3 * 64 * 4)
    with pytest.raises(SpecError, match="4 layers"):
        parse_layer("tconv:K=2,C=3,H=4,W=4,R=4,S=4,stride=2,padding=1")
    path = tmp_path / "up.yaml"
    path.write_text("- {name: up, tconv: {K: 2, C: 3, H: 4, W: 4, R: 4, S: 4, stride: 2, padding: [1, 1, 1, 1]}}\n")
    assert network(path).layers == found.layers


GOOD = """\
name: tiny
layers:
  - {name: stem, conv: {K: 8, C: 3, H: 32, W: 32, R: 3, S: 3, stride: 2, padding: [1, 1, 1, 1]}}
  - conv: {K: 8, C: 8, G: 8, P: 16, Q: 16, R: 3, S: 3, padding: 1, activation: relu6}
  - gemm:M=1,N=10,K=2048
"""


def test_layer_file(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(GOOD)
    found = network(path)
    assert [layer.name for layer in found.layers] == ["stem", "layer2", "layer3"]
    assert [layer.kind for layer in found.layers] == ["conv", "depthwise", "gemm"]
    assert found.parameters == 8 * 27 + 8 * 9 + 20480
    assert (found.name, found.layers[1].H, found.layers[1].activation) == ("tiny", 16, "relu6")
    bare = tmp_path / "bare.yml"
    bare.write_text("- gemm: {M: 2, N: 3, K: 4}\n")
    assert (network(str(bare)).name, network(str(bare)).macs) == ("bare", 24)


@pytest.mark.parametrize(
    ("text", "line", "named"),
    [
        ("layers:\n  - {conv: [1, 2\n", 3, "expected"),
        ("layers:\n  - gemm: {M: 1, N: 2, K: 3}\n  - gemm: {M: 1, N: 2, Q: 3}\n", 3, "layers[1].gemm"),
        ("- gemm:\n    M: 1\n    N: two\n    K: 3\n", 3, "[0].gemm.N"),
        ("- gemm:\n    M: 1\n    N: yes\n    K: 3\n", 3, "[0].gemm.N"),
        ("- conv: {K: 3, C: 4, G: 2, P: 1, Q: 1}\n", 1, "divisor"),
        ("- gemm: {M: 1, N: 2, K: 3}\n- dropout: {}\n", 2, "conv"),
        ("- gemm: {M: 1, N: 2, K: 3, M: 4}\n", 1, "once"),
        ("- gemm:M=1,N=1,K=1\n- gemm:M=x,N=1,K=1\n", 2, "gemm:M"),
        ("- {name: a, gemm: {M: 1, N: 2, K: 3}}\n- {name: a, gemm: {M: 1, N: 2, K: 3}}\n", 2, "no other"),
        ("name: x\nlayer: []\n", 2, "layer"),
        ("layers: []\n", 1, "at least one"),
        ("", 1, "at least one"),
        ("- &a [*a]\n", 1, "itself"),
        ("- !!python/object:os.system {}\n", 1, "tag"),
    ],
)
def test_layer_file_errors_name_file_and_line(tmp_path, text, line, named):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(SpecError) as caught:
        read_layers(path)
    assert str(caught.value).startswith(f"{path}:{line}")
    assert named in str(caught.value)


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "latin.yaml").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "deep.yaml").write_text("[" * 5000)
    for name in ("latin.yaml", "missing.yaml", "deep.yaml"):
        with pytest.raises(SpecError):
            network(tmp_path / name)
