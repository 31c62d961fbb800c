"""The C host as a library on models of the device, compiled with every warning."""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataflows.arch import Accelerator, Array, Memory
from dataflows.axi import AxiOptions
from dataflows.compile.chost import c_host
from dataflows.compile.network import CompiledNetwork, compile_network, layers_to_map
from dataflows.graph import GraphTensor
from dataflows.program import MAGIC
from dataflows.registers import MAP_VERSION, c_macros
from mappers.layers import map_layers
from mappers.naive import NaiveMapper
from rtl.export import c_header, prefix
from sim.golden.network import OpTensors
from tests.sim.network.device import Device
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
SETTER = """#include "hooks.h"
uint32_t (*fake_read)(uint32_t);
void (*fake_write)(uint32_t, uint32_t);
void fake_set(uint32_t (*read)(uint32_t), void (*write)(uint32_t, uint32_t));
void fake_set(uint32_t (*read)(uint32_t), void (*write)(uint32_t, uint32_t)) { fake_read = read; fake_write = write; }
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


def stored(tensor: GraphTensor, values: NDArray[np.float32]) -> NDArray[np.int64]:
    half = 1 << (tensor.bits - 1)
    return np.clip(np.rint(values.astype(np.float64) / tensor.scale) + tensor.zero_point, -half, half - 1).astype(np.int64)


def reals(tensor: GraphTensor, values: NDArray[np.int64]) -> NDArray[np.float32]:
    return ((values - tensor.zero_point) * tensor.scale).astype(np.float32)


def device_of(compiled: CompiledNetwork, tensors: dict[str, OpTensors], **more: Any) -> Device:
    return Device(compiled, tensors, np.full((compiled.end, compiled.acc.memory.bus_bytes), 0xA5, np.uint8), **more)
