"""Standard output that says so when it cannot be written, and standard error that does not mind.

What is printed is the result: that it is lost has to be said. What stands on standard error is for
people who watch; a run does not end because nobody can read how far it is.
"""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING

from resnet50_bench.cli.lines import print_line
from resnet50_bench.errors import ConfigError, Interrupted, OutputError, R50Error

if TYPE_CHECKING:
    from typing import TextIO

    from _typeshed import ReadableBuffer

STDOUT = "standard output"


class ReaderGone(Exception):
    """Whoever read the output went away, as in `r50 show RUN | head`.

    No OSError: click and rich take a BrokenPipeError for themselves and end in exit code 1, which
    here means an invalid result.
    """


class _Output(io.FileIO):
    """Translates what the system says of a write; a reader that went away is another matter."""

    def write(self, data: ReadableBuffer, /) -> int:
        """Write, or say that it cannot be."""
        try:
            return super().write(data)
        except BrokenPipeError:
            raise ReaderGone from None
        except OSError as error:
            raise OutputError(STDOUT, error) from error


class _Talk(io.FileIO):
    """Drops what cannot be written, unless the reader went away."""

    def write(self, data: ReadableBuffer, /) -> int:
        """Write, or drop it."""
        try:
            return super().write(data)
        except BrokenPipeError:
            raise ReaderGone from None
        except OSError:
            return memoryview(data).nbytes


def guard_streams() -> None:
    """Replace `sys.stdout` and `sys.stderr`; a stream that is closed gets a file that refuses."""
    for fd in range(3):
        _occupy(fd)
    sys.stdout = _wrap(_Output(1, "w", closefd=False), sys.stdout)
    sys.stderr = _wrap(_Talk(2, "w", closefd=False), sys.stderr)


def discard_output(*also: int) -> None:
    """Send what is still buffered for standard output, and all that follows, nowhere.

    Args:
        also: file descriptors of other streams to treat so.
    """
    null = os.open(os.devnull, os.O_WRONLY)
    for fd in (1, *also):
        os.dup2(null, fd)
    os.close(null)


def print_error(error: R50Error) -> None:
    """Print what went wrong and what to do next, on standard error."""
    messages = error.problems if isinstance(error, ConfigError) else (error.message,)
    label = "" if isinstance(error, Interrupted) else "error: "
    for message in messages:
        print_line(message, label=label, colour="red", err=True)
    for line in error.output:
        print_line(f"  | {line}", err=True)
    if error.advice is not None:
        print_line(f"  -> {error.advice}", err=True)


def _occupy(fd: int) -> None:
    """Keep the number of a closed stream from being given to the next file that is opened."""
    try:
        os.fstat(fd)
    except OSError:
        null = os.open(os.devnull, os.O_RDONLY)  # to write to it fails, as to a closed one
        if null != fd:
            os.dup2(null, fd)
            os.close(null)
        os.set_inheritable(fd, True)


def _wrap(raw: io.FileIO, before: TextIO | None) -> TextIO:
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=before.encoding if before is not None else None,
        errors=before.errors if before is not None else None,
        line_buffering=True,
    )
