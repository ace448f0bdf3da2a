"""A run told to a real MLflow store, a folder, and read back by MLflow."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from tests.records import make_instance, make_lost, make_record, make_roofline

from resnet50_bench.cli.run.options import RunOptions
from resnet50_bench.cli.run.store import find_store, tell_store
from resnet50_bench.errors import RequestError
from resnet50_bench.report.export.measures import describe_run
from resnet50_bench.report.export.mlflow import DEFAULT_EXPERIMENT, open_store, plan_mlflow_run
from resnet50_bench.results.files import write_record
from resnet50_bench.session.finished import Run

pytestmark = pytest.mark.filterwarnings("default")  # MLflow's own


def make_lost_record(**changes):
    return make_record(
        instances=[make_instance(0), make_lost(1)], status="lost instances", **changes
    )


def keep(folder: Path, record) -> Run:
    folder.mkdir()
    write_record(folder, record)
    return Run(folder, record)


def test_a_valid_run_has_its_figures_with_units_in_their_names():
    told = plan_mlflow_run(describe_run(Path("x"), make_record(roofline=make_roofline())))
    assert told.metrics["throughput_images_per_second"] == 128.0
    assert told.metrics["latency_seconds_p95"] == 0.5
    assert told.metrics["valid"] == 1.0
    assert told.parameters["BATCH_SIZE"] == "32"
    assert (told.status, told.begin_ms, told.end_ms) == ("FINISHED", 1767323045000, 1767323073000)


def test_an_invalid_run_has_failed_and_has_no_figure():
    told = plan_mlflow_run(describe_run(Path("x"), make_lost_record(run_id="\x1b" * 9000)))
    assert (told.metrics, told.status) == ({"valid": 0.0}, "FAILED")
    assert told.tags["r50.verdict"] == "INVALID"
    assert "instance" in told.tags["r50.failures"]


def test_hostile_and_long_texts_fit():
    told = plan_mlflow_run(describe_run(Path("x"), make_record(command=("\x1b" * 9000,))))
    assert told.tags["r50.command"].startswith("\\x1b\\x1b")
    assert len(told.tags["r50.command"]) == 5000


class TestStore:
    @pytest.fixture(autouse=True)
    def _mlflow(self):
        pytest.importorskip("mlflow", reason="MLflow is not installed")

    def test_runs_are_read_back_by_mlflow(self, tmp_path, capsys):
        before = dict(os.environ)
        store = open_store(str(tmp_path / "mlruns"), {})
        assert tell_store(store, keep(tmp_path / "a", make_record())) == 0
        assert tell_store(store, keep(tmp_path / "b", make_lost_record())) == 0
        assert os.environ == before, "instances get none of MLflow's variables"
        assert capsys.readouterr().err.count("MLflow      run ") == 2
        experiment = store.client.get_experiment_by_name(DEFAULT_EXPERIMENT)
        found = store.client.search_runs([experiment.experiment_id])
        by_status = {run.info.status: run for run in found}
        assert set(by_status) == {"FINISHED", "FAILED"}
        good = by_status["FINISHED"]
        assert good.data.metrics["throughput_images_per_second"] == 128.0
        assert good.data.params["PRECISION"] == "avx_fp32"
        assert good.data.tags["r50.verdict"] == "VALID"
        assert good.info.start_time == 1767323045000
        kept = store.client.download_artifacts(good.info.run_id, "record.json")
        assert Path(kept).read_bytes() == (tmp_path / "a" / "record.json").read_bytes()

    def test_the_experiment_is_the_users_where_one_is_named(self, tmp_path):
        for _ in range(2):
            store = open_store(str(tmp_path), {"MLFLOW_EXPERIMENT_NAME": "mine"})
            assert store.client.get_experiment(store.experiment).name == "mine"

    @pytest.mark.parametrize("uri", ["nonsense://x", "/proc/x"])
    def test_a_store_that_cannot_be_used_is_refused(self, uri):
        with pytest.raises(RequestError, match=f"--mlflow {uri}: "):
            open_store(uri, {})

    def test_what_was_measured_is_kept_where_the_store_fails(self, tmp_path, capsys):
        store = open_store(str(tmp_path / "mlruns"), {})
        run = Run(tmp_path / "nowhere", make_record())  # it has no record to be told with
        assert tell_store(store, run) == 3
        assert f"the result is kept in {tmp_path}/nowhere" in capsys.readouterr().err


def test_without_mlflow_one_line_says_how_to_get_it(monkeypatch):
    for name in ("mlflow", "mlflow.tracking"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(RequestError, match="needs MLflow") as caught:
        open_store("mlruns", {})
    assert caught.value.advice == "pip install 'resnet50-bench[mlflow]'"
    assert caught.value.exit_code == 2


def test_no_store_is_asked_for():
    fields = dict.fromkeys(RunOptions.__dataclass_fields__)
    assert find_store(RunOptions(**fields)) is None
    assert tell_store(None, Run(Path("x"), make_record())) == 0
