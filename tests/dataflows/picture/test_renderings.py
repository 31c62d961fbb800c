"""The picture in its forms: read back, within its columns, and the same numbers everywhere."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflows.cost import evaluate as machine_cost
from dataflows.feasible import InfeasibleError
from dataflows.layer_text import parse_layer
from dataflows.mapping import Mapping
from dataflows.nest.cost import evaluate
from dataflows.nest.presets import gemmini_dosa
from dataflows.nest.text import parse_compact
from dataflows.picture import html, machine, timeloop
from dataflows.picture.layer import sizes
from dataflows.picture.model import Picture, Store
from dataflows.picture.text import render
from dataflows.tiling import Blocking, tile_words, tiling_of
from tests.dataflows.nest import random_nests
from tests.strategies import jobs, layers

CONV = parse_layer("conv:K=64,C=3,P=112,Q=112,R=7,S=7,stride=2")
DESIGN = gemmini_dosa(32, 2, 16)
NEST = parse_compact("L3: P28 R7 Q56 K8 | L2: K4X | L1: K2 S7 Q2 P2 C3X | L0: P2", DESIGN)


@pytest.fixture(scope="module")
def published() -> Picture:
    return timeloop.picture(CONV, DESIGN, NEST, evaluate(CONV, DESIGN, NEST).to_dict())


@given(jobs(), st.integers(40, 200))
def test_machine_pictures_are_read_back(job, width):
    layer, acc, tiling = job
    drawn = machine.picture(layer, acc, tiling, machine_cost(layer, acc, tiling).to_dict())
    found = tiling_of(layer, acc, Mapping.parse(render(drawn, width)))
    assert replace(found, order=tiling.order) == tiling
    assert machine_cost(layer, acc, found) == machine_cost(layer, acc, tiling)


@pytest.mark.parametrize("seed", range(60))
def test_timeloop_pictures_are_read_back(seed):
    rng = Random(seed)
    layer, arch, rules = random_nests.draw_layer(rng), random_nests.draw_architecture(rng), random_nests.draw_rules(rng)
    mapping = random_nests.draw_mapping(rng, layer, arch)
    cost = evaluate(layer, arch, mapping, rules).to_dict()
    text = render(timeloop.picture(layer, arch, mapping, cost), rng.randint(40, 200))
    assert evaluate(layer, arch, Mapping.parse(text), rules).to_dict() == cost


def test_lines_fit_eighty_columns_and_use_wide_ones(published):
    narrow, wide = render(published, 80).splitlines(), render(published, 150).splitlines()
    assert max(map(len, narrow)) <= 80
    assert 80 < max(map(len, wide)) <= 120
    assert any("==" in line for line in wide)  # bars need room
    assert not any(line != line.rstrip() for line in narrow + wide)
    assert all(ord(char) < 128 for line in narrow + wide for char in line)


def test_columns_are_aligned(published):
    nest = [line for line in render(published, 80).splitlines() if " in 0.." in line]
    assert len(nest) == 11
    assert len({line.index(" in 0..") for line in nest}) == 1
    assert len({line.index("#") for line in nest}) == 1
    depths = [len(line.partition("| ")[2]) - len(line.partition("| ")[2].lstrip()) for line in nest]
    assert depths == sorted(set(depths))


def test_figures_are_those_of_the_cost(published):
    cost, text = evaluate(CONV, DESIGN, NEST), render(published, 150)
    assert f"{cost.cycles:,}, bound by accumulator" in text
    for store, level in zip(published.stores, DESIGN.levels, strict=True):
        words = {tensor[0].upper(): n["tile_words"] for tensor, n in cost.levels[level.name].items()}
        assert store.words == {{"W": "W", "I": "I", "O": "O"}[key]: value for key, value in words.items()}
        assert all(f"{n:,}" in text for n in words.values())
    assert "4 of 32" in text
    assert "12 of 1,024 multipliers in use; 1.1 % of" in text


@pytest.mark.parametrize("index", [1, 2, 3])
def test_what_is_used_is_what_the_check_of_capacities_needs(published, index):
    used = published.stores[index].used_bits

    def sized(bits: int):
        levels = list(DESIGN.levels)
        levels[index] = replace(levels[index], capacity_bits=bits)
        return replace(DESIGN, levels=tuple(levels))

    evaluate(CONV, sized(used), NEST)
    with pytest.raises(InfeasibleError) as caught:
        evaluate(CONV, sized(used - 1), NEST) if used > 1 else None
    assert [reason.demand for reason in caught.value.reasons] == [used]


@given(jobs())
def test_buffers_are_as_full_as_their_tiles(job):
    layer, acc, tiling = job
    stores = {
        store.name: store for store in machine.picture(layer, acc, tiling, machine_cost(layer, acc, tiling).to_dict()).stores
    }
    words = tile_words(layer, Blocking.of(layer, acc), tiling)
    for name, bits, room in (
        ("input_buffer", acc.input_word_bits, acc.input_words), ("weight_buffer", acc.weight_word_bits, acc.weight_words),
        ("accumulator", acc.acc_word_bits, acc.acc_words), ("output_buffer", acc.output_word_bits, acc.acc_words),
    ):  # fmt: skip
        assert stores[name].used_bits == bits * words[name.replace("output_buffer", "accumulator")]
        assert stores[name].size_bits == bits * room
    assert stores["scale_buffer"].full == words["scale_buffer"] / acc.tile_blocks


@given(jobs())
def test_dictionaries_survive_json(published, job):
    layer, acc, tiling = job
    for drawn in (published, machine.picture(layer, acc, tiling, machine_cost(layer, acc, tiling).to_dict())):
        data = drawn.to_dict()
        again = json.loads(json.dumps(data))
        assert again == data
        assert Picture.from_dict(again) == Picture.from_dict(data) == drawn


@given(layers())
def test_sizes_are_the_layer_in_one_line(layer):
    again = parse_layer(sizes(layer))
    assert replace(again, name=layer.name) == layer


class Tags(HTMLParser):
    VOID = ("meta",)

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []
        self.links: list[str | None] = []

    def handle_starttag(self, tag, attrs):
        self.links += [value for name, value in attrs if name in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text.append(data)


def test_the_page_is_whole_and_fetches_nothing(published):
    odd = replace(published, name="<b>&", stores=(*published.stores, Store("x<y", {"odd>": 3}, 3)))
    page = html.page("<title>", ("layer", "cycles"), [["<i>", "1"]], [published, odd], "from <here>")
    tags = Tags()
    tags.feed(page)
    tags.close()
    assert tags.open == []
    assert tags.links == []
    assert "@import" not in page
    assert "url(" not in page
    assert "prefers-color-scheme: dark" in page
    shown = " ".join(tags.text)
    for word in (
        "<title>",
        "<i>",
        "<b>&",
        "x<y",
        "from <here>",
        "accumulator",
        "0..56",
        "spatial on cols",
        "again",
        "12 of 1,024",
    ):
        assert word in shown, word


def test_the_page_holds_text_that_is_read_back(published):
    (text,) = re.findall(r"<pre>(.*?)</pre>", html.fragment(published), re.DOTALL)
    assert evaluate(CONV, DESIGN, Mapping.parse(text)) == evaluate(CONV, DESIGN, NEST)
