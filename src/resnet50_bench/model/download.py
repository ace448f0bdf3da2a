"""Downloads the published model, going on where an interrupted download stopped."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import msgspec

from resnet50_bench.errors import ModelError
from resnet50_bench.model.cache import lock_path
from resnet50_bench.model.manifest import FileIdentity, read_identity, write_json
from resnet50_bench.model.preparation import Inspection, verify

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

PUBLISHED_URL = "https://zenodo.org/record/2535873/files/resnet50_v1.pb"
"""The MLPerf inference reference model of ResNet-50 v1.5 for TensorFlow."""

_TIMEOUT_S = 30.0
_ATTEMPTS = 3
_UNREACHABLE = (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol)
_EXCERPT_BYTES = 60


@dataclass(frozen=True, slots=True)
class _Partial:
    """What is known of an unfinished download.

    Attributes:
        url: where it comes from.
        validator: the server's strong ETag or Last-Modified; None when it cannot be resumed.
    """

    url: str
    validator: str | None


@dataclass(frozen=True, slots=True)
class _Record:
    """Where a finished download came from and what it is."""

    url: str
    identity: FileIdentity


def fetch(
    cache_dir: Path,
    on_progress: Callable[[int, int | None], None],
    url: str = PUBLISHED_URL,
    check: Callable[[Path], Inspection] = verify,
) -> Path:
    """Download the published model into the cache, unless it is there already.

    Args:
        cache_dir: the model cache.
        on_progress: called with the bytes received and the file's size, None when unknown.
        url: what to download.
        check: inspects the finished file.

    Returns:
        the file.

    Raises:
        ModelError: the server cannot be reached or refuses, the connection broke too often, or
            what was received is not ResNet-50 v1.5.
    """
    path = cache_dir / "published" / PurePosixPath(urlsplit(url).path).name
    with lock_path(path):
        if _is_complete(path, url):
            return path
        download = _Download(path, url, on_progress)
        download.receive()
        _require_model(download.part, download.content_type, check)
        download.part.rename(path)
        write_json(_record_path(path), _Record(url, read_identity(path)))
        download.forget()
    return path


class _Download:
    """One file on its way: the bytes in `.part`, the server's validator in `.part.json`."""

    def __init__(
        self, path: Path, url: str, on_progress: Callable[[int, int | None], None]
    ) -> None:
        self.part = path.with_name(path.name + ".part")
        self.content_type = "an unknown type"
        self._state = path.with_name(path.name + ".part.json")
        self._path = path
        self._url = url
        self._on_progress = on_progress

    def receive(self) -> None:
        """Bring `.part` to its full length.

        Raises:
            ModelError: that failed; what was received stays for the next time.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                self._receive_once()
            except httpx.HTTPStatusError as error:
                status = f"{error.response.status_code} {error.response.reason_phrase}"
                raise self._failure(f"the server answered {status}") from error
            except httpx.HTTPError as error:
                if attempt == _ATTEMPTS or isinstance(error, _UNREACHABLE):
                    reason = str(error) or type(error).__name__
                    raise self._failure(reason) from error
            else:
                return

    def forget(self) -> None:
        """Remove what only an unfinished download needs."""
        self._state.unlink(missing_ok=True)

    def _receive_once(self) -> None:
        headers = {"Accept-Encoding": "identity"}
        validator = self._read_validator()
        offset = self._received_bytes() if validator is not None else 0
        if offset and validator is not None:
            headers |= {"Range": f"bytes={offset}-", "If-Range": validator}
        with (
            httpx.Client(follow_redirects=True, timeout=_TIMEOUT_S) as client,
            client.stream("GET", self._url, headers=headers) as response,
        ):
            if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
                if _total_bytes(response) == offset:
                    return
                self.part.unlink()
                raise httpx.ReadError("the file on the server is shorter than what was received")
            response.raise_for_status()
            self.content_type = response.headers.get("Content-Type", self.content_type)
            resumed = response.status_code == httpx.codes.PARTIAL_CONTENT
            if resumed and not _starts_at(response, offset):
                self.part.unlink()
                raise httpx.ReadError("the server sent another part than the one asked for")
            write_json(self._state, _Partial(self._url, _validator(response)))
            with self.part.open("ab" if resumed else "wb") as file:
                self._copy(response, file, offset if resumed else 0)

    def _copy(self, response: httpx.Response, file: BinaryIO, received: int) -> None:
        length = response.headers.get("Content-Length")
        total = received + int(length) if length is not None else None
        self._on_progress(received, total)
        for block in response.iter_bytes():
            file.write(block)
            received += len(block)
            self._on_progress(received, total)

    def _read_validator(self) -> str | None:
        try:
            state = msgspec.json.decode(self._state.read_bytes(), type=_Partial)
        except (OSError, msgspec.DecodeError):
            return None
        return state.validator if state.url == self._url else None

    def _received_bytes(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _failure(self, reason: str) -> ModelError:
        elsewhere = (
            f"download {self._path.name} from {self._url} on a machine that can, and name the "
            "file with --model PATH"
        )
        received = self._received_bytes()
        again = f"run the command again to go on after {received:,} bytes, or " if received else ""
        return ModelError(f"cannot download {self._url}: {reason}", again + elsewhere)


def _is_complete(path: Path, url: str) -> bool:
    try:
        record = msgspec.json.decode(_record_path(path).read_bytes(), type=_Record)
        return record == _Record(url, read_identity(path))
    except (OSError, msgspec.DecodeError, ModelError):
        return False


def _record_path(path: Path) -> Path:
    return path.with_name(path.name + ".json")


def _validator(response: httpx.Response) -> str | None:
    """Return what `If-Range` may hold: a strong ETag, else Last-Modified (RFC 9110, 13.1.5)."""
    etag = response.headers.get("ETag")
    if etag is not None and not etag.startswith("W/"):
        return str(etag)
    modified = response.headers.get("Last-Modified")
    return None if modified is None else str(modified)


def _starts_at(response: httpx.Response, offset: int) -> bool:
    return bool(response.headers.get("Content-Range", "").startswith(f"bytes {offset}-"))


def _total_bytes(response: httpx.Response) -> int | None:
    total = response.headers.get("Content-Range", "").rpartition("/")[2]
    return int(total) if total.isdecimal() else None


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
