from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from resnet50_bench.config import DataType, Gramine, Mode, RunConfig
from resnet50_bench.errors import HostError, RequestError
from resnet50_bench.packaging.engine import (
    ENGINE_VARIABLE,
    IMAGE_VARIABLE,
    OPTIONS_VARIABLE,
    choose_image,
    describe_end,
    plan_container_run,
    run_in_container,
)
from resnet50_bench.packaging.images import INFERENCE

TWIN = f"""#!{sys.executable}
import io, json, os, sys, tarfile
words = sys.argv[1:]
with open(os.environ["TWIN_LOG"], "a") as log:
    log.write(json.dumps(words) + "\\n")
if words[0] == "run":
    print("image is pulled\\nabc123")
    sys.exit(int(os.environ.get("TWIN_CODE", "0")))
if words[0] == "exec" and os.environ.get("TWIN_TAR", "1") == "1":
    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as archive:
        for name, text in json.loads(os.environ["TWIN_FILES"]).items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
"""


@pytest.fixture
def twin(tmp_path, monkeypatch):
    """A program that takes the engine's commands and gives these files as the container's logs."""
    path = tmp_path / "twin"
    path.write_text(TWIN)
    path.chmod(0o755)
    monkeypatch.setenv("TWIN_LOG", str(tmp_path / "calls"))

    def make(files: dict[str, str]) -> dict[str, str]:
        monkeypatch.setenv("TWIN_FILES", json.dumps(files))
        return {ENGINE_VARIABLE: str(path)}

    return make


def calls(tmp_path: Path) -> list[list[str]]:
    return [json.loads(line) for line in (tmp_path / "calls").read_text().splitlines()]


@pytest.mark.parametrize(
    ("config", "image"),
    [
        (RunConfig(), f"{INFERENCE}-dummy"),
        (RunConfig(data_type=DataType.REAL, dataset="/dataset"), f"{INFERENCE}-real"),
        (RunConfig(data_type=DataType.REAL, dataset="/home/x.tar"), f"{INFERENCE}-dummy"),
        (RunConfig(gramine=Gramine.SGX), f"{INFERENCE}-sgx"),
    ],
)
def test_the_image_follows_from_the_data(config, image):
    assert choose_image(config) == image


def test_the_command_has_the_parameters_the_mounts_and_the_options(tmp_path):
    model = tmp_path / "a b.pb"
    model.touch()
    run = plan_container_run(
        RunConfig(mode=Mode.LATENCY, model=str(model)),
        {
            ENGINE_VARIABLE: "podman --root '/x y'",
            OPTIONS_VARIABLE: "--cpus 2",
            IMAGE_VARIABLE: "i",
        },
    )
    assert run.command == [
        "podman", "--root", "/x y", "run", "--detach", "--cpus", "2",
        "--volume", f"{model}:{model}:ro", "--env", "MODE=latency", "--env", f"MODEL={model}", "i",
    ]  # fmt: skip


def test_images_that_the_image_holds_are_not_mounted():
    run = plan_container_run(RunConfig(data_type=DataType.REAL, dataset="/dataset"),
                             {ENGINE_VARIABLE: "docker"})  # fmt: skip
    assert run.variables == {"DATA_TYPE": "real"}
    assert "--volume" not in run.command


def test_a_path_that_is_not_there_is_refused():
    with pytest.raises(RequestError, match="MODEL /nowhere does not exist"):
        plan_container_run(RunConfig(model="/nowhere"), {ENGINE_VARIABLE: "docker"})


def test_the_runs_folder_is_where_a_native_runs_would_be(twin, tmp_path):
    files = {"status": "0\n", "output.log": "VALID\n", "RUN/record.json": "{}", "RUN/a.log": "x"}
    end = run_in_container(plan_container_run(RunConfig(), twin(files)), tmp_path / "logs")
    assert end.exit_code == 0
    assert end.folder == tmp_path / "logs/RUN"
    assert sorted(path.name for path in (tmp_path / "logs").iterdir()) == ["RUN"]
    assert sorted(path.name for path in end.folder.iterdir()) == [
        "a.log", "output.log", "record.json", "status",
    ]  # fmt: skip
    again = run_in_container(plan_container_run(RunConfig(), twin(files)), tmp_path / "logs")
    assert again.folder == tmp_path / "logs/RUN-2"
    verbs = [words[0] for words in calls(tmp_path)]
    assert verbs.count("run") == verbs.count("rm") == 2
    assert "stop" not in verbs


def test_a_run_that_was_refused_has_messages_and_no_folder(twin, tmp_path):
    files = {"status": "2\nerror: a\nerror: b\n", "output.log": "error: a\nerror: b\n"}
    end = run_in_container(plan_container_run(RunConfig(), twin(files)), tmp_path / "logs")
    assert (end.exit_code, end.folder) == (2, None)
    assert describe_end(end) == ["a", "b"]
    assert list((tmp_path / "logs").iterdir()) == []


def test_an_image_that_is_not_there(twin, tmp_path, monkeypatch):
    monkeypatch.setenv("TWIN_CODE", "125")
    with pytest.raises(HostError, match="cannot run the image") as caught:
        run_in_container(plan_container_run(RunConfig(), twin({})), tmp_path / "logs")
    assert "make images" in (caught.value.advice or "")


def test_a_container_that_gives_no_logs_is_removed_all_the_same(twin, tmp_path, monkeypatch):
    monkeypatch.setenv("TWIN_TAR", "0")
    with pytest.raises(HostError, match="gave no logs"):
        run_in_container(plan_container_run(RunConfig(), twin({})), tmp_path / "logs")
    assert calls(tmp_path)[-1][0] == "rm"
    assert list((tmp_path / "logs").iterdir()) == []


def test_an_engine_that_is_not_there(tmp_path):
    run = plan_container_run(RunConfig(), {ENGINE_VARIABLE: "/no/such/engine"})
    with pytest.raises(HostError, match="cannot be run"):
        run_in_container(run, tmp_path)
