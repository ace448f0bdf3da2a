"""Downloads the published model into the cache."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from resnet50_bench.errors import ModelError
from resnet50_bench.model.cache import lock_path
from resnet50_bench.model.manifest import FileIdentity, read_identity, write_json
from resnet50_bench.model.preparation import Inspection, verify

if TYPE_CHECKING:
    from collections.abc import Callable

PUBLISHED_URL = "https://zenodo.org/record/2535873/files/resnet50_v1.pb"
"""The MLPerf inference reference model of ResNet-50 v1.5 for TensorFlow."""

_EXCERPT_BYTES = 60


@dataclass(frozen=True, slots=True)
class _Record:
    """Where a finished download came from and what it is."""

    url: str
    identity: FileIdentity


@dataclass(frozen=True, slots=True)
class Origin:
    """Where to download the model from.

    Attributes:
        url: of the file: http, https or file.
        netrc: a file of logins by host; None to log in nowhere.
        shared: caches that are only read, in which it may be already.
    """

    url: str = PUBLISHED_URL
    netrc: Path | None = None
    shared: tuple[Path, ...] = ()


def fetch(
    cache_dir: Path,
    on_progress: Callable[[int, int | None], None],
    origin: Origin,
    check: Callable[[Path], Inspection] = verify,
    on_wait: Callable[[Path], None] = lambda _: None,
) -> Path:
    """Download the published model into the cache, unless it is there already.

    Args:
        cache_dir: the model cache.
        on_progress: called with the bytes received and the file's size, None when unknown.
        origin: where from.
        check: inspects the finished file.
        on_wait: called with the file, once, while another process downloads it.

    Returns:
        the file.

    Raises:
        DownloadError: the server cannot be reached or refuses, or the connection broke too often.
        ModelError: what was received is not ResNet-50 v1.5.
    """
    # Its HTTP client would be a fifth of what every `r50` imports.
    from resnet50_bench.download import Wanted, download_file

    url = origin.url
    name = PurePosixPath(urlsplit(url).path).name
    if not name:
        raise ModelError(f"--url {url}: ends in no name of a file", "name the file: --url URL/FILE")
    path = cache_dir / "published" / name
    for shared in origin.shared:
        if _is_complete(shared / "published" / name, url):
            return shared / "published" / name
    with lock_path(path, on_wait):
        if _is_complete(path, url):
            return path
        by_hand = (
            f"download {path.name} from {url} on a machine that can, and name the file with "
            "--model PATH; or name a mirror with --url"
        )
        wanted = Wanted(url, path, by_hand, netrc=origin.netrc)
        download_file(wanted, on_progress, partial(_require_model, check=check))
        write_json(_record_path(path), _Record(url, read_identity(path)))
    return path


def _is_complete(path: Path, url: str) -> bool:
    try:
        record = msgspec.json.decode(_record_path(path).read_bytes(), type=_Record)
        return record == _Record(url, read_identity(path))
    except (OSError, msgspec.DecodeError, ModelError):
        return False


def _record_path(path: Path) -> Path:
    return path.with_name(path.name + ".json")


def _require_model(part: Path, content_type: str, check: Callable[[Path], Inspection]) -> None:
    """Keep what is ResNet-50 v1.5; remove anything else, saying what it was."""
    try:
        problems = check(part).problems
    except ModelError as error:
        problems = (error.message,)
    if not problems:
        return
    with part.open("rb") as file:
        excerpt = file.read(_EXCERPT_BYTES)
    size_bytes = part.stat().st_size
    part.unlink()
    raise ModelError(
        f"what was received is not the model: {size_bytes:,} bytes of {content_type}, beginning "
        f"{excerpt!r}: {'; '.join(problems)}",
        "run the command again, or name a good file with --model PATH",
    )
