"""Downloads one large file, going on where an interrupted download stopped.

Beside the file while it is on its way: `NAME.part`, the bytes received, and `NAME.part.json`, what
the server said of the version they belong to. Both are gone once the file is in its place.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from netrc import NetrcParseError
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import httpx
import msgspec

from resnet50_bench.errors import DownloadError
from resnet50_bench.files.atomic import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import BinaryIO

_TIMEOUT_S = 30.0
_ATTEMPTS = 3
"""In a row that bring nothing."""

_BLOCK_BYTES = 1 << 20
_LOGIN = (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN)
_UNREACHABLE = (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to download, and where to.

    Attributes:
        url: of the file.
        path: where it is put when it is complete and accepted.
        by_hand: what the user can do when it cannot be downloaded.
        netrc: a file of logins by host, as curl and others read it; None to log in nowhere.
        size_bytes: its published size: a server's file of another size is refused before it is
            received; None when it is not known.

    """

    url: str
    path: Path
    by_hand: str
    size_bytes: int | None = None
    netrc: Path | None = None


@dataclass(frozen=True, slots=True)
class _Partial:
    """What is known of an unfinished download.

    Attributes:
        url: where it comes from.
        validator: the server's strong ETag or Last-Modified; None when it cannot be resumed.
    """

    url: str
    validator: str | None


def plan_part(path: Path) -> Path:
    """Return where the bytes of an unfinished download are."""
    return path.with_name(path.name + ".part")


def download_file(
    wanted: Wanted,
    on_progress: Callable[[int, int | None], None],
    accept: Callable[[Path, str], None],
) -> None:
    """Receive a file, have it inspected, and put it in its place in one step.

    The caller sees to it that no other process downloads the same file.

    Args:
        wanted: the file.
        on_progress: called with the bytes received and the file's size, None when unknown.
        accept: inspects the complete file, given its path and the content type the server named;
            raises to refuse it, and then decides what becomes of it.

    Raises:
        DownloadError: the server cannot be reached or refuses, its file has another size, the
            connection broke too often, or the file cannot be written. What was received stays for
            the next time.
    """
    download = _Download(wanted, on_progress)
    try:
        download.receive()
        accept(download.part, download.content_type)
        download.part.replace(wanted.path)
    finally:
        download.forget_unless_resumable()


