"""The C host: compiled with every warning, and run against models of the device."""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dataflows.arch import Accelerator, Array, Memory
from dataflows.axi import AxiOptions
from dataflows.compile.chost import c_host
from dataflows.compile.network import CompiledNetwork, compile_network, layers_to_map
from dataflows.graph import Graph, GraphOp, GraphTensor
from dataflows.program import MAGIC
from dataflows.registers import MAP_VERSION, c_macros, parameter_offsets
from dataflows.workload import Layer
from mappers.layers import map_layers
from mappers.naive import NaiveMapper
from rtl.export import c_header, prefix
from sim.formats.network import constant_image, pack_tensor, unpack_tensor
from sim.golden.network import OpTensors, run_graph
from tests.sim.network.device import DONE, ERROR, Device
from tests.small_network import small_network

ACC = Accelerator(
    "host-4x4", Array(4, 4), Memory(bus_bytes=8), input_words=256, weight_words=256, acc_words=64, post_lanes=2, tile_blocks=3
)
STRICT = ("gcc", "-std=c99", "-pedantic", "-O1", "-Wall", "-Wextra", "-Wconversion", "-Werror")
HOOKS = """#include <stdint.h>
extern uint32_t (*fake_read)(uint32_t);
extern void (*fake_write)(uint32_t, uint32_t);
#define NETWORK_READ(address) fake_read((uint32_t)(address) & 0xFFFu)
#define NETWORK_WRITE(address, value) fake_write((uint32_t)(address) & 0xFFFu, (value))
"""
DIRECT_HOOKS = """#include <stdint.h>
extern uint32_t fake_register_read(uint32_t);
extern void fake_register_write(uint32_t, uint32_t);
#define NETWORK_READ(address) fake_register_read((uint32_t)(address) & 0xFFFu)
#define NETWORK_WRITE(address, value) fake_register_write((uint32_t)(address) & 0xFFFu, (value))
"""
SETTER = """#include "hooks.h"
uint32_t (*fake_read)(uint32_t);
void (*fake_write)(uint32_t, uint32_t);
void fake_set(uint32_t (*read)(uint32_t), void (*write)(uint32_t, uint32_t));
void fake_set(uint32_t (*read)(uint32_t), void (*write)(uint32_t, uint32_t)) { fake_read = read; fake_write = write; }
"""
# Registers that run nothing: when the last program is queued, memory becomes what the file FAKE_AFTER holds.
REPLAY = """#include "network.h"
#include <stdio.h>
#include <stdlib.h>
uint32_t fake_register_read(uint32_t offset);
void fake_register_write(uint32_t offset, uint32_t value);
static uint32_t sent;
uint32_t fake_register_read(uint32_t offset)
{
    static const uint32_t design[][2] = NETWORK_DESIGN_TABLE;
    for (size_t i = 0; i < sizeof design / sizeof *design; i++)
        if (offset == design[i][0])
            return design[i][1];
    return offset == NETWORK_REG_ID ? NETWORK_ID : offset == NETWORK_REG_VERSION ? NETWORK_VERSION
        : offset == NETWORK_REG_QUEUE_FREE ? 2u : offset == NETWORK_REG_COMPLETED ? sent : 0u;
}
void fake_register_write(uint32_t offset, uint32_t value)
{
    if (offset != NETWORK_REG_QUEUE || value != network_programs[sent++] || sent != NETWORK_PROGRAMS)
        return;
    FILE *after = fopen(getenv("FAKE_AFTER"), "rb"), *device = fopen(getenv("FAKE_DEVICE"), "r+b");
    fseek(device, 4096 + (long)NETWORK_IMAGE_BYTES, SEEK_SET);
    for (int c; (c = fgetc(after)) != EOF;)
        fputc(c, device);
    fclose(device);
    fclose(after);
}
"""


def compiled_small(*, keep_all: bool) -> tuple[CompiledNetwork, dict[str, OpTensors]]:
    graph, tensors = small_network(np.random.default_rng(3))
    return compile_network(graph, ACC, map_layers(layers_to_map(graph, ACC), ACC, NaiveMapper()), keep_all=keep_all), tensors


