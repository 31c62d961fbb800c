"""Every bundled network on two presets, and its table on the terminal."""

from __future__ import annotations

import pytest

from dataflows.networks import CatalogueEntry, catalogue, network
from mappers.naive import NaiveMapper
from mappers.network import map_network
from mappers.search import SearchMapper
from systolith.specs import accelerator

NAMES = [found.name for found in catalogue()]


@pytest.mark.parametrize("arch", ["ws-16x16", "os-16x16"])
@pytest.mark.parametrize("name", NAMES)
def test_every_network_maps(name, arch):
    net, acc = network(name), accelerator(arch)
    mapped = map_network(net, acc, NaiveMapper())
    assert mapped.macs == net.macs
    assert sum(each.count for each in mapped.layers) == len(net.layers)
    assert mapped.cycles >= net.macs / acc.array.macs
    words = sum(layer.parameters + layer.output_words for layer in net.layers)  # some inputs are never read
    assert mapped.cycles >= words / acc.memory.bus_bytes


@pytest.mark.parametrize("name", ["mobilenet_v2", "unet:size=188", "gpt2:seq=128,new=1"])
def test_the_search_is_no_worse_than_filling_up(name):
    net, acc = network(name), accelerator("ws-16x16")
    assert map_network(net, acc, SearchMapper(), "energy").energy_pj <= map_network(net, acc, NaiveMapper(), "energy").energy_pj


@pytest.mark.parametrize("name", NAMES)
def test_every_network_prints_its_table(systolith, name):
    ran, net = systolith("networks", name), network(name)
    assert ran.code == 0
    assert f"{net.macs:,} MACs" in ran.out
    assert f"{len(net.traffic)} operations between them" in ran.out
    assert [entry.name for entry in net.traffic if entry.name not in ran.out] == []
    data = systolith("networks", name, "--json").json
    assert (data["macs"], len(data["layers"]), len(data["traffic"])) == (net.macs, len(net.layers), len(net.traffic))


def test_options_and_files_reach_the_command_line(systolith, folder):
    assert "bert_base-seq384" in systolith("networks", "bert_base:seq=384").out
    (folder / "net.csv").write_text("Layer,M,N,K,\nQKT,1024,1024,64,\n")
    assert f"{1024 * 1024 * 64:,} MACs" in systolith("networks", "net.csv").out
    (folder / "net.csv").write_text("Layer,M,N,K,\nQKT,1024,0,64,\n")
    ran = systolith("networks", "net.csv")
    assert (ran.code, "net.csv:2: N" in ran.err) == (2, True)


def test_a_network_leaves_as_a_layer_file_and_comes_back(systolith, folder):
    ran = systolith("networks", "mobilenet_v2:size=96", "--yaml")
    (folder / "net.yaml").write_text(ran.out)
    assert network("net.yaml") == network("mobilenet_v2:size=96")
    assert systolith("networks", "net.yaml", "--json").json["traffic"][0]["op"] == "add"


def test_operands_and_options_are_printed(systolith):
    ran = systolith("networks", "gemm:M=4,N=4,K=4,weight_bits=4,input_signed=false,output_bits=16")
    assert (ran.code, "u8x4>16" in ran.out) == (0, True)
    assert "Conv_0" in systolith("networks", "ocr_cls:size=48x96", "--coverage").out
    upward = "ocr_det:transposed=phases,size=64x64"
    assert "transposed: 4 stride phases" in systolith("networks", upward, "--coverage").out
    rows = systolith("map", upward, "--arch", "ws-16x16", "--mapper", "naive", "--json").json["layers"]
    assert any(row["name"].endswith(".0x0") for row in rows)


def test_coverage_is_for_networks_with_a_file(systolith):
    assert all(isinstance(found, CatalogueEntry) for found in catalogue()[:12])
    ran = systolith("networks", "vgg16", "--coverage")
    assert (ran.code, "a table of layers" in ran.err) == (2, True)
