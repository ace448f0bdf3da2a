"""One input: a command line and the files it finds, run in this process; and what came of it."""

from __future__ import annotations

import io
import shutil
import tarfile
import traceback
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from random import Random

import click
from PIL import Image
from tests.fuzz.commands import Leaf, make_arguments
from tests.fuzz.documents import (
    make_any_file,
    make_host_file,
    make_log_file,
    make_record_file,
    make_yaml_file,
)
from tests.fuzz.sandbox import TooSlow, guarded

from resnet50_bench.cli import r50
from resnet50_bench.errors import R50Error

_FILES = {
    "run/record.json": make_record_file,
    "runs/a/record.json": make_record_file,
    "runs/b/record.json": make_record_file,
    "a.json": make_record_file,
    "b.json": make_record_file,
    "host.json": make_host_file,
    "c.yaml": make_yaml_file,
    "d.txt": make_any_file,
    "model.pb": make_any_file,
    "labels.txt": make_any_file,
    "hostfile": make_any_file,
    "old/benchmark_0.log": make_log_file,
    "old/other.log": make_log_file,
    "run/onednn_000.log": make_log_file,
    "run/trace_000.log": make_log_file,
    "run/answers.jsonl": make_any_file,
    "CTestTestfile.cmake": make_any_file,
    "images/ILSVRC2012_val_00000003.JPEG": make_any_file,
}
_EXIT_CODES = {0, 1, 2, 3, 77, *range(129, 160)}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that must not be.

    Attributes:
        kind: what it is and where, the same for all that have one cause.
        detail: a traceback, or the line that was printed.
        arguments: the command line.
    """

    kind: str
    detail: str
    arguments: list[str]


def lay_out(folder: Path) -> None:
    """Fill an empty folder with what does not change."""
    for name in ("run", "runs/a", "runs/b", "old", "images"):
        (folder / name).mkdir(parents=True)
    picture = io.BytesIO()
    Image.new("RGB", (20, 20), (120, 60, 30)).save(picture, "JPEG")
    for number in (1, 2):
        (folder / f"images/ILSVRC2012_val_0000000{number}.JPEG").write_bytes(picture.getvalue())
    with tarfile.open(folder / "photos.tar", "w") as tar:
        tar.add(folder / "images", "images")
    (folder / "loop").symlink_to("loop")
    (folder / "locked").touch()


def clear(folder: Path) -> None:
    """Take away what commands left behind, and begin again."""
    for path in [*folder.iterdir(), *folder.parent.iterdir()]:
        if path == folder:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    lay_out(folder)


def try_input(random: Random, leaf: Leaf, folder: Path) -> Finding | None:
    """Make an input, run it, and say what was wrong with how it ended; None when nothing was."""
    for name, make in _FILES.items():
        if random.random() < 0.15:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            if (folder / name).is_dir():
                continue
            (folder / name).write_bytes(make(random))
    return try_arguments(make_arguments(random, leaf), folder)


def try_arguments(arguments: list[str], folder: Path) -> Finding | None:
    """Run a command line in the folder; see `try_input`."""
    with guarded(folder) as (stdout, stderr):
        finding = _run(arguments)
    if finding is not None:
        return finding
    for output in (stdout, stderr):
        for line in output.getvalue().decode("utf-8", "replace").split("\n"):
            if not is_clean(line):
                return Finding("a raw control character is printed", ascii(line), arguments)
    return None


def is_clean(line: str) -> bool:
    """Whether nothing in the line moves the cursor, begins a line or turns the text around."""
    return not any(unicodedata.category(item) in {"Cc", "Cf", "Zl", "Zp"} for item in line)


def _run(arguments: list[str]) -> Finding | None:
    try:
        r50.main(arguments, "r50", standalone_mode=False)
    except (R50Error, click.ClickException, click.exceptions.Abort, click.exceptions.Exit) as error:
        # What the entry point prints of it; `cli` has the tests of that.
        if isinstance(error, click.ClickException):
            error.format_message()
    except TooSlow:
        return Finding(f"too slow: {arguments[:2]}", traceback.format_exc(), arguments)
    except SystemExit as end:
        if end.code not in _EXIT_CODES and end.code is not None:
            return Finding(f"exit code {end.code!r}", "", arguments)
    except BaseException as error:  # noqa: BLE001 - what is no error of ours is a finding
        return Finding(_name_cause(error), traceback.format_exc(), arguments)
    return None


def _name_cause(error: BaseException) -> str:
    """The exception and the last line of ours that it came through."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "resnet50_bench" in frame.filename] or frames
    place = ours[-1]
    return f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno} ({place.name})"
