"""Whole runs through the command line, and what is kept of them."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from resnet50_bench.contention.cpu_lock import PLACE_VARIABLE
from resnet50_bench.results.kpi import run_kpis

from .conftest import MEASURE, QUICK, STEPS, WARMUP_STEPS, Ended, instances, wait_until


def test_a_valid_run(finished):
    r50, ended = finished
    assert ended.code == 0, ended.stdout + ended.stderr
    assert ended.stdout.startswith("Throughput")
    assert ended.stdout.endswith("\nVALID\n")
    assert "#INVALID RESULT" not in ended.stdout
    stages = [line for line in ended.stderr.splitlines() if line.startswith("[")]
    assert [line[1] for line in stages] == ["1", "2", "3", "4"]
    assert stages == ended.stderr.splitlines()

    record = r50.record()
    count = len(record.placement.slots)
    assert record.status == "completed"
    assert len(record.instances) == count
    assert [item.started for item in record.instances] == [True] * count
    assert [item.reported for item in record.instances] == [True] * count
    assert [item.exit.kind for item in record.instances] == ["ok"] * count
    assert len({item.pid for item in record.instances}) == count
    assert len({item.slot.cpus for item in record.instances}) == count
    for item in record.instances:
        assert item.seen.cpus == item.slot.cpus
        assert len(item.slot.cpus) == 1
        assert len(item.start_ns) == len(item.end_ns) >= STEPS
        assert len(item.warmup_query_ns) == WARMUP_STEPS
        assert item.resident_bytes > item.feed.images * 602_112, "its images are still held"
        assert item.log_tail is None
        assert (r50.folder() / f"instance_{item.slot.instance:03d}.log").read_text() == ""
    assert (record.energy.absence is None) == bool(record.energy.zones)
    assert "\nEnergy" in ended.stdout
    assert "Verdict: VALID" in r50.log()
    assert sorted(path.name for path in r50.folder().iterdir()) == [
        "benchmark_throughput_avx_fp32.log",
        *(f"instance_{number:03d}.log" for number in range(count)),
        "record.json",
    ]


def test_show_and_kpi_agree_with_the_record(finished):
    r50, ran = finished
    record = r50.record()
    begin_ns = max(item.start_ns[0] for item in record.instances)
    end_ns = min(item.end_ns[-1] for item in record.instances)
    window = run_kpis(record).window
    # On a busy machine the first queries may be slow enough to be taken for warm-up: then the window
    # begins with a query, and has lost a third of the time at most.
    assert window.end_ns == end_ns
    if window.begin_ns != begin_ns:
        assert window.begin_ns in {start for item in record.instances for start in item.start_ns}
        assert 0 < window.begin_ns - begin_ns <= (end_ns - begin_ns) / 3
    begin_ns = window.begin_ns
    done = sum(
        max(0, min(end, end_ns) - max(start, begin_ns)) / (end - start)
        for item in record.instances
        for start, end in zip(item.start_ns, item.end_ns, strict=True)
    )
    rate = done / (end_ns - begin_ns) * 1e9

    assert r50("show", r50.folder()) == Ended(0, ran.stdout, "")
    assert f"{rate:.2f} images/s" in ran.stdout.splitlines()[0]

    shown = r50("show", "--json", r50.folder())
    assert (shown.code, shown.stderr) == (0, "")
    summary = json.loads(shown.stdout)
    assert summary["valid"] is True
    assert summary["status"] == "completed"
    assert summary["run_id"] == record.run_id == r50.folder().name
    assert summary["kpis"]["images"] == pytest.approx(done, rel=1e-9)
    assert summary["kpis"]["throughput_images_per_s"] == pytest.approx(rate, rel=1e-9)
    assert [item["queries"] for item in summary["instances"]] == [
        len(item.end_ns) for item in record.instances
    ]

    priced = r50("show", "--json", r50.folder(), "--price-per-hour", "3.6")
    cost = json.loads(priced.stdout)["cost_per_million_images"]
    assert cost == pytest.approx(1000 / rate, rel=1e-9)

    kpi = r50("kpi", r50.folder())
    assert (kpi.code, kpi.stderr) == (0, "")
    (starred,) = [line for line in kpi.stdout.splitlines() if line.startswith("*")]
    assert starred.startswith("*Throughput (images/s): ")
    assert f"{rate:.2f}" in starred
    assert f"## INSTANCES: {len(record.instances)}" in kpi.stdout.splitlines()
    assert "# verdict: VALID" in kpi.stdout.splitlines()


def test_json_is_all_there_is_on_stdout(r50, picture):
    ran = r50(
        "run", *MEASURE, "--dataset", picture, *instances(1), "--output", r50.output, "--json"
    )
    assert ran.code == 0, ran.stderr
    assert json.loads(ran.stdout) == json.loads(r50("show", "--json", r50.folder()).stdout)


def test_latency_has_its_own_primary_kpi(r50, picture):
    arguments = [
        *MEASURE,
        "--dataset",
        picture,
        *instances(1),
        "--mode",
        "latency",
        "--output",
        r50.output,
    ]
    assert r50("run", *arguments).code == 0
    kpi = r50("kpi", r50.folder()).stdout
    (starred,) = [line for line in kpi.splitlines() if line.startswith("*")]
    assert "atency" in starred


def test_relative_output_is_below_the_working_directory(r50, picture):
    elsewhere = r50.root / "elsewhere"
    elsewhere.mkdir()
    ended = r50("run", *MEASURE, "--dataset", picture, "--output", "here/results", cwd=elsewhere)
    assert ended.code == 0, ended.stderr
    (folder,) = (elsewhere / "here/results").iterdir()
    assert (folder / "record.json").is_file()
    assert list(r50.cwd.iterdir()) == []


def test_r50_output_names_the_folder_a_flag_wins_and_no_two_runs_share_one(r50, picture):
    env = {"R50_OUTPUT": str(r50.output)}
    other = r50.root / "other"

    def place(number: int) -> dict[str, str]:
        """Locks of its own: here they are to run at the same time, on the same cores."""
        folder = r50.root / f"locks{number}"
        folder.mkdir()
        return {PLACE_VARIABLE: str(folder)}

    processes = [
        r50.start("run", *MEASURE, "--dataset", picture, env=env | place(1)),
        r50.start("run", *MEASURE, "--dataset", picture, env=env | place(2)),
        r50.start("run", *MEASURE, "--dataset", picture, "--output", other, env=env | place(3)),
    ]
    assert [r50.end(process).code for process in processes] == [0, 0, 0]
    assert len(list(r50.output.iterdir())) == 2
    assert len(list(other.iterdir())) == 1


def test_modules_lying_in_the_working_directory_are_not_imported(r50, picture):
    for name in ("socket.py", "numpy.py", "msgspec.py"):
        (r50.cwd / name).write_text("raise RuntimeError('taken from the working directory')\n")
    ended = r50("run", *MEASURE, "--dataset", picture, "--output", r50.output, fresh=True)
    assert ended.code == 0, ended.stdout + ended.stderr


def test_threads_a_library_starts_at_its_import_stay_in_the_slot(r50, picture, two_cores):
    arguments = [
        *MEASURE,
        "--dataset",
        picture,
        *instances(2),
        "--customer-env",
        "OMP_NUM_THREADS=4",
    ]
    ended = r50("run", *arguments, "--output", r50.output)
    assert ended.code == 0, ended.stdout
    for item in r50.record().instances:
        assert item.seen.cpus == item.slot.cpus


def test_swaying_variables_of_the_shell_do_not_reach_the_workers(r50):
    arguments = [*QUICK, "--engine-option", "fault=hang", "--customer-env", "MY_OWN=2"]
    process = r50.start("run", *arguments, "--output", r50.output, env={"OMP_DYNAMIC": "TRUE"})
    r50.wait_for_stderr(process, "load, fill the feed, warm up")
    wait_until(lambda: len(r50.live()) == 2, "the worker")
    # A forked child still shows its parent's variables until it has executed the worker.
    wait_until(lambda: any("worker" in line for line in r50.live().values()), "the worker's exec")
    (pid,) = (pid for pid, line in r50.live().items() if "worker" in line)
    variables = Path(f"/proc/{pid}/environ").read_text().split("\0")
    process.terminate()
    ended = r50.end(process)
    assert "MY_OWN=2" in variables
    assert "OMP_NUM_THREADS=1" in variables
    assert not [text for text in variables if text.startswith("OMP_DYNAMIC")]
    assert "not passed on to the instances: OMP_DYNAMIC" in ended.stderr
    assert r50.record().launch.environment == {"OMP_NUM_THREADS": "1", "MY_OWN": "2"}


def test_verbose_says_the_environment_and_every_instances_phases(r50, picture):
    arguments = [*MEASURE, *instances(1), "--dataset", picture, "--output", r50.output]
    arguments += ["--customer-env", "A=1 B='$(id) two'"]
    ended = r50("run", *arguments, "--verbose")
    assert ended.code == 0, ended.stdout + ended.stderr
    lines = ended.stdout.splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("Environment"))
    assert [line.removeprefix("Environment").strip() for line in lines[first : first + 3]] == [
        "A=1", "B=$(id) two", "OMP_NUM_THREADS=1",
    ]  # fmt: skip
    (phases,) = [line for line in lines if line.startswith("Instance 0")]
    assert [part.split()[0] for part in phases.removeprefix("Instance 0").split(",")] == [
        "process", "load", "images", "warm-up", "measured",
    ]  # fmt: skip
    assert "Environment" not in r50("show", r50.folder()).stdout


@pytest.fixture
def images(r50):
    """Five images, one JPEG cut short, one text named like an image, one plain text file."""
    folder = r50.root / "images"
    (folder / "deeper").mkdir(parents=True)
    random = np.random.default_rng(7)
    for number in range(5):
        pixels = random.integers(0, 256, (240, 260, 3), np.uint8)
        assert cv2.imwrite(str(folder / "deeper" / f"{number}.jpg"), pixels)
    whole = (folder / "deeper/0.jpg").read_bytes()
    (folder / "cut.JPEG").write_bytes(whole[: len(whole) // 2])
    (folder / "text.jpg").write_text("not an image")
    (folder / "notes.txt").write_text("no image either")
    return folder


def make_tar(folder):
    path = folder.parent / "images.tar"
    with tarfile.open(path, "w") as archive:
        archive.add(folder, arcname="images")
    return path


@pytest.mark.parametrize("kind", ["folder", "tar"])
def test_real_images(r50, images, kind):
    path = images if kind == "folder" else make_tar(images)
    prefix = "" if kind == "folder" else "images/"
    ended = r50("run", *MEASURE, *instances(1), "--dataset", path, "--output", r50.output)
    assert ended.code == 0, ended.stdout + ended.stderr
    assert f"5 of 7 files of the {kind} {path}" in ended.stdout
    assert "2 files skipped" in ended.stdout
    assert f"{prefix}cut.JPEG: " in ended.stdout
    assert f"{prefix}text.jpg: " in ended.stdout
    assert "notes.txt" not in ended.stdout
    record = r50.record()
    assert record.config.data_type.value == "real"
    assert record.dataset.images == 7
    (item,) = record.instances
    assert item.feed.images == 5
    assert [skipped.name for skipped in item.feed.skipped] == [
        f"{prefix}cut.JPEG",
        f"{prefix}text.jpg",
    ]
    assert all(skipped.reason for skipped in item.feed.skipped)


def test_two_instances_share_the_images(r50, images, two_cores):
    arguments = [*MEASURE, *instances(2), "--dataset", images, "--output", r50.output]
    ended = r50("run", *arguments)
    assert ended.code == 0, ended.stdout + ended.stderr
    assert sum(item.feed.images for item in r50.record().instances) == 5
    assert f"5 of 7 files of the folder {images}" in ended.stdout


def test_no_usable_image_ends_the_run(r50, images):
    (bad := r50.root / "bad").mkdir()
    (images / "text.jpg").rename(bad / "text.jpg")
    ended = r50("run", *MEASURE, *instances(1), "--dataset", bad, "--output", r50.output)
    assert ended.code == 2
    assert "instance 0 was lost while filling the feed" in ended.stdout
    assert "instances were killed" not in ended.stdout
    assert "Traceback" not in ended.stdout
    assert "text.jpg" in ended.stdout
    assert "give --dataset a folder or an uncompressed .tar" in ended.stdout
    assert r50.record().status == "lost instances"
