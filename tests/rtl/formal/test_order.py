"""The order of the memory port (docs/hardware.md) for layers of any shape, engines of any speed, layer after layer."""

from __future__ import annotations

from typing import Any

import pytest
from amaranth.hdl import Mux, Signal

from dataflows.schedule import STORE_LAG
from rtl.accelerator.order import BusOrder
from rtl.formal.bench import Bench
from rtl.formal.solve import inductive, reach
from tests.rtl.formal.broken import Mistake, refute

WIDTH = 16
"""Of tile and step numbers."""
PATIENCE = 3
"""Cycles after which an engine that can want the port does, and one that has it lets go."""
LONGEST = 2 * PATIENCE + 1
"""Cycles without a grant: one engine lets go, the other gets ready, one more for the register between."""


def order_bench(kind: type[BusOrder] = BusOrder, only: str | None = None) -> Bench:
    """Claims about the order: two engines around it, whose layer is `tiles` output tiles of `steps` steps."""
    bench = Bench(only=only)
    m = bench.module
    m.submodules.dut = dut = kind()
    tiles, steps, new_tiles, new_steps = (Signal(WIDTH, name=name) for name in ("tiles", "steps", "new_tiles", "new_steps"))
    tile, step, stored = (Signal(WIDTH, name=name) for name in ("tile", "step", "stored"))
    loading, storing, running = Signal(), Signal(), Signal()
    bench.free(dut.reset, dut.load_want, dut.store_want, dut.load_freed, dut.store_freed, new_tiles, new_steps)

    ends_tile = step == steps - 1
    all_loaded = tile == tiles
    m.d.comb += [dut.store_next.eq((step == 0) & (tile >= STORE_LAG)), dut.last_step.eq(ends_tile & (tile == tiles - 1))]
    # Engines: the one that has the port frees it; loads end, and no tile is stored before its loads are done.
    # That they free what they have is proved in test_engines.py.
    can_store = (stored < tile) & running
    bench.assume("loads", ~dut.load_want | (running & ~all_loaded))
    bench.assume("stores", ~dut.store_want | can_store)
    bench.assume("frees_what_it_has", (~dut.load_freed | loading) & (~dut.store_freed | storing))
    over = all_loaded & (stored == tiles) & ~loading & ~storing
    bench.assume("layers", ~dut.reset | ~running | over)
    bench.assume("extents", (new_tiles != 0) & (new_steps != 0))
    m.d.sync += [
        loading.eq((loading | dut.load_grant) & ~dut.load_freed),
        storing.eq((storing | dut.store_grant) & ~dut.store_freed),
    ]
    with m.If(dut.reset):
        m.d.sync += [running.eq(1), tiles.eq(new_tiles), steps.eq(new_steps), tile.eq(0), step.eq(0), stored.eq(0)]
    with m.Elif(dut.load_grant):
        m.d.sync += [step.eq(Mux(ends_tile, 0, step + 1)), tile.eq(tile + ends_tile)]
    with m.Elif(dut.store_grant):
        m.d.sync += stored.eq(stored + 1)

    # Stores before the next load: tile t - STORE_LAG goes between the first and the second load of tile t.
    lag = Mux(step == 0, STORE_LAG, STORE_LAG - 1)
    due = Signal(WIDTH)
    m.d.comb += due.eq(Mux(tile >= lag, tile - lag, 0))
    grants = dut.load_grant | dut.store_grant
    bench.claim("one_at_a_time", ~(dut.load_grant & dut.store_grant))
    bench.claim("only_to_who_wants", (~dut.load_grant | dut.load_want) & (~dut.store_grant | dut.store_want))
    bench.claim("kept_until_freed", ~(grants & (loading | storing)))
    bench.claim("a_load_in_its_turn", ~dut.load_grant | (stored == due))
    bench.claim("a_store_in_its_turn", ~dut.store_grant | all_loaded | ((stored + 1) == due))
    # Where a tile is one step, the last load is a first step too: its store comes before those that are left.
    most_left = Mux(steps == 1, STORE_LAG + 1, STORE_LAG)
    bench.claim("at_most_so_many_at_the_end", ~(dut.store_grant & all_loaded) | (tiles - stored <= most_left))

    # Fairness: want within PATIENCE cycles of being able to, let go within PATIENCE cycles.
    idle, load_lazy, store_lazy, held = (Signal(8, name=name) for name in ("idle", "load_lazy", "store_lazy", "held"))
    m.d.sync += [
        idle.eq(Mux(grants | over | ~running | dut.reset, 0, idle + 1)),
        load_lazy.eq(Mux(running & ~all_loaded & ~loading & ~dut.load_want, load_lazy + 1, 0)),
        store_lazy.eq(Mux(can_store & ~storing & ~dut.store_want, store_lazy + 1, 0)),
        held.eq(Mux((loading & ~dut.load_freed) | (storing & ~dut.store_freed), held + 1, 0)),
    ]
    bench.assume("fair", (load_lazy <= PATIENCE) & (store_lazy <= PATIENCE) & (held <= PATIENCE))
    bench.claim("always_goes_on", idle <= LONGEST)
    _lemmas(bench, running, all_loaded, loading | storing, stored, due, tile, tiles, step, steps)

    bench.case("the_end", over & running & (tiles == STORE_LAG + 1))
    bench.case("a_store_waits_for_its_turn", dut.store_want & ~dut.store_grant & ~loading & ~storing)
    bench.case("short_layer", over & running & (tiles == 1))
    bench.show("load", dut.load_grant)
    bench.show("store", dut.store_grant)
    for name, value in {"at_tile": tile, "at_step": step, "stores": stored, "loading": loading, "storing": storing}.items():
        bench.show(f"{name}_", value)
    return bench