def write_host(compiled: CompiledNetwork, folder: Path) -> None:
    name = prefix(compiled.acc).upper()
    for file, text in c_host(compiled, name, id_word=MAGIC, version=MAP_VERSION).items():
        (folder / file).write_text(text)
    (folder / "systolith_params.h").write_text(c_header(compiled.acc, c_macros(name, compiled.acc, AxiOptions())))


def run(words: Sequence[str], folder: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=60)


def gcc(folder: Path, *words: str, strict: tuple[str, ...] = STRICT) -> None:
    made = run([*strict, *words], folder)
    assert made.returncode == 0, made.stderr


class Library:
    """network.c as a shared library on a `Device`."""

    def __init__(self, compiled: CompiledNetwork, folder: Path, device: Device, *more: str) -> None:
        write_host(compiled, folder)
        (folder / "hooks.h").write_text(HOOKS)
        (folder / "setter.c").write_text(SETTER)
        gcc(folder, *more, "-include", "hooks.h", "-shared", "-fPIC", "network.c", "setter.c", "-o", "host.so", "-lm")
        self.library = ctypes.CDLL(str(folder / "host.so"))
        word = ctypes.c_uint32
        self.callbacks = ctypes.CFUNCTYPE(word, word)(device.read), ctypes.CFUNCTYPE(None, word, word)(device.write)
        self.library.fake_set(*self.callbacks)
        self.memory = ctypes.c_void_p(device.memory.ctypes.data)
        self.device = device

    def tensors(self, kind: str) -> ctypes.Array[Any]:
        return (ctypes.c_char * 1024).in_dll(self.library, f"network_{kind}")

    def begin(self, address: int) -> int:
        return self.library.network_begin(ctypes.c_size_t(0), ctypes.c_uint64(address))

    def load(self, image: NDArray[np.uint8]) -> None:
        self.library.network_load(self.memory, image.ctypes.data_as(ctypes.c_void_p))

    def write(self, values: NDArray[np.float32]) -> None:
        data = np.ascontiguousarray(values, np.float32)
        self.library.network_write(self.memory, self.tensors("inputs"), data.ctypes.data_as(ctypes.c_void_p))

    def read(self, tensor: GraphTensor) -> NDArray[np.float32]:
        values = np.zeros((tensor.N, tensor.C, tensor.H, tensor.W), np.float32)
        self.library.network_read(self.memory, self.tensors("outputs"), values.ctypes.data_as(ctypes.c_void_p))
        return values

    def run(self) -> int:
        return self.run_to()[0]

    def run_to(self) -> tuple[int, int]:
        """Return the code and the layer that failed."""
        layer = ctypes.c_uint32(0xFFFF)
        return self.library.network_run(ctypes.c_size_t(0), ctypes.byref(layer)), layer.value


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


# Memory that only the hooks reach, at an address where there is none: any other access ends the program.
ALIGNED = """#include "network.h"
#include <stdio.h>
#include <stdlib.h>
static uint32_t real[NETWORK_MEMORY_BYTES / 4];
static uint32_t *at(uintptr_t address)
{
    if (address % 4 || address < 64 || address - 64 >= sizeof real)
        exit(3);
    return real + (address - 64) / 4;
}
uint32_t fake_load(uintptr_t address) { return *at(address); }
void fake_store(uintptr_t address, uint32_t value) { *at(address) = value; }
int main(void)
{
    static float values[4096];
    static uint8_t image[NETWORK_IMAGE_BYTES];
    uint8_t *memory = (uint8_t *)(uintptr_t)64;
    const struct network_tensor *tensor = &network_inputs[0];
    for (size_t i = 0; i < sizeof image; i++)
        image[i] = (uint8_t)(i * 7);
    for (size_t i = 0; i < network_elements(tensor); i++)
        values[i] = (float)(tensor->scale * ((double)(i % 100) - 50.0 - tensor->zero_point));
    network_load(memory, image);
    network_write(memory, tensor, values);
    network_read(memory, tensor, values);
    for (size_t i = 0; i < network_elements(tensor); i++)
        if ((int)(values[i] / (float)tensor->scale + (float)tensor->zero_point + 1000.5f) - 1000 != (int)(i % 100) - 50)
            return 4;
    for (size_t i = 0; i < sizeof image; i++)
        if (((uint8_t *)real)[(size_t)NETWORK_IMAGE_BEAT * NETWORK_BEAT_BYTES + i] != image[i])
            return 5;
    return 0;
}
"""
ALIGNED_HOOKS = """#include <stdint.h>
extern uint32_t fake_load(uintptr_t);
extern void fake_store(uintptr_t, uint32_t);
#define NETWORK_MEMORY_READ(address) fake_load((uintptr_t)(address))
#define NETWORK_MEMORY_WRITE(address, value) fake_store((uintptr_t)(address), (value))
"""


