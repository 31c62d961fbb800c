"""Coded rows: what the coders do with them, how they lie in memory, which tensors may be coded."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflows.arch import Memory
from dataflows.compression import Format
from dataflows.errors import SpecError
from dataflows.feasible import InfeasibleError
from dataflows.mapping import Level, Loop, Mapping
from dataflows.spatial import named
from dataflows.spatial.system.coded import codable, coded_input_tiles, coded_output_tiles, drawn_codes, row_layout
from dataflows.spatial.system.coding import Coding
from dataflows.spatial.system.compile import compile_system
from dataflows.spatial.system.cost import evaluate
from dataflows.spatial.system.placement import place_layer
from dataflows.spatial.system.row_code import row_code
from dataflows.spatial.system.schedule import schedule
from dataflows.spatial.system.spec import SpatialSystem
from dataflows.spatial.system.text import system_from_dict
from dataflows.workload import Layer
from sim.formats.rlc import encode

SYSTEM = SpatialSystem(
    named.weight_stationary(4, 4), Memory(8, 1, 12), (4096, 4096, 2048), 2, channels=128, coding=Coding(3, 64, 4)
)
LAYER = Layer("layer", K=16, C=16, P=6, Q=6, R=3, S=3, padding=(1, 1, 1, 1), input_density=0.4, output_density=0.5)
STREAM = (Loop("R", 3), Loop("S", 3), Loop("C", 4, axis="rows"), Loop("K", 4, axis="cols"))


def program(outside: str, inside: str, layer: Layer = LAYER, coded: tuple[bool, bool] = (True, True), system=SYSTEM):
    """Bind loops over time such as ``P3 K2`` at memory and at the buffers."""
    loops = [tuple(Loop(text[0], int(text[1:])) for text in part.split()) for part in (outside, inside)]
    mapping = Mapping((Level("dram", loops[0]), Level("stream", (*loops[1], *STREAM)), Level("pe", ())))
    return compile_system(layer, system, mapping, coded=coded)


@st.composite
def rows(draw):
    words, beats = draw(st.integers(1, 9)), draw(st.integers(1, 6))
    values = draw(st.lists(st.sampled_from((0, 0, 0, 5)), min_size=words * beats, max_size=words * beats))
    return np.array(values), draw(st.integers(1, 4)), draw(st.integers(1, 5)), words


def encoder(values, run_bits, pack, words):
    """Return the encoder's steps one by one: those in which a beat is done with, in which a memory word is, and its pairs."""
    most, zeros, step, taken, made, pairs = (1 << run_bits) - 1, 0, 0, [], [], []
    for number, beat in enumerate(values.reshape(-1, words)):
        last, at = number == len(values) // words - 1, 0
        while at < words:
            place = next((n for n in range(at, words) if beat[n]), words)
            before = len(pairs)
            if zeros + place - at > most:
                pairs.append((most, 0))
                at, zeros = at + most - zeros + 1, 0
            elif place < words:
                pairs.append((zeros + place - at, int(beat[place])))
                at, zeros = place + 1, 0
            elif last:
                pairs.append((zeros + words - at - 1, 0))
                at = words
            else:
                at, zeros = words, zeros + words - at
            if len(pairs) > before and (len(pairs) % pack == 0 or (last and at == words)):
                made.append(step)
            step += 1
        taken.append(step - 1)
    return taken, made, pairs


def decoder(pairs, pack, words):
    """Return the decoder's steps one by one: how many each memory word takes, and those in which a beat is given."""
    at, step, held, given = 0, 0, [], []
    for first in range(0, len(pairs), pack):
        begin = step
        for run, _ in pairs[first : first + pack]:
            left = run
            while at + left >= words:
                given.append(step)
                left, at, step = left - (words - at), 0, step + 1
            at += left + 1
            if at == words:
                given.append(step)
                at = 0
            step += 1
        held.append(step - begin)
    return held, given


