"""Downloads the validation set's archive into a folder of the user's, and proves it.

The archive is put in its place only when its size, MD5 and SHA-256 are the published ones. One
that arrives complete and is something else is kept beside it as `NAME.corrupt`: it is what the
user waited for, and the evidence against a mirror; the next download starts anew. A file that is
in the place already is never touched.
"""

from __future__ import annotations

import fcntl
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet50_bench.data.verify.bytes import hash_file
from resnet50_bench.data.verify.facts import Step
from resnet50_bench.data.verify.inquiry import Inquiry, published_hashes
from resnet50_bench.download import Wanted, download_file, plan_part
from resnet50_bench.errors import DatasetError
from resnet50_bench.files.paths import is_there

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from resnet50_bench.data.imagenet import ImageArchive
    from resnet50_bench.data.verify.facts import OnProgress
    from resnet50_bench.data.verify.memory import Memory


@dataclass(frozen=True, slots=True)
class Fetched:
    """The archive, and whether it was there already."""

    path: Path
    was_there: bool


@dataclass(frozen=True, slots=True)
class Mirror:
    """Where to download from.

    Attributes:
        url: of the file: http, https or file; None for the published place.
        netrc: a file of logins by host; None to log in nowhere.
    """

    url: str | None = None
    netrc: Path | None = None


_PUBLISHED = Mirror()


def fetch_archive(
    folder: Path,
    published: ImageArchive,
    memory: Memory,
    on_progress: OnProgress,
    mirror: Mirror = _PUBLISHED,
) -> Fetched:
    """Download the archive into a folder, unless it is there already.

    Args:
        folder: absolute; it is made if it does not exist.
        published: the archive.
        memory: where its hashes are remembered, so that they are computed once.
        on_progress: see `OnProgress`.
        mirror: where from.

    Raises:
        DatasetError: the folder cannot be written or has too little space, another process is
            downloading into it, another file is in the archive's place, or what was received is
            not the archive.
        DownloadError: it cannot be downloaded; what was received stays for the next time.

    """
    path = folder / published.file_name
    if is_there(path):  # also where nothing can be written
        _require_published(path, published, memory, on_progress)
        return Fetched(path, was_there=True)
    with _hold_part(path):
        if path.exists():  # another process has put it there meanwhile
            return fetch_archive(folder, published, memory, on_progress, mirror)
        _require_space(path, published)
        url = mirror.url or published.url
        wanted = Wanted(url, path, _by_hand(path), published.size_bytes, mirror.netrc)
        download_file(
            wanted,
            lambda done, total: on_progress(Step.DOWNLOAD, done, total),
            lambda part, _: _accept(part, path, published, on_progress),
        )
    inquiry = Inquiry(path, published, memory)
    inquiry.learn_hashes(published_hashes(published))
    return Fetched(path, was_there=False)


def _by_hand(path: Path) -> str:
    return (
        "ImageNet's files need an account and the acceptance of its terms: log in at "
        f"https://image-net.org/download.php, download {path.name} with the browser and put it at "
        f"{path}; or name a mirror with --url"
    )


@contextmanager
def _hold_part(path: Path) -> Iterator[None]:
    """Own the unfinished file; the kernel ends that when this process ends, however it ends."""
    part = plan_part(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = part.open("ab")
    except OSError as error:
        raise DatasetError(
            f"cannot write to DIR {path.parent}: {error.strerror}", "name a writable folder"
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DatasetError(
                f"another process is downloading to {part}", "wait for it, or end it"
            ) from error
        except OSError:  # a network file system without locks
            pass
        try:
            yield
        finally:
            if part.exists() and part.stat().st_size == 0:
                part.unlink()


def _require_published(
    path: Path, published: ImageArchive, memory: Memory, on_progress: OnProgress
) -> None:
    size_bytes = path.stat().st_size
    if size_bytes == published.size_bytes:
        hashes = Inquiry(path, published, memory).read_hashes(on_progress)
        if hashes == published_hashes(published):
            return
        difference = f"its SHA-256 is {hashes.sha256}"
    else:
        difference = f"it has {size_bytes:,} bytes, not {published.size_bytes:,}"
    raise DatasetError(
        f"{path} is there and is not the published archive: {difference}",
        "move it away and run the command again, or name another DIR; "
        f"`r50 dataset verify {path}` tells more",
    )


def _require_space(path: Path, published: ImageArchive) -> None:
    needed = published.size_bytes - plan_part(path).stat().st_size
    free = shutil.disk_usage(path.parent).free
    if free < needed:
        raise DatasetError(
            f"DIR {path.parent} has {free / 1e6:,.1f} MB free, and {needed / 1e6:,.1f} MB are "
            "to be downloaded",
            "make room, or name a DIR on another disk",
        )


def _accept(part: Path, path: Path, published: ImageArchive, on_progress: OnProgress) -> None:
    hashes = hash_file(part, on_progress)
    if hashes == published_hashes(published):
        return
    aside = path.with_name(path.name + ".corrupt")
    part.replace(aside)
    raise DatasetError(
        f"what was received is not the published archive: its SHA-256 is {hashes.sha256}, not "
        f"{published.sha256}; it is kept as {aside}",
        "run the command again to download it anew, or name another mirror with --url; "
        f"{aside.name} is of no further use and can be deleted",
    )