def stored(tensor: GraphTensor, values: NDArray[np.float32]) -> NDArray[np.int64]:
    half = 1 << (tensor.bits - 1)
    return np.clip(np.rint(values.astype(np.float64) / tensor.scale) + tensor.zero_point, -half, half - 1).astype(np.int64)


def reals(tensor: GraphTensor, values: NDArray[np.int64]) -> NDArray[np.float32]:
    return ((values - tensor.zero_point) * tensor.scale).astype(np.float32)


def device_of(compiled: CompiledNetwork, tensors: dict[str, OpTensors], **more: Any) -> Device:
    return Device(compiled, tensors, np.full((compiled.end, compiled.acc.memory.bus_bytes), 0xA5, np.uint8), **more)


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


def test_memory_beyond_the_address_bits_of_the_port_is_refused(tmp_path: Path) -> None:
    compiled, tensors = compiled_small(keep_all=False)

    class Narrow(Device):
        def write(self, offset: int, value: int) -> None:
            super().write(offset, value & 0xFF if self.names[offset] == "base_high" else value)

    device = Narrow(compiled, tensors, np.zeros((compiled.end, compiled.acc.memory.bus_bytes), np.uint8))
    host = Library(compiled, tmp_path, device)
    assert compiled.end * compiled.acc.memory.bus_bytes > 4096
    assert host.begin((1 << 40) - 4096) == host.begin(1 << 40) == host.begin((1 << 64) - 4096) == -2
    room = -compiled.end * compiled.acc.memory.bus_bytes // 4096 * 4096
    assert host.begin((1 << 40) + room) == 0
    assert device.registers["base_high"] == 0xFF
    assert device.registers["base_low"] == (1 << 32) + room


@pytest.mark.parametrize("bus", [4, 16])
def test_memory_is_touched_by_aligned_words_of_32_bits_alone(tmp_path: Path, bus: int) -> None:
    acc = replace(ACC, memory=Memory(bus_bytes=bus))
    graph, _ = small_network(np.random.default_rng(3))
    compiled = compile_network(graph, acc, map_layers(layers_to_map(graph, acc), acc, NaiveMapper()))
    write_host(compiled, tmp_path)
    (tmp_path / "hooks.h").write_text(ALIGNED_HOOKS)
    (tmp_path / "aligned.c").write_text(ALIGNED)
    gcc(tmp_path, "-include", "hooks.h", "aligned.c", "network.c", "-o", "aligned", "-lm", strict=("gcc", "-O2", "-Wall"))
    assert run(["./aligned"], tmp_path).returncode == 0


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


