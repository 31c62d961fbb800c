from __future__ import annotations

import csv
import io
import json
import math
import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser

import pytest

from dataflows.arch import Accelerator, Array
from dataflows.cost import rates
from dataflows.errors import SpecError
from dataflows.mapping import Mapping
from dataflows.onnx_coverage import NodeStatus
from dataflows.onnx_import import Imported
from dataflows.picture.model import Picture
from dataflows.picture.text import render
from dataflows.schedule import schedule
from dataflows.tech import technology
from dataflows.tiling import tiling_of
from dse import files
from dse.baselines import baselines
from dse.charts import LEVELS, OPERANDS
from dse.explore import Found, finalists
from dse.gains import map_baseline
from dse.report import energy_table, figure, whole, write_report
from dse.result import design, summary
from dse.search import Search
from dse.space import Space
from dse.study import Study
from dse.workers import Evaluator

VERIFY = {
    "passed": True, "simulator": "verilator", "seconds": 1.5, "cycles_per_cpu_second": 123456, "tensors": "random",
    "note": "<b>no</b> weights", "cases": [{
        "name": "a", "kind": "conv", "shape": "3x3", "mismatches": 0, "checked": 288, "cycles_rtl": 777, "cycles_model": 777,
        "counts_equal": True, "onnxruntime": None,
    }],
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(network, budget, tmp_path_factory):
    from dse.job import Job

    path = tmp_path_factory.mktemp("explored")
    job = Job("tiny", "tiny.yaml", budget, evaluations=40, seed=5)
    space = Space.of(budget, network.layers, ("ws", "os"))
    known = tuple(map_baseline(each, network, "edp") for each in baselines(space))
    study = Study(path, {}, resume=False)
    with Evaluator(network, "edp", 1) as evaluator:
        done = Search(space, "edp", 40, 5).run(study, evaluator)
    study.close()
    rows = (NodeStatus("a", "Conv", "mapped", "conv"), NodeStatus("up", "Resize", "host", "interpolates </script>"))
    loaded = Imported(network, rows)
    winner, mapped = finalists(job, loaded, done.trials, known)
    found = Found(done, known, winner, mapped, 1.0)
    result = summary(job, loaded, found, VERIFY, seconds=2.5) | {"versions": {"numpy": "2"}, "mode": "machine"}
    files.write_json(path / "result.json", result)
    files.write_json(path / "design.json", design(network, winner, mapped))
    write_report(path)
    return path


@pytest.fixture(scope="module")
def result(folder):
    return json.loads((folder / "result.json").read_text())


class Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.links, self.text, self.script, self.ids, self.inside = [], [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.inside.append(tag) if tag in ("script", "style") else None
        for name, value in attrs:
            if name in ("src", "href", "xlink:href", "srcset", "action", "data", "poster"):
                self.links.append(value)
            if name == "id":
                self.ids.append(value)
            if name == "style":
                self.links += re.findall(r"url\(([^)]*)\)", value)

    def handle_endtag(self, tag):
        if self.inside and self.inside[-1] == tag:
            self.inside.pop()

    def handle_data(self, data):
        if self.inside == ["script"]:
            self.script.append(data)
        elif self.inside == ["style"]:
            assert "url(" not in data.replace("url(#", "")
            assert "@import" not in data
        else:
            self.text.append(data)


@pytest.fixture(scope="module")
def page(folder):
    parser = Page()
    parser.feed((folder / "report.html").read_text())
    return parser


def test_nothing_is_fetched(page, folder):
    assert page.links
    assert all(link.startswith("#") for link in page.links)
    assert "<link" not in (folder / "report.html").read_text()


def test_every_reference_within_the_page_is_defined_once(page):
    assert {link[1:] for link in page.links} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))


def test_the_page_holds_the_result_exactly(page, result):
    assert json.loads("".join(page.script)) == {key: value for key, value in result.items() if key != "trials"}


def test_the_figures_are_shown(page, result):
    text = " ".join(page.text)
    best = result["best"]
    shown = [whole(best["cycles"]), figure(best["energy_pj"] / 1e9), figure(best["edp"]), whole(best["buffer_bytes"])]
    shown += [figure(result["gain"][part]) for part in ("mapping", "hardware")]
    shown += [each["name"] for each in result["baselines"]] + [figure(each["edp"]) for each in result["baselines"]]
    for layer in best["layers"]:
        shown += [layer["name"], layer["shape"], whole(layer["cycles"]), figure(layer["energy_pj"] / 1e6)]
        shown += render(Picture.from_dict(layer["picture"])).splitlines()
    shown += [entry["source"] for entry in result["technology_table"]["entries"].values()]
    shown += ["1 of 4 distinct layer shapes, each alone, with random inputs", result["naive_baseline"]["name"]]
    shown += ["777", "interpolates </script>", "<b>no</b> weights", "seed 5"]
    missing = [what for what in shown if what not in text]
    assert not missing


