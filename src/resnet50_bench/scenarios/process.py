"""The issuer as its parent sees it: started, asked, watched, ended."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from resnet50_bench.errors import HostError, RequestError
from resnet50_bench.interpreter import advise_start, describe_refusal, find_error, plan_arguments
from resnet50_bench.scenarios.messages import (
    Begin,
    Ended,
    IssuerAnswer,
    IssuerFailed,
    IssuerJob,
    Issuing,
    Loading,
    Settled,
    decode_answer,
    encode,
)
from resnet50_bench.signals import signals_held

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ISSUER_LOG = "loadgen.log"
"""In the run's folder: what LoadGen's process printed."""

_ARGUMENTS = plan_arguments("resnet50_bench.scenarios.issuer")
_READ_BYTES = 1 << 16
_SETTLE_S = 60.0
_LAST_WORDS_S = 2.0


@dataclass(slots=True, kw_only=True)
class Issuer:
    """LoadGen's process, and what it has said so far.

    Attributes:
        process: the child.
        stream: to it.
        log_path: where its stdout and stderr go.
        settled: the settings that hold.
        issuing: the images are in memory.
        loaded: how many were to be loaded so far.
        ended: LoadGen has written its logs.
        failed: why it gave up.
    """

    process: subprocess.Popen[bytes]
    stream: socket.socket
    log_path: Path
    settled: Settled | None = None
    issuing: bool = False
    loaded: int = 0
    ended: bool = False
    failed: IssuerFailed | None = None
    _pending: bytearray = field(default_factory=bytearray)

    def wait_settled(self) -> Settled:
        """Wait for the settings.

        Raises:
            RequestError: what was asked cannot be done.
            HostError: the process failed.
        """
        deadline = time.monotonic() + _SETTLE_S
        while self.settled is None:
            left_s = deadline - time.monotonic()
            if self.failed is not None:
                kind = RequestError if self.failed.wrong_request else HostError
                raise kind(self.failed.message, self.failed.advice)
            if left_s <= 0:
                raise HostError(
                    f"LoadGen's process said nothing for {_SETTLE_S:.0f} s",
                    f"look at {self.log_path}",
                )
            self.receive(left_s)
        return self.settled

    def begin(self, message: Begin) -> None:
        """Have it load and issue; one that is gone is noticed by `receive`."""
        self.stream.settimeout(None)
        with suppress(BrokenPipeError, ConnectionResetError):
            self.stream.sendall(encode(message))

    def receive(self, timeout_s: float = 0.0) -> None:
        """Take in what has arrived, or what arrives in time."""
        self.stream.settimeout(timeout_s)
        try:
            data = self.stream.recv(_READ_BYTES)
        except (BlockingIOError, TimeoutError):
            return
        except ConnectionResetError:
            data = b""
        self._pending += data
        *lines, rest = self._pending.split(b"\n")
        self._pending = bytearray(rest)
        for line in lines:
            self._take(decode_answer(bytes(line)))
        if not data and not self.ended and self.failed is None:
            self.failed = self._describe_end()

    def _take(self, answer: IssuerAnswer) -> None:
        if isinstance(answer, Settled):
            self.settled = answer
        elif isinstance(answer, Loading):
            self.loaded += answer.images
            self.issuing = False
        elif isinstance(answer, Issuing):
            self.issuing = True
        elif isinstance(answer, Ended):
            self.ended = True
        else:
            self.failed = answer

    def _describe_end(self) -> IssuerFailed:
        """What there is to say of a process that ended without a word."""
        status = self.process.wait()
        text = f"exit code {status}"
        if status < 0:
            text = f"{signal.Signals(-status).name} ended it"
        else:
            with suppress(OSError):
                text = find_error(self.log_path.read_text(errors="replace")) or text
        return IssuerFailed(message=f"LoadGen's process was lost: {text}")

    def stop(self) -> None:
        """Let it write its last words, which it has after its queue has ended; then end it."""
        with suppress(OSError):
            self.stream.shutdown(socket.SHUT_WR)  # one that waits to be told waits no more
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(_LAST_WORDS_S)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def start_issuer(job: IssuerJob, environment: Mapping[str, str]) -> Iterator[Issuer]:
    """Start LoadGen's process; it does not outlive the block.

    Args:
        job: what it is told.
        environment: complete.

    Raises:
        HostError: it cannot be started.
    """
    log_path = Path(job.folder) / ISSUER_LOG
    ours, theirs = socket.socketpair()
    issuer: Issuer | None = None
    try:
        with signals_held():
            issuer = Issuer(
                process=_start(theirs, log_path, environment), stream=ours, log_path=log_path
            )
        theirs.close()
        ours.sendall(encode(job))
        yield issuer
    finally:
        with signals_held():
            if issuer is not None:
                with suppress(ProcessLookupError):
                    os.killpg(issuer.process.pid, signal.SIGKILL)
                issuer.process.wait()
            theirs.close()
            ours.close()


def _start(
    theirs: socket.socket, log_path: Path, environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    try:
        with log_path.open("wb") as log:
            return subprocess.Popen(
                [sys.executable, *_ARGUMENTS, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=dict(environment),
                pass_fds=(theirs.fileno(),),
                start_new_session=True,  # a Ctrl-C is the parent's to deal with
            )
    except OSError as error:
        raise HostError(
            f"LoadGen's process cannot be started: {describe_refusal(error)}", advise_start(error)
        ) from error
