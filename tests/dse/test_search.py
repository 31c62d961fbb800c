from __future__ import annotations

import pytest

from dataflows.arch import Memory
from dataflows.schedule import schedule
from dataflows.workload import Layer, Network
from dse.baselines import baselines
from dse.budget import Budget
from dse.evaluate import evaluate
from dse.gains import map_baseline, value
from dse.result import best_so_far, front
from dse.search import Search
from dse.space import Space
from dse.study import Study
from dse.workers import Evaluator


def run(network, budget, folder, *, workers=1, evaluations=40, seed=5, objective="edp", flows=("ws", "os")):
    folder.mkdir()
    space = Space.of(budget, network.layers, flows)
    study = Study(folder, {"seed": seed}, resume=False)
    with Evaluator(network, objective, workers) as evaluator:
        done = Search(space, objective, evaluations, seed).run(study, evaluator)
    assert {trial.accelerator for trial in done.trials} == {trial.accelerator for trial in study.trials.values()}
    study.close()
    return done


def test_the_answer_does_not_depend_on_the_number_of_workers(network, budget, tmp_path):
    alone, pool = (run(network, budget, tmp_path / str(n), workers=n, evaluations=36) for n in (1, 2))
    assert alone.trials == pool.trials
    assert alone.best == pool.best


def test_seeds_and_budgets_of_evaluations(network, budget, tmp_path):
    short, long = (run(network, budget, tmp_path / str(n), evaluations=n) for n in (23, 40))
    assert len(short.trials) == 23
    assert long.trials[:23] == short.trials  # a longer search continues a shorter one
    assert run(network, budget, tmp_path / "other", seed=6, evaluations=23).trials != short.trials


@pytest.mark.parametrize("objective", ["edp", "energy", "latency"])
def test_the_best_trial_is_the_best(network, budget, tmp_path, objective):
    done = run(network, budget, tmp_path / objective, objective=objective, evaluations=30)
    assert done.best.value(objective) == min(trial.value(objective) for trial in done.trials)
    assert len({trial.accelerator for trial in done.trials}) == 30
    again = evaluate(network, done.best.accelerator, objective)
    assert again == done.best


def test_search_beats_its_baselines(network, budget, tmp_path):
    space = Space.of(budget, network.layers, ("ws", "os"))
    known = [value(map_baseline(each, network, "edp").searched, "edp") for each in baselines(space)]
    assert run(network, budget, tmp_path / "s", evaluations=150).best.edp < min(known)


def test_a_small_space_is_exhausted_and_the_search_ends(tmp_path):
    tiny = Network("one", (Layer.gemm("g", M=3, N=2, K=2),), 4)
    done = run(tiny, Budget(1, 100, Memory(bus_bytes=4)), tmp_path / "t", evaluations=100_000, flows=("ws",))
    assert 1 <= len(done.trials) < 1000


def test_trials_count_exact_cycles_of_every_occurrence(network, budget, tmp_path):
    from dse.evaluate import map_exactly
    from mappers.search import SearchMapper

    trial = run(network, budget, tmp_path / "x", evaluations=1).trials[0]
    mapped = map_exactly(network, trial.accelerator, mapper=SearchMapper(shortlist=1))
    results = {each.result.layer.shape: each.result for each in mapped.layers}
    cycles = 0
    for layer in network.layers:
        result = results[layer.flattened().shape]
        cycles += schedule(result.layer, trial.accelerator, result.tiling).cycles
    assert trial.cycles == cycles


def test_front_and_best_so_far(network, budget, tmp_path):
    trials = run(network, budget, tmp_path / "f", evaluations=40).trials
    on_front = {index for index, _trial in front(trials)}
    for index, trial in enumerate(trials):
        beaten = any(
            other.cycles <= trial.cycles and other.energy_pj <= trial.energy_pj
            and (other.cycles, other.energy_pj) != (trial.cycles, trial.energy_pj)
            for other in trials
        )  # fmt: skip
        assert beaten == (index not in on_front) or (trial.cycles, trial.energy_pj) in [
            (trials[i].cycles, trials[i].energy_pj) for i in on_front
        ]
    steps = best_so_far(trials, "edp")
    for count, best in steps:
        assert best == min(trial.edp for trial in trials[: int(count)])