class _Download:
    """One file on its way."""

    def __init__(self, wanted: Wanted, on_progress: Callable[[int, int | None], None]) -> None:
        self.part = plan_part(wanted.path)
        self.content_type = "an unknown type"
        self._state = self.part.with_name(self.part.name + ".json")
        self._wanted = wanted
        self._on_progress = on_progress

    def receive(self) -> None:
        """Bring `.part` to its full length; one that has it is left to the inspection."""
        if self._wanted.size_bytes and self._received_bytes() == self._wanted.size_bytes:
            return
        self._require_url()
        source = self._find_local()
        attempts, kept = 0, self._count_resumable()
        while not self._try_once(source, last=attempts == _ATTEMPTS - 1):
            reached = self._count_resumable()
            attempts = 0 if reached > kept else attempts + 1
            kept = reached

    def _try_once(self, source: Path | None, *, last: bool) -> bool:
        """Receive what is left; tell whether that was all. What broke is raised the last time."""
        try:
            if source is None:
                self._receive_once()
            else:
                self._copy_local(source)
        except httpx.HTTPStatusError as error:
            raise self._refused(error.response) from error
        except httpx.HTTPError as error:
            if last or isinstance(error, _UNREACHABLE):
                raise self._failure(str(error) or type(error).__name__) from error
            return False
        except OSError as error:
            raise self._failure(f"cannot write {self.part}: {error.strerror}") from error
        return True

    def _find_local(self) -> Path | None:
        """Return the file that a file:// URL names; None for any other URL."""
        url = urlsplit(self._wanted.url)
        return Path(unquote(url.path)) if url.scheme.lower() == "file" else None

    def _copy_local(self, source: Path) -> None:
        try:
            file = source.open("rb")
            status = os.fstat(file.fileno())
        except OSError as error:
            raise self._failure(f"cannot be read: {error.strerror}") from error
        with file:
            self._require_size(status.st_size)
            version = f"{status.st_size}-{status.st_mtime_ns}"
            offset = self._received_bytes() if self._read_validator() == version else 0
            file.seek(offset)
            self._begin(version)
            with self.part.open("ab" if offset else "wb") as part:
                blocks = iter(partial(file.read, _BLOCK_BYTES), b"")
                self._copy_blocks(blocks, part, offset, status.st_size)

    def _require_url(self) -> None:
        try:
            httpx.URL(self._wanted.url)
        except (httpx.InvalidURL, UnicodeError) as error:
            raise self._failure(f"that is no URL: {error}") from error

    def forget_unless_resumable(self) -> None:
        """Remove what nobody will go on with: an empty part, and the state without a part."""
        if self._received_bytes() == 0:
            self.part.unlink(missing_ok=True)
            self._state.unlink(missing_ok=True)

    def _receive_once(self) -> None:
        headers = {"Accept-Encoding": "identity"}
        validator = self._read_validator()
        offset = self._received_bytes() if validator is not None else 0
        if offset and validator is not None:
            headers |= {"Range": f"bytes={offset}-", "If-Range": validator}
        with (
            self._make_client() as client,
            client.stream("GET", self._wanted.url, headers=headers) as response,
        ):
            if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
                if _total_bytes(response) == offset:
                    return
                self._start_over("the file on the server is shorter than what was received")
            response.raise_for_status()
            self.content_type = response.headers.get("Content-Type", self.content_type)
            resumed = response.status_code == httpx.codes.PARTIAL_CONTENT
            if resumed and not _starts_at(response, offset):
                self._start_over("the server sent another part than the one asked for")
            self._copy(response, offset if resumed else 0)

    def _make_client(self) -> httpx.Client:
        """A client that goes through the proxies of the environment, and logs in where it may.

        A login is looked up for each host on the way, so none is sent on to another host.
        """
        hooks = {}
        try:
            if self._wanted.netrc is not None:
                logins = httpx.NetRCAuth(str(self._wanted.netrc))
                hooks["request"] = [lambda request: next(logins.sync_auth_flow(request))]
            return httpx.Client(follow_redirects=True, timeout=_TIMEOUT_S, event_hooks=hooks)
        except (OSError, NetrcParseError) as error:
            raise DownloadError(
                f"--netrc: {self._wanted.netrc} cannot be read: {error}",
                "write a line `machine HOST login NAME password WORD` into it; the variable NETRC "
                "names another file",
            ) from error
        except (ImportError, ValueError) as error:
            raise self._failure(f"the proxy in the environment cannot be used: {error}") from error

    def _refused(self, response: httpx.Response) -> DownloadError:
        """Say what a server answered in place of the file, and where a login would be kept."""
        status = f"{response.status_code} {response.reason_phrase}"
        host = response.url.host
        reason = f"the server answered {status}"
        if response.status_code not in _LOGIN:
            return self._failure(reason)
        hint = (
            f"the login for {host} in {self._wanted.netrc} was not taken, or there is none; "
            if self._wanted.netrc is not None
            else f"--netrc logs in with what ~/.netrc has for {host}; "
        )
        return self._failure(reason, hint)

    def _start_over(self, reason: str) -> None:
        os.truncate(self.part, 0)
        raise httpx.ReadError(reason)

    def _copy(self, response: httpx.Response, received: int) -> None:
        length = response.headers.get("Content-Length")
        total = received + int(length) if length is not None else self._wanted.size_bytes
        self._require_size(total)
        self._begin(_validator(response))
        with self.part.open("ab" if received else "wb") as file:
            self._copy_blocks(response.iter_bytes(), file, received, total)

    def _begin(self, validator: str | None) -> None:
        """Keep which version of the file the bytes to come belong to."""
        state = _Partial(self._wanted.url, validator)
        write_atomically(self._state, msgspec.json.encode(state))

    def _copy_blocks(
        self, blocks: Iterable[bytes], file: BinaryIO, received: int, total: int | None
    ) -> None:
        self._on_progress(received, total)
        for block in blocks:
            file.write(block)
            received += len(block)
            if total is not None and received > total:
                self._require_size(received)
            self._on_progress(received, total)

    def _require_size(self, size_bytes: int | None) -> None:
        wanted_bytes = self._wanted.size_bytes
        if size_bytes is None or wanted_bytes is None:
            return
        if size_bytes != wanted_bytes:
            raise self._failure(
                f"the server offers {size_bytes:,} bytes of {self.content_type}, not the file's "
                f"{wanted_bytes:,}"
            )

    def _read_validator(self) -> str | None:
        try:
            state = msgspec.json.decode(self._state.read_bytes(), type=_Partial)
        except (OSError, msgspec.DecodeError):
            return None
        return state.validator if state.url == self._wanted.url else None

    def _received_bytes(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _count_resumable(self) -> int:
        return self._received_bytes() if self._read_validator() is not None else 0

    def _failure(self, reason: str, hint: str = "") -> DownloadError:
        resumable = self._count_resumable()
        again = (
            f"run the command again to go on after {resumable:,} bytes, or " if resumable else ""
        )
        return DownloadError(
            f"cannot download {self._wanted.url}: {reason}", hint + again + self._wanted.by_hand
        )


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