@given(rows())
def test_the_steps_of_the_coders_are_those_of_a_machine_that_makes_them_one_by_one(row):
    values, run_bits, pack, words = row
    code = row_code(values, run_bits, pack, words)
    taken, made, pairs = encoder(values, run_bits, pack, words)
    held, given_at = decoder(pairs, pack, words)
    assert (code.taken, code.made) == (tuple(taken), tuple(made))
    assert (code.held, code.given) == (tuple(held), tuple(given_at))
    assert code.beats == len(encode(values, 8, Format("rlc", run_bits=run_bits, pack=pack, flag_bits=1)))


@given(rows(), st.data())
def test_a_row_of_which_less_is_wanted_is_dropped_from_its_last_beat_on(row, data):
    values, run_bits, pack, words = row
    code = row_code(values, run_bits, pack, words)
    wanted = data.draw(st.integers(1, len(values) // words))
    held, last = code.cut(wanted)
    assert last == code.given[wanted - 1]
    assert len(held) == code.beats
    if wanted == len(values) // words:
        assert held == code.held
    at = np.searchsorted(np.cumsum(code.held), last, side="right")
    assert held[:at] == code.held[:at]
    assert set(held[at + 1 :]) <= {1}
    assert sum(held[: at + 1]) == last + 1 + (at < code.beats - 1)


@pytest.mark.parametrize(("outside", "inside"), [("", "K4 C4 P6 Q6"), ("K2 P3", "K2 C4 P2 Q6"), ("P2 C2", "C2 K4 P3 Q6")])
def test_tiles_have_every_row_that_their_loops_need(outside, inside):
    found = program(outside, inside)
    inputs, outputs = row_layout(found, "inputs"), row_layout(found, "outputs")
    read = {row for tile in coded_input_tiles(found) for row in tile.rows}
    written = [row for tile in coded_output_tiles(found) for row in tile.rows]
    assert read == set(range(inputs.rows))
    assert sorted(written) == list(range(outputs.rows))
    blocks = {"K": 2 if "K2" in outside else 1, "C": 2 if "C2" in outside else 1}
    assert (inputs.blocks, outputs.blocks) == (blocks["C"], blocks["K"])


def test_places_of_rows_hold_whatever_they_are():
    found = program("", "K4 C4 P6 Q6")
    layout = row_layout(found, "inputs")
    form = SYSTEM.code
    assert (form.run_bits, form.pack, form.flag_bits) == (3, 5, 1)  # 63 bits beside the flag, 11 for a pair
    assert layout.slot == len(encode(np.ones(6 * 16), 8, form))
    where = place_layer(found, 10)
    assert where.outputs - where.inputs == layout.table_beats + 6 * layout.slot
    assert layout.table_beats == 2  # six lengths of 16 bits in beats of 64


@pytest.mark.parametrize(
    ("outside", "inside", "layer", "told"),
    [
        ("Q2", "K4 C4 P6 Q3", LAYER, "loops over Q or S, which cut coded rows of inputs"),
        ("Q2", "K4 C4 P6 Q3", LAYER, "loops over Q, which cut coded rows of outputs"),
        ("P2", "K4 C4 P35 Q1", replace(LAYER, P=70, Q=1, H=0, W=0), "coded rows of outputs"),
    ],
)
def test_what_can_not_be_coded_says_why(outside, inside, layer, told):
    with pytest.raises(InfeasibleError, match=told):
        program(outside, inside, layer)
    plain = program(outside, inside, layer, (False, False))
    assert codable(plain, (True, True)) != (True, True)
    assert codable(plain, (False, False)) == (False, False)


def test_a_tile_of_several_groups_has_blocks_of_all_their_channels():
    """With loops over C in memory the channels of such a tile lie apart."""
    layer = Layer("layer", K=8, C=16, P=2, Q=2, R=1, S=1, G=2)
    loops = (Loop("R", 1), Loop("C", 4, axis="rows"), Loop("K", 4, axis="cols"))
    inside = (Loop("G", 2), Loop("K", 2), Loop("C", 2), Loop("P", 2), Loop("Q", 2), *loops)
    mapping = Mapping((Level("dram", (Loop("C", 2),)), Level("stream", inside), Level("pe", ())))
    with pytest.raises(InfeasibleError, match="channels of a tile of several groups past a block of coded inputs"):
        compile_system(layer, SYSTEM, mapping, coded=(True, False))


def test_coded_layers_need_coders_and_codes():
    with pytest.raises(SpecError, match="coders, for coded rows"):
        program("", "K4 C4 P6 Q6", system=replace(SYSTEM, coding=None))
    found = program("", "K4 C4 P6 Q6")
    with pytest.raises(SpecError, match="cycles depend on the data"):
        schedule(found, place_layer(found, 10))


def test_cost_codes_what_has_zeros_and_counts_fewer_beats():
    inside = (Loop("K", 4), Loop("C", 4), Loop("P", 2), Loop("Q", 6), *STREAM)
    mapping = Mapping((Level("dram", (Loop("P", 3),)), Level("stream", inside), Level("pe", ())))
    coded = evaluate(LAYER, SYSTEM, mapping, 10)
    plain = evaluate(LAYER, replace(SYSTEM, coding=None), mapping, 10)
    dense = evaluate(replace(LAYER, input_density=1.0, output_density=1.0), SYSTEM, mapping, 10)
    assert coded["coded"] == ["inputs", "outputs"]
    assert coded["not_coded"] == plain["not_coded"] == {}
    assert plain["coded"] == dense["coded"] == []
    for name in ("dram_inputs_reads", "dram_outputs_writes"):
        assert coded["counters"][name] < plain["counters"][name] == dense["counters"][name]
    assert coded["energy_by_level"]["dram"]["inputs"] < plain["energy_by_level"]["dram"]["inputs"]
    assert coded["counters"]["input_buffer_inputs_writes"] == plain["counters"]["input_buffer_inputs_writes"]


@pytest.mark.parametrize("density", [0.1, 0.5, 0.9])
def test_drawn_rows_have_the_length_that_the_format_expects(density):
    """The cost model's expectation (`dataflows.compression`) and the rows that are drawn for a schedule are two ways there."""
    layer = replace(LAYER, P=32, Q=32, H=0, W=0, input_density=density)
    system = replace(SYSTEM, l2_words=(4096, 40_000, 40_000), coding=Coding(3, 1024, 4))
    found = program("", "K4 C4 P32 Q32", layer, (True, False), system)
    beats = [code.beats for code in drawn_codes(found).inputs]
    words = layer.W * 16
    expected = system.code.bits(words, density, 8) / (system.code.pack * 11 + 1)
    assert np.mean(beats) == pytest.approx(expected, rel=0.03)


def test_the_yaml_form_goes_there_and_back():
    data = SYSTEM.to_dict()
    assert data["rlc"] == {"run_bits": 3, "rows": 64, "queue": 4}
    assert system_from_dict({key: value for key, value in data.items() if key != "name"}) == SYSTEM
    assert "rlc" not in replace(SYSTEM, coding=None).to_dict()


@pytest.mark.parametrize(
    ("rlc", "told"),
    [
        ({"run_bits": 9}, "system.rlc.run_bits"), ({"rows": 0}, "system.rlc.rows"), ({"queue": 1}, "system.rlc.queue"),
        ({"run": 5}, "system.rlc.run"), ({"run_bits": "5"}, "system.rlc.run_bits"), (5, "system.rlc"),
    ],
)  # fmt: skip
def test_wrong_coders_are_refused(rlc, told):
    data = {key: value for key, value in SYSTEM.to_dict().items() if key != "name"}
    with pytest.raises(SpecError) as refused:
        system_from_dict({**data, "rlc": rlc})
    assert refused.value.path == told
