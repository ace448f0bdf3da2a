"""The signals that end a run, turned into an exception; and Ctrl-C outside of a run."""

from __future__ import annotations

import ctypes
import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

from resnet50_bench.errors import Interrupted
from resnet50_bench.interrupt import leave

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import FrameType

ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_PR_SET_PDEATHSIG = 1  # include/uapi/linux/prctl.h

_IMPORTS = "<frozen importlib"
"""How the file names of the interpreter's own import code begin."""


@contextmanager
def signals_raise() -> Iterator[None]:
    """Turn the ending signals into `Interrupted`, once: the clean-up is not interrupted again."""
    raised = False

    def interrupt(number: int, _frame: object) -> None:
        # Not SIG_IGN: Python prints a traceback when a signal is pending while that is set.
        nonlocal raised
        if not raised:
            raised = True
            raise Interrupted(number)

    before: Mapping[int, Callable[..., object] | int | None] = {
        number: signal.signal(number, interrupt)
        for number in ENDING_SIGNALS
        if signal.getsignal(number) is not signal.SIG_IGN  # nohup asked for that
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def signals_held() -> Iterator[None]:
    """Keep back what may raise: between a fork and the note of it, that would lose the child.

    A child started meanwhile has them held back too, until it takes them itself.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_with_parent() -> None:
    """Have the kernel kill this process when its parent dies, whatever the parent dies of.

    Raises:
        SystemExit: it had died before.
    """
    parent = os.getppid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        raise SystemExit(0)


def raise_on_interrupt() -> None:
    """Have a Ctrl-C raise KeyboardInterrupt, and a second one not wait for the tidying up."""
    _set_handler(_raise)


def ignore_interrupts() -> None:
    """Have a Ctrl-C do nothing any more: all is done but the end of the interpreter."""
    _set_handler(_ignore)


def _set_handler(handler: Callable[[int, FrameType | None], None]) -> None:
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # nohup asked for that
        signal.signal(signal.SIGINT, handler)


def _raise(number: int, frame: FrameType | None) -> None:
    """Importing is nothing to tidy up, and not all of it lets an exception through: callbacks of
    the interpreter and of extension modules print it and go on.
    """
    if _is_importing(frame):
        leave(number, frame)
    signal.signal(signal.SIGINT, leave)
    raise KeyboardInterrupt


def _ignore(_number: int, _frame: FrameType | None) -> None:
    """A function in place of SIG_IGN, as above."""


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith(_IMPORTS):
            return True
        frame = frame.f_back
    return False
