"""The signals that end a run, turned into an exception."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

from resnet50_bench.errors import Interrupted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


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
