"""The C host: run against models of the device."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dataflows.registers import parameter_offsets
from sim.formats.network import constant_image, pack_tensor
from sim.golden.network import run_graph
from tests.sim.network.chost import Library, compiled_small, device_of, reals, stored
from tests.sim.network.device import DONE, ERROR, Device


class Stuck(Device):
    """A device that stops doing anything: at a layer, or in its reset."""

    stuck_at, never_resets = 2, False

    def run_one(self) -> None:
        if self.completed < self.stuck_at:
            super().run_one()

    def reset_on(self) -> None:
        self.registers["status"] = 1
        if not self.never_resets:
            super().reset_on()


def test_the_host_drives_a_network_whose_tensors_share_memory(tmp_path: Path) -> None:
    compiled, tensors = compiled_small(keep_all=False)
    graph, rng = compiled.graph, np.random.default_rng(11)
    device = device_of(compiled, tensors)
    host = Library(compiled, tmp_path, device)
    assert host.begin(0x12_3456_7000) == 0
    assert (device.registers["base_low"], device.registers["base_high"]) == (0x3456_7000, 0x12)
    host.load(constant_image(compiled, tensors))
    (name,), (out,) = graph.inputs, graph.outputs
    image, scores = graph.tensor(name), graph.tensor(out)
    for _ in range(2):
        values = rng.normal(0, 6, (image.N, image.C, image.H, image.W)).astype(np.float32)
        values.reshape(-1)[:3] = (np.inf, -np.inf, np.float32(0.5) * np.float32(image.scale))
        host.write(values)
        region = compiled.activations.tensors[name]
        packed = pack_tensor(image, compiled.acc, stored(image, values))
        assert np.array_equal(device.memory[region.first : region.end], packed)
        assert host.run() == 0, device.log[-3:]
        assert "SLVERR" not in device.log
        golden = run_graph(graph, tensors, {name: stored(image, values)})
        assert np.array_equal(host.read(scores), reals(scores, golden[out]))
    assert device.completed == 2 * len(graph.ops)


def test_the_host_reports_a_failed_layer_and_a_missing_device(tmp_path: Path) -> None:
    compiled, tensors = compiled_small(keep_all=False)
    device = device_of(compiled, tensors)
    host = Library(compiled, tmp_path, device)
    assert host.begin(100) == -2
    assert host.begin(4096) == 0
    host.load(constant_image(compiled, tensors))
    image = compiled.graph.tensor(compiled.graph.inputs[0])
    values = np.zeros((image.N, image.C, image.H, image.W), np.float32)
    host.write(values)
    assert host.run_to() == (0, 0xFFFF)
    device.fails_at = len(compiled.ops) + 1
    host.write(values)
    assert host.run_to() == (2, 1), "of this run, not since reset"
    assert device.log[-1] == "control", "the device is reset"
    assert not device.resetting, "and the reset is over"
    device.fails_at = -1
    host.write(values)
    assert host.run() == 0
    assert device.completed == len(compiled.ops)
    device.names = {}
    assert host.begin(4096) == -1


def test_a_device_that_does_nothing_is_given_up(tmp_path: Path) -> None:
    compiled, tensors = compiled_small(keep_all=False)
    device = Stuck(compiled, tensors, np.full((compiled.end, compiled.acc.memory.bus_bytes), 0xA5, np.uint8))
    host = Library(compiled, tmp_path, device, "-DNETWORK_POLLS=50u")
    assert host.begin(4096) == 0
    host.load(constant_image(compiled, tensors))
    image = compiled.graph.tensor(compiled.graph.inputs[0])
    values = np.zeros((image.N, image.C, image.H, image.W), np.float32)
    host.write(values)
    assert host.run_to() == (-4, 2)
    assert not device.resetting, "it is reset"
    device.stuck_at = len(compiled.ops)
    host.write(values)
    assert host.run() == 0
    device.stuck_at, device.never_resets = len(compiled.ops) + 1, True
    host.write(values)
    assert host.run_to() == (-4, 1)
    assert host.begin(4096) == -4


class Late(Device):
    """Every layer ends between the host's look at STATUS and the one at COMPLETED."""

    def read(self, offset: int) -> int:
        if self.names.get(offset) == "completed":
            self.run_one()
        return self.registers.get("status", 0) if self.names.get(offset) == "status" else super().read(offset)


def test_no_interrupt_is_left_behind(tmp_path: Path) -> None:
    compiled, tensors = compiled_small(keep_all=False)
    device = Late(compiled, tensors, np.zeros((compiled.end, compiled.acc.memory.bus_bytes), np.uint8))
    host = Library(compiled, tmp_path, device)
    host.load(constant_image(compiled, tensors))
    image = compiled.graph.tensor(compiled.graph.inputs[0])
    host.write(np.zeros((image.N, image.C, image.H, image.W), np.float32))
    assert host.run() == 0, device.log[-3:]
    assert device.completed == len(compiled.ops)
    assert device.registers["status"] & (DONE | ERROR) == 0


def test_the_host_refuses_another_design(tmp_path: Path) -> None:
    compiled, tensors = compiled_small(keep_all=False)
    device = device_of(compiled, tensors)
    host = Library(compiled, tmp_path, device)
    for offset in [offset for offset, _value in parameter_offsets(compiled.acc)]:
        device.design[offset] += 1
        assert host.begin(4096) == -3
        device.design[offset] -= 1
    assert not device.log, "nothing is written to it"
    assert host.begin(4096) == 0


def test_what_another_program_left_is_dropped_before_memory_moves(tmp_path: Path) -> None:
    compiled, tensors = compiled_small(keep_all=False)
    device = device_of(compiled, tensors, waiting=[7, 8], registers={"status": 8})
    host = Library(compiled, tmp_path, device)
    assert host.begin(4096) == 0
    assert (device.waiting, device.registers["status"]) == ([], 0)
    assert device.log.index("control") < device.log.index("base_low")
