"""Output that cannot be written: the terminal, the disk of the runs, a file that was asked for."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from resnet50_bench.results.files import read_record

from .conftest import COMMAND, GIVE_UP_SECONDS, MEASURE, QUICK, instances

NO_ROOM = "No space left on device"
MOUNT = 'mount -t tmpfs -o size="$1" tmpfs "$2" && shift 2 && exec "$@"'
ONE = [*MEASURE, *instances(1)]
LONG = [*QUICK, *instances(1), "--steps", "3000", "--warmup-steps", "1"]
"""Its record is larger than what is left on the disk, and it takes three seconds."""

PRINTING = [
    ["--help"], ["--version"], ["run", "--help"], ["plan"], ["plan", "--json"], ["doctor"],
    ["cases", "--platform", "SPR"], ["host", "show"], ["host", "capture", "-"], ["model", "info"],
    ["ctest", "--describe-params"], ["run", *QUICK, "--dry-run"],
]  # fmt: skip
"""Commands that print without a run to print of."""


@pytest.fixture
def full_disk(r50):
    """Runs r50 with a disk of so many bytes at `r50.root / "disk"`, in a mount namespace."""
    disk = r50.root / "disk"
    disk.mkdir()

    def command(size: str, before: str = "true") -> list[str]:
        inner = [*COMMAND]
        words = ["unshare", "-rm", "sh", "-c", MOUNT, "sh", size, str(disk)]
        return [*words, "sh", "-c", f'cd "$0" && {before} && cd - >/dev/null && exec "$@"',
                str(disk), *inner]  # fmt: skip

    probe = [*command("64k")[: -len(COMMAND)], "true"]
    if subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("a user may not mount a tmpfs in a namespace of its own here")
    return command


def run_into(target, *arguments, r50, closed: bool = False) -> tuple[int, str]:
    """Run r50 with its standard output going to an open file, or closed."""
    words = [*COMMAND, *map(str, arguments)]
    if closed:
        words = ["sh", "-c", 'exec "$@" >&-', "sh", *words]
    ended = subprocess.run(
        words, stdout=target, stderr=subprocess.PIPE, env=r50.environment(), cwd=r50.cwd,
        timeout=GIVE_UP_SECONDS, check=False,
    )  # fmt: skip
    return ended.returncode, ended.stderr.decode()


@pytest.mark.parametrize("arguments", PRINTING, ids=" ".join)
def test_a_full_terminal(r50, arguments):
    with Path("/dev/full").open("wb") as full:
        code, stderr = run_into(full, *arguments, r50=r50)
    assert code == 3
    first, *rest = stderr.splitlines()
    assert first == f"error: standard output cannot be written: {NO_ROOM}"
    assert len(rest) == 1
    assert rest[0].startswith("  -> ")


def test_a_closed_terminal(r50):
    code, stderr = run_into(None, "plan", r50=r50, closed=True)
    assert code == 3
    assert stderr.splitlines()[0] == "error: standard output cannot be written: it is closed"


@pytest.mark.parametrize("arguments", PRINTING, ids=" ".join)
def test_a_reader_that_went_away(r50, arguments):
    reader, writer = os.pipe()
    os.close(reader)
    try:
        assert run_into(writer, *arguments, r50=r50) == (141, "")
    finally:
        os.close(writer)


def test_standard_error_that_cannot_be_written_is_no_matter(r50):
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(
            [*COMMAND, "run", *ONE, "--output", str(r50.output)],
            stdout=subprocess.PIPE, stderr=full, env=r50.environment(), cwd=r50.cwd,
            timeout=GIVE_UP_SECONDS, check=False,
        )  # fmt: skip
    assert ended.returncode == 0
    assert ended.stdout.decode().endswith("VALID\n")
    assert r50.record().status == "completed"


@pytest.mark.parametrize("extra", [[], ["--json"]])
def test_a_run_whose_result_cannot_be_printed_is_kept(r50, extra):
    with Path("/dev/full").open("wb") as full:
        code, stderr = run_into(full, "run", *ONE, "--output", r50.output, *extra, r50=r50)
    assert code == 3
    assert stderr.splitlines()[-2:] == [
        f"error: standard output cannot be written: {NO_ROOM}",
        f"  -> the result is kept: `r50 show {r50.folder()}` prints it",
    ]
    assert r50("show", r50.folder()).stdout.endswith("VALID\n")


def test_a_sweep_goes_on_when_it_cannot_print(r50):
    with Path("/dev/full").open("wb") as full:
        arguments = [*ONE, "--set", "SEED=1 2", "--continue", "--output", r50.output]
        code, _ = run_into(full, "run", *arguments, r50=r50)
    assert code == 3
    statuses = [read_record(folder).status for folder in r50.output.iterdir() if folder.is_dir()]
    assert statuses == ["completed", "completed"]


def test_a_disk_that_is_full_before_the_run(r50, full_disk):
    disk = r50.root / "disk"
    filled = full_disk("64k", "head -c 65536 /dev/zero > fill")
    for extra in ([], ["--dry-run"]):
        ended = r50("run", *ONE, "--output", disk, *extra, command=filled)
        assert (ended.code, ended.stdout) == (3, "")
        assert ended.stderr.splitlines()[0] == f"error: cannot write results to {disk}: {NO_ROOM}"
        assert "--output DIR" in ended.stderr


def test_a_disk_that_is_full_when_the_run_begins(r50, full_disk):
    """Its folder can be made, and the record of its begin has no room."""
    long = ["--customer-env", f"LONG={'x' * 8000}"]  # in the record, which 4 KiB then cannot hold
    command = full_disk("8k", "head -c 4096 /dev/zero > fill")
    ended = r50("run", *ONE, *long, "--output", r50.root / "disk", command=command)
    assert (ended.code, ended.stdout) == (3, "")
    line = next(line for line in ended.stderr.splitlines() if line.startswith("error: "))
    assert line.endswith(f"/record.json cannot be written: {NO_ROOM}")


def test_a_disk_that_is_full_when_the_run_ends(r50, full_disk):
    ended = r50("run", *LONG, "--output", r50.root / "disk",
                command=full_disk("64k", "head -c 49152 /dev/zero > fill"))  # fmt: skip
    assert ended.code == 3
    assert "Throughput" in ended.stdout
    error, advice = ended.stderr.splitlines()[-2:]
    assert error.endswith(f"/record.json cannot be written: {NO_ROOM}")
    (kept,) = r50.temporary.iterdir()
    assert f"the record is in {kept} instead: `r50 show {kept}`" in advice
    assert read_record(kept).status == "completed"
    assert len(read_record(kept).instances[0].end_ns) == 3000
    assert r50("show", kept).stdout.splitlines()[-1] == "VALID"
    shutil.rmtree(kept)


def test_a_record_that_no_folder_takes_is_told_once(r50):
    """A limit on the size of files holds everywhere, in memory too."""
    limited = ["sh", "-c", 'ulimit -f 16 && exec "$@"', "sh", *COMMAND]
    ended = r50("run", *LONG, "--output", r50.output, command=limited)
    assert ended.code == 3
    assert "Throughput" in ended.stdout
    assert "File too large" in ended.stderr
    assert "its result is shown once, now" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    "arguments", [["kpi", "{run}", "--output", "{file}"], ["host", "capture", "{file}"],
                  ["cases", "--platform", "SPR", "--ctest", "{file}"]], ids=lambda it: it[0],
)  # fmt: skip
def test_a_file_that_the_disk_has_no_room_for(finished, r50, full_disk, arguments):
    names = {"run": str(finished[0].folder()), "file": str(r50.root / "disk" / "file.csv")}
    words = [word.format(**names) for word in arguments]
    ended = r50(*words, command=full_disk("8k", "head -c 8192 /dev/zero > fill"))
    assert (ended.code, ended.stdout) == (3, "")
    assert f"{names['file']} cannot be written: {NO_ROOM}" in ended.stderr


def test_a_cache_without_room_for_a_model(r50, full_disk):
    env = {"R50_CACHE_DIR": str(r50.root / "disk")}
    for arguments in (["run", "--dry-run", "--emulated"], ["model", "prepare"]):
        ended = r50(*arguments, command=full_disk("64k"), env=env)
        if "TensorFlow, which is not installed" in ended.stderr:
            pytest.skip("TensorFlow is not installed")
        assert (ended.code, ended.stdout) == (3, ""), ended.stderr
        assert f"cannot write to the model cache {r50.root}/disk/models: {NO_ROOM}" in ended.stderr
        assert "R50_CACHE_DIR" in ended.stderr
