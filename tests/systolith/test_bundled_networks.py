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
    data = systolith("networks", name, "--json").json
    assert (data["macs"], len(data["layers"]), len(data["traffic"])) == (net.macs, len(net.layers), len(net.traffic))


def test_options_and_files_reach_the_command_line(systolith, folder):
    assert "bert_base-seq384" in systolith("networks", "bert_base:seq=384").out
    (folder / "net.csv").write_text("Layer,M,N,K,\nQKT,1024,1024,64,\n")
    assert f"{1024 * 1024 * 64:,} MACs" in systolith("networks", "net.csv").out
    (folder / "net.csv").write_text("Layer,M,N,K,\nQKT,1024,0,64,\n")
    ran = systolith("networks", "net.csv")
    assert (ran.code, "net.csv:2: N" in ran.err) == (2, True)


def test_coverage_is_for_networks_with_a_file(systolith):
    assert all(isinstance(found, CatalogueEntry) for found in catalogue()[:12])
    ran = systolith("networks", "vgg16", "--coverage")
    assert (ran.code, "a table of layers" in ran.err) == (2, True)
