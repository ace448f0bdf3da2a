"""The worker's end of the socket to its parent."""

from __future__ import annotations

import os
import socket
import sys
from typing import TYPE_CHECKING

from resnet50_bench.job import Entered, encode

if TYPE_CHECKING:
    from resnet50_bench.job import Answer


def write_mark(text: str) -> None:
    """Write a line to stdout, past the buffers, as oneDNN's trace is."""
    os.write(sys.stdout.fileno(), f"{text}\n".encode())


class Channel:
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
