"""Random legal tilings: the yardstick a search has to beat."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dataflows.arch import Accelerator
from dataflows.batch import Batch
from dataflows.cost import evaluate
from dataflows.limits import most_pitch
from dataflows.program import program_beats
from dataflows.tech import Technology, technology
from dataflows.tiling import OUTER_DIMS, Blocking, Tiling, capacity, window
from dataflows.workload import Layer
from mappers.base import MapResult, Objective, objective_value, prepare
from mappers.space import Candidates


@dataclass(frozen=True, slots=True)
class RandomMapper:
    """Draws legal tilings, log-uniform in every size and uniform over orders, and keeps the best by the bound.

    Attributes
    ----------
    samples : int
        Legal tilings to draw.
    orders : int
        Random orders among which they are divided.
    tech : Technology or None
        Energy table; 45 nm by default.
    """

    samples: int = 512
    orders: int = 8
    tech: Technology | None = None
    name: str = "random"

    def map(self, layer: Layer, acc: Accelerator, objective: Objective = "edp", seed: int = 0) -> MapResult:
        """Return the best tiling drawn; see `mappers.base.Mapper`."""
        started = time.perf_counter()
        layer = prepare(layer, acc, objective)
        tech, beats = self.tech or technology(), program_beats(acc)
        batch = Batch(layer, acc, tech, beats)
        rng = np.random.default_rng(seed)
        best, tiling = np.inf, Tiling(1, 1, 1, 1)
        for part in np.array_split(np.arange(self.samples), min(self.orders, self.samples)):
            order = tuple(str(dim) for dim in rng.permutation(OUTER_DIMS))
            drawn = draw(layer, acc, len(part), rng)
            figures = batch.figures(drawn.blocks, drawn.c_blocks, drawn.p, drawn.q, order)
            values = objective_value(objective, figures.energy_pj, figures.bound_cycles)
            at = int(np.argmin(values))
            if values[at] < best:
                best, tiling = values[at], drawn.tiling(at, order)
        cost = evaluate(layer, acc, tiling, tech, program_beats=beats)
        return MapResult(layer, tiling, cost, objective, self.samples, time.perf_counter() - started, (tiling,))


def draw(layer: Layer, acc: Accelerator, count: int, rng: np.random.Generator) -> Candidates:
    """Draw `count` legal tile sizes; the layer's smallest tile must fit.

    Each size in turn is drawn log-uniformly among the values that leave room for ones in the sizes still to come, in
    a random order of the four, so that every legal tiling can come up and none has to be thrown away.
    """
    bk, room = Blocking.of(layer, acc), capacity(acc)
    whole = {"blocks": bk.walked, "c_blocks": bk.c_blocks, "p": layer.P, "q": layer.Q}
    taps = layer.R * layer.S * bk.weight_rows

    def legal(size: dict[str, int]) -> bool:
        height = min(layer.H, window(layer, 0, size["p"]))
        width = min(layer.W, window(layer, 1, size["q"]))
        planes = size["blocks"] if bk.walks_groups else size["c_blocks"]
        return (
            width <= most_pitch(layer)
            and planes * height * width <= room["input_buffer"]
            and size["blocks"] * size["c_blocks"] * taps <= room["weight_buffer"]
            and size["blocks"] * size["p"] * size["q"] <= room["accumulator"]
            and size["blocks"] <= room["scale_buffer"]
        )

    rows = []
    for _ in range(count):
        size = dict.fromkeys(whole, 1)
        for name in rng.permutation(list(whole)):
            most = _largest(lambda value, name=name, size=size: legal({**size, name: value}), whole[name])
            size[name] = min(most, int(np.exp(rng.uniform(0, np.log(most + 1)))))
        rows.append((size["blocks"], size["c_blocks"], size["p"], size["q"]))
    return Candidates(*np.array(rows, dtype=np.int64).T)


def _largest(legal: Callable[[int], bool], most: int) -> int:
    """Return the largest value up to `most` that is legal; 1 always is, and legality only ends once."""
    low, high = 1, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if legal(middle) else (low, middle - 1)
    return low
