"""How a run is asked for by variables, and how its logs come out, however it ends."""

from __future__ import annotations

import json
import os

import pytest

from resnet50_bench.results.files import read_record

from .conftest import GIVE_UP_SECONDS, IMAGE, NULL, find_run, read_logs

CPU = min(os.sched_getaffinity(0))
ENDLESS = (*NULL, "-e", "STEPS=100000000")

# The brackets keep the pattern from finding the processes that search for it.
FIND_WORKERS = "grep -l 'resnet50_bench[.]instance[.]worker' /proc/[0-9]*/cmdline | cut -d/ -f3"


def test_logs_come_out_as_one_tar_as_often_as_they_are_read(engine, start, tmp_path):
    container = start(*NULL, "-e", "STEPS=20")
    first = container.export(tmp_path / "first")
    second = container.export(tmp_path / "second")
    assert first == second
    assert first["status"] == "0\n"
    assert "Throughput" in first["output.log"]
    assert "Throughput" in container.log()
    assert read_record(find_run(tmp_path / "first")).status == "completed"
    engine.podman("healthcheck", "run", container.id)


def test_wrong_and_unknown_variables_end_at_once_with_the_command_lines_messages(
    engine, start, tmp_path
):
    container = start("-e", "MODE=fast", "-e", "BATCHSIZE=64", "-e", "HTTP_PROXY=http://x")
    logs = container.export(tmp_path / "logs")
    messages = [
        "error: environment variable MODE: 'fast' must be one of throughput, latency, accuracy",
        "error: environment variable BATCHSIZE: there is no parameter BATCHSIZE; "
        "did you mean BATCH_SIZE?",
    ]
    assert logs["status"].splitlines() == ["2", *messages]
    assert logs["output.log"].splitlines() == messages
    assert all(message in container.log() for message in messages)
    assert not list((tmp_path / "logs").glob("*/"))
    assert "unhealthy" in engine.podman("healthcheck", "run", container.id, check=False)
    engine.podman("stop", container.id)
    assert json.loads(engine.podman("inspect", container.id))[0]["State"]["ExitCode"] == 2


def test_an_instance_killed_inside_is_told_to_all_who_wait_for_the_end(start, tmp_path):
    container = start(*ENDLESS)
    container.wait_for("measure for about")
    readers = [container.start_reader(tmp_path / str(number)) for number in range(3)]
    container.exec("/bin/sh", "-c", f"kill -KILL $({FIND_WORKERS} | head -n 1)")
    assert [reader.wait(GIVE_UP_SECONDS) for reader in readers] == [0, 0, 0]
    first, *others = (read_logs(tmp_path / str(number)) for number in range(3))
    assert others == [first, first]
    assert first["status"].splitlines()[0] == "3"
    assert "Some instances were killed during execution!" in first["output.log"]
    record = read_record(find_run(tmp_path / "0"))
    assert record.status == "lost instances"
    assert {item.exit.kind for item in record.instances} >= {"signal"}


def test_stop_ends_the_run_and_a_reader_still_gets_the_logs(engine, start, tmp_path):
    container = start(*ENDLESS)
    container.wait_for("measure for about")
    reader = container.start_reader(tmp_path / "logs")
    container.wait_for_reader()
    engine.podman("stop", container.id)
    assert reader.wait(GIVE_UP_SECONDS) == 0
    assert read_logs(tmp_path / "logs")["status"].splitlines() == ["143"]
    assert read_record(find_run(tmp_path / "logs")).status == "interrupted"
    state = json.loads(engine.podman("inspect", container.id))[0]["State"]
    assert state["ExitCode"] == 143


@pytest.fixture
def limits(engine) -> None:
    """Needs an engine that may set limits here, which is not so in every container."""
    asked = ["--cpuset-cpus", str(CPU), "--memory", "2g", "--cpus", "1.5"]
    try:
        engine.podman(
            "run", "--rm", *engine.run_options(), *asked, "--entrypoint", "/bin/true", IMAGE
        )
    except AssertionError as error:
        pytest.skip(str(error).strip().splitlines()[-1])


@pytest.mark.usefixtures("limits")
def test_a_cpu_set_a_quota_and_a_memory_limit_are_honoured_and_shown(start, tmp_path):
    container = start(*NULL, "-e", "STEPS=20", "--cpuset-cpus", str(CPU), "--memory", "2g")
    logs = container.export(tmp_path / "set")
    record = read_record(find_run(tmp_path / "set"))
    assert record.host.allowed_cpus == (CPU,)
    assert record.host.memory_limit_bytes == 2 << 30
    assert [slot.cpus for slot in record.placement.slots] == [(CPU,)]
    assert "1 core of" in logs["output.log"]
    assert f"limits: CPUs {CPU} allowed" in logs["output.log"]
    assert "memory 2.0 GiB" in logs["output.log"]

    container = start(*NULL, "-e", "STEPS=20", "--cpus", "1.5")
    logs = container.export(tmp_path / "quota")
    record = read_record(find_run(tmp_path / "quota"))
    assert record.host.quota_cpus == 1.5
    assert sum(slot.cores for slot in record.placement.slots) == 1
    assert "CPU quota 1.5" in logs["output.log"]


@pytest.mark.parametrize("user", ["10001:10001", "4711:4711", "0:0"])
def test_it_runs_with_a_read_only_root_as_any_user_without_capabilities(start, tmp_path, user):
    container = start(
        *NULL, "-e", "STEPS=20", "--read-only", "--read-only-tmpfs=false", "--cap-drop", "all",
        "--security-opt", "no-new-privileges", "--user", user,
    )  # fmt: skip
    logs = container.export(tmp_path / "logs")
    assert logs["status"] == "0\n"
    assert container.exec("id", "-u").strip() == user.partition(":")[0]


def test_its_own_arguments_make_it_the_command_line(engine, start):
    container = start(command=("run", "--engine", "null", "--dry-run"))
    assert engine.podman("wait", container.id).strip() == "0"
    assert "Placement" in container.log()


def test_health_labels_and_user(engine):
    (image,) = json.loads(engine.podman("inspect", "--type", "image", IMAGE))
    config = image["Config"]
    assert config["User"] == "10001:10001"
    assert config["Labels"]["org.opencontainers.image.title"].startswith("ai-resnet50v1_5")
    assert config["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert config["Labels"]["org.opencontainers.image.revision"] != "unknown"
    assert (image.get("Healthcheck") or config["Healthcheck"])["Test"][0] in {"CMD", "CMD-SHELL"}
