"""Systems that keep feature maps as coded rows, on a real simulator: every output, every coded bit, every cycle."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest

from dataflows.arch import Memory
from dataflows.axi import AxiOptions
from dataflows.mapping import Level, Loop, Mapping
from dataflows.networks import network
from dataflows.spatial import named
from dataflows.spatial.system.coded import row_layout
from dataflows.spatial.system.coding import Coding
from dataflows.spatial.system.compile import compile_system
from dataflows.spatial.system.spec import SpatialSystem
from dataflows.workload import Layer
from mappers.system.network import map_system
from rtl.export import top_name
from rtl.spatial.system.export import verilog
from rtl.spatial.system.pack import fetched_beats
from rtl.spatial.system.top import ERROR_CODE
from sim.bench.bulk import Job, run_jobs
from sim.spatial.arrays import NAMED
from sim.spatial.system.axi import verify_axi
from sim.spatial.system.cases import SystemCase, random_cases
from sim.spatial.system.image import memory_image
from sim.spatial.system.mapped import mapped_cases
from sim.spatial.system.outputs import wrong_outputs
from sim.spatial.system.systems import CODING, random_coded, small
from sim.spatial.system.verify import verify_cases
from sim.tensors import random_tensors, with_zeros

STALL, PAUSE = 20_000, 300


def passes(system: SpatialSystem, seed: int, cases: int) -> None:
    for number, (stall, pause) in enumerate(((0, 0), (STALL, PAUSE))):
        drawn = random_cases(system, cases, seed + number)
        assert any(case.program.coded[0] for case in drawn)
        assert any(case.program.coded[1] for case in drawn)
        report = verify_cases(system, drawn, seed=seed, stall=stall, pause=pause)
        assert report.passed, [case.to_dict() for case in report.cases if not case.passed]


@pytest.mark.rtl
def test_row_stationary_arrays_with_coders():
    passes(replace(small(NAMED["array_rs"]), coding=CODING), 1, 15)


@pytest.mark.rtl
@pytest.mark.nightly
@pytest.mark.parametrize("name", [name for name in NAMED if name != "array_rs"])
def test_all_named_systems_with_coders(name):
    passes(replace(small(NAMED[name]), coding=CODING), 1, 30)


@pytest.mark.rtl
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.nightly) for seed in range(1, 40))])
def test_random_systems_with_coders(seed):
    passes(random_coded(Random(seed)), seed, 10)


@pytest.mark.rtl
@pytest.mark.parametrize("seed", [2, *(pytest.param(seed, marks=pytest.mark.nightly) for seed in range(3, 12))])
def test_behind_axi_cycles_are_those_promised_too(seed):
    system, axi = random_coded(Random(seed)), AxiOptions(burst_beats=(4, 16)[seed % 2])
    report = verify_axi(system, axi, random_cases(system, 4, seed), seed=seed)
    assert report.passed, report.to_dict()


@pytest.mark.rtl
@pytest.mark.nightly
def test_a_real_network_with_coded_feature_maps():
    array = named.row_stationary(6, 4)
    system = SpatialSystem(array, Memory(), (8192, 8192, 2048), 4, coding=Coding())
    mapped = map_system(network("ocr_cls"), system, "latency", program_beats=fetched_beats(system))
    cases = mapped_cases(system, [(result.layer, result.mapping) for _, _, result in mapped.layers])
    assert sum(case.program.coded == (True, True) for case in cases) > len(cases) // 2
    assert verify_cases(system, cases).passed


LAYER = Layer("layer", K=16, C=16, P=6, Q=12, R=1, S=1, activation="relu")
LOOPS = (Loop("K", 4), Loop("C", 4), Loop("P", 2), Loop("Q", 12), Loop("C", 4, axis="rows"), Loop("K", 4, axis="cols"))
MAPPING = Mapping((Level("dram", (Loop("P", 3),)), Level("stream", LOOPS), Level("pe", ())))
SYSTEM = SpatialSystem(named.weight_stationary(4, 4), Memory(8, 6, 12), (1024, 2048, 2048), 4, channels=64, coding=CODING)


def sparse_case(coded: tuple[bool, bool], system: SpatialSystem = SYSTEM) -> SystemCase:
    """Return a layer of which nine inputs of ten and many outputs are zero, on a slow memory."""
    rng = np.random.default_rng(5)
    tensors = random_tensors(LAYER, rng)
    inputs = tensors.inputs.copy()
    inputs[rng.random(inputs.shape) < 0.9] = tensors.input_zero_point
    tensors = replace(tensors, inputs=inputs, low=tensors.output_zero_point)
    return SystemCase("sparse", compile_system(LAYER, system, MAPPING, coded=coded), tensors)


@pytest.mark.rtl
def test_coding_saves_beats_and_time_where_memory_is_slow():
    """The same layer, coded and not, on the same hardware; both as promised."""
    report = verify_cases(SYSTEM, [sparse_case((False, False)), sparse_case((True, True))])
    assert report.passed, report.to_dict()
    plain, coded = report.cases
    assert coded.counts_rtl["dram_inputs_reads"] < 0.4 * plain.counts_rtl["dram_inputs_reads"]
    assert coded.counts_rtl["dram_outputs_writes"] < plain.counts_rtl["dram_outputs_writes"]
    assert plain.cycles_rtl is not None
    assert coded.cycles_rtl is not None
    assert coded.cycles_rtl < 0.9 * plain.cycles_rtl


def run(case: SystemCase, image: np.ndarray, where, cycles: int = 20_000):
    """Run one layer from an image that may be wrong."""
    span = where.outputs, where.end - where.outputs
    job = Job(case.name, image, where.program, span, latency=12, interval=6, timeout_cycles=cycles)
    (result,) = run_jobs(verilog(SYSTEM), SYSTEM.memory.bus_bytes, where.end, [job], dut=top_name(SYSTEM))
    return result


@pytest.mark.rtl
def test_another_bit_in_a_coded_row_is_another_output():
    case = sparse_case((True, True))
    image, where = memory_image(case.program, case.tensors)
    assert run(case, image, where).finished
    first = where.inputs + row_layout(case.program, "inputs").table_beats
    image[first, 1] ^= 1 << 2  # a level's bit
    result = run(case, image, where)
    wrong, told = wrong_outputs(case.program, case.tensors, case.golden, result.dump)
    assert wrong
    assert told


def wrong_flag(image, where, case: SystemCase) -> None:
    """Set the flag in the first memory word of the first row."""
    code = SYSTEM.code
    flag = code.pack * (code.run_bits + SYSTEM.array.input_bits)
    image[where.inputs + row_layout(case.program, "inputs").table_beats, flag // 8] |= 1 << flag % 8


def other_length(by: int):
    def change(image, where, case: SystemCase) -> None:
        lengths = image[where.inputs : where.inputs + row_layout(case.program, "inputs").table_beats].reshape(-1).view("<u2")
        lengths[0] = int(lengths[0]) + by

    return change


def no_lengths(image, where, case: SystemCase) -> None:
    """Say of all rows that they have no beats."""
    image[where.inputs : where.inputs + row_layout(case.program, "inputs").table_beats] = 0


def no_words(image, where, case: SystemCase) -> None:
    """Clear every pair of the first row's last memory word but its flag: fewer words than the row has."""
    layout = row_layout(case.program, "inputs")
    first = where.inputs + layout.table_beats
    length = int(image[where.inputs : first].reshape(-1).view("<u2")[0])
    image[first + length - 1, :-1] = 0


