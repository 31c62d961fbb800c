"""What a technology table makes of a hierarchy whose energies are left out."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.errors import SpecError
from dataflows.nest.architecture import Architecture
from dataflows.tech import DRAM, technology

PLAIN = {
    "name": "a",
    "technology": "45nm",
    "levels": [
        {"name": "dram", "holds": ["weights", "inputs", "outputs"]},
        {
            "name": "buffer",
            "holds": ["weights", "inputs", "outputs"],
            "word_bits": {"weights": 8, "inputs": 8, "outputs": 32},
            "capacity_bits": 64 * 8192,
            "fanout": {"axes": [{"name": "rows", "size": 4, "dims": "C"}, {"name": "cols", "size": 2, "dims": "K"}]},
        },
        {"name": "register", "holds": ["weights"], "capacity_bits": 8},
    ],
}
TECH = technology("45nm")


def build(change=None, **top) -> Architecture:
    data = copy.deepcopy(PLAIN) | top
    if change:
        change(data)
    return Architecture.from_dict(data)


def test_every_figure_by_hand():
    """64 KB: 8-bit words are an eighth of a 512 KB bank, 32-bit ones half of a 128 KB bank."""
    arch = build()
    dram, buffer, register = arch.levels
    assert dram.read_pj == dram.write_pj == (64.0, 64.0, 64.0)
    assert buffer.read_pj == pytest.approx((68.4 / 8, 68.4 / 8, 32.3 / 2))
    assert buffer.write_pj == pytest.approx((51.4 / 8, 51.4 / 8, 26.1 / 2))
    assert register.read_pj == register.write_pj == pytest.approx((8 * 0.009, 0, 0))
    assert arch.mac_pj == pytest.approx(0.2 + 0.1)
    memories = 0.430e6 / 2 + 8 * 8 * 5.98
    assert arch.area_um2 == pytest.approx(memories + 8 * TECH.pe_area_um2(8, 8))
    logic_um2 = 8 * 8 * 5.98 + 8 * TECH.pe_area_um2(8, 8)
    leaking_uw = 3.341 / 2 + logic_um2 * 257700 / 8171.7 / 1000
    assert arch.leakage_pj == pytest.approx(leaking_uw / 500)  # uW over MHz is pJ
    assert arch.clock_mhz == 500
    assert "64 KB of sram" in buffer.source
    assert "8 bits of registers" in register.source
    assert "lpddr4" in dram.source
    assert arch.source == "45nm technology table"


def test_what_is_written_wins():
    def change(data):
        data["levels"][0].update(read_pj=1, write_pj=2)
        data["levels"][1].update(read_pj={"weights": 3, "outputs": 0}, source="a paper")

    arch = build(change, mac_pj=4, area_um2=5, leakage_pj=6, clock_mhz=100, source="mine")
    assert (arch.mac_pj, arch.area_um2, arch.leakage_pj, arch.clock_mhz, arch.source) == (4, 5, 6, 100, "mine")
    assert arch.levels[0].read_pj == (1, 1, 1)
    assert arch.levels[1].read_pj == pytest.approx((3, 68.4 / 8, 0))
    assert arch.levels[1].write_pj == build().levels[1].write_pj
    assert arch.levels[1].source == "a paper; 45nm table: 64 KB of sram"
    assert not arch.levels[0].source


def test_the_resolved_object_round_trips():
    arch = build(description="two lines", clock_mhz=700)
    assert Architecture.from_dict(arch.to_dict()) == arch
    assert "technology" not in arch.to_dict()


@pytest.mark.parametrize("name", DRAM)
def test_dram_by_kind_needs_no_technology(name):
    data = copy.deepcopy(PLAIN)
    del data["technology"]
    data["mac_pj"] = 1
    data["levels"][0]["dram"] = name
    for level in data["levels"][1:]:
        level.update(read_pj=1, write_pj=1)
    arch = Architecture.from_dict(data)
    assert arch.levels[0].read_pj[0] == pytest.approx(8 * DRAM[name].value)
    assert (arch.area_um2, arch.leakage_pj) == (None, 0)


def test_rows_banks_halves_and_ports():
    buffer = build().levels[1]
    rows = build(lambda d: d["levels"][1].update(row_bits=256)).levels[1]
    assert rows.read_pj == pytest.approx((4 * 11.6,) * 3)  # four banks of 16 KB side by side
    banks = build(lambda d: d["levels"][1].update(bandwidth=7.5)).levels[1]
    assert banks.read_pj[0] == pytest.approx(25.9 / 8)  # one of eight parts of 8 KB, as a 64-bit bank of 64 KB
    halves = build(lambda d: d["levels"][1].update(buffering="double")).levels[1]
    assert halves.read_pj[0] == pytest.approx(44.7 / 8)
    slow = build(lambda d: d["levels"][1].update(bandwidth=0.5)).levels[1]
    assert slow.read_pj == buffer.read_pj
    both = build(lambda d: d["levels"][1].update(read_bandwidth=1, write_bandwidth=1)).levels[1]
    assert both.read_pj[0] == pytest.approx(94.66 / 8)
    assert both.write_pj[2] == pytest.approx(36.62 / 2)


def test_areas_of_parts():
    area = build().area_um2
    halves = build(lambda d: d["levels"][1].update(buffering="double")).area_um2
    assert halves - area == pytest.approx((2 * 0.209 - 0.430) / 2 * 1e6)
    apart = build(lambda d: d["levels"][1].update(capacity_bits={"weights": 8192, "inputs": 8192 * 8, "outputs": 8192 * 16}))
    # 1 KB and 8 KB of bytes are eighths of 8 and 64 KB, 16 KB of 32-bit words half of 32 KB
    wanted = (0.0263 / 8 + 0.209 / 8 + 0.0949 / 2) * 1e6
    assert apart.area_um2 - area == pytest.approx(wanted - 0.430e6 / 2)
    assert apart.levels[1].source.count("sram") == 3


def test_small_memories_are_registers_unless_said():
    def small(bits, **more):
        return build(lambda d: d["levels"][2].update(capacity_bits=bits, **more)).levels[2]

    assert "registers" in small(384).source
    assert "sram" in small(385).source
    assert "sram" in small(384, kind="sram").source
    assert "registers" in small(4096, kind="registers").source
    assert small(4096, kind="registers").read_pj == small(8).read_pj


def test_networks():
    """Systolic hops are registers; only a reduction above sums has adders of its own."""
    assert (build().levels[1].fanout.hop_pj, build().levels[1].fanout.add_pj) == (0, 0)
    wave = build(lambda d: d["levels"][1]["fanout"].update(skew="systolic")).levels[1].fanout
    assert wave.hop_pj == pytest.approx(32 * 0.009)
    narrow = build(lambda d: d["levels"][1]["fanout"].update(skew="systolic", reduction=False)).levels[1].fanout
    assert narrow.hop_pj == pytest.approx(8 * 0.009)
    given_hop = build(lambda d: d["levels"][1]["fanout"].update(skew="systolic", hop_pj=0)).levels[1].fanout
    assert given_hop.hop_pj == 0

    def below(data):
        data["levels"][2].update(
            holds=["weights", "outputs"], word_bits={"outputs": 32}, capacity_bits={"weights": 8, "outputs": 32}
        )

    assert build(below).levels[1].fanout.add_pj == pytest.approx(0.1)


def test_multipliers_by_datapath():
    def energy(path, **top):
        return build(datapath=path, **top).mac_pj

    assert energy("parallel:weight_bits=16,input_bits=16") == pytest.approx(0.8 + 0.1)
    assert energy("parallel:weight_bits=4,input_bits=8", psum_bits=16) == pytest.approx(0.1 + 0.05)
    assert energy("serial_inputs:weight_bits=16,input_bits=16") == energy("parallel:weight_bits=16,input_bits=16")
    assert energy("composable:weight_bits=8,input_bits=8") == pytest.approx(0.3 * 3673500 / 1627500)
    wide = build(lambda d: [one.update(word_bits=16) for one in d["levels"]])
    assert wide.mac_pj == pytest.approx(0.8 + 0.05)  # widths of the words; sums of 16 bits
    more = build(datapath="composable:weight_bits=8,input_bits=8").area_um2 - build().area_um2
    assert more == pytest.approx(8 * TECH.pe_area_um2(8, 8) * (27752.8 / 8171.7 - 1))


BROKEN = {
    "unlimited": (lambda d: d["levels"][1].pop("capacity_bits"), "architecture.levels[1].capacity_bits", "a size"),
    "unlimited tensor": (
        lambda d: d["levels"][1].update(capacity_bits={"weights": 8}), "architecture.levels[1].capacity_bits", "a size",
    ),
    "table": (lambda d: d.update(technology="7nm"), "architecture.technology: technology", "45nm, 22nm"),
    "kind": (lambda d: d["levels"][1].update(kind="rram"), "architecture.levels[1].kind", "registers, sram, dram"),
    "dram inside": (lambda d: d["levels"][1].update(dram="hbm2"), "architecture.levels[1].dram", "remove it"),
    "kind inside": (lambda d: d["levels"][1].update(kind="dram"), "architecture.levels[1].kind", "registers or sram"),
    "dram kind": (lambda d: d["levels"][0].update(dram="lpddr5"), "architecture.levels[0].dram", "did you mean 'lpddr'"),
    "chip outside": (lambda d: d["levels"][0].update(kind="sram"), "architecture.levels[0].capacity_bits", "a size"),
    "bricks": (lambda d: d.update(datapath="composable:brick_bits=4"), "architecture.mac_pj", "2-bit bricks"),
    "no table": (lambda d: d.pop("technology"), "architecture.mac_pj", "without a technology"),
    "no energies": (
        lambda d: (d.pop("technology"), d.update(mac_pj=1)), "architecture.levels[0].read_pj", "without a technology",
    ),
    "clock": (lambda d: d.update(clock_mhz=0), "architecture: a.clock_mhz", "a positive number"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_what_cannot_be_priced_is_said(name):
    change, path, words = BROKEN[name]
    with pytest.raises(SpecError, match=words) as caught:
        build(change)
    assert caught.value.path == path


def leaves(data, path=()):
    """Paths of all values, containers included."""
    yield path
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield from leaves(value, (*path, key))


ODD = st.sampled_from([None, [], {}, [[1]], {"weights": []}, True, -1, 0, 1e400, float("nan"), 2.5, "", "x", "45nm", "ddr3"])
FULL = build(clock_mhz=500, datapath="parallel", description="d").to_dict() | {"technology": "45nm"}
FULL["levels"][0] |= {"kind": "dram", "dram": "ddr3"}


@settings(max_examples=200)
@given(st.data())
def test_whatever_is_written_is_read_or_refused_with_its_place(data):
    text = copy.deepcopy(data.draw(st.sampled_from([PLAIN, FULL])))
    *keys, last = data.draw(st.sampled_from([path for path in leaves(text) if path]))
    within = text
    for key in keys:
        within = within[key]
    within[last] = data.draw(ODD)
    try:
        arch = Architecture.from_dict(text)
    except SpecError as error:
        refused = error
    else:
        assert Architecture.from_dict(arch.to_dict()) == arch
        return
    assert refused.allowed
    assert refused.path.startswith("architecture")


def test_area_is_unknown_where_a_size_is():
    def change(data):
        data["levels"][1].update(read_pj=1, write_pj=1)
        del data["levels"][1]["capacity_bits"]

    arch = build(change)
    assert (arch.area_um2, arch.leakage_pj) == (None, 0)
    assert arch.mac_pj == pytest.approx(0.3)


@given(st.integers(400, 10**7), st.integers(400, 10**7), st.sampled_from(["45nm", "22nm"]))
def test_larger_levels_cost_more(small, large, name):
    small, large = sorted((small, large))
    one, other = (
        build(lambda d, bits=bits: d["levels"][1].update(capacity_bits=bits), technology=name) for bits in (small, large)
    )
    assert one.levels[1].read_pj <= other.levels[1].read_pj
    assert one.area_um2 <= other.area_um2
    assert one.leakage_pj <= other.leakage_pj
    assert other.levels[0].read_pj == one.levels[0].read_pj
