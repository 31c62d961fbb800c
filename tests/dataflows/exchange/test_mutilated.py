"""Whatever stands in a file, the answer is a figure or one message: never an error of Python's own."""

from __future__ import annotations

import copy
from contextlib import suppress
from functools import cache
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.errors import SystolithError
from dataflows.exchange import (
    timeloop_arch,
    timeloop_mapping,
    timeloop_problem,
    zigzag_accelerator,
    zigzag_mapping,
    zigzag_workload,
)
from dataflows.yaml_lines import Document
from tests.dataflows.exchange.texts import example

ODD = (
    None,
    True,
    -1,
    0,
    1,
    2,
    3.5,
    1e400,
    "",
    "x",
    "C=2",
    "[1]",
    "{{}}",
    [],
    [None],
    [[]],
    ["C"],
    {},
    {"a": 1},
    [["K", 0]],
    "K, 0",
)


def timeloop(problem: Document, arch: Document, mapping: Document) -> None:
    read = timeloop_problem.read_problem(problem)
    (layer,) = read.network.layers
    on = timeloop_arch.read_architecture(arch, read.names[layer.name])
    timeloop_mapping.read_mapping(mapping, layer, on, read.names[layer.name])


def zigzag(workload: Document, accelerator: Document, mapping: Document) -> None:
    read = zigzag_workload.read_workload(workload)
    layer = read.network.layers[0]
    on = zigzag_accelerator.read_accelerator(accelerator)
    zigzag_mapping.read_mapping(mapping, layer, on, read.names[layer.name], read.operators[layer.name])


FILES = {
    timeloop: ("timeloop_problem.yaml", "timeloop_arch.yaml", "timeloop_mapping.yaml"),
    zigzag: ("zigzag_workload.yaml", "zigzag_accelerator.yaml", "zigzag_mapping.yaml"),
}


whole = cache(example)


def places(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths of all values below the top."""
    found = [path] if path else []
    entries = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in entries:
        found += places(value, (*path, key))
    return found


def mutilate(rng: Random, data: Any) -> Any:
    """Replace, remove or add a value or two; what a file is recognised by stays."""
    made = copy.deepcopy(data)
    for _ in range(rng.choice((1, 1, 2))):
        path = rng.choice(places(made))
        if len(path) == 1 and isinstance(made, dict):
            continue
        at = made
        for key in path[:-1]:
            at = at[key]
        action = rng.random()
        if action < 0.7:
            at[path[-1]] = copy.deepcopy(rng.choice(ODD))
        elif action < 0.85:
            del at[path[-1]]
        elif isinstance(at, dict):
            at["extra"] = copy.deepcopy(rng.choice(ODD))
        else:
            at.append(copy.deepcopy(rng.choice(ODD)))
    return made


@pytest.mark.parametrize("run", FILES, ids=lambda run: run.__name__)
@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_mutilated_files_give_figures_or_messages(run, seed):
    rng = Random(seed)
    documents = [whole(name) for name in FILES[run]]
    which = rng.randrange(3)
    hurt = mutilate(rng, documents[which].data)
    documents[which] = Document(hurt, documents[which].lines, documents[which].path)
    with suppress(SystolithError):
        run(*documents)