def _lemmas(
    bench: Bench, running: Any, all_loaded: Any, busy: Any, stored: Any, due: Any, tile: Any, tiles: Any, step: Any, steps: Any
) -> None:
    """Relate the three bits inside to where the layer is."""
    taken, owed, loaded = (bench.inner(f"dut.{name}", 1) for name in ("taken", "owed", "loaded"))
    inside = (tile < tiles) & (step < steps)
    bench.lemma("place", ~running | inside | (all_loaded & (step == 0)))
    bench.lemma("taken", taken == busy)
    bench.lemma("owed", ~running | all_loaded | (stored + owed == due))
    bench.lemma("loaded", ~running | (loaded == all_loaded))
    bench.lemma("left", ~running | ~all_loaded | ((stored <= tiles) & (tiles - stored <= STORE_LAG + owed)))
    bench.lemma("owed_at_the_end", ~running | ~all_loaded | ~owed | ((steps == 1) & (tiles - stored == STORE_LAG + 1)))


def test_the_memory_port_is_granted_in_order() -> None:
    bench = order_bench()
    verdict = inductive(bench, 8)
    assert verdict.status == "proved", f"{verdict.failed}\n{verdict.trace}"
    cases = reach(bench, 20)
    assert cases.status == "proved", cases.failed


MISTAKES = [
    Mistake("one_at_a_time", "self.store_want & ~taken & storing", "self.store_want & ~taken"),
    Mistake("only_to_who_wants", "self.load_want & ~taken & ~storing", "~taken & ~storing"),
    Mistake("kept_until_freed", "taken | self.load_grant | self.store_grant", "taken | self.load_grant"),
    Mistake("a_load_in_its_turn", "storing = owed | loaded", "storing = loaded"),
    Mistake("a_store_in_its_turn", "m.d.sync += owed.eq(0)", "m.d.sync += owed.eq(1)"),
    Mistake("at_most_so_many_at_the_end", "owed.eq(self.store_next)", "owed.eq(0)"),
    Mistake("always_goes_on", "loaded.eq(self.last_step)", "loaded.eq(0)"),
]


@pytest.mark.parametrize("mistake", MISTAKES, ids=str)
def test_a_broken_order_is_refuted(mistake: Mistake) -> None:
    refute(order_bench, BusOrder, mistake, depth=24)
