"""The C host and memory: where it may lie, how it is touched, how words are packed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dataflows.arch import Array, Memory
from dataflows.compile.network import compile_network, layers_to_map
from dataflows.graph import Graph, GraphOp, GraphTensor
from dataflows.workload import Layer
from mappers.layers import map_layers
from mappers.naive import NaiveMapper
from sim.formats.network import pack_tensor, unpack_tensor
from tests.sim.network.chost import ACC, Library, compiled_small, device_of, gcc, reals, run, stored, write_host
from tests.sim.network.device import Device
from tests.small_network import small_network

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
