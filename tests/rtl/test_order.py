"""The order of the memory port: the same transactions in the same order, whoever is ready first."""

from __future__ import annotations

from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl.accelerator.order import BusOrder


def granted(marks: list[tuple[bool, bool]], tiles: int, delays: list[int]) -> str:
    """Run loads with these (store_next, last_step) and `tiles` stores; each waits as long as `delays` say. L and S in order."""
    order, log, wait = BusOrder(), [], iter(delays)
    sides = {"L": ("load", len(marks)), "S": ("store", tiles)}

    async def bench(ctx) -> None:
        ready_in = {kind: next(wait) for kind in sides}
        busy, holder = 0, ""
        for _ in range(40 * (len(marks) + tiles)):
            if len(log) == len(marks) + tiles:
                return
            ctx.set(order.store_next, marks[min(log.count("L"), len(marks) - 1)][0])
            ctx.set(order.last_step, marks[min(log.count("L"), len(marks) - 1)][1])
            for kind, (name, most) in sides.items():
                ctx.set(getattr(order, f"{name}_want"), holder != kind and ready_in[kind] == 0 and log.count(kind) < most)
                ctx.set(getattr(order, f"{name}_freed"), holder == kind and busy == 0)
            grants = [kind for kind, (name, _) in sides.items() if ctx.get(getattr(order, f"{name}_grant"))]
            assert not grants or (not holder and len(grants) == 1)
            ready_in = {kind: max(0, left - 1) for kind, left in ready_in.items()}
            if holder and busy == 0:
                ready_in[holder], holder = next(wait), ""
            busy -= 1
            for kind in grants:
                log.append(kind)
                holder, busy = kind, next(wait)
            await ctx.tick()

    sim = Simulator(order)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()
    return "".join(log)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 7), st.integers(1, 3), st.data())
def test_grants_follow_the_tile_loops(tiles: int, steps: int, data: st.DataObject) -> None:
    marks = [(step == 0 and tile >= 3, tile == tiles - 1 and step == steps - 1) for tile in range(tiles) for step in range(steps)]
    count = 2 * tiles * (steps + 1) + 2
    delays = data.draw(st.lists(st.integers(0, 9), min_size=count, max_size=count))
    # A store before each tile's second load from the fourth tile on, the rest at the end.
    expected = "".join("L" + ("S" if tile >= 3 else "") + "L" * (steps - 1) for tile in range(tiles))
    expected += "S" * min(tiles, 3)
    assert granted(marks, tiles, delays) == expected


def test_a_store_that_is_ready_early_waits_for_its_turn() -> None:
    slow_loads = [9, 0, 9, 0, 9, 0, 9, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    assert granted([(False, False)] * 3 + [(True, True)], 4, slow_loads) == "LLLLSSSS"
