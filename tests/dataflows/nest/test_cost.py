"""Terms of the cost of a loop nest by hand, and properties that hold for every nest."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from dataflows.feasible import InfeasibleError
from dataflows.mapping import Level, Loop, Mapping
from dataflows.nest.architecture import Architecture, Axis, Fanout, StorageLevel
from dataflows.nest.cost import NestCost, cost_of, evaluate
from dataflows.nest.counts import count
from dataflows.nest.nest import Nest, bind
from dataflows.nest.presets import ALL, PRESETS, gemmini_dosa, tri256
from dataflows.nest.rules import Rules
from dataflows.nest.text import parse_compact
from dataflows.workload import Layer
from tests.dataflows.nest import random_nests

SEEDS = range(250)
GEMM = Layer.gemm("gemm", M=6, N=4, K=10)  # Q = 6, K = 4, C = 10


def simple(outer: StorageLevel | None = None, inner: StorageLevel | None = None, **more) -> Architecture:
    """A DRAM and one buffer in front of one multiplier."""
    one = (1.0, 1.0, 1.0)
    dram = outer or StorageLevel("dram", ALL, (10.0,) * 3, (20.0,) * 3)
    return Architecture("simple", (dram, inner or StorageLevel("buffer", ALL, one, one)), 0.5, **more)


def cost(arch: Architecture, text: str, layer: Layer = GEMM, rules: Rules | None = None) -> NestCost:
    return evaluate(layer, arch, parse_compact(text, arch), rules, check=True)


def drawn(seed: int) -> tuple[Nest, Mapping, Rules]:
    rng = Random(seed)
    layer, arch, rules = random_nests.draw_layer(rng), random_nests.draw_architecture(rng), random_nests.draw_rules(rng)
    mapping = random_nests.draw_mapping(rng, layer, arch)
    return bind(layer, arch, mapping), mapping, rules


def test_a_gemm_by_hand():
    # C outermost: every output comes back ten times; K inside Q: inputs stay over K, weights are fetched anew for every Q.
    found = cost(simple(), "L1 C10 Q6 K4")
    assert found.levels == {
        "dram": {
            "weights": {"reads": 240, "writes": 0, "tile_words": 40},
            "inputs": {"reads": 60, "writes": 0, "tile_words": 60},
            "outputs": {"reads": 240 - 24, "writes": 240, "tile_words": 24},
        },
        "buffer": {
            "weights": {"reads": 240, "writes": 240, "tile_words": 1},
            "inputs": {"reads": 240, "writes": 60, "tile_words": 1},
            "outputs": {"reads": 240 - 24, "writes": 240 + 240, "tile_words": 1},
        },
    }
    assert found.energy_by_level["dram"] == {"weights": 2400, "inputs": 600, "outputs": 2160 + 4800}
    assert found.energy_by_level["buffer"] == {"weights": 480, "inputs": 300, "outputs": 216 + 480}
    assert found.energy_pj == pytest.approx(2400 + 600 + 6960 + 480 + 300 + 696 + 240 * 0.5)
    assert (found.cycles, found.bound, found.utilization) == (240, "compute", 1.0)
    assert found.check == {"equal": True, "differences": []}


def test_strict_sums_drain_and_are_wide():
    level = StorageLevel("dram", ALL, (10.0,) * 3, (20.0,) * 3, bandwidth=1)
    arch = simple(level, StorageLevel("buffer", ALL, word_bits=(8, 8, 32)), psum_bits=32)
    found = cost(arch, "L1 C10 Q6 K4", rules=Rules(psums="strict"))
    outputs = found.levels["buffer"]["outputs"]
    assert outputs == {"reads": 216 + 240, "writes": 240 + 216, "tile_words": 1}
    # 216 sums come back and 216 leave as four words each, 24 leave as outputs.
    assert found.energy_by_level["dram"]["outputs"] == 4 * 216 * 10 + (4 * 216 + 24) * 20
    assert found.times["dram"] == 240 + 60 + 4 * 216 + 4 * 216 + 24


def test_ports():
    shared = cost(simple(StorageLevel("dram", ALL, bandwidth=0.5)), "L1 C10 Q6 K4")
    assert shared.times["dram"] == 2 * (240 + 60 + 216 + 240) == shared.cycles
    assert shared.bound == "dram"
    apart = cost(simple(StorageLevel("dram", ALL, read_bandwidth=3, write_bandwidth=0.25)), "L1 C10 Q6 K4")
    assert apart.times["dram"] == max((240 + 60 + 216) // 3, 240 * 4)


def test_single_buffers_add_their_filling():
    inner = StorageLevel("buffer", ALL, bandwidth=8, buffering="single")
    found = cost(simple(StorageLevel("dram", ALL, bandwidth=1), inner), "L1 C10 Q6 K4")
    # Only the words of the multipliers overlap with computing; DRAM is the slower side of every transfer.
    assert found.times["buffer"] == -(-(240 + 240 + 240 + 216) // 8)
    assert found.times["fill of buffer"] == 240 + 60 + 216 + 240
    assert found.cycles == 240 + 756
    assert found.times["dram"] == 0


def test_double_buffers_need_room_for_two_tiles():
    layer, text = GEMM, "L1 C5 ; L0 K4 Q6 C2"
    words = 4 * 2 + 6 * 2 + 6 * 4
    for buffering, bits in (("ideal", 8 * words), ("double", 16 * words), ("single", 8 * words)):
        fits = StorageLevel("buffer", ALL, capacity_bits=bits, buffering=buffering)
        assert cost(simple(inner=fits), text, layer).cycles >= 240
        with pytest.raises(InfeasibleError) as caught:
            cost(simple(inner=replace(fits, capacity_bits=bits - 1)), text, layer)
        (reason,) = caught.value.reasons
        assert (reason.level, reason.demand, reason.bound, reason.unit) == ("buffer", bits, bits - 1, "bits")


def test_each_operand_may_have_its_own_buffer():
    sizes = (8 * 8, 12 * 8, 24 * 8)  # weights K4 C2, inputs Q6 C2, outputs K4 Q6
    text = "L1 C5 ; L0 K4 Q6 C2"
    cost(simple(inner=StorageLevel("buffer", ALL, capacity_bits=sizes)), text)
    for at, name in enumerate(("weights", "inputs", "outputs")):
        small = tuple(bits - (i == at) for i, bits in enumerate(sizes))
        with pytest.raises(InfeasibleError, match=f"buffer.{name} lacks 1 bits"):
            cost(simple(inner=StorageLevel("buffer", ALL, capacity_bits=small)), text)


def test_networks_and_leakage_have_their_energy():
    fanout = Fanout((Axis("rows", 5), Axis("cols", 4)), hop_pj=2.0, add_pj=3.0)
    arch = simple(inner=StorageLevel("buffer", ALL, fanout=fanout), leakage_pj=0.25)
    found = cost(arch, "L1 Q6 ; L0 C5X K4X C2")
    # Per step 20 products: 5 inputs go to 4 columns each, 4 sums are made of 5 products each.
    assert found.energy_by_level["network"] == {"hops": 12 * (15 + 16) * 2.0, "adds": 12 * 16 * 3.0}
    assert found.energy_by_level["leakage"] == {"leakage": 12 * 0.25}
    assert found.cycles == 12


def test_blocks_are_whole():
    arch = simple(StorageLevel("dram", ALL, (10.0,) * 3, (20.0,) * 3, block_words=64))
    found = cost(arch, "L0 C10 Q6 K4")
    assert found.energy_by_level["dram"] == {"weights": 64 * 10, "inputs": 64 * 10, "outputs": 64 * 20}


def test_padding_costs_time_but_is_no_work():
    found = cost(simple(), "L1 C4 ; L0 C3 Q6 K4")
    assert (found.macs, found.padded_macs, found.cycles) == (240, 288, 288)
    assert found.utilization == pytest.approx(240 / 288)


def test_operands_may_skip_a_level():
    kept = cost(tri256(), "L2 C10 ; L1 Q6 K4")
    skipped = cost(tri256(), "L2 C10 ; L1[WI] Q6 K4 ; L0[O]")
    assert "outputs" not in skipped.levels["glb"]
    assert set(skipped.levels["rf"]) == {"outputs"}
    assert kept.levels["dram"]["outputs"] == {"reads": 0, "writes": 24, "tile_words": 24}
    assert skipped.levels["dram"]["outputs"] == {"reads": 216, "writes": 240, "tile_words": 24}


def test_halo_rules_on_a_line():
    line = Layer("line", K=1, C=1, P=1, Q=8, R=1, S=3)
    assert cost(simple(), "L1 Q8 ; L0 S3", line).levels["dram"]["inputs"]["reads"] == 3 + 7
    assert cost(simple(), "L1 S3 ; L0 Q8", line).levels["dram"]["inputs"]["reads"] == 8 + 2
    two = replace(line, K=2)
    timeloop = cost(simple(), "L1 Q8 K2 ; L0 S3", two)
    physical = cost(simple(), "L1 Q8 K2 ; L0 S3", two, Rules(halo="physical"))
    assert timeloop.levels["dram"]["inputs"]["reads"] == 8 * 3
    assert physical.levels["dram"]["inputs"]["reads"] == 3 + 7


def test_exact_windows_leave_out_what_a_stride_skips():
    layer = Layer("strided", K=1, C=1, P=4, Q=4, stride=(2, 3))
    assert cost(simple(), "L0 P4 Q4", layer).levels["buffer"]["inputs"]["tile_words"] == 7 * 10
    exact = cost(simple(), "L0 P4 Q4", layer, Rules(window="exact"))
    assert exact.levels["buffer"]["inputs"]["tile_words"] == 4 * 4


def test_linked_neighbours_share_their_windows():
    layer = Layer("rows", K=1, C=1, P=4, Q=1, R=3, S=1)
    reads = []
    for links in (False, True):
        inner = StorageLevel("pe", ALL)
        outer = StorageLevel("dram", ALL, fanout=Fanout((Axis("rows", 3), Axis("cols", 4)), links=links))
        reads.append(cost(simple(outer, inner), "L1 P4X R3X", layer).levels["dram"]["inputs"]["reads"])
    assert reads == [12, 6]  # the diagonals of row-stationary processing


@pytest.mark.parametrize("seed", SEEDS)
def test_bounds_and_floors(seed):
    nest, _, rules = drawn(seed)
    ly, counts = nest.layer, count(nest, rules)
    found = cost_of(nest, counts, rules)
    assert found.cycles * nest.arch.pes >= ly.macs
    dram = found.levels[nest.arch.levels[0].name]
    assert dram["weights"]["reads"] >= ly.parameters
    rows = len({p * ly.stride[0] + r * ly.dilation[0] for p in range(ly.P) for r in range(ly.R)})
    cols = len({q * ly.stride[1] + s * ly.dilation[1] for q in range(ly.Q) for s in range(ly.S)})
    assert dram["inputs"]["reads"] >= ly.N * ly.G * ly.C * rows * cols
    assert dram["outputs"]["writes"] >= ly.output_words


@pytest.mark.parametrize("seed", SEEDS[:60])
def test_more_bandwidth_never_costs_cycles(seed):
    nest, _, rules = drawn(seed)
    rng, counts = Random(seed), count(nest, rules)
    slow = tuple(
        replace(level, bandwidth=rng.choice((0.25, 1, 3)), buffering=rng.choice(("ideal", "single"))) for level in nest.storage
    )
    at = rng.randrange(len(slow))
    fast = tuple(replace(level, bandwidth=level.bandwidth * 2) if i == at else level for i, level in enumerate(slow))
    cycles = [cost_of(replace(nest, storage=storage), counts, rules).cycles for storage in (slow, fast)]
    assert cycles[1] <= cycles[0]


@pytest.mark.parametrize("seed", SEEDS[:60])
def test_loops_of_one_iteration_change_nothing(seed):
    nest, mapping, rules = drawn(seed)
    rng, levels = Random(seed), []
    for level in mapping.levels:
        loops = list(level.loops)
        for _ in range(3):
            loops.insert(rng.randint(0, len(loops)), Loop(rng.choice("NGKCPQRS"), 1, 1, rng.choice((None, "rows"))))
        levels.append(Level(level.name, tuple(loops)))
    assert count(bind(nest.layer, nest.arch, Mapping(tuple(levels))), rules) == count(nest, rules)


@pytest.mark.parametrize("seed", SEEDS[:60])
def test_images_scale_inputs_and_outputs(seed):
    nest, mapping, rules = drawn(seed)
    outer = mapping.levels[0]
    batched = Mapping((Level(outer.name, (Loop("N", 3), *outer.loops)), *mapping.levels[1:]))
    one = count(nest, rules)
    three = count(bind(replace(nest.layer, N=3 * nest.layer.N), nest.arch, batched), rules)
    assert three.macs == 3 * one.macs
    for a, b in zip(one.flows, three.flows, strict=True):
        if a.tensor == "weights":
            assert a.reads <= b.reads <= 3 * a.reads
        else:
            assert (b.reads, b.updates, b.fills, b.drains) == tuple(3 * n for n in (a.reads, a.updates, a.fills, a.drains))


@pytest.mark.parametrize("seed", range(40))
def test_roles_of_a_product_can_be_swapped(seed):
    rng, arch = Random(seed), tri256()
    layer = Layer.gemm("gemm", M=rng.randint(1, 9), N=rng.randint(1, 9), K=rng.randint(1, 9))
    mapping = random_nests.draw_mapping(rng, layer, arch)
    change = {"K": "Q", "Q": "K", "W": "I", "I": "W"}
    swapped = Mapping(
        tuple(
            Level(
                name + bracket + "".join(change.get(letter, letter) for letter in held),
                tuple(replace(loop, dim=change.get(loop.dim, loop.dim)) for loop in level.loops),
            )
            for level in mapping.levels
            for name, bracket, held in [level.name.partition("[")]
        )
    )
    mirror = Layer.gemm("gemm", M=layer.K, N=layer.Q, K=layer.C)
    one, other = evaluate(layer, arch, mapping), evaluate(mirror, arch, swapped)
    assert one.energy_pj == pytest.approx(other.energy_pj)
    assert one.cycles == other.cycles
    for level in arch.levels:
        assert one.levels[level.name].get("weights") == other.levels[level.name].get("inputs")
        assert one.levels[level.name].get("outputs") == other.levels[level.name].get("outputs")


@pytest.mark.parametrize("name", PRESETS)
def test_presets_take_the_trivial_mapping(name):
    arch = PRESETS[name]()
    found = cost(arch, f"L{len(arch.levels) - 1} K4 C10 Q6")
    assert found.check == {"equal": True, "differences": []}
    assert found.energy_pj > 240 * arch.mac_pj
    assert found.technology == arch.source


def test_json_has_the_fields_of_a_cost():
    data = cost(gemmini_dosa(), "L3 K4 C10 Q6").to_dict()
    assert data["mode"] == "timeloop"
    assert data["edp"] == data["energy_pj"] * data["cycles"]
    wanted = {"layer", "cycles", "bound_cycles", "energy_pj", "area_um2", "macs", "utilization", "bound", "levels", "check"}
    assert wanted <= set(data)
    assert sum(pj for level in data["energy_by_level"].values() for pj in level.values()) == pytest.approx(data["energy_pj"])
