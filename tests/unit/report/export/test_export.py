"""Runs in the forms of other tools, read back by what these tools are made of."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from junitparser import Error, Failure, JUnitXml
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_prometheus
from tests.records import (
    make_accuracy_record,
    make_evaluation_of_zeros,
    make_instance,
    make_lost,
    make_record,
    make_roofline,
)

from resnet50_bench.cli import r50
from resnet50_bench.config import Mode, Precision, RunConfig
from resnet50_bench.errors import RecordError, RequestError
from resnet50_bench.report.export.github_action import render_github_action
from resnet50_bench.report.export.junit import render_junit
from resnet50_bench.report.export.measures import describe_run
from resnet50_bench.report.export.openmetrics import render_openmetrics, render_prometheus
from resnet50_bench.results.files import write_record

HOSTILE = '\x1b[2J"\\\n]]><&{}=\u202e\ufffe'
TWO = {"cores_per_instance": 2, "instances": 2}
SECOND = "2026-01-02T04:04:05+00:00"


def make_run(name="a", **changes):
    return describe_run(Path("runs") / name, make_record(**changes))


def make_poisoned():
    host = replace(make_record().host, hostname=HOSTILE, cpu_model=HOSTILE)
    return make_run(HOSTILE, host=host, run_id=HOSTILE)


def make_lost_run(**changes):
    return make_run(
        "lost", instances=[make_instance(0), make_lost(1)], status="lost instances", **changes
    )


def make_mislabeled():
    return make_run("bad", config=RunConfig(precision=Precision.AVX_INT8, **TWO))


def make_accuracy_run():
    record = make_accuracy_record(make_evaluation_of_zeros([0] * 300 + [1] * 100))
    return describe_run(Path("accuracy"), record)


class TestJUnit:
    def read(self, *runs):
        return list(JUnitXml.fromstring(render_junit(runs).encode()))

    def test_a_valid_run_passes_and_tells_its_figures(self):
        (suite,) = self.read(make_run(roofline=make_roofline()))
        (case,) = suite
        assert case.is_passed
        assert case.name == "throughput avx_fp32, batch 32, 2 x 2 cores, tensorflow"
        assert case.classname == "r50.throughput.avx_fp32"
        properties = {item.name: item.value for item in suite.properties()}
        assert properties["Throughput (images/s)"] == "128.00"
        assert properties["BATCH_SIZE"] == "32"
        assert (suite.time, suite.hostname, suite.timestamp) == (
            28.0,
            "synthetic",
            "2026-01-02T03:04:05",
        )

    def test_an_invalid_run_fails_and_a_lost_instance_is_an_error(self):
        failed, lost = self.read(make_mislabeled(), make_lost_run())
        (failure,), (error,) = next(iter(failed)).result, next(iter(lost)).result
        assert isinstance(failure, Failure)
        assert failure.message.startswith("MISLABELED")
        assert "  -> something excludes the instructions" in failure.text
        assert isinstance(error, Error)
        assert (failed.failures, failed.errors, lost.failures, lost.errors) == (1, 0, 0, 1)

    def test_it_is_what_ants_schema_asks_for(self):
        """Windyroad's JUnit.xsd: order of children, attributes that are required, forms of times."""
        root = ET.fromstring(
            render_junit([make_run(), make_mislabeled(), make_lost_run(), make_poisoned()])
        )
        assert root.tag == "testsuites"
        for number, suite in enumerate(root):
            assert [child.tag for child in suite] == [
                "properties",
                "testcase",
                "system-out",
                "system-err",
            ]
            needed = {
                "id",
                "package",
                "name",
                "timestamp",
                "hostname",
                "tests",
                "failures",
                "errors",
                "time",
            }
            assert needed <= set(suite.attrib) <= needed | {"skipped"}
            assert suite.get("id") == str(number)
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.get("timestamp"))
            assert re.fullmatch(r"\d+\.\d+", suite.get("time"))
            assert all(item.get("name") and "value" in item.attrib for item in suite[0])
            assert set(suite[1].attrib) == {"name", "classname", "time"}
            assert all({"message", "type"} == set(child.attrib) for child in suite[1])

    def test_hostile_texts_are_data(self):
        text = render_junit([make_poisoned()])
        assert not set("\x1b\u202e\ufffe") & set(text)
        (suite,) = JUnitXml.fromstring(text.encode())
        assert suite.hostname == '\\x1b[2J"\\\\n]]><&{}=\\u202e\\ufffe'.replace("\\\\n", "\\\\n")
        assert len(list(suite)) == 1


def read_points(text, parse=parse_openmetrics):
    return [sample for family in parse(text) for sample in family.samples]


