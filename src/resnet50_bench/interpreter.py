"""How a child Python process is started, and what it says when it cannot start."""

from __future__ import annotations

import errno
import re

_RAISED = re.compile(
    r"^(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Exit|Interrupt)\b.*", re.MULTILINE
)
_FATAL = re.compile(r"^Fatal Python error: .*", re.MULTILINE)

_ADVICE = {
    errno.EAGAIN: "this user may not start more processes: raise `ulimit -u`, or the container's "
    "limit (pids.max)",
    errno.ENOMEM: "the memory is used up",
    errno.EMFILE: "r50 may not open more files: raise `ulimit -n`",
    errno.ENFILE: "the system cannot open more files",
    errno.EACCES: "this user has no right to it: see its permissions, and those of its folders",
    errno.EPERM: "this user has no right to it: see its permissions, and those of its folders",
    errno.ENOENT: "the Python that r50 runs on is gone or damaged: install it again",
    errno.ENOEXEC: "the Python that r50 runs on is damaged: install it again",
}
_TOO_MUCH = frozenset({errno.EAGAIN, errno.ENOMEM, errno.EMFILE})

IMPORT_ADVICE = (
    "Python or a package of it does not fit: PYTHONPATH and PYTHONHOME may name another "
    "installation (unset them), else install r50 again"
)


def plan_arguments(module: str) -> tuple[str, ...]:
    """Return the interpreter's arguments that run `main` of a module of this package.

    Unlike `-m`, they leave the working directory out of the module search, where a user's socket.py
    or numpy.py would be taken for the real one (`-P` needs Python 3.11). An interrupt ends the
    child at once, without a traceback: it is its parent that tidies up.
    """
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); "
        "sys.path = [path for path in sys.path if path]; "
        f"from {module} import main; main()"
    )
    return ("-c", code)


def describe_refusal(error: OSError) -> str:
    """Return what the system says of a process that it did not start, and of which file."""
    reason = error.strerror or str(error)
    return f"{error.filename}: {reason}" if error.filename else reason


def advise_start(error: OSError, fewer: str | None = None) -> str | None:
    """Return the next step after the system did not start a process.

    Args:
        error: what the system said.
        fewer: how to start fewer processes, where that is possible.
    """
    advice = _ADVICE.get(error.errno or 0)
    if advice is not None and fewer is not None and error.errno in _TOO_MUCH:
        return f"{advice}, or {fewer}"
    return advice


def find_error(output: str) -> str | None:
    """Return the line that says why a Python process ended: what it raised, or what was fatal.

    Of exceptions that were raised one from the other it is the last that says something: numpy's
    own begins with an empty line, and what it was raised from holds the cause.

    Args:
        output: what it wrote to stderr.
    """
    fatal = _FATAL.search(output)
    if fatal is not None:
        return fatal[0]
    raised: list[str] = [line.rstrip() for line in _RAISED.findall(output)]
    telling = [line for line in raised if not line.endswith(":")]
    found = telling or raised
    return found[-1] if found else None


def advise_import(error: str | None) -> str | None:
    """Return the next step where a child could not import what r50 itself could."""
    if error is None or not error.startswith(("ImportError", "ModuleNotFoundError", "Fatal")):
        return None
    return IMPORT_ADVICE
