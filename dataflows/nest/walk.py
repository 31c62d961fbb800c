"""The walker of mode ``timeloop``: the counts of `dataflows.nest.counts` by brute force, for small layers.

It steps through the loops over time one by one. Every instance of every level keeps the set of words that it holds; when the
set changes, the words are carried from the parent's instance over the network, merging messages where the network may.

What is counted, words and rows, comes from no code of the closed form; both read the same bound nest. Only `differences` uses its
results: where levels have rows, it turns the words that were counted into accesses before they are compared.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import product

from dataflows.errors import SpecError
from dataflows.nest.accesses import rates, scaled
from dataflows.nest.counts import Counts
from dataflows.nest.nest import Nest
from dataflows.nest.rules import Rules
from dataflows.nest.walk_rows import Rows, WalkedLoop

MOST_WORK = 3_000_000
"""Words that the walker is ready to touch, about a minute."""

Word = tuple[int, ...]
Place = tuple[int, ...]
Message = tuple[Word, Place, Place]
DIMS = "NGKCPQRS"
DIMS_OF = {"weights": "GKCRS", "inputs": "NGCPQRS", "outputs": "NGKPQ"}


@dataclass(frozen=True, slots=True)
class Walk:
    """What the walker counted.

    Attributes
    ----------
    flows : Counter
        ``{(tensor, parent, child, kind): words}`` with the kinds of `dataflows.nest.counts.Flow`.
    rows : Counter
        ``{(level, tensor, "reads" | "writes"): accesses}`` of the levels that are accessed in rows.
    held : dict
        ``{(level, tensor): words}``, the most that one instance held.
    macs : int
        Distinct multiply-accumulates that were done.
    """

    flows: Counter[tuple[str, int, int, str]]
    rows: Counter[tuple[int, str, str]]
    held: dict[tuple[int, str], int]
    macs: int


def work(nest: Nest) -> int:
    """Return the number of words the walker would touch, if every tile changed in every step."""
    total = nest.steps * nest.pes * 3
    for level in range(len(nest.trips)):
        outside = range(level + 1, len(nest.trips))
        changes = math.prod(loop.extent for i in outside for loop in (*nest.trips[i], *nest.spreads[i]))
        for tensor in nest.holds[level]:
            total += changes * math.prod(nest.tiles[level][dim] for dim in DIMS_OF[tensor])
    return total


def walk(nest: Nest, rules: Rules | None = None) -> Walk:
    """Walk a nest; raise `SpecError` when that would touch more than `MOST_WORK` words."""
    touched = work(nest)
    if touched > MOST_WORK:
        remedy = "check a smaller layer of the same kind"
        raise SpecError(f"{nest.layer.name}: walk", f"{touched:,} words to move one by one", f"at most {MOST_WORK:,}", remedy)
    walker = _Walker(nest, rules or Rules())
    walker.run()
    return Walk(walker.tally, walker.rows.tally, walker.most, len(walker.done))


def differences(nest: Nest, counts: Counts, walked: Walk, rules: Rules | None = None) -> list[str]:
    """Compare the closed form with the walker; every difference as a sentence, none when they agree."""
    rules = rules or Rules()
    names = ["MAC" if i < 0 else nest.storage[i].name for i in range(-1, len(nest.storage))]
    found = []
    seen = set()
    for flow in counts.flows:
        for kind in flow._fields[3:]:
            key = (flow.tensor, flow.parent, flow.child, kind)
            seen.add(key)
            if getattr(flow, kind) != walked.flows[key]:
                place = f"{flow.tensor} {names[flow.parent + 1]} to {names[flow.child + 1]}, {kind}"
                found.append(f"{place}: {getattr(flow, kind)} counted, {walked.flows[key]} walked")
    found += [f"{key} walked only" for key, words in walked.flows.items() if words and key not in seen]
    found += _row_differences(nest, counts, rules, walked)
    tiles = {(level, tensor): words for level, tile in enumerate(counts.tiles) for tensor, words in tile.items()}
    if tiles != walked.held:
        found.append(f"tiles: {tiles} counted, {walked.held} walked")
    if counts.macs != walked.macs:
        found.append(f"MACs: {counts.macs} counted, {walked.macs} walked")
    return found


def _row_differences(nest: Nest, counts: Counts, rules: Rules, walked: Walk) -> list[str]:
    """Compare accesses where levels have rows; all sums count as partial here, the walker does not know which are final."""
    found = []
    for level, tensors in enumerate(counts.levels):
        if nest.storage[level].row_bits is None:
            continue
        for tensor, words in tensors.items():
            partial, _ = rates(nest, counts, rules, level, tensor)
            for kind in ("reads", "writes"):
                accesses, seen = scaled(words[kind], partial), walked.rows[level, tensor, kind]
                if accesses != seen:
                    found.append(f"{tensor} {nest.storage[level].name}, {kind} in rows: {accesses} counted, {seen} walked")
    return found


@dataclass(slots=True)
class _Walker:
    nest: Nest
    rules: Rules
    tally: Counter[tuple[str, int, int, str]] = field(default_factory=Counter)
    most: dict[tuple[int, str], int] = field(default_factory=dict)
    done: set[tuple[int, ...]] = field(default_factory=set)
    held: dict[tuple[int, str], dict[Place, frozenset[Word]]] = field(default_factory=dict)
    tiles: dict[tuple[int, str], dict[Place, Word]] = field(default_factory=dict)
    arrived: dict[int, set[tuple[Word, Place]]] = field(default_factory=dict)
    loops: list[WalkedLoop] = field(default_factory=list)
    rows: Rows = field(init=False)
    time: list[WalkedLoop] = field(default_factory=list)
    space: list[WalkedLoop] = field(default_factory=list)
    inside: dict[int, list[set[int]]] = field(default_factory=dict)
    known: dict[tuple[str, int, Word], frozenset[Word]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """List all loops, outermost first, with the distance between two iterations of each; and what lies inside each level."""
        inner: Counter[str] = Counter()
        found: list[WalkedLoop] = []
        for level, (trips, spreads) in enumerate(zip(self.nest.trips, self.nest.spreads, strict=True)):
            for spatial, loops in ((True, spreads), (False, trips)):
                for loop in loops:
                    weight = inner[loop.dim] or 1
                    found.append(WalkedLoop(loop.dim, loop.extent, level, spatial, weight))
                    inner[loop.dim] = weight * loop.extent
        self.loops = found[::-1]
        self.rows = Rows(self.nest, self.rules, self.loops)
        self.time = [loop for loop in self.loops if not loop.spatial]
        self.space = [loop for loop in self.loops if loop.spatial]
        for level in range(-1, len(self.nest.storage)):
            values: dict[str, set[int]] = {dim: {0} for dim in DIMS}
            for loop in self.loops:
                if loop.level <= level:
                    values[loop.dim] = {value + i * loop.weight for value in values[loop.dim] for i in range(loop.extent)}
            self.inside[level] = [values[dim] for dim in DIMS]

    def run(self) -> None:
        time = self.time
        edges = list(self.edges())
        before: tuple[int, ...] | None = None
        for now in product(*(range(loop.extent) for loop in time)):
            stepped = None if before is None else next(loop for i, loop in enumerate(time) if now[i] != before[i])
            for tensor, parent, child in edges:  # inner levels first: what leaves them must reach a level before it is emptied
                if tensor == "outputs" and child >= 0 and (stepped is None or stepped.level > child):
                    self.exchange(parent, child, now)
            for tensor, parent, child in edges:
                if child < 0:
                    self.multiply(tensor, parent, now)
                elif tensor != "outputs" and (stepped is None or stepped.level > child):
                    self.deliver(tensor, parent, child, now, stepped)
            before = now
        for tensor, parent, child in edges:
            if tensor == "outputs" and child >= 0:
                self.drain(parent, child)

    def edges(self) -> Iterator[tuple[str, int, int]]:
        """Yield (tensor, parent, child), from the multipliers outward; note what the outermost level holds."""
        for tensor in DIMS_OF:
            child = -1
            for level, holds in enumerate(self.nest.holds):
                if tensor in holds:
                    yield tensor, level, child
                    child = level
            self.note(child, tensor, self.words(tensor, child, (0,) * len(DIMS)))

    def note(self, level: int, tensor: str, words: frozenset[Word]) -> None:
        self.most[level, tensor] = max(self.most.get((level, tensor), 0), len(words))

    def places(self, level: int) -> Iterator[Place]:
        """Yield the coordinates of every instance of a level: one per spatial loop outside it."""
        return product(*(range(loop.extent) for loop in self.space if loop.level > level))

    def origins(self, level: int, now: tuple[int, ...]) -> Iterator[tuple[Place, Word]]:
        """Yield every instance of a level with the least index of each dimension that its loops outside lead to."""
        base = dict.fromkeys(DIMS, 0)
        for loop, index in zip(self.time, now, strict=True):
            if loop.level > level:
                base[loop.dim] += index * loop.weight
        outside = [loop for loop in self.space if loop.level > level]
        for place in self.places(level):
            at = base.copy()
            for loop, index in zip(outside, place, strict=True):
                at[loop.dim] += index * loop.weight
            yield place, tuple(at.values())

    def words(self, tensor: str, level: int, origin: Word) -> frozenset[Word]:
        """Return all words that the loops of a level and of all inner ones touch, from an origin on."""
        key = (tensor, level, origin)
        if key not in self.known:
            self.known[key] = self.touched(tensor, level, origin)
        return self.known[key]

    def touched(self, tensor: str, level: int, origin: Word) -> frozenset[Word]:
        values = {
            dim: {first + offset for offset in offsets}
            for dim, first, offsets in zip(DIMS, origin, self.inside[level], strict=True)
        }
        if tensor != "inputs":
            return frozenset(product(*(values[dim] for dim in DIMS_OF[tensor])))
        axes = []
        for axis, (out, tap) in enumerate(("PR", "QS")):
            stride, dilation = self.nest.layer.stride[axis], self.nest.layer.dilation[axis]
            used = {p * stride + r * dilation for p in values[out] for r in values[tap]}
            axes.append(range(min(used), max(used) + 1) if self.rules.window == "box" else used)
        return frozenset(product(values["N"], values["G"], values["C"], *axes))

    def messages(self, tensor: str, parent: int, child: int, held: Iterable[tuple[Place, frozenset[Word]]]) -> Counter[Message]:
        """Merge the words of all child instances where a network joins them; the counts say how many each message stands for."""
        outside = [loop for loop in self.space if loop.level > child]
        keep = [i for i, loop in enumerate(outside) if loop.level <= parent and not self.joined(tensor, loop)]
        upper = [i for i, loop in enumerate(outside) if loop.level > parent]
        found: Counter[Message] = Counter()
        for place, words in held:
            kept, above = tuple(place[i] for i in keep), tuple(place[i] for i in upper)
            for word in words:
                found[word, above, kept] += 1
        return found

    def side_by_side(self, tensor: str, parent: int, child: int, sent: Iterable[Message]) -> Iterator[tuple[Word, Place]]:
        """Yield (word, what keeps it apart from equal ones): instances along a row dimension share one access."""
        outside = [loop for loop in self.space if loop.level > child]
        kept = [loop for loop in outside if loop.level <= parent and not self.joined(tensor, loop)]
        apart = [i for i, loop in enumerate(kept) if not self.rows.shared(parent, tensor, loop)]
        for word, above, index in sent:
            yield word, (*above, -1, *(index[i] for i in apart))

    def joined(self, tensor: str, loop: WalkedLoop) -> bool:
        """Whether the network merges equal words of the instances along a spatial loop."""
        net = self.nest.storage[loop.level].fanout
        if loop.dim in DIMS_OF[tensor]:
            return tensor == "inputs" and net.links and loop.dim in "PQRS"
        return net.reduction if tensor == "outputs" else net.multicast

    def deliver(self, tensor: str, parent: int, child: int, now: tuple[int, ...], stepped: WalkedLoop | None) -> None:
        """Bring weights or inputs to all instances of a level whose words have changed."""
        old = self.held.get((child, tensor), {})
        origins = dict(self.origins(child, now))
        new = {place: self.words(tensor, child, origin) for place, origin in origins.items()}
        # Timeloop knows a tile by its place in the nest: other indices that lead to the same input words are another tile.
        relevant = [i for i, dim in enumerate(DIMS) if dim in DIMS_OF[tensor]]
        tiles = {place: tuple(origin[i] for i in relevant) for place, origin in origins.items()}
        if new == old if self.rules.halo == "physical" else tiles == self.tiles.get((child, tensor)):
            return
        self.held[child, tensor], self.tiles[child, tensor] = new, tiles
        for words in new.values():
            self.note(child, tensor, words)
        outside = [loop for loop in self.time if loop.level > child]
        window = stepped is not None and stepped is outside[-1] and stepped.dim in "PQRS"
        stays = tensor == "inputs" and (window or self.rules.halo == "physical")
        here = old if stays else {}
        wanted = self.messages(tensor, parent, child, new.items())
        present = self.messages(tensor, parent, child, here.items())
        fetched = wanted.keys() - present.keys()
        reads = len(fetched)
        fresh = [(word, place) for place, words in new.items() for word in words - here.get(place, frozenset())]
        fills = len(fresh)
        self.rows.count(child, tensor, "writes", fresh)
        self.rows.count(parent, tensor, "reads", self.side_by_side(tensor, parent, child, fetched))
        self.add(tensor, parent, child, reads=reads, fills=fills, shared=fills - reads)
        if not old:
            self.add(tensor, parent, child, once=reads, once_inside=fills)

    def exchange(self, parent: int, child: int, now: tuple[int, ...]) -> None:
        """Send away partial sums that are done for now, and bring those that are continued."""
        old = self.held.get((child, "outputs"))
        new = {place: self.words("outputs", child, origin) for place, origin in self.origins(child, now)}
        if new == old:
            return
        self.drain(parent, child)
        self.held[child, "outputs"] = new
        for words in new.values():
            self.note(child, "outputs", words)
        there = self.arrived.setdefault(parent, set())
        wanted = {(word, above) for word, above, _ in self.messages("outputs", parent, child, new.items())}
        continued = wanted & there
        every = [(word, place) for place, words in new.items() for word in words]
        self.rows.count(parent, "outputs", "reads", continued)
        if self.rules.psums == "strict":  # one of the instances that add up gets the sums that come back
            outside = [loop for loop in self.space if loop.level > child]
            own = [i for i, loop in enumerate(outside) if loop.level > parent or loop.dim in DIMS_OF["outputs"]]
            upper = [i for i, loop in enumerate(outside) if loop.level > parent]
            back = {(word, tuple(p[i] for i in own)) for word, p in every if (word, tuple(p[i] for i in upper)) in continued}
            self.rows.count(child, "outputs", "writes", back)
            self.add("outputs", parent, child, reads=len(continued), fills=len(back))
        else:
            self.rows.count(child, "outputs", "writes", every)
            self.add("outputs", parent, child, reads=len(continued), fills=len(every))

    def drain(self, parent: int, child: int) -> None:
        """Write the partial sums of all instances to the parent; all but one of a word's messages in one go are added there."""
        old = self.held.pop((child, "outputs"), None)
        if old is None:
            return
        sent = self.messages("outputs", parent, child, old.items())
        kept = {(word, above) for word, above, _ in sent}
        there = self.arrived.setdefault(parent, set())
        every = sum(sent.values())
        side_by_side = list(self.side_by_side("outputs", parent, child, sent))
        self.rows.count(parent, "outputs", "writes", side_by_side)
        self.rows.count(parent, "outputs", "reads", side_by_side)
        self.rows.count(parent, "outputs", "reads", kept, -1)
        if self.rules.psums == "strict":
            self.rows.count(child, "outputs", "reads", ((word, place) for place, words in old.items() for word in words))
        self.add(
            "outputs", parent, child, updates=len(sent), reads=len(sent) - len(kept), added=every - len(sent),
            first=len(kept - there), drains=every if self.rules.psums == "strict" else 0,
        )  # fmt: skip
        there |= kept
        self.tally["outputs", parent, child, "once"] = len(sent)
        self.tally["outputs", parent, child, "once_inside"] = every

    def multiply(self, tensor: str, parent: int, now: tuple[int, ...]) -> None:
        """Serve all multipliers for one step."""
        at = list(self.origins(-1, now))
        sent = self.messages(tensor, parent, -1, ((place, self.words(tensor, -1, origin)) for place, origin in at))
        every = sum(sent.values())
        side_by_side = list(self.side_by_side(tensor, parent, -1, sent))
        self.rows.count(parent, tensor, "reads", side_by_side)
        if tensor != "outputs":
            self.add(tensor, parent, -1, reads=len(sent), shared=every - len(sent))
            return
        kept = {(word, above) for word, above, _ in sent}
        there = self.arrived.setdefault(parent, set())
        first = len(kept - there)
        self.rows.count(parent, tensor, "writes", side_by_side)
        self.rows.count(parent, tensor, "reads", kept - there, -1)
        self.add(tensor, parent, -1, updates=len(sent), reads=len(sent) - first, added=every - len(sent), first=first)
        there |= kept
        self.done.update(origin for _, origin in at)

    def add(self, tensor: str, parent: int, child: int, **words: int) -> None:
        for kind, count in words.items():
            self.tally[tensor, parent, child, kind] += count