@pytest.mark.rtl
@pytest.mark.parametrize("change", [wrong_flag, other_length(-1), other_length(1), no_lengths, no_words])
def test_rows_that_do_not_fit_their_table_are_an_error_and_stop_nothing(change):
    """The layer ends, says so, and the next one is right."""
    case = sparse_case((True, False))
    image, where = memory_image(case.program, case.tensors)
    broken = image.copy()
    change(broken, where, case)
    span = where.outputs, where.end - where.outputs
    jobs = [
        Job("layer", each, where.program, span, latency=12, interval=6, timeout_cycles=20_000, reset=number == 0)
        for number, each in enumerate((broken, image))
    ]
    wrong, right = run_jobs(verilog(SYSTEM), SYSTEM.memory.bus_bytes, where.end, jobs, dut=top_name(SYSTEM))
    assert (wrong.finished, wrong.error) == (True, ERROR_CODE)
    assert (right.finished, right.error) == (True, 0)
    assert wrong_outputs(case.program, case.tensors, case.golden, right.dump) == (0, "")


@pytest.mark.rtl
@pytest.mark.parametrize("axi", [None, pytest.param(AxiOptions(burst_beats=4), marks=pytest.mark.nightly)])
def test_no_layer_ends_before_the_last_beat_of_its_rows_has_come(axi):
    """The last tile is outside the image: of the row that it reads it wants one beat, and the others come late."""
    layer = replace(LAYER, P=4, Q=1, H=2, W=8, padding=(0, 0, 2, 0))
    loops = (Loop("K", 4), Loop("C", 4), Loop("C", 4, axis="rows"), Loop("K", 4, axis="cols"))
    mapping = Mapping((Level("dram", (Loop("P", 4),)), Level("stream", loops), Level("pe", ())))
    far = replace(SYSTEM, memory=replace(SYSTEM.memory, latency=100))
    tensors = random_tensors(layer, np.random.default_rng(1))
    cases = [SystemCase("padding", compile_system(layer, far, mapping, coded=(True, out)), tensors) for out in (False, True)]
    cases += cases
    report = verify_axi(far, axi, cases) if axi else verify_cases(far, cases)
    assert report.passed, report.to_dict()


@pytest.mark.rtl
def test_golden_rows_are_compared_bit_for_bit():
    """Outputs that decode to the right words from other pairs are wrong too."""
    case = sparse_case((True, True))
    image, where = memory_image(case.program, case.tensors)
    dump = run(case, image, where).dump.copy()
    assert wrong_outputs(case.program, case.tensors, case.golden, dump) == (0, "")
    dump[0, 0] += 1  # the first row's length
    wrong, told = wrong_outputs(case.program, case.tensors, case.golden, dump)
    assert wrong
    assert told


def test_an_image_is_not_coded_and_other_inputs_are():
    for image in (True, False):
        cases = mapped_cases(SYSTEM, [(LAYER, MAPPING), (LAYER, MAPPING)], image=image)
        assert [case.program.coded for case in cases] == [(not image, True), (True, True)]


def test_tensors_with_zeros_have_them():
    rng = np.random.default_rng(3)
    shares = []
    for _ in range(40):
        tensors = with_zeros(random_tensors(LAYER, rng), rng)
        tensors.check(LAYER)
        shares.append(float(np.mean(tensors.inputs == tensors.input_zero_point)))
    assert min(shares) < 0.2
    assert max(shares) == 1
