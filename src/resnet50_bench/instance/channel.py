"""The worker's way to its parent: what any has, and the socket of a local one."""

from __future__ import annotations

import os
import socket
import sys
import time
from typing import TYPE_CHECKING, Protocol

from resnet50_bench.errors import OutputError
from resnet50_bench.instance.job import Entered, decode_go, encode

if TYPE_CHECKING:
    from resnet50_bench.instance.job import Answer


def write_mark(text: str) -> None:
    """Write a line to stdout, past the buffers, as oneDNN's trace is.

    Raises:
        OutputError: the log cannot be written.
    """
    try:
        os.write(sys.stdout.fileno(), f"{text}\n".encode())
    except OSError as error:
        raise OutputError("the log of the kernels", error) from error


STANDARD_STREAMS = "stdio"
"""The worker's argument where the parent is at standard input and output."""


class Channel(Protocol):
    """The way to the parent.

    Attributes:
        phase: what the worker is doing.
    """

    phase: str

    def send(self, answer: Answer, /) -> None:
        """Send one answer."""

    def enter(self, phase: str, /) -> None:
        """Say what begins now."""

    def wait_for_go(self) -> int:
        """Return at the moment to start measuring, and which that was (monotonic, nanoseconds)."""


class SocketChannel:
    """The socket to the parent: messages out, lines in."""

    def __init__(self, fd: int) -> None:
        self._socket = socket.socket(fileno=fd)
        self._lines = self._socket.makefile("rb")
        self.phase = "starting"

    def send(self, answer: Answer) -> None:
        """Send one answer; the parent reads all the time, so this does not wait long."""
        self._socket.sendall(encode(answer))

    def enter(self, phase: str) -> None:
        """Say what begins now."""
        self.phase = phase
        self.send(Entered(phase))

    def receive(self) -> bytes:
        """Wait for the parent's next line; end quietly when the parent is gone."""
        line = self._lines.readline()
        if not line.endswith(b"\n"):
            raise SystemExit(0)
        return line

    def wait_for_go(self) -> int:
        """Return at the moment that the parent names."""
        go = decode_go(self.receive())
        self.phase = "measuring"
        time.sleep(max(0, go.start_ns - time.monotonic_ns()) / 1e9)
        return go.start_ns


class StandardChannel(SocketChannel):
    """The parent at standard input and output; what is printed goes where errors go.

    Inside gramine a process has these descriptors of its parent's and no others, and they are
    files there, whatever they are outside.
    """

    def __init__(self) -> None:
        self._answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        self._lines = os.fdopen(os.dup(sys.stdin.fileno()), "rb")
        self.phase = "starting"

    def send(self, answer: Answer) -> None:
        """Send one answer, whole."""
        rest = memoryview(encode(answer))
        while rest:
            rest = rest[self._answers.write(rest) or 0 :]

    def wait_for_go(self) -> int:
        """Return as soon as the word comes: an enclave's clock need not be the parent's."""
        decode_go(self.receive())
        self.phase = "measuring"
        return time.monotonic_ns()


def open_channel(argument: str) -> SocketChannel:
    """Return the way to the parent: the number of a socket, or `stdio`."""
    return StandardChannel() if argument == STANDARD_STREAMS else SocketChannel(int(argument))
