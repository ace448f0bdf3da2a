"""The exceptions of this package and the exit codes they end in.

    R50Error
    ├── RequestError          exit 2: what was asked cannot be done; nothing was measured
    │   ├── ConfigError       one or more parameters are wrong, all of them listed
    │   │   └── MissingDataError  accuracy needs images or weights, and they were not given
    │   ├── HostSpecError     a host file or description cannot be used
    │   ├── PlacementError    the instances do not fit the cores of this host
    │   ├── PrecisionError    this host cannot run the precision
    │   ├── EngineError       the engine is not installed, or has not the precision
    │   ├── ModelError        the model is missing, damaged or not ResNet-50 v1.5
    │   ├── CaseError         there is no such test case, or it cannot run
    │   ├── DatasetError      the images are missing or unusable
    │   ├── DownloadError     a file cannot be downloaded
    │   └── RecordError       a run's folder or record cannot be read
    │       └── NotARecordError   what was given is no record, nor a damaged one
    ├── HostError             exit 3: the host or a tool on it failed
    │   ├── InstanceError     an instance failed before anything was measured
    │   ├── OutputError       a file, or the terminal, cannot be written
    │   └── CpusHeldError     another run holds the CPUs now; nothing was started
    └── Interrupted           exit 128 + signal number: Ctrl-C, SIGTERM or SIGHUP

An invalid *result* is not an exception: it is a verdict, and ends in exit code 1.
"""

from __future__ import annotations

import errno
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from resnet50_bench.config import RunConfig


class ExitCode(IntEnum):
    """How `r50` ends; 128 + N stands for "ended by signal N"."""

    VALID = 0
    INVALID_RESULT = 1
    WRONG_REQUEST = 2
    FAILURE = 3
    SKIPPED = 77
    """What CTest and Automake take for "skipped": only `--skip-unrunnable` ends so."""


class R50Error(Exception):
    """Something the user is told about: what happened, and what to do next.

    Args:
        message: what is wrong and where, in one sentence.
        advice: the next step, naming the flag or file; None when there is none.
        output: what another program said of it, to be shown below, line by line.
    """

    exit_code: int = ExitCode.FAILURE

    def __init__(
        self, message: str, advice: str | None = None, output: tuple[str, ...] = ()
    ) -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice
        self.output = output


class RequestError(R50Error):
    """What was asked cannot be done."""

    exit_code = ExitCode.WRONG_REQUEST


class ConfigError(RequestError):
    """One or more parameters are wrong.

    Args:
        problems: one sentence each, naming the parameter as the user wrote it.
        config: what was asked apart from the values that are none; None when there is no telling.
    """

    def __init__(self, problems: list[str], config: RunConfig | None = None) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)
        self.config = config


def join_problems(error: R50Error) -> str:
    """Return an error's message on one line."""
    return "; ".join(error.problems) if isinstance(error, ConfigError) else error.message


class MissingDataError(ConfigError):
    """Accuracy needs images or weights, and they were not given; every value is a right one."""


class HostSpecError(RequestError):
    """A host file or description cannot be used."""


class PlacementError(RequestError):
    """The instances do not fit the cores of this host."""


class PrecisionError(RequestError):
    """The precision cannot run on this host."""


class EngineError(RequestError):
    """The engine is not installed, or has not the precision."""


class ModelError(RequestError):
    """The model is missing, damaged or not ResNet-50 v1.5."""


class CaseError(RequestError):
    """There is no such test case, or this version cannot run it.

    Args:
        message: what is wrong.
        advice: the next step.
        known: the case exists; it is its running that is impossible.
    """

    def __init__(self, message: str, advice: str | None = None, *, known: bool = False) -> None:
        super().__init__(message, advice)
        self.known = known


class DatasetError(RequestError):
    """The images are missing or unusable."""


class DownloadError(RequestError):
    """A file cannot be downloaded; what was received stays where it can be gone on with."""


class RecordError(RequestError):
    """A run's folder or record cannot be read."""


class NotARecordError(RecordError):
    """What was given is another kind of file or folder; among others it is passed over."""


class HostError(R50Error):
    """The host or a tool on it failed."""


class InstanceError(HostError):
    """An instance failed before anything was measured."""


NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS})
"""What the system says when it is the disk, not the request, that keeps a file from being written.
"""

_OUTPUT_REASONS = {errno.EBADF: "it is closed"}
_OUTPUT_ADVICE = {
    errno.ENOSPC: "make room on that disk, or have it written to another one",
    errno.EDQUOT: "your quota of that disk is used up: make room, or use another one",
    errno.EFBIG: "a file may not grow beyond what `ulimit -f` allows: raise that",
    errno.EROFS: "that disk can only be read: have it written to another one",
    errno.EACCES: "have it written to a place that you may write to",
    errno.EPERM: "have it written to a place that you may write to",
    errno.EBADF: "`>&-` closed it: `>/dev/null` is the way to discard output",
}


class OutputError(HostError):
    """A file, a folder or standard output cannot be written.

    Args:
        what: a path, or the name of a stream.
        cause: what the system said.
        advice: the next step; None for the one that the cause suggests.
    """

    def __init__(self, what: object, cause: OSError, advice: str | None = None) -> None:
        reason = _OUTPUT_REASONS.get(cause.errno or 0) or cause.strerror or str(cause)
        super().__init__(
            f"{what} cannot be written: {reason}", advice or _OUTPUT_ADVICE.get(cause.errno or 0)
        )


def refuse_output(flag: str, path: Path, cause: OSError) -> R50Error:
    """Say that a file the user named cannot be written: the disk is full, or the name is wrong."""
    if cause.errno in NO_ROOM:
        return OutputError(f"{flag} {path}", cause)
    return RequestError(
        f"{flag} {path}: {cause.strerror}", "name a file in a folder you may write to"
    )


class CpusHeldError(HostError):
    """Another run holds the CPUs; the same request can be met when that has ended."""


class Interrupted(R50Error):
    """The user or the system asked for the end.

    Args:
        signal_number: the signal that asked, e.g. `signal.SIGINT`.

    Attributes:
        folder: of the run that was interrupted, once it has a record.
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__("interrupted")
        self.exit_code = 128 + signal_number
        self.folder: Path | None = None
