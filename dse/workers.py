"""Trials side by side: a pool of processes that ends when its parent does, however that happens."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing.connection import wait
from types import TracebackType

from dataflows.arch import Accelerator
from dataflows.workload import Network
from dse.evaluate import Trial, evaluate
from mappers.base import Objective

_job: tuple[Network, Objective] | None = None


class Evaluator:
    """Evaluates accelerators on one network, in this process or in several.

    Parameters
    ----------
    network : Network
        What to map.
    objective : str
        What mappings minimise.
    workers : int
        Processes; 1 evaluates here.
    """

    def __init__(self, network: Network, objective: Objective, workers: int) -> None:
        self.job: tuple[Network, Objective] = (network, objective)
        self.pool = _pool(network, objective, workers) if workers > 1 else None

    def __enter__(self) -> Evaluator:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.pool is not None:
            self.pool.shutdown(wait=True, cancel_futures=True)

    def run(self, points: Sequence[Accelerator]) -> Iterator[Trial]:
        """Yield the trials of `points` in the order in which they finish."""
        if self.pool is None:
            for acc in points:
                network, objective = self.job
                yield evaluate(network, acc, objective)
            return
        futures = [self.pool.submit(_evaluate, acc) for acc in points]
        for future in as_completed(futures):
            yield future.result()


def _pool(network: Network, objective: Objective, workers: int) -> ProcessPoolExecutor:
    # Spawned, not forked: the parent may hold threads and an open database.
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_start, initargs=(network, objective))


def _start(network: Network, objective: Objective) -> None:
    global _job  # noqa: PLW0603 -- what a worker of a pool keeps between its calls
    _job = network, objective
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    threading.Thread(target=_follow_parent, daemon=True).start()


def _follow_parent() -> None:
    """End this process when its parent is gone: it would wait for work for ever after a kill -9."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _evaluate(acc: Accelerator) -> Trial:
    assert _job is not None, "the pool starts its workers with a job"
    network, objective = _job
    return evaluate(network, acc, objective)
