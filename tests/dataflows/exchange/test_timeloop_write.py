"""What is written for Timeloop means the same when it is read again."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from random import Random

import pytest
import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from dataflows.datapath import Datapath
from dataflows.errors import SpecError
from dataflows.exchange import timeloop_write as write
from dataflows.exchange.timeloop_arch import read_architecture
from dataflows.exchange.timeloop_mapping import read_mapping
from dataflows.exchange.timeloop_problem import read_problem
from dataflows.mapping import Level, Loop, Mapping
from dataflows.nest.architecture import Architecture, Axis, Fanout, StorageLevel
from dataflows.nest.cost import NestCost, evaluate
from dataflows.nest.presets import PRESETS, tri256
from dataflows.workload import Layer
from tests.dataflows.exchange.texts import document
from tests.dataflows.nest import random_nests


def again(layer: Layer, arch: Architecture, nest: Mapping) -> NestCost:
    """Write all three, read them, and evaluate."""
    data, _ = write.architecture(arch, layer)
    text = write.dump({**write.problem(layer), **data, **write.mapping(nest, arch, layer)})
    read = document(text)
    problem = read_problem(read)
    names = problem.names[layer.name]
    on = read_architecture(read, names)
    found, notes = read_mapping(read, problem.network.layers[0], on, names)
    assert all("padding" in note for note in (*problem.notes, *on.notes, *notes))
    return evaluate(problem.network.layers[0], on.architecture, found)


def words(cost: NestCost) -> Counter[tuple[str, str]]:
    """Words read and written by tensor, over all levels."""
    found: Counter[tuple[str, str]] = Counter()
    for tensors in cost.levels.values():
        for tensor, counted in tensors.items():
            found[tensor, "reads"] += counted["reads"]
            found[tensor, "writes"] += counted["writes"]
    return found


def _plain(rng: Random, level: StorageLevel, *, outermost: bool) -> StorageLevel:
    """Leave out what Timeloop has no word for; tensors of inner levels differ."""
    alike = outermost or rng.random() < 0.5
    return replace(
        level, row_bits=None, fanout=replace(level.fanout, links=False),
        read_pj=(1.0 if alike else rng.choice((1.0, 2.0)), 1.0, 1.0), write_pj=(2.0, 2.0, 2.0 if alike else 3.0),
        word_bits=(8, 8, 8 if alike else 32), capacity_bits=1 << 20 if alike else (1 << 20,) * 3,
        block_words=rng.choice((1, 1, 4)), buffering=rng.choice(("ideal", "double")),
    )  # fmt: skip


@settings(max_examples=40, suppress_health_check=[HealthCheck.filter_too_much])
@given(seed=st.integers(0, 2**32 - 1))
def test_round_trip_of_random_nests(seed):
    rng = Random(seed)
    layer, arch = random_nests.draw_layer(rng), random_nests.draw_architecture(rng)
    levels = [_plain(rng, level, outermost=level is arch.levels[0]) for level in arch.levels]
    arch = replace(arch, levels=tuple(levels), datapath=None, leakage_pj=0.5)
    nest = random_nests.draw_mapping(rng, layer, arch)
    ours = evaluate(layer, arch, nest)
    theirs = None
    try:
        theirs = again(layer, arch, nest)
    except SpecError as error:  # what Timeloop has no word for is refused, never changed
        if "two loops over" not in str(error):
            raise
    assume(theirs is not None)
    assert theirs is not None
    assert theirs.cycles == ours.cycles
    assert words(theirs) == words(ours)
    assert math.isclose(theirs.energy_pj, ours.energy_pj, rel_tol=1e-12)


@pytest.mark.parametrize("name", ["gemmini", "gemmini_dosa", "simba", "tpu_v1", "tri256", "zhang15"])
def test_presets_that_timeloop_can_say(name):
    layer, arch = Layer("l", K=2, C=2, P=2, Q=2, R=1, S=1, weight_bits=4), PRESETS[name]()
    nest = Mapping((Level(arch.levels[0].name, (Loop("K", 2), Loop("C", 2), Loop("P", 2), Loop("Q", 2))),))
    ours, theirs = evaluate(layer, arch, nest), again(layer, arch, nest)
    assert (theirs.cycles, words(theirs)) == (ours.cycles, words(ours))
    assert math.isclose(theirs.energy_pj, ours.energy_pj, rel_tol=1e-9)


def test_nothing_but_plain_yaml_with_two_tags():
    data, _ = write.architecture(tri256())
    text = write.dump(data)
    assert {line.split("!")[1] for line in text.splitlines() if "!" in line} == {"Container", "Component"}
    plain = yaml.safe_load(text.replace("!Container", "").replace("!Component", ""))
    assert [node["name"] for node in plain["architecture"]["nodes"]] == [
        "system",
        "dram",
        "glb",
        "glb_rows",
        "glb_cols",
        "rf",
        "mac",
    ]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"row_bits": 64}, "row_bits"),
        ({"buffering": "single"}, "buffering"),
        ({"fanout": Fanout((Axis("rows", 2),), links=True)}, "fanout.links"),
        ({"fanout": Fanout((Axis("rows", 2),), hop_pj=1.0)}, "fanout.hop_pj"),
        ({"word_bits": (8, 8, 32)}, "a capacity that tensors of different words share"),
    ],
)
def test_what_timeloop_has_no_word_for_is_named(change, named):
    arch = tri256()
    changed = replace(arch, levels=(arch.levels[0], replace(arch.levels[1], **change), arch.levels[2]))
    with pytest.raises(SpecError, match=r"tri256\.glb") as error:
        write.architecture(changed)
    assert named in str(error.value)


def test_datapaths_that_treat_all_operands_alike_have_their_energy():
    layer = Layer("l", K=1, C=1, P=1, Q=1, weight_bits=4, input_bits=4)
    arch = replace(tri256(), datapath=Datapath(weight_bits=16, input_bits=16))
    data, notes = write.architecture(arch, layer)
    compute = data["ERT"]["tables"][-1]["actions"][0]["energy"]
    assert compute == pytest.approx(arch.datapath.mac_energy(4, 4))
    assert any("datapath is not written" in note for note in notes)
    with pytest.raises(SpecError, match="datapath"):
        write.architecture(arch)


def test_a_mapping_is_written_for_any_architecture():
    arch = PRESETS["eyeriss"]()
    nest = Mapping((Level(arch.levels[0].name, (Loop("K", 4),)),))
    directives = write.mapping(nest, arch)["mapping"]
    assert directives[0]["factors"] == "N=1 G=1 K=4 C=1 P=1 Q=1 R=1 S=1"


def test_two_loops_over_one_dimension_are_named():
    nest = Mapping((Level("dram", (Loop("K", 2), Loop("C", 2), Loop("K", 2))),))
    with pytest.raises(SpecError, match="two loops over K"):
        write.mapping(nest, tri256())
