"""A mapping read from any of its texts is the mapping it was written from."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dataflows.cost import evaluate
from dataflows.errors import SpecError
from dataflows.mapping import Level, Mapping
from dataflows.schedule import schedule
from dataflows.tiling import OUTER_DIMS, Blocking, Tiling, mapping_of, violations
from dataflows.workload import Layer
from systolith.mapping_file import read_mappings
from systolith.specs import accelerator

LAYERS = [
    Layer.conv("plain", K=20, C=9, H=12, W=11, R=3, S=3, padding=1),
    Layer.conv("strided", K=8, C=8, H=13, W=13, R=3, S=3, stride=2),
    Layer.conv("depthwise", K=10, C=10, G=10, H=9, W=9, R=3, S=3),
    Layer.gemm("gemm", M=30, N=17, K=23),
]


@st.composite
def tilings(draw) -> tuple[str, Layer, Tiling]:
    """An array, a layer and a tiling whose loops are all used."""
    arch = draw(st.sampled_from(["ws:rows=4,cols=3", "os:rows=3,cols=4"]))
    layer = draw(st.sampled_from(LAYERS))
    blocking = Blocking.of(layer, accelerator(arch))
    most = (blocking.group_blocks, 1) if blocking.packed > 1 else (blocking.k_blocks, blocking.c_blocks)
    blocks, c_blocks = (draw(st.integers(1, n)) for n in most)
    p, q = draw(st.integers(1, layer.P)), draw(st.integers(1, layer.Q))
    return arch, layer, Tiling(blocks, c_blocks, p, q, tuple(draw(st.permutations(OUTER_DIMS))))


def compact(mapping) -> str:
    parts = []
    for i, level in enumerate(mapping.levels):
        parts.append(f"L{2 - i} " + " ".join(f"{x.dim}{x.extent}{'X' if x.axis else ''}" for x in level.loops))
    return " ; ".join(parts)


def texts(layer: Layer, mapping) -> dict[str, str]:
    nest = mapping.to_dict()
    return {
        "yaml": yaml.safe_dump(nest),
        "printed": str(mapping),
        "map --json": json.dumps({"layers": [{"name": layer.name, "mapping": nest}]}),
        "design": yaml.safe_dump({"mappings": {layer.name: nest}}),
    }


@given(tilings())
def test_every_form_gives_the_same_tiling(tmp_path_factory, case):
    arch, layer, tiling = case
    acc = accelerator(arch)
    mapping = mapping_of(layer, acc, tiling)
    path = tmp_path_factory.mktemp("mapping") / "m.txt"
    for text in texts(layer, mapping).values():
        path.write_text(text)
        assert read_mappings(path, [layer], acc) == {layer.name: (layer, tiling)}


def significant(mapping: Mapping) -> str:
    """Print a nest without its loops of one iteration."""
    return str(Mapping(tuple(replace(lv, loops=tuple(x for x in lv.loops if x.extent > 1)) for lv in mapping.levels)))


@given(tilings())
def test_loops_of_one_iteration_may_be_left_out(tmp_path_factory, case):
    """The tiling is the same but for the place of such loops in the order, which no count and no cycle depends on."""
    arch, layer, tiling = case
    acc = accelerator(arch)
    path = tmp_path_factory.mktemp("mapping") / "m.txt"
    path.write_text("# left out\n" + significant(mapping_of(layer, acc, tiling)))
    got_layer, got = read_mappings(path, [layer], acc)[layer.name]
    assert got_layer == layer
    assert replace(got, order=tiling.order) == tiling
    if not violations(layer, acc, tiling):
        assert schedule(layer, acc, got) == schedule(layer, acc, tiling)
        assert evaluate(layer, acc, got) == evaluate(layer, acc, tiling)


def test_left_out_loops_of_a_flattened_layer(tmp_path):
    layer, acc = Layer.conv("pointwise", K=6, C=5, H=7, W=8, R=1, S=1), accelerator("ws:rows=4,cols=4")
    path = tmp_path / "m.txt"
    for walked, tiling in ((layer.flattened(), Tiling(2, 2, 1, 56)), (layer, Tiling(2, 2, 7, 8))):
        path.write_text(significant(mapping_of(walked, acc, tiling)))
        assert read_mappings(path, [layer], acc) == {"pointwise": (walked, tiling)}


@given(tilings())
def test_compact_text_gives_an_equal_nest(tmp_path_factory, case):
    """Compact text has no steps, so tile sizes are the smallest with the same number of tiles."""
    arch, layer, tiling = case
    acc = accelerator(arch)
    p, q = (-(-size // -(-size // tile)) for size, tile in ((layer.P, tiling.p), (layer.Q, tiling.q)))
    mapping = mapping_of(layer, acc, Tiling(tiling.blocks, tiling.c_blocks, p, q, tiling.order))
    path = tmp_path_factory.mktemp("mapping") / "m.txt"
    path.write_text(compact(mapping))
    walked, got = read_mappings(path, [layer], acc)[layer.name]
    assert mapping_of(walked, acc, got) == mapping


def test_a_nest_of_the_flattened_layer_fits_the_layer(tmp_path):
    layer, acc = Layer.conv("pointwise", K=6, C=5, H=7, W=8, R=1, S=1), accelerator("ws:rows=4,cols=4")
    flat = layer.flattened()
    path = tmp_path / "m.yaml"
    path.write_text(yaml.safe_dump(mapping_of(flat, acc, Tiling(2, 1, 1, 20)).to_dict()))
    assert read_mappings(path, [layer], acc) == {"pointwise": (flat, Tiling(2, 1, 1, 20))}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("levels: [{level: dram, loops: [K 4 every 3]}]", ["m.yaml:1: levels[0].loops[0]", "K 4 every 3"]),
        ("levels: 3", ["m.yaml:1: levels", "mapping"]),
        ("levels: []", ["gemm: mapping.levels", "dram"]),
        ("nests: []", ["m.yaml:1", "levels, layers, mappings"]),
        ("layers: [{name: gem, mapping: {levels: []}}]", ["m.yaml", "gemm", "'gem'"]),
        ("layers: [{layer: gemm}]", ["m.yaml:1: layers[0]", "name"]),
        ("dram | for K to 3", ["m.yaml: line 1", "for K to 3"]),
        ("L2 K3 ; L1 C2", ["m.yaml: gemm: dram level", "K3"]),
        ("L9 K3 ; L5 C2 ; L0 K4X", ["m.yaml: level", "'L9'", "L2 = dram, L1 = buffer, L0 = array"]),
        ("dram K3 ; bufer C2 ; array K4X", ["'bufer'", "did you mean 'buffer'?"]),
        ("L2 K3 ; L0 K4X ; L1 C2", ["'L1'", "outermost to the innermost, each once"]),
        ("L2 K3 ; L1[WI] C2 ; L0 K4X", ["L1[WI]", "fixed", "mode timeloop"]),
        ("dram K3 buffer C2 ; array K4X", ["m.yaml: dram", "'buffer'", "write ; before buffer"]),
        ("levels: [{level: dram, loop: [K 4]}]", ["m.yaml:1: levels[0].loop:", "did you mean 'loops'?"]),
        ("schema: 1\nlevels: []\ncolour: red", ["m.yaml:3: colour", "schema, levels"]),
        ("levels: []\nschema: 99", ["m.yaml:2: schema", "99", "allowed: 1"]),
        ("levels: [{level: dram, bypass: [inputs]}]", ["gemm: mapping.levels[0]", "dram[-I]", "fixed", "mode timeloop"]),
        ("levels: [{level: bufer}]", ["gemm: mapping.levels[0]", "did you mean 'buffer'?"]),
        ("dram[WIO] | for K in 0..2", ["dram[WIO]", "fixed"]),
        ("L2 K3 ; L1 K3y ; L0 K4X", ["m.yaml", "K3y"]),
        ("L2 K3 K4 ; L1 C2 ; L0 K4X", ["m.yaml: gemm: dram level", "K3 K4"]),
        ("L2 K9 ; L1 C2 ; L0 C4X K4X", ["gemm: dram level", "K5 C3"]),
    ],
)
def test_malformed_mappings(tmp_path, text, words):
    path = tmp_path / "m.yaml"
    path.write_text(text)
    with pytest.raises(SpecError) as caught:
        read_mappings(path, [LAYERS[3]], accelerator("ws:rows=4,cols=4"))
    assert not [word for word in words if word not in str(caught.value)], caught.value


@pytest.mark.parametrize(
    "text",
    [
        "L2: K5 C3 | L1 Q5 K1 | L0: C4X K4X",
        "dram K5 C3 ; buffer: Q5 ; array C4X K4X",
        "dram K5 C3 - L1 Q5 - array C4X K4X",
        "dram K5 C3\n\nL1 Q5\nL0 C4X K4X",
        "dram K5 C3 ; buffer Q5 ; array C4X K4X",
    ],
)
def test_levels_have_names_and_numbers_and_many_separators(tmp_path, text):
    layer, acc = Layer.gemm("gemm", M=5, N=17, K=9), accelerator("ws:rows=4,cols=4")
    path = tmp_path / "m.txt"
    path.write_text("L2 K5 C3 ; L1 Q5 ; L0 C4X K4X")
    expected = read_mappings(path, [layer], acc)
    assert read_mappings(text, [layer], acc) == expected
    path.write_text(text)
    assert read_mappings(path, [layer], acc) == expected


@pytest.mark.parametrize("text", ["L2 ; L1 ; L0", "L2", "array", "L2 ; L1 C1", "dram - \u2013 buffer", "L0 -"])
def test_levels_without_loops_may_be_left_out(text):
    layer, acc = Layer.gemm("dot", M=1, N=1, K=1), accelerator("ws:rows=4,cols=4")
    ((one, tiling),) = read_mappings(text, [layer], acc).values()
    assert (one, tiling.blocks, tiling.c_blocks, tiling.p, tiling.q) == (layer, 1, 1, 1, 1)


def test_levels_of_a_nest_may_be_numbered(tmp_path):
    layer, acc = LAYERS[0], accelerator("ws:rows=4,cols=3")
    mapping = mapping_of(layer, acc, Tiling(2, 1, 3, 4))
    numbered = Mapping(tuple(Level(f"L{2 - i}", level.loops) for i, level in enumerate(mapping.levels)))
    for text in texts(layer, numbered).values():
        (tmp_path / "m.txt").write_text(text)
        assert read_mappings(tmp_path / "m.txt", [layer], acc) == {layer.name: (layer, Tiling(2, 1, 3, 4))}


def test_a_file_is_read_whatever_its_name(tmp_path, monkeypatch):
    layer, acc = Layer.gemm("gemm", M=5, N=17, K=9), accelerator("ws:rows=4,cols=4")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "L2").write_text("L2 K5 C3 ; L1 Q5 ; L0 C4X K4X")
    assert read_mappings("L2", [layer], acc) == read_mappings("dram K5 C3 ; L1 Q5 ; L0 C4X K4X", [layer], acc)


@pytest.mark.parametrize(("text", "word"), [("", "an empty text"), ("  ", "an empty text"), ("K" * 5000, "name too long")])
def test_what_is_neither_text_nor_file(text, word):
    with pytest.raises(SpecError, match=word):
        read_mappings(text, [LAYERS[3]], accelerator("ws:rows=4,cols=4"))


def test_one_nest_is_not_enough_for_two_layers(tmp_path):
    path = tmp_path / "m.yaml"
    path.write_text("levels: []")
    with pytest.raises(SpecError, match="one mapping for 2 layers"):
        read_mappings(path, LAYERS[:2], accelerator("ws:rows=4,cols=4"))
