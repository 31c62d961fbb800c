"""The example program of the C host prints scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sim.formats.network import constant_image, pack_tensor
from sim.golden.network import run_graph
from tests.sim.network.chost import ACC, compiled_small, gcc, reals, run, stored, write_host

DIRECT_HOOKS = """#include <stdint.h>
extern uint32_t fake_register_read(uint32_t);
extern void fake_register_write(uint32_t, uint32_t);
#define NETWORK_READ(address) fake_register_read((uint32_t)(address) & 0xFFFu)
#define NETWORK_WRITE(address, value) fake_register_write((uint32_t)(address) & 0xFFFu, (value))
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
