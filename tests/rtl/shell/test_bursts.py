"""Bursts out of single beats: the same beats in the same order, and every burst one that AXI allows."""

from __future__ import annotations

from dataclasses import dataclass, field

from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl.shell.bursts import BurstFormer

BEAT_BITS = 8 * 128  # 32 beats to a page: boundaries are met often


@dataclass
class Seen:
    """What left the former."""

    reads: list[tuple[int, int]] = field(default_factory=list)
    writes: list[tuple[int, int]] = field(default_factory=list)
    data: list[tuple[int, int]] = field(default_factory=list)
    order: str = ""


def run(requests: list[tuple[bool, int]], burst_beats: int, gaps: list[bool], stalls: list[int]) -> Seen:
    """Send requests (write, address) with gaps; stalls hold the three outputs back, one bit each."""
    former, seen = BurstFormer(beat_bits=BEAT_BITS, burst_beats=burst_beats), Seen()

    async def bench(ctx) -> None:
        sent, offered = 0, False
        for cycle in range(4 * (len(requests) + len(gaps)) + 20):
            offered = sent < len(requests) and (offered or not gaps[cycle % len(gaps)])
            write, addr = requests[min(sent, len(requests) - 1)] if requests else (False, 0)
            stall = stalls[cycle % len(stalls)] if cycle < 2 * len(requests) else 0
            for bit, port in enumerate((former.reads, former.writes, former.data)):
                ctx.set(port.ready, not stall >> bit & 1)
            ctx.set(former.req_write, write)
            ctx.set(former.req_addr, addr)
            ctx.set(former.req_data, sent)
            ready = []
            for valid in (not offered, offered):
                ctx.set(former.req_valid, valid)
                ready.append(ctx.get(former.req_ready))
            assert ready[0] == ready[1], "ready depends on valid"
            for name in ("reads", "writes"):
                port = getattr(former, name)
                if ctx.get(port.valid) and ctx.get(port.ready):
                    getattr(seen, name).append((ctx.get(port.payload.addr), ctx.get(port.payload.last_beat) + 1))
                    seen.order += name[0]
            if ctx.get(former.data.valid) and ctx.get(former.data.ready):
                seen.data.append((ctx.get(former.data.payload.data), ctx.get(former.data.payload.last)))
            if offered and ready[1]:
                sent, offered = sent + 1, False
            await ctx.tick()
        assert sent == len(requests)
        assert ctx.get(former.idle)

    sim = Simulator(former)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()
    return seen


def beats(bursts: list[tuple[int, int]]) -> list[int]:
    return [(start + i) % 2**32 for start, length in bursts for i in range(length)]


@st.composite
def streams(draw: st.DrawFn) -> list[tuple[bool, int]]:
    """Runs of consecutive addresses, some of which continue the run before."""
    requests, addr = [], draw(st.integers(0, 100))
    for _ in range(draw(st.integers(1, 6))):
        write = draw(st.booleans())
        if draw(st.booleans()):
            addr = draw(st.one_of(st.integers(0, 100), st.integers(2**32 - 20, 2**32 - 1)))
        for _ in range(draw(st.integers(1, 20))):
            requests.append((write, addr))
            addr = (addr + 1) % 2**32
    return requests


@settings(max_examples=40)
@given(streams(), st.sampled_from([1, 2, 5, 16]), st.lists(st.booleans(), min_size=1, max_size=8), st.data())
def test_bursts_are_the_requests_in_order(requests, burst_beats, gaps, data) -> None:
    stalls = data.draw(st.lists(st.integers(0, 7), min_size=1, max_size=8))
    seen = run(requests, burst_beats, [*gaps, False], [*stalls, 0])
    assert beats(seen.reads) == [addr for write, addr in requests if not write]
    assert beats(seen.writes) == [addr for write, addr in requests if write]
    for start, length in (*seen.reads, *seen.writes):
        assert 1 <= length <= burst_beats
        assert start // 32 == (start + length - 1) // 32
    assert [number for number, _last in seen.data] == [i for i, (write, _addr) in enumerate(requests) if write]
    ends, at = set(), -1
    for _start, length in seen.writes:
        at += length
        ends.add(at)
    assert {i for i, (_number, last) in enumerate(seen.data) if last} == ends


def test_without_gaps_bursts_are_as_long_as_can_be() -> None:
    requests = [(False, addr) for addr in range(20, 84)]
    assert run(requests, 16, [False], [0]).reads == [(20, 12), (32, 16), (48, 16), (64, 16), (80, 4)]


def test_reads_and_writes_do_not_mix() -> None:
    seen = run([(False, 4), (False, 5), (True, 6), (True, 7), (False, 8)], 16, [False], [0])
    assert (seen.reads, seen.writes, seen.order) == ([(4, 2), (8, 1)], [(6, 2)], "rwr")
