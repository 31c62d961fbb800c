"""The AXI master against the model of its cycles, transaction by transaction, on a memory cycle by cycle."""

from __future__ import annotations

from dataclasses import dataclass, field

from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.axi import AxiOptions
from dataflows.axi_port import ADDRESSES, AxiPort, Beats, Shape, line
from rtl.shell.master import AxiMaster

BUS_BYTES = 128  # 32 beats to a page: boundaries are met often
Transaction = tuple[bool, Shape, int, int]
"""Whether it writes, its shape, its first address, and cycles without a request before it."""


@dataclass
class Memory:
    """What `sim/verilog/axi_dram.v` says on its bus, a call per cycle."""

    latency: int
    now: int = 0
    reads: list[list[int]] = field(default_factory=list)  # beats left, due
    writes: list[int] = field(default_factory=list)  # bursts without all their data
    answers: list[int] = field(default_factory=list)  # due
    rvalid: bool = False
    rlast: bool = False
    bvalid: bool = False

    def tick(self, *, ar: tuple[bool, int], aw: tuple[bool, int], w: tuple[bool, bool]) -> None:
        """Take what the master offers, in this cycle, and decide on what the next one shows."""
        due = bool(self.reads) and self.reads[0][1] <= self.now
        self.rvalid, self.rlast = due, due and self.reads[0][0] == 1
        if due:
            self.reads[0][0] -= 1
            self.reads = self.reads[self.rlast :]
        self.bvalid = bool(self.answers) and self.answers[0] <= self.now
        self.answers = self.answers[self.bvalid :]
        if aw[0]:
            self.writes.append(aw[1])
        if w[0] and self.writes and w[1]:
            self.writes.pop(0)
            self.answers.append(self.now + 1)
        if ar[0]:
            self.reads.append([ar[1] + 1, self.now + self.latency - 1])
        self.now += 1


@dataclass
class Seen:
    """Cycles: the last request of each transaction, every beat read, the first one with nothing on its way, waits."""

    taken: list[int] = field(default_factory=list)
    arrived: list[int] = field(default_factory=list)
    idle: int = -1
    read_waits: int = 0
    write_waits: int = 0


def addresses(shape: Shape, addr: int) -> list[int]:
    """Return the beats of a transaction in order."""
    return [
        (addr + plane * shape.plane_pitch + row * shape.row_pitch + beat) % ADDRESSES
        for plane in range(shape.planes) for row in range(shape.rows) for beat in range(shape.beats)
    ]  # fmt: skip


def hardware(axi: AxiOptions, latency: int, work: list[Transaction]) -> Seen:
    """Run the transactions on the master."""
    master, memory, seen = AxiMaster(axi=axi, bus_bytes=BUS_BYTES), Memory(latency), Seen()

    async def bench(ctx) -> None:
        todo = [(write, addresses(shape, addr), gap) for write, shape, addr, gap in work]
        reads = sum(len(beats) for write, beats, _gap in todo if not write)
        pause = todo[0][2]
        ctx.set(master.m_axi_arready, 1)
        ctx.set(master.m_axi_awready, 1)
        while todo or len(seen.arrived) < reads or seen.idle < 0:
            valid = bool(todo) and pause == 0
            ctx.set(master.req_valid, valid)
            if valid:
                ctx.set(master.req_write, todo[0][0])
                ctx.set(master.req_addr, todo[0][1][0])
            for name in ("rvalid", "rlast", "bvalid"):
                ctx.set(getattr(master, f"m_axi_{name}"), getattr(memory, name))
            ctx.set(master.m_axi_wready, bool(memory.writes) or ctx.get(master.m_axi_awvalid))
            if ctx.get(master.rsp_valid):
                seen.arrived.append(memory.now)
            seen.read_waits += ctx.get(master.read_waits)
            seen.write_waits += ctx.get(master.write_waits)
            if not todo and ctx.get(master.idle):
                seen.idle = memory.now
            pause -= pause > 0
            if valid and ctx.get(master.req_ready):
                todo[0][1].pop(0)
                if not todo[0][1]:
                    seen.taken.append(memory.now)
                    todo.pop(0)
                    pause = todo[0][2] if todo else 0
            offered = {
                name: (bool(ctx.get(getattr(master, f"m_axi_{name}valid"))), ctx.get(getattr(master, f"m_axi_{name}len")))
                for name in ("ar", "aw")
            }
            data = bool(ctx.get(master.m_axi_wvalid)), bool(ctx.get(master.m_axi_wlast))
            memory.tick(ar=offered["ar"], aw=offered["aw"], w=data)
            await ctx.tick()
            assert memory.now < 100_000

    sim = Simulator(master)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()
    return seen


def model(axi: AxiOptions, latency: int, work: list[Transaction]) -> Seen:
    """Return what `dataflows.axi_port` says about the same."""
    port, seen, at = AxiPort(axi, latency=latency, bus_bytes=BUS_BYTES, programs=[line(0, 1)], loads=[], stores=[]), Seen(), 0
    reads = 0
    for number, (write, shape, addr, gap) in enumerate(work):
        behind = (addresses(shape, addr)[-1] + 1) % ADDRESSES
        taken = (port.write if write else port.read)(Beats(addr, behind, shape), at + gap + (number > 0))
        reads += 0 if write else shape.planes * shape.rows * shape.beats
        seen.taken.append(taken)
        at = taken
    confirmed = port.confirmed()
    seen.arrived = [port.reads.arrival(beat) for beat in range(reads)]
    seen.idle = max([confirmed, *(at + 1 for at in seen.arrived[-1:])])
    seen.read_waits, seen.write_waits = port.waits()
    return seen


@st.composite
def transactions(draw: st.DrawFn) -> list[Transaction]:
    """Reads and writes of any shape, often where the one before has ended."""
    work: list[Transaction] = []
    small, pitch = st.integers(1, 3), st.integers(0, 40)
    for _ in range(draw(st.integers(1, 8))):
        beats = draw(st.integers(1, 20))
        shape = Shape(draw(small), draw(small), beats, draw(st.sampled_from((beats, 32))), draw(pitch))
        follow = work and draw(st.booleans())
        addr = (addresses(work[-1][1], work[-1][2])[-1] + 1) % ADDRESSES if follow else draw(st.integers(0, 100))
        work.append((draw(st.booleans()), shape, addr, draw(st.sampled_from((1, 2, 7)))))
    return work


options = st.builds(
    AxiOptions, burst_beats=st.sampled_from((1, 2, 3, 16, 256)), read_bursts=st.sampled_from((1, 2, 8)),
    write_bursts=st.sampled_from((1, 2, 8)),
)  # fmt: skip


@settings(max_examples=25)
@given(options, st.integers(2, 40), transactions())
def test_the_model_is_the_master_cycle_for_cycle(axi: AxiOptions, latency: int, work: list[Transaction]) -> None:
    assert model(axi, latency, work) == hardware(axi, latency, work)