@pytest.mark.parametrize(("bits", "side", "bus"), [(4, 6, 4), (4, 3, 8), (16, 3, 4), (8, 5, 16)])
def test_words_of_every_width_are_packed_and_unpacked_as_numpy_does(tmp_path: Path, bits: int, side: int, bus: int) -> None:
    acc = replace(ACC, array=Array(side, side, input_bits=bits, weight_bits=bits), memory=Memory(bus_bytes=bus))
    tensors = (GraphTensor("in?", 2, 7, 3, 2, 0.1, 3, bits), GraphTensor('out"\\', 2, 7, 3, 2, 0.25, -2, bits))
    layer = Layer.conv("only", K=7, C=7, H=3, W=2, R=1, S=1, N=2, input_bits=bits, weight_bits=bits)
    half = 1 << (bits - 1)
    graph = Graph("width", tensors, (GraphOp(layer, ("in?",), 'out"\\', -half, half - 1),), ("in?",), ('out"\\',))
    compiled = compile_network(graph, acc, map_layers(layers_to_map(graph, acc), acc, NaiveMapper()))
    device = device_of(compiled, {})
    host = Library(compiled, tmp_path, device)
    rng = np.random.default_rng(bits)
    values = rng.uniform(-0.07 * half, 0.07 * half, (2, 7, 3, 2)).astype(np.float32)
    host.write(values)
    first, second = (compiled.activations.tensors[each.name] for each in tensors)
    assert np.array_equal(unpack_tensor(tensors[0], acc, device.memory[first.first : first.end]), stored(tensors[0], values))
    assert np.array_equal(device.memory[first.first : first.end], pack_tensor(tensors[0], acc, stored(tensors[0], values)))
    made = rng.integers(-half, half, (2, 7, 3, 2))
    device.memory[second.first : second.end] = pack_tensor(tensors[1], acc, made)
    assert np.array_equal(host.read(tensors[1]), reals(tensors[1], made))


def test_the_example_prints_scores(tmp_path: Path) -> None:
    compiled, tensors = compiled_small(keep_all=True)
    graph = compiled.graph
    write_host(compiled, tmp_path)
    (tmp_path / "hooks.h").write_text(DIRECT_HOOKS)
    (tmp_path / "replay.c").write_text(REPLAY)
    gnu = ("gcc", "-O1", "-Wall", "-Wextra", "-Werror")
    gcc(tmp_path, "-include", "hooks.h", "main.c", "network.c", "replay.c", "-o", "example", "-lm", strict=gnu)
    gcc(tmp_path, "main.c", "network.c", "-o", "plain", "-lm", strict=gnu)
    (name,), (out,) = graph.inputs, graph.outputs
    image, scores = graph.tensor(name), graph.tensor(out)
    values = np.random.default_rng(5).normal(0, 3, (image.N, image.C, image.H, image.W)).astype(np.float32)
    golden = run_graph(graph, tensors, {name: stored(image, values)})
    after = np.concatenate([pack_tensor(graph.tensor(each), ACC, golden[each]) for each in golden])
    region, regions = compiled.activations.region, compiled.activations.tensors
    laid = np.zeros((region.beats, ACC.memory.bus_bytes), np.uint8)
    for each, made in golden.items():
        laid[regions[each].first - region.first : regions[each].end - region.first] = pack_tensor(graph.tensor(each), ACC, made)
    assert after.size <= laid.size
    (tmp_path / "after.bin").write_bytes(laid.tobytes())
    (tmp_path / "image.bin").write_bytes(constant_image(compiled, tensors).tobytes())
    (tmp_path / "x.f32").write_bytes(values.tobytes())
    (tmp_path / "device").write_bytes(bytes(4096 + compiled.end * ACC.memory.bus_bytes))
    files = {"FAKE_AFTER": str(tmp_path / "after.bin"), "FAKE_DEVICE": str(tmp_path / "device")}
    words = [str(tmp_path / "example"), "device", "0", "4096", "image.bin", "x.f32"]
    found = run(words, tmp_path, files)
    assert found.returncode == 0, found.stderr
    rows = [line.split() for line in found.stdout.splitlines()]
    expected = reals(scores, golden[out]).reshape(-1)
    assert [row[0] for row in rows] == [out] * expected.size
    assert np.array_equal(np.array([row[2] for row in rows], np.float32), expected)
    shares = np.exp(expected - expected.max())
    assert np.allclose([float(row[3]) for row in rows], shares / shares.sum(), rtol=1e-6, atol=0)
    short = run([*words[:-1], "after.bin"], tmp_path, files)
    assert (short.returncode, short.stdout) == (1, "")
    assert "another size" in short.stderr
