"""When LoadGen's core sleeps while a query is out.

A core that looks for the answer all the time is a core that takes nothing else: what else there is
to do on the machine is then done on the instance's core, in the middle of a query. So it sleeps for
most of the time that a query takes at least, and is awake again before the answer can come.
"""

from __future__ import annotations

import time
from collections import deque

_QUERIES = 16
_ASLEEP = 15 / 16
_SHORTEST_NS = 4_000_000
"""Of a shorter query less would be left awake, 0.25 ms, than a core may take to wake."""


class Rest:
    """What the last queries took, and so when the next answer can come.

    Args:
        own_core: nothing else has the core: to be awake there takes nothing from anybody.
    """

    def __init__(self, *, own_core: bool) -> None:
        self._own_core = own_core
        self._took_ns: deque[int] = deque(maxlen=_QUERIES)
        self._start_ns: int | None = None

    def begin(self) -> int | None:
        """A query is put: return from when on to be awake, in monotonic ns; None for never."""
        if not self._own_core:
            return None
        start_ns = self._start_ns = time.monotonic_ns()
        shortest_ns = min(self._took_ns) if len(self._took_ns) == _QUERIES else 0
        return start_ns + (int(shortest_ns * _ASLEEP) if shortest_ns >= _SHORTEST_NS else 0)

    def end(self) -> None:
        """An answer is there; of a query's answers the first one counts."""
        if self._start_ns is not None:
            self._took_ns.append(time.monotonic_ns() - self._start_ns)
            self._start_ns = None
