"""Order of the memory port: which transaction comes next follows from the tile loops, not from who waits."""

from __future__ import annotations

from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class BusOrder(wiring.Component):
    """Grant the memory port to one transaction at a time, in the order of docs/hardware.md ("Order of the memory port").

    A load marked `store_next` is followed by one store, and no load comes before that; the load marked `last_step` is
    followed by all stores that are left. Whoever is next has the port kept for it, even if the other one waits.

    Members
    -------
    reset : In(1)
        A layer begins: a load is next.
    load_want, store_want : In(1)
        The engine is ready for a transaction.
    load_grant, store_grant : Out(1)
        It has the port, from this cycle until it is freed.
    load_freed, store_freed : In(1)
        The transaction's last cycle.
    store_next, last_step : In(1)
        Marks of the load that wants the port.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "reset": In(1), "store_next": In(1), "last_step": In(1),
                "load_want": In(1), "load_grant": Out(1), "load_freed": In(1),
                "store_want": In(1), "store_grant": Out(1), "store_freed": In(1),
            }
        )  # fmt: skip

    def elaborate(self, platform: object) -> Module:
        m = Module()
        taken, owed, loaded = (Signal(name=name) for name in ("taken", "owed", "loaded"))
        storing = owed | loaded
        m.d.comb += [
            self.load_grant.eq(self.load_want & ~taken & ~storing), self.store_grant.eq(self.store_want & ~taken & storing),
        ]  # fmt: skip
        m.d.sync += taken.eq((taken | self.load_grant | self.store_grant) & ~self.load_freed & ~self.store_freed)
        with m.If(self.reset):
            m.d.sync += [owed.eq(0), loaded.eq(0)]
        with m.Elif(self.load_grant):
            m.d.sync += [owed.eq(self.store_next), loaded.eq(self.last_step)]
        with m.Elif(self.store_grant):
            m.d.sync += owed.eq(0)
        return m
