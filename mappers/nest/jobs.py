"""Layers mapped one after the other, or side by side in processes; Ctrl-C ends what runs and keeps what is done."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.synchronize import Event

from dataflows.feasible import Infeasible, InfeasibleError
from dataflows.nest.architecture import Architecture
from dataflows.nest.rules import Rules
from dataflows.workload import Layer
from mappers.base import Objective
from mappers.nest.base import Budget, NestMapper, NestResult, Options

__all__ = ["Done", "Job", "Progress", "run"]

Progress = Callable[[int, int, str], None]
_HALT: list[Event] = []
"""In a process of `_beside`: whether the user has asked to stop."""


@dataclass(frozen=True, slots=True)
class Job:
    """What is asked of a mapper, but for the layer."""

    arch: Architecture
    mapper: NestMapper
    objective: Objective
    rules: Rules | None
    options: Options | None
    seconds: float | None
    seed: int

    def map(self, layer: Layer, halted: Callable[[], bool]) -> Done:
        """Map a layer, or say what it lacks; a layer that begins after an interrupt gets no time."""
        begun = not halted()
        budget = Budget(self.seconds, halted=halted) if begun else Budget(0.0)
        try:
            found = self.mapper.map(
                layer, self.arch, self.objective, rules=self.rules, options=self.options, budget=budget, seed=self.seed
            )  # fmt: skip
        except InfeasibleError as error:
            return Done(tuple(error.reasons))
        if halted() and found.gap != 0:
            found = replace(found, interrupted=True)
        return Done(found, begun or found.gap == 0)


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a layer.

    Attributes
    ----------
    found : NestResult or tuple of Infeasible
        The mapping, or what the layer lacks.
    begun : bool
        False if the user interrupted before: the mapping is then one that fits, no more.
    """

    found: NestResult | tuple[Infeasible, ...]
    begun: bool = True


def run(job: Job, layers: Sequence[Layer], workers: int, progress: Progress, what: str) -> list[Done]:
    """Map all layers, in order, by so many processes.

    After an interrupt, layers that are being mapped end with the best so far, and the others get no time. A second one is raised.
    """
    if workers > 1 and len(layers) > 1:
        return _beside(job, layers, workers, progress, what)
    halt, done = threading.Event(), list[Done]()
    while len(done) < len(layers):
        layer = layers[len(done)]
        try:
            progress(len(done), len(layers), f"{what} {layer.name}")
            result = job.map(layer, halt.is_set)
        except KeyboardInterrupt:  # between layers, or before there is any mapping
            if halt.is_set():
                raise
            halt.set()
            continue
        if isinstance(result.found, NestResult) and result.found.interrupted:
            halt.set()  # the mapper has seen to it
        done.append(result)
    return done


def _beside(job: Job, layers: Sequence[Layer], workers: int, progress: Progress, what: str) -> list[Done]:
    """Map layers in processes, which take no interrupts themselves but ask whether there was one."""
    halt, done = multiprocessing.Event(), list[Done]()
    with ProcessPoolExecutor(min(workers, len(layers)), initializer=_begin, initargs=(halt,)) as pool:
        try:
            with _no_interrupt():
                waiting = [pool.submit(_map, job, layer) for layer in layers]
            while len(done) < len(layers):
                try:
                    progress(len(done), len(layers), what)
                    done.append(waiting[len(done)].result())
                except KeyboardInterrupt:
                    if halt.is_set():
                        raise
                    halt.set()
        except BaseException:
            halt.set()  # leaving waits for the processes
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return done


def _begin(halt: Event) -> None:
    """Make a process ready: terminals send Ctrl-C to all processes, but only the first may decide what to do."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _HALT[:] = [halt]


def _map(job: Job, layer: Layer) -> Done:
    return job.map(layer, _HALT[0].is_set)


@contextmanager
def _no_interrupt() -> Iterator[None]:
    """Keep Ctrl-C back, also from processes and threads that are begun meanwhile."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
