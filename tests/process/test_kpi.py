"""`r50 kpi`, `kpi.sh` and `list-kpi.sh` on folders of runs and old logs."""

from __future__ import annotations

import csv
import io
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from tests.records import make_instance, make_lost, make_record

from resnet50_bench.config import RunConfig
from resnet50_bench.report.kpi.text import render_kpi_text
from resnet50_bench.results.files import write_record

from .conftest import COMMAND, GIVE_UP_SECONDS

WORKLOAD = Path(__file__).parents[2] / "workload" / "ResNet50-TensorFlow-Xeon-Public"
OLD_LOG = "MODE: throughput\nBatch size = 32\nThroughput: 100.5 images/sec\nan odd line\n"


def save(folder: Path, **changes) -> Path:
    folder.mkdir(parents=True)
    write_record(folder, make_record(**changes))
    return folder


@pytest.fixture
def runs(r50) -> Path:
    """Two valid runs, 128 images/s each, and below them an old log."""
    save(r50.root / "runs" / "a")
    save(r50.root / "runs" / "b")
    (old := r50.root / "runs" / "history" / "old").mkdir(parents=True)
    (old / "benchmark_0.log").write_text(OLD_LOG)
    return r50.root / "runs"


def test_one_run_is_text_as_before(r50):
    folder = save(r50.root / "a")
    ended = r50("kpi", folder)
    assert (ended.code, ended.stderr) == (0, "")
    assert ended.stdout == render_kpi_text(make_record())


def test_only_the_primary_kpi_of_one_run(r50):
    folder = save(r50.root / "a")
    assert r50("kpi", "--primary", folder).stdout == (
        "*Throughput (images/s): 128.00 # 95 % interval 128.00 .. 128.00; "
        "128.00 .. 128.00 over tenths of the window\n"
        "# verdict: VALID\n"
    )
    with_parameters = r50("kpi", "--primary", "--params", folder).stdout
    assert with_parameters.startswith("## WORKLOAD: ")
    assert "Latency" not in with_parameters


def test_without_arguments_the_current_folder_is_read(r50, runs):
    ended = r50("kpi", cwd=runs)
    heads = [line for line in ended.stdout.splitlines() if line.endswith(":")]
    assert heads == ["a:", "b:", "history/old:"]
    assert "avg *Throughput (images/s): 128.00" in ended.stdout
    inside = r50("kpi", cwd=runs / "a")
    assert inside.stdout == render_kpi_text(make_record())


def test_an_empty_folder_is_a_wrong_request(r50):
    ended = r50("kpi")
    assert (ended.code, ended.stdout) == (2, "")
    assert ended.stderr.splitlines() == [
        "error: no run and no log with a KPI in or below .",
        "  -> give a folder that holds record.json or benchmark_*.log, or one above it",
    ]


def test_the_exit_code_is_the_worst_of_the_runs_listed(r50, runs):
    assert r50("kpi", runs / "a", runs / "b").code == 0
    assert r50("kpi", runs).code == 1  # an old log is never valid
    save(runs / "c", instances=[make_instance(0), make_lost(1)], status="lost instances")
    assert r50("kpi", runs).code == 3
    (runs / "c" / "record.json").write_text("{")
    assert r50("kpi", runs).code == 2


def test_csv_on_stdout_and_in_a_file(r50, runs):
    ended = r50("kpi", "--format", "csv", runs)
    rows = list(csv.DictReader(io.StringIO(ended.stdout)))
    assert [(row["Verdict"], row["Throughput (images/s)"]) for row in rows] == [
        ("VALID", "128.0"), ("VALID", "128.0"), ("UNVERIFIED", "100.5"),
    ]  # fmt: skip
    written = r50("kpi", "--output", r50.root / "kpi.csv", runs)
    assert (written.code, written.stdout, written.stderr) == (1, "", "")
    assert (r50.root / "kpi.csv").read_text() == ended.stdout


def test_json(r50, runs):
    objects = json.loads(r50("kpi", "--format", "json", "--primary", runs).stdout)
    assert [item["kpis"] for item in objects] == [
        [{"name": "Throughput", "unit": "images/s", "value": value, "primary": True}]
        for value in (128.0, 128.0, 100.5)
    ]
    assert ["parameters" in item for item in objects] == [False] * 3
    assert [item["unused_lines"] for item in objects] == [None, None, 1]