def test_every_nest_on_the_page_is_the_mapping(folder, result, network):
    """What can be copied from the page is read back as the mapping that was found."""
    texts = re.findall(r"<pre>(.*?)</pre>", (folder / "report.html").read_text(), re.DOTALL)
    acc, by_name = Accelerator.from_dict(result["best"]["accelerator"]), {layer.name: layer for layer in network.layers}
    assert len(texts) == len(result["best"]["layers"])
    for text, layer in zip(texts, result["best"]["layers"], strict=True):
        flat = by_name[layer["name"]].flattened()
        found, kept = (
            tiling_of(flat, acc, each) for each in (Mapping.parse(unescape(text)), Mapping.from_dict(layer["mapping"]))
        )
        assert replace(found, order=kept.order) == kept
        assert schedule(flat, acc, found).cycles == layer["cycles"]


def test_results_without_pictures_show_plain_nests(result, tmp_path):
    layers = [{key: value for key, value in layer.items() if key != "picture"} for layer in result["best"]["layers"]]
    files.write_json(tmp_path / "result.json", result | {"best": result["best"] | {"layers": layers}})
    write_report(tmp_path)
    assert f"<pre>{layers[0]['nest']}</pre>" in (tmp_path / "report.html").read_text()


def test_figures_add_up(result):
    best = result["best"]
    assert best["cycles"] == sum(layer["count"] * layer["cycles"] for layer in best["layers"])
    energy = sum(layer["count"] * layer["energy_pj"] for layer in best["layers"])
    assert best["energy_pj"] == pytest.approx(energy)
    assert sum(sum(row.values()) for row in best["energy_by_level_pj"].values()) == pytest.approx(energy)
    assert best["edp"] == best["cycles"] * best["energy_pj"]
    gain, base = result["gain"], result["baseline"]
    naive = result["naive_baseline"]["naive"]["edp"]
    assert naive == min(each["naive"]["edp"] for each in result["baselines"])
    assert gain["total"] == pytest.approx(naive / best["edp"])
    assert gain["hardware"] == pytest.approx(base["edp"] / best["edp"])
    assert gain["total"] == pytest.approx(gain["mapping"] * gain["hardware"])
    assert base["edp"] == min(each["edp"] for each in result["baselines"])
    assert best["edp"] <= min(trial["edp"] for trial in result["trials"])
    for layer in best["layers"]:
        assert layer["array_busy"] + layer["wait_load"] + layer["wait_accumulator"] <= layer["cycles"]
        assert layer["bound_cycles"] <= layer["cycles"]


def test_no_part_of_the_energy_is_left_out_of_table_and_charts(result):
    levels = result["best"]["energy_by_level_pj"]
    assert set(LEVELS) - set(levels) == {"activation_table"}  # no layer of an exploration looks its outputs up
    assert set(levels) <= set(LEVELS)
    held = rates(Accelerator("held", Array(4, 4, pe_stages=2)), technology()).array
    assert {operand for row in levels.values() for operand in row} | set(held) | {"tables"} == set(OPERANDS)
    shown = energy_table(result)
    assert math.fsum(row.get(operand, 0.0) for row in shown["levels"].values() for operand in shown["operands"]) == pytest.approx(
        result["best"]["energy_pj"]
    )


def test_csv_holds_the_same_numbers(folder, result):
    def read(name):
        return list(csv.DictReader(io.StringIO((folder / name).read_text())))

    assert [float(row["energy_pj"]) for row in read("layers.csv")] == [x["energy_pj"] for x in result["best"]["layers"]]
    assert [int(row["cycles"]) for row in read("trials.csv")] == [trial["cycles"] for trial in result["trials"]]
    energy = sum(int(row["count"]) * float(row["energy_pj"]) for row in read("energy.csv"))
    assert energy == pytest.approx(result["best"]["energy_pj"])


def test_failed_verification_is_not_hidden(folder, result, tmp_path):
    bad = {**VERIFY, "passed": False, "cases": [], "error": "simulation crashed: x < y"}
    files.write_json(tmp_path / "result.json", result | {"verified": False, "verify": bad})
    write_report(tmp_path)
    text = (tmp_path / "report.html").read_text()
    assert "NOT VERIFIED" in text
    assert "simulation crashed: x &lt; y" in text


@pytest.mark.parametrize("text", ["{", "{}", '{"best": {}, "trials": []}', "[]"])
def test_damaged_results_are_refused(tmp_path, text):
    (tmp_path / "result.json").write_text(text)
    with pytest.raises(SpecError, match=r"result\.json"):
        write_report(tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_no_result_is_refused(tmp_path):
    with pytest.raises(SpecError, match="no such file"):
        write_report(tmp_path)


def test_design_is_read_back_by_every_command(folder, network, result):
    import yaml

    from systolith import specs
    from systolith.mapping_file import read_mappings

    path = folder / "design.yaml"
    path.write_text(yaml.safe_dump(json.loads((folder / "design.json").read_text()), sort_keys=False))
    acc = specs.accelerator(str(folder))
    assert acc.to_dict() == result["best"]["accelerator"]
    found = read_mappings(path, list(network.layers), acc)
    from dataflows.schedule import schedule

    cycles = sum(schedule(layer, acc, tiling).cycles for layer, tiling in found.values())
    assert cycles == result["best"]["cycles"]
