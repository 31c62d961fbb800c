"""The descriptor queue in any order of events: layers in order, none lost, none after a failure."""

from __future__ import annotations

from random import Random

from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl.shell.layers import LayerQueue


class Host:
    """Random descriptors, durations and failures on one side of the queue; the log says what the queue did."""

    def __init__(self, depth: int, seed: int, cycles: int = 600) -> None:
        self.queue, self.depth, self.rng, self.cycles = LayerQueue(depth=depth), depth, Random(seed), cycles
        self.put: list[int] = []
        self.started: list[int] = []
        self.failed: list[tuple[int, int]] = []  # index, code
        self.expected: list[tuple[int, int]] = []
        self.completed = self.emptied = 0

    async def run(self, ctx) -> None:
        queue, rng = self.queue, self.rng
        halted, left, fate, settle = False, -1, 0, 0
        for cycle in range(self.cycles):
            ctx.set(queue.halted, halted)
            put = rng.random() < 0.2 and cycle < self.cycles // 2 and not ctx.get(queue.full)
            ctx.set(queue.put, put)
            ctx.set(queue.put_addr, cycle)
            if put:
                self.put.append(cycle)
            ctx.set(queue.done, left == 0 and fate < 2)
            ctx.set(queue.error, fate if left == 0 and fate == 1 else 0)
            if left == 0:
                settle = rng.randrange(4)
            ctx.set(queue.bus_error, fate if fate >= 2 and left <= 0 else 0)
            ctx.set(queue.bus_idle, left < 0 and settle == 0)
            settle -= settle > 0 and left < 0
            ctx.set(queue.captured, rng.random() < 0.3)
            assert ctx.get(queue.free) == self.depth - (len(self.put) - put - len(self.started))
            if ctx.get(queue.start):
                assert not halted
                self.started.append(ctx.get(queue.program_addr))
                left, fate = rng.randrange(1, 8), rng.choice([0, 0, 0, 1, 2, 3])
                if fate:
                    self.expected.append((len(self.started) - 1, fate))
            else:
                left -= left >= 0
            self.completed += ctx.get(queue.completed_one)
            self.emptied += ctx.get(queue.emptied)
            if ctx.get(queue.failed):
                halted = True
            elif halted and rng.random() < 0.3:
                self.failed.append((ctx.get(queue.failed_index), ctx.get(queue.failed_code)))
                halted = False
            await ctx.tick()
        assert ctx.get(queue.completed) == self.completed


@settings(max_examples=15)
@given(st.integers(1, 9), st.integers(0, 10**6))
def test_every_layer_completes_or_fails_in_order(depth: int, seed: int) -> None:
    host = Host(depth, seed)
    sim = Simulator(host.queue)
    sim.add_clock(1e-6)
    sim.add_testbench(host.run)
    sim.run()
    assert host.started == host.put
    assert host.failed == host.expected
    assert host.completed + len(host.failed) == len(host.put)
    assert host.emptied <= host.completed