class TestOpenMetrics:
    def test_figures_are_read_back_with_their_times(self):
        points = read_points(render_openmetrics([make_run(roofline=make_roofline())]))
        values = {(item.name, item.labels.get("percentile")): item.value for item in points}
        assert values["r50_throughput_images_per_second", None] == 128.0
        assert values["r50_latency_seconds", "95"] == 0.5
        assert values["r50_limit_ratio", None] == pytest.approx(0.654, 1e-3)
        assert values["r50_valid", None] == 1.0
        assert {float(item.timestamp) for item in points} == {1767323045.0}
        assert {item.labels["host"] for item in points} == {"synthetic"}

    def test_units_are_told(self):
        families = {item.name: item for item in parse_openmetrics(render_openmetrics([make_run()]))}
        assert families["r50_latency_seconds"].unit == "seconds"
        assert families["r50_throughput_images_per_second"].unit == "images_per_second"
        assert all(item.type == "gauge" for item in families.values())

    def test_runs_of_one_configuration_are_points_of_one_series(self):
        runs = [make_run(created=SECOND), make_run(), make_run()]
        points = [
            item for item in read_points(render_openmetrics(runs)) if item.name == "r50_valid"
        ]
        assert [float(item.timestamp) for item in points] == [1767323045.0, 1767326645.0]
        assert points[0].labels == points[1].labels

    def test_another_parameter_is_another_series(self):
        other = make_run(config=RunConfig(seed=1, **TWO))
        points = read_points(render_openmetrics([make_run(), other]))
        assert len({item.labels["configuration"] for item in points}) == 2

    def test_of_an_invalid_run_there_is_no_figure(self):
        for run in (make_mislabeled(), make_lost_run()):
            (point,) = read_points(render_openmetrics([run]))
            assert (point.name, point.value) == ("r50_valid", 0.0)

    @pytest.mark.parametrize(("render", "parse"), [(render_openmetrics, parse_openmetrics),
                                                   (render_prometheus, parse_prometheus)])  # fmt: skip
    def test_hostile_texts_are_data(self, render, parse):
        text = render([make_poisoned()])
        assert not set("\x1b\u202e\ufffe") & set(text)
        hosts = {item.labels["host"] for item in read_points(text, parse)}
        assert len(hosts) == 1
        assert hosts.pop().startswith('\\x1b[2J"\\')

    def test_pushed_text_has_the_newest_run_alone_and_no_times(self):
        newer = make_lost_run(created=SECOND)
        text = render_prometheus([newer, make_run()])
        (point,) = read_points(text, parse_prometheus)
        assert (point.name, point.value, point.timestamp) == ("r50_valid", 0.0, None)
        assert "# EOF" not in text


class TestGithubAction:
    def test_an_entry_has_what_the_action_documents(self):
        (entry,) = json.loads(render_github_action([make_run()]))
        assert set(entry) == {"name", "unit", "value", "range", "extra"}
        assert (entry["unit"], entry["value"], entry["range"]) == ("images/s", 128.0, "\u00b1 0.00")
        assert entry["name"].startswith("throughput avx_fp32, batch 32, 2 x 2 cores, tensorflow (")
        assert "CPU: Synthetic CPU" in entry["extra"]

    def test_repeated_runs_are_one_entry(self):
        (entry,) = json.loads(render_github_action([make_run(), make_run(created=SECOND)]))
        assert (entry["value"], entry["range"]) == (128.0, "128 .. 128 in 2 runs")

    def test_latencies_are_percentiles(self):
        run = make_run(config=RunConfig(mode=Mode.LATENCY, **TWO))
        entries = json.loads(render_github_action([run]))
        assert [entry["name"].rpartition(": ")[2] for entry in entries] == [
            "p50",
            "p90",
            "p95",
            "p99",
        ]
        assert {(entry["unit"], entry["value"]) for entry in entries} == {("ms", 50.0)}

    def test_accuracy_has_its_interval(self):
        (entry,) = json.loads(render_github_action([make_accuracy_run()]))
        assert (entry["unit"], entry["value"], entry["range"]) == ("%", 75.0, "\u00b1 4.230")

    def test_a_file_has_one_direction(self):
        latency = make_run(config=RunConfig(mode=Mode.LATENCY, **TWO))
        with pytest.raises(RequestError, match="the smaller is better"):
            render_github_action([make_run(), latency])


class TestCommand:
    @pytest.fixture
    def runs(self, tmp_path):
        for name, run in {"a": make_run(), "bad": make_mislabeled()}.items():
            (tmp_path / "runs" / name).mkdir(parents=True)
            write_record(tmp_path / "runs" / name, run.record)
        return tmp_path / "runs"

    def export(self, *words):
        with pytest.raises(SystemExit) as end:
            r50.main(["export", *map(str, words)], standalone_mode=False)
        return end.value.code

    def test_the_exit_code_is_the_worst_of_the_runs(self, runs, tmp_path, capsys):
        file = tmp_path / "r50.xml"
        assert self.export(runs, runs / "a", "--format", "junit", "--output", file) == 1
        assert len(list(JUnitXml.fromfile(str(file)))) == 2
        assert self.export(runs / "a", "--format", "openmetrics") == 0
        assert capsys.readouterr().out.endswith("# EOF\n")

    def test_an_invalid_run_left_out_is_said(self, runs, capsys):
        assert self.export(runs, "--format", "github-action-benchmark") == 1
        seen = capsys.readouterr()
        assert len(json.loads(seen.out)) == 1
        assert seen.err == f"without figures: {runs}/bad is INVALID\n"

    def test_nothing_to_export_is_an_error(self, tmp_path):
        with pytest.raises(RecordError, match="no run in or below"):
            r50.main(["export", str(tmp_path), "--format", "junit"], standalone_mode=False)
