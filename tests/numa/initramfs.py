"""Writes an initramfs that holds this Python, this package and what `r50 run --engine null` needs.

Every file keeps the path it has here, so that the virtual environment works in the guest as it is.
"""

from __future__ import annotations

import importlib.metadata
import itertools
import re
import stat
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import resnet50_bench

PROJECT = "resnet50-bench"
NOT_NEEDED = {"google-crc32c", "opencv-python-headless", "pillow", "scipy", "simplejpeg"}
"""Some 200 MB; the null engine decodes no image and computes nothing."""
NOT_NEEDED_FOLDERS = {
    "__pycache__", "ensurepip", "idlelib", "lib2to3", "pydoc_data", "site-packages", "test",
    "tests", "tkinter", "turtledemo",
}  # fmt: skip
MOUNT_POINTS = ("/dev", "/proc", "/sys", "/tmp")


def write_initramfs(path: Path, init: Path, extra: dict[str, bytes]) -> None:
    """Write the archive.

    Args:
        path: of the archive.
        init: what the kernel starts: a Python script.
        extra: further files, by their absolute path in the guest.
    """
    contents = {file: file.read_bytes() for file in _collect_files()}
    modes = {file: file.stat().st_mode & 0o777 for file in contents}
    added = {"/init": f"#!{sys.executable}\n".encode() + init.read_bytes(), **extra}
    contents |= {Path(name): content for name, content in added.items()}
    folders = {parent for file in contents for parent in file.parents if parent != Path("/")}
    folders |= {Path(name) for name in MOUNT_POINTS}
    numbers = itertools.count(1)
    with path.open("wb") as archive:
        for folder in sorted(folders):  # the outer ones first
            _write_entry(archive, next(numbers), folder, stat.S_IFDIR | 0o755, b"")
        for file, content in contents.items():
            mode = stat.S_IFREG | modes.get(file, 0o755)
            _write_entry(archive, next(numbers), file, mode, content)
        _write_entry(archive, 0, Path("/TRAILER!!!"), 0, b"")


def _write_entry(archive: BinaryIO, number: int, path: Path, mode: int, content: bytes) -> None:
    """Append a file in the "newc" form of Documentation/driver-api/early-userspace/buffer-format."""
    name = str(path).lstrip("/").encode() + b"\0"
    fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields) + name
    archive.writelines(part + bytes(-len(part) % 4) for part in (header, content))


def _collect_files() -> set[Path]:
    """The interpreter, its library, the package, its dependencies, and the libraries of all.

    A link is stored as the file it leads to, under its own name: `python` becomes a copy of the
    interpreter, as `venv --copies` makes it.
    """
    environment, interpreter = Path(sys.prefix), Path(sys.executable).resolve()
    found = set(_walk(Path(sysconfig.get_path("stdlib"))))
    found |= set(_walk(Path(resnet50_bench.__file__).parent))
    for name in _list_distributions():
        found |= set(_list_distribution_files(name))
    found |= {environment / "pyvenv.cfg", environment / "bin/r50", interpreter}
    found |= set((environment / "bin").glob("python*"))
    found |= set(Path(sysconfig.get_path("purelib")).glob(f"*{resnet50_bench.__name__}*.pth"))
    programs = [file for file in found if ".so" in file.name]
    found |= set(_list_libraries([*programs, interpreter]))
    return {file for file in found if file.is_file() and file.suffix != ".a"}


def _walk(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.is_file():
            yield path
        elif path.is_dir() and path.name not in NOT_NEEDED_FOLDERS:
            yield from _walk(path)


def _list_distributions() -> list[str]:
    """The project and what it needs, without extras, by name."""
    waiting, seen = [PROJECT], set[str]()
    while waiting:
        name = waiting.pop()
        if name not in seen | NOT_NEEDED and _is_installed(name):
            seen.add(name)
            needed = importlib.metadata.requires(name) or ()
            waiting += [re.split(r"[^\w.-]", text)[0] for text in needed if "extra ==" not in text]
    return sorted(seen)


def _is_installed(name: str) -> bool:
    """A dependency may be for other platforms or versions of Python only."""
    try:
        importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _list_distribution_files(name: str) -> Iterator[Path]:
    distribution = importlib.metadata.distribution(name)
    for file in distribution.files or ():
        path = Path(str(distribution.locate_file(file))).resolve()
        if not {"tests", "__pycache__"} & set(file.parts):
            yield path


def _list_libraries(programs: Iterable[Path]) -> Iterator[Path]:
    """The shared libraries the programs are linked with, by the names the loader looks for."""
    done = subprocess.run(["ldd", *map(str, programs)], capture_output=True, text=True, check=False)
    for name in set(re.findall(r"(/\S+) \(0x", done.stdout)):
        yield Path(name)