def test_xlsx(r50, runs):
    openpyxl = pytest.importorskip("openpyxl", reason="the extra xlsx is not installed")
    ended = r50("kpi", "--format", "xlsx", "--output", r50.root / "kpi.xlsx", runs)
    assert (ended.code, ended.stdout, ended.stderr) == (1, "", "")
    sheet = openpyxl.load_workbook(r50.root / "kpi.xlsx").active
    column = [cell.value for cell in sheet[1]].index("Throughput (images/s)")
    assert [row[column].value for row in sheet.iter_rows(min_row=2)] == [128, 128, 100.5]


def test_a_sweeps_folder_with_its_summary_and_a_damaged_record(r50, runs):
    (runs / "20260102T030405.000000Z-sweep.json").write_text('{"points": []}')
    (runs / "notes.txt").write_text("an odd line\n")
    ended = r50("kpi", "--primary", *sorted(runs.iterdir()))
    assert ended.code == 1  # the old log is unverified
    assert ended.stdout.count("# verdict: VALID") == 2
    assert ended.stderr.splitlines() == [
        f"skipped: {runs}/20260102T030405.000000Z-sweep.json is not the record of a run",
        f"skipped: {runs}/notes.txt is no record, and no log with a KPI",
    ]
    path = runs / "a" / "record.json"
    path.write_text(path.read_text().replace('"end_ns":[', '"end_ns":[7,', 1))
    ended = r50("kpi", "--primary", runs)
    assert ended.code == 2
    assert ended.stdout.count("# verdict: VALID") == 1
    assert (
        "contradicts itself: instances[0].end_ns has 41 times, and start_ns has 40" in ended.stdout
    )
    alone = r50("kpi", runs / "notes.txt")
    assert (alone.code, alone.stderr) == (1, "")


def test_a_record_cannot_forge_a_kpi_or_clear_the_screen(r50):
    folder = save(r50.root / "a")
    path = folder / "record.json"
    forged = json.dumps("EPYC\x1b[2J\n*Throughput (images/s): 9999")
    path.write_text(path.read_text().replace('"Synthetic CPU"', forged))
    for words in (("kpi",), ("show",), ("kpi", "--format", "csv")):
        ended = r50(*words, folder)
        assert ended.code == 0
        assert "EPYC\\x1b[2J\\n*Throughput (images/s): 9999" in ended.stdout
        assert "\x1b" not in ended.stdout
        assert not any(
            line.startswith("*Throughput (images/s): 9999") for line in ended.stdout.splitlines()
        )


def test_a_terminal_that_lacks_a_character_gets_its_escape(r50):
    folder = save(r50.root / "a")
    path = folder / "record.json"
    path.write_text(path.read_text().replace('"Synthetic CPU"', json.dumps("AMD \u2122")))
    ended = r50("show", folder, env={"PYTHONIOENCODING": "ascii"})
    assert ended.code == 0
    assert "AMD \\u2122" in ended.stdout


def test_a_path_that_is_too_long(r50):
    for words in (("kpi",), ("show",), ("profile",), ("dataset", "info"), ("dataset", "verify"),
                  ("model", "verify"), ("host", "show"), ("cases", "--ctest")):  # fmt: skip
        ended = r50(*words, "x" * 300)
        assert ended.code == 2, words
        assert "File name too long" in ended.stderr, words
        assert "internal error" not in ended.stderr, words


def test_xlsx_needs_a_file(r50, runs):
    ended = r50("kpi", "--format", "xlsx", runs)
    assert (ended.code, ended.stdout) == (2, "")
    assert ended.stderr.splitlines() == [
        "error: --format xlsx is no text to print",
        "  -> add --output FILE.xlsx",
    ]


def test_xlsx_without_openpyxl_says_what_to_install(r50, runs):
    (hidden := r50.root / "hidden").mkdir()
    (hidden / "openpyxl.py").write_text("raise ImportError('hidden by the test')")
    output = r50.root / "kpi.xlsx"
    ended = r50("kpi", "--output", output, runs, env={"PYTHONPATH": str(hidden)})
    assert ended.code == 2
    assert ended.stderr.splitlines() == [
        "error: --format xlsx needs openpyxl (hidden by the test)",
        "  -> pip install 'resnet50-bench[xlsx]', or use --format csv",
    ]
    assert not output.exists()


