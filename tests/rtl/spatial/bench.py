"""Run a layer on a spatial array in the Amaranth simulator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from amaranth.sim import Simulator

from dataflows.spatial.program import SpatialProgram
from dataflows.spatial.streams import beats, results
from dataflows.workload import Layer
from rtl.spatial import layouts
from rtl.spatial.core import SpatialCore
from rtl.spatial.pack import program_value, tag_values


@dataclass
class Ran:
    """What was seen."""

    sums: dict[tuple[int, ...], int] = field(default_factory=dict)
    finals: dict[tuple[int, ...], int] = field(default_factory=dict)
    beats: dict[str, int] = field(default_factory=dict)
    cycles: int = 0


def operands(layer: Layer, rng: np.random.Generator, bits: tuple[int, int] = (8, 8)) -> dict[str, np.ndarray]:
    """Draw weights (G, K, C, R, S) and inputs (N, G, C, H, W), extremes included."""
    shapes = {
        "weights": (layer.G, layer.K, layer.C, layer.R, layer.S), "inputs": (layer.N, layer.G, layer.C, layer.H, layer.W),
    }  # fmt: skip
    found = {}
    for (tensor, shape), width in zip(shapes.items(), bits, strict=True):
        low = -(1 << width - 1)
        values = rng.integers(low, -low, shape)
        found[tensor] = np.where(rng.random(shape) < 0.1, low, values)
    return found


def word(layer: Layer, data: np.ndarray, tensor: str, at: tuple[int, ...] | None) -> int:
    """Return a word, zero where there is none: beyond the layer, or in its border."""
    if at is None:
        return 0
    if tensor == "inputs":
        at = (*at[:3], at[3] - layer.padding[0], at[4] - layer.padding[1])
    inside = all(0 <= index < size for index, size in zip(at, data.shape, strict=True))
    return int(data[at]) if inside else 0


async def begin(ctx: Any, dut: SpatialCore, program: SpatialProgram) -> None:
    """Shift the tags in and start."""
    for tag in tag_values(program):
        ctx.set(dut.tag, layouts.tag(program.array).const(tag))
        ctx.set(dut.tag_shift, 1)
        await ctx.tick()
    ctx.set(dut.tag_shift, 0)
    ctx.set(dut.prog, layouts.program(program.array).const(program_value(program)))
    ctx.set(dut.start, 1)
    await ctx.tick()
    ctx.set(dut.start, 0)


def simulate(
    program: SpatialProgram,
    data: dict[str, np.ndarray],
    *,
    gaps: float = 0,
    stalls: float = 0,
    seed: int = 0,
    retag: bool = False,
    watch: Callable[[Any], None] | None = None,
) -> Ran:
    """Run a program; with `gaps` and `stalls` streams pause at random, with `retag` the next layer's tags come in early.

    `watch` is called once per cycle with the simulator's context.
    """
    dut = SpatialCore(array=program.array)
    rng, ran, layer = np.random.default_rng(seed), Ran(), program.layer
    wanted = list(results(program))

    async def feed(ctx: Any, tensor: str) -> None:
        port, shape = getattr(dut, tensor), layouts.beat(program.array, tensor)
        names, count = program.array.fields(tensor), 0
        for beat in beats(program, tensor):
            while gaps and rng.random() < gaps:
                await ctx.tick()
            words = [word(layer, data[tensor], tensor, at) for at in beat.words]
            at = dict(zip(names, beat.fields, strict=True))
            ctx.set(port.payload, shape.const({"words": words, "at": at, "last": int(beat.last), "final": int(beat.final)}))
            ctx.set(port.valid, 1)
            await ctx.tick().until(port.ready)
            ctx.set(port.valid, 0)
            count += 1
        ran.beats[tensor] = count

    async def drive(ctx: Any) -> None:
        await begin(ctx, dut, program)
        cycle, seen = 1, 0
        while seen < len(wanted):
            if retag and not ctx.get(dut.busy):
                ctx.set(dut.tag, layouts.tag(program.array).const({"active": 1, "slot": 0}))
                ctx.set(dut.tag_shift, 1)
            ready = rng.random() >= stalls
            ctx.set(dut.results.ready, int(ready))
            if ready and ctx.get(dut.results.valid):
                payload = ctx.get(dut.results.payload)
                for lane, at in enumerate(wanted[seen]):
                    if at is not None:
                        total = payload.sums[lane]
                        assert payload.first == (at not in ran.sums)
                        ran.sums[at] = ran.sums.get(at, 0) + total
                        if payload.final:
                            ran.finals[at] = ran.sums[at]
                seen += 1
                ran.cycles = cycle
            if watch:
                watch(ctx)
            await ctx.tick()
            cycle += 1
            assert cycle < 200_000, "the array hangs"

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(drive)
    for tensor in ("weights", "inputs"):
        sim.add_testbench(partial(feed, tensor=tensor), background=True)
    sim.run()
    return ran


def expected(layer: Layer, data: dict[str, np.ndarray]) -> np.ndarray:
    """Return the exact sums (N, G, K, P, Q), straight from the definition."""
    top, left, bottom, right = layer.padding
    padded = np.pad(data["inputs"].astype(np.int64), ((0, 0), (0, 0), (0, 0), (top, bottom), (left, right)))
    out = np.zeros((layer.N, layer.G, layer.K, layer.P, layer.Q), np.int64)
    for r in range(layer.R):
        for s in range(layer.S):
            y, x = r * layer.dilation[0], s * layer.dilation[1]
            part = padded[:, :, :, y : y + layer.P * layer.stride[0] : layer.stride[0], :]
            part = part[:, :, :, : layer.P, x : x + layer.Q * layer.stride[1] : layer.stride[1]][..., : layer.Q]
            out += np.einsum("ngcpq,gkc->ngkpq", part, data["weights"][..., r, s].astype(np.int64))
    return out


def wrong(program: SpatialProgram, data: dict[str, np.ndarray], ran: Ran) -> list[str]:
    """Compare every sum of the layer."""
    total, bits = expected(program.layer, data), program.array.acc_bits
    found = []
    for at in np.ndindex(total.shape):
        value = (int(total[at]) + (1 << bits - 1)) % (1 << bits) - (1 << bits - 1)
        got = (ran.finals.get(at, 1 << 70) + (1 << bits - 1)) % (1 << bits) - (1 << bits - 1)
        if got != value:
            found.append(f"{at}: {value} expected, {got} found")
    return found


__all__ = ["Ran", "expected", "operands", "simulate", "wrong"]
