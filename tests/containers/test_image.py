"""The runnable image, run for real."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from resnet50_bench.config import Precision
from resnet50_bench.host.machine import read_host
from resnet50_bench.precision.runnable import plan_runnable
from resnet50_bench.results.files import read_record

from .conftest import GIVE_UP_SECONDS, IMAGE, NULL, read_logs

pytestmark = pytest.mark.containers

ENDLESS = (*NULL, "-e", "STEPS=100000000")

# The brackets keep the pattern from finding the processes that search for it.
FIND_WORKERS = "grep -l 'resnet50_bench[.]instance[.]worker' /proc/[0-9]*/cmdline | cut -d/ -f3"


def find_run(folder: Path) -> Path:
    (path,) = folder.glob("*/record.json")
    return path.parent


def test_the_readmes_run_gives_a_tar_with_status_and_logs_and_gives_it_again(start, tmp_path):
    container = start(
        "-e", "WORKLOAD=resnet50v1_5_tensorflow_xeon_public", "-e", "PLATFORM=SPR",
        "-e", "MODE=throughput", "-e", "TOPOLOGY=resnet50v1_5", "-e", "FUNCTION=inference",
        "-e", "PRECISION=avx_fp32", "-e", "BATCH_SIZE=2", "-e", "STEPS=5", "-e", "DATA_TYPE=dummy",
        "-e", "CORES_PER_INSTANCE=1", "-e", "WEIGHT_SHARING=False", "-e", "CASE_TYPE=",
        "-e", "VERBOSE=False", "-e", "INSTANCE_MODE=flex", "-e", "INSTANCES=1",
    )  # fmt: skip
    first = container.export(tmp_path / "first")
    second = container.export(tmp_path / "second")
    record = read_record(find_run(tmp_path / "first"))
    assert first == second
    assert record.status == "completed"
    assert record.config.batch_size == 2
    assert record.model is not None
    assert "[2/5] model ready" in first["output.log"]  # the image has it
    assert first["status"].splitlines()[0] in {"0", "1"}  # what the machine's noise makes of it
    assert "proved" in first["output.log"] or "PROVEN" in first["output.log"]
    assert (find_run(tmp_path / "first") / "benchmark_throughput_avx_fp32.log").is_file()


@pytest.mark.parametrize("precision", [Precision.AVX_BFLOAT16, Precision.AVX_INT8])
def test_the_image_has_the_graphs_of_low_precisions(start, tmp_path, precision):
    answer = plan_runnable(precision, read_host().cpu_flags, None)
    if not answer.runnable:
        pytest.skip(f"{precision.value}: {answer.reason}")
    container = start(
        "-e", f"PRECISION={precision.value}", "-e", "BATCH_SIZE=2", "-e", "STEPS=5",
        "-e", "CORES_PER_INSTANCE=1", "-e", "INSTANCES=1",
    )  # fmt: skip
    logs = container.export(tmp_path / "logs")
    assert "[2/5] model ready" in logs["output.log"]
    assert f"{precision.value} PROVEN" in logs["output.log"]
    assert read_record(find_run(tmp_path / "logs")).status == "completed"


def test_all_who_wait_for_the_end_get_a_tar_each(start, tmp_path):
    container = start(*ENDLESS)
    container.wait_for("measure for about")
    readers = [container.start_reader(tmp_path / str(number)) for number in range(3)]
    container.exec("/bin/sh", "-c", f"kill -KILL $({FIND_WORKERS} | head -n 1)")
    assert [reader.wait(GIVE_UP_SECONDS) for reader in readers] == [0, 0, 0]
    first, *others = (read_logs(tmp_path / str(number)) for number in range(3))
    assert first["status"].splitlines()[0] == "3"
    assert others == [first, first]


def test_wrong_and_unknown_variables_end_at_once_with_the_command_lines_messages(start, tmp_path):
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


def test_an_instance_killed_inside_gives_its_logs_and_exit_code_3(start, tmp_path):
    container = start(*ENDLESS)
    container.wait_for("measure for about")
    container.exec("/bin/sh", "-c", f"kill -KILL $({FIND_WORKERS} | head -n 1)")
    logs = container.export(tmp_path / "logs")
    assert logs["status"].splitlines()[0] == "3"
    assert "Some instances were killed during execution!" in logs["output.log"]
    record = read_record(find_run(tmp_path / "logs"))
    assert record.status == "lost instances"
    assert {item.exit.kind for item in record.instances} >= {"signal"}


def test_stop_ends_the_run_and_a_reader_still_gets_the_logs(engine, start, tmp_path):
    container = start(*ENDLESS)
    container.wait_for("measure for about")
    reader = container.start_reader(tmp_path / "logs")
    engine.podman("stop", container.id)
    assert reader.wait(GIVE_UP_SECONDS) == 0
    assert read_logs(tmp_path / "logs")["status"].splitlines() == ["143"]
    assert read_record(find_run(tmp_path / "logs")).status == "interrupted"
    state = json.loads(engine.podman("inspect", container.id))[0]["State"]
    assert state["ExitCode"] == 143


def test_stop_after_the_run_ends_the_container_with_its_code(engine, start, tmp_path):
    container = start("-e", "MODE=none")
    container.export(tmp_path / "logs")
    engine.podman("stop", container.id)
    assert json.loads(engine.podman("inspect", container.id))[0]["State"]["ExitCode"] == 2


def test_a_cpu_set_a_quota_and_a_memory_limit_are_honoured_and_shown(start, tmp_path):
    container = start(*NULL, "-e", "STEPS=20", "--cpuset-cpus", "0", "--memory", "2g")
    logs = container.export(tmp_path / "set")
    record = read_record(find_run(tmp_path / "set"))
    assert record.host.allowed_cpus == (0,)
    assert record.host.memory_limit_bytes == 2 << 30
    assert [slot.cpus for slot in record.placement.slots] == [(0,)]
    assert "1 core of" in logs["output.log"]
    assert "limits: CPUs 0 allowed" in logs["output.log"]
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


def test_the_healthcheck_tells_a_failed_run_from_a_good_one(start, tmp_path, engine):
    good = start(*NULL, "-e", "STEPS=20")
    good.export(tmp_path / "good")
    engine.podman("healthcheck", "run", good.id)
    bad = start("-e", "MODE=none")
    bad.export(tmp_path / "bad")
    assert "unhealthy" in engine.podman("healthcheck", "run", bad.id, check=False)