def test_a_file_that_cannot_be_written(r50, runs):
    ended = r50("kpi", "--output", r50.root / "nowhere" / "kpi.csv", runs)
    assert ended.code == 2
    assert "nowhere/kpi.csv: No such file or directory" in ended.stderr


def test_unused_lines_are_counted_and_shown_when_asked(r50, runs):
    plain = r50("kpi", runs / "history")
    assert "# lines of the log not used: 1\n" in plain.stdout
    assert plain.stderr == ""
    verbose = r50("kpi", "--verbose", runs / "history")
    assert verbose.stdout == plain.stdout
    log = runs / "history" / "old" / "benchmark_0.log"
    assert verbose.stderr.splitlines() == [
        f"{runs}/history/old: lines of the log not used: 1",
        f"  {log}:4: an odd line",
    ]


def test_a_customers_variable_with_control_characters(r50):
    folder = save(
        r50.root / "a", config=RunConfig(cores_per_instance=2, customer_env={"A": "\x07"})
    )
    assert r50("kpi", folder).code == 0
    assert r50("kpi", "--format", "csv", folder).code == 0


def script(name: str, *arguments: object, env: dict[str, str], cwd: Path):
    return subprocess.run(
        [str(WORKLOAD / name), *map(str, arguments)],
        env=env,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=GIVE_UP_SECONDS,
        check=False,
    )


@pytest.fixture
def r50_file(r50) -> Path:
    """An executable `r50` of this interpreter in a folder of its own."""
    (folder := r50.root / "with space").mkdir()
    path = folder / "r50"
    words = " ".join(f"'{word}'" for word in COMMAND)
    path.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_kpi_sh_reads_the_current_folder(r50, runs, r50_file):
    environment = r50.environment({"R50": str(r50_file)})
    ended = script("kpi.sh", env=environment, cwd=runs / "a")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == render_kpi_text(make_record())
    many = script("kpi.sh", "--primary", runs, env=environment, cwd=r50.cwd)
    assert many.returncode == 1
    assert many.stdout == r50("kpi", "--primary", runs).stdout


def test_list_kpi_sh_always_lists(r50, runs, r50_file):
    environment = r50.environment({"R50": str(r50_file)})
    ended = script("list-kpi.sh", "--params", runs / "a", env=environment, cwd=r50.cwd)
    assert ended.returncode == 0
    assert ended.stdout.splitlines()[:3] == [
        f"{runs}/a:",
        "# status: passed",
        "# WORKLOAD: resnet50v1_5_tensorflow_xeon_public",
    ]
    file = r50.root / "kpi.csv"
    assert script("list-kpi.sh", f"--file={file}", runs, env=environment, cwd=r50.cwd).stdout == ""
    assert file.read_text().startswith("Run,Source,Verdict,")


@pytest.mark.parametrize("name", ["kpi.sh", "list-kpi.sh"])
def test_a_copy_of_a_script_finds_r50_on_the_path_or_says_it_is_missing(r50, runs, r50_file, name):
    (copies := r50.root / "x" / "y").mkdir(parents=True)
    copy = copies / name
    copy.write_bytes((WORKLOAD / name).read_bytes())
    copy.chmod(0o755)
    environment = r50.environment()
    environment.pop("R50", None)

    def run(**extra: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(copy), str(runs / "a")],
            env=environment | extra,
            capture_output=True,
            text=True,
            timeout=GIVE_UP_SECONDS,
            check=False,
        )

    tools = os.pathsep.join(("/usr/bin", "/bin"))
    assert run(PATH=f"{r50_file.parent}:{tools}").returncode == 0
    missing = run(PATH=tools)
    assert (missing.returncode, missing.stdout) == (2, "")
    assert missing.stderr == (
        f"{name}: there is no r50: run 'make setup' in the project's folder, "
        "or set R50=/path/to/r50\n"
    )
    wrong = run(R50="/nowhere/r50")
    assert wrong.returncode == 2
    assert wrong.stderr.startswith(f"{name}: there is no /nowhere/r50: ")


@pytest.mark.parametrize("arguments", [["kpi", "--help"]])
def test_help_imports_nothing_large(r50, arguments):
    ended = r50(*arguments, command=[sys.executable, "-X", "importtime", *COMMAND[1:]])
    assert ended.code == 0
    lines = [line for line in ended.stderr.splitlines() if line.startswith("import time:")]
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}
    assert imported & {"numpy", "rich", "openpyxl", "msgspec"} == set()
