"""The door for programs: what it takes, what it refuses, and that it is lazy."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from tests.records import make_record

import resnet50_bench
from resnet50_bench import Mode, RunConfig, plan, read_runs
from resnet50_bench.config import DataType
from resnet50_bench.errors import ConfigError, MissingDataError, RecordError
from resnet50_bench.parameters.checking import check_config
from resnet50_bench.results.files import write_record


def keep(folder: Path) -> Path:
    folder.mkdir(parents=True)
    write_record(folder, make_record())
    return folder


def test_every_name_of_the_door_is_there() -> None:
    assert set(resnet50_bench.__all__) <= {name for name in resnet50_bench.__all__
                                           if getattr(resnet50_bench, name)}  # fmt: skip
    with pytest.raises(AttributeError, match="no attribute 'wrong'"):
        resnet50_bench.wrong  # noqa: B018


def test_importing_the_package_imports_nothing_of_it() -> None:
    code = "import resnet50_bench, sys; print([m for m in sys.modules if 'resnet50_bench.' in m])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_package_is_typed() -> None:
    assert Path(resnet50_bench.__file__).with_name("py.typed").exists()


class TestCheck:
    def test_values_become_what_the_command_line_makes_of_their_text(self) -> None:
        checked = check_config(RunConfig(mode="latency", min_time_s=2.0))  # type: ignore[arg-type]
        assert checked.mode is Mode.LATENCY
        assert checked.min_time_s == 2.0

    def test_a_dataset_makes_the_images_real(self) -> None:
        assert check_config(RunConfig(dataset="photos")).data_type is DataType.REAL

    def test_every_problem_is_told_under_its_fields_name(self) -> None:
        with pytest.raises(ConfigError) as caught:
            check_config(RunConfig(batch_size=0, precision="fp32"))  # type: ignore[arg-type]
        assert len(caught.value.problems) == 2
        assert caught.value.problems[0].startswith("precision: 'fp32' must be one of")
        assert caught.value.problems[1].startswith(
            "batch_size: 0 must be a whole number, 1 or more"
        )

    def test_accuracy_without_images_is_refused(self) -> None:
        with pytest.raises(MissingDataError, match="--dataset"):
            check_config(RunConfig(mode=Mode.ACCURACY))

    def test_dictionaries_are_kept(self) -> None:
        config = RunConfig(engine="null", engine_options={"query_ms": "5"})
        assert check_config(config).engine_options == {"query_ms": "5"}


def test_a_plan_needs_nothing_but_a_config() -> None:
    made = plan(RunConfig(engine="null", batch_size=3, cores_per_instance=1, instances=1))
    assert made.workload.batch_size == 3
    assert len(made.placement.slots) == 1


class TestReadRuns:
    def test_runs_come_in_the_order_of_their_names(self, tmp_path: Path) -> None:
        for name in ("b", "a", "deeper/c"):
            keep(tmp_path / name)
        runs = list(read_runs(tmp_path))
        assert [run.folder.relative_to(tmp_path).as_posix() for run in runs] == [
            "a",
            "b",
            "deeper/c",
        ]

    def test_a_run_tells_its_figures(self, tmp_path: Path) -> None:
        (run,) = read_runs(keep(tmp_path / "a"))
        assert run.verdict.valid
        assert run.kpis is not None
        assert run.kpis.images_per_s == 128.0
        assert run.accuracy is None

    def test_nothing_is_read_before_it_is_asked_for(self, tmp_path: Path) -> None:
        keep(tmp_path / "a")
        (tmp_path / "b").mkdir()
        (tmp_path / "b" / "record.json").write_text("{")
        runs = read_runs(tmp_path)
        assert [run.folder.name for run in islice(runs, 1)] == ["a"]
        with pytest.raises(RecordError, match=r"b/record\.json"):
            next(runs)

    def test_what_is_skipped_is_told(self, tmp_path: Path) -> None:
        keep(tmp_path / "b")
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "record.json").write_text("{")
        told: list[str] = []
        runs = list(read_runs(tmp_path, lambda place, error: told.append(place.name)))
        assert ([run.folder.name for run in runs], told) == (["b"], ["a"])

    def test_hidden_folders_and_links_are_passed_over(self, tmp_path: Path) -> None:
        keep(tmp_path / ".hidden" / "a")
        (tmp_path / "loop").symlink_to(tmp_path)
        assert list(read_runs(tmp_path)) == []

    def test_no_folder_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(RecordError, match="no folder of runs"):
            list(read_runs(tmp_path / "nowhere"))

    def test_a_path_longer_than_the_system_allows_is_no_folder(self) -> None:
        with pytest.raises(RecordError, match="no folder of runs"):
            list(read_runs("x" * 5000))

    def test_a_folder_that_cannot_be_read_hides_no_other(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        keep(tmp_path / "b")
        (tmp_path / "a").mkdir()
        scan = os.scandir

        def refuse(path: Path) -> Any:
            if Path(path).name == "a":
                raise PermissionError(errno.EACCES, "Permission denied", str(path))
            return scan(path)

        monkeypatch.setattr(os, "scandir", refuse)
        told: list[Path] = []
        runs = list(read_runs(tmp_path, lambda place, _: told.append(place)))
        assert [run.folder.name for run in runs] == ["b"]
        assert told == [tmp_path / "a"]
