"""`r50 fleet run` through Ansible itself, on hosts that are folders of this machine."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.stand_in import IMAGE, write_engine, write_inventory, write_stand_in

if not Path(sys.executable).with_name("ansible-playbook").exists() and not shutil.which(
    "ansible-playbook"
):
    pytest.skip("Ansible is not installed: the extra fleet has it", allow_module_level=True)

_PATIENCE_S = 120


def start(folder: Path, *words: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "resnet50_bench", "fleet", "run", *map(str, words)],
        cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(folder)},
    )  # fmt: skip


def list_running(folder: Path) -> list[str]:
    """The processes that have a folder in their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if str(folder) in line and int(path.parent.name) != os.getpid():
            found.append(line)
    return found


@pytest.fixture
def fleet(tmp_path) -> tuple[Path, Path, Path]:
    """The inventory, the program that stands in for r50, and the output."""
    names = ("one", "two")
    hosts = [(name, {"r50_folder": str(tmp_path / name)}) for name in names]
    for name in names:
        (tmp_path / name).mkdir()
    inventory = write_inventory(tmp_path / "hosts.yaml", hosts, ansible_connection="local")
    return inventory, write_stand_in(tmp_path / "program"), tmp_path / "out"


def test_a_lost_host_is_a_row_and_a_repeated_call_does_what_is_missing(fleet, tmp_path):
    inventory, program, output = fleet
    (tmp_path / "two" / "fault").write_text("killed")
    words = (inventory, "throughput_avx_fp32", "--installed", program, "--output", output, "--json")
    process = start(tmp_path, *words)
    told, progress = process.communicate(timeout=_PATIENCE_S)
    assert process.returncode == 3, progress
    one, two = json.loads(told)["rows"]
    assert (one["host"], one["outcome"], one["valid"]) == ("one", "measured", True)
    assert (two["host"], two["outcome"]) == ("two", "lost")
    assert "signal 9" in two["reason"]
    assert "one throughput_avx_fp32: VALID" in progress
    made = (output / one["folder"] / "record.json").stat().st_mtime_ns

    (tmp_path / "two" / "fault").unlink()
    process = start(tmp_path, *words)
    told, progress = process.communicate(timeout=_PATIENCE_S)
    assert process.returncode == 0, progress
    assert "1 cases on 1 hosts" in progress
    assert [row["valid"] for row in json.loads(told)["rows"]] == [True, True]
    assert (output / one["folder"] / "record.json").stat().st_mtime_ns == made
    # Neither the hosts nor this machine keep anything of it.
    assert not list(tmp_path.glob("*/run-*"))
    assert not list(tmp_path.glob("r50f-*"))


def test_an_interrupt_leaves_nothing_running_on_the_hosts(fleet, tmp_path):
    inventory, program, output = fleet
    (tmp_path / "two" / "fault").write_text("hang")
    process = start(
        tmp_path, inventory, "throughput_avx_fp32", "--installed", program, "--output", output
    )
    deadline = time.monotonic() + _PATIENCE_S
    while not (tmp_path / "two" / "hanging").exists() or not list(output.glob("one*/*/*")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, progress = process.communicate(timeout=_PATIENCE_S)
    assert process.returncode == 130, progress
    assert "ending what runs on " in progress
    assert "1 of 2 cases are kept" in progress
    assert list_running(tmp_path) == []
    assert not Path("/proc", (tmp_path / "two" / "hanging").read_text().strip()).exists()
    assert not list(tmp_path.glob("*/run-*"))
    assert not list(tmp_path.glob("r50f-*"))


def test_an_image_is_pulled_and_run_by_the_engine_that_the_inventory_names(tmp_path):
    engine = write_engine(tmp_path / "engine")
    variables = {"r50_folder": str(tmp_path / "one"), "r50_docker": f"{engine}",
                 "r50_docker_options": "--cap-add SYS_NICE"}  # fmt: skip
    inventory = write_inventory(
        tmp_path / "hosts.yaml", [("one", variables)], ansible_connection="local"
    )
    process = start(
        tmp_path, inventory, "throughput_avx_fp32", "--image", IMAGE, "--output", tmp_path / "out",
        "--json", "--", "--steps", "20",
    )  # fmt: skip
    told, progress = process.communicate(timeout=_PATIENCE_S)
    assert process.returncode == 0, progress
    (row,) = json.loads(told)["rows"]
    assert (row["outcome"], row["valid"]) == ("measured", True)
    calls = (tmp_path / "engine" / "calls").read_text().splitlines()
    assert [call.split()[0] for call in calls] == ["image", "pull", "run", "cp", "rm"]
    assert f"--cap-add SYS_NICE {IMAGE} run throughput_avx_fp32 --steps 20 --output" in calls[2]
    assert not list((tmp_path / "engine" / "containers").iterdir())
    assert not list((tmp_path / "one").iterdir())
