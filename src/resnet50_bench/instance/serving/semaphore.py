"""POSIX semaphores in shared memory: the C library's, because nothing quicker wakes a process.

A sleeping process is woken by one futex call, and a count that is not zero is taken without any.
"""

from __future__ import annotations

import ctypes
import time

SEMAPHORE_BYTES = 64
"""Room for one: 32 bytes with glibc on 64 bits (bits/semaphore.h), a cache line here."""


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


_sleeping = ctypes.CDLL(None)  # lets other threads of the interpreter run meanwhile
_quick = ctypes.PyDLL(None)  # does not: for what never sleeps


class Semaphore:
    """One semaphore at an address that several processes share."""

    def __init__(self, address: int, *, begin: int | None = None) -> None:
        """Find it there; with `begin` make it, with that count."""
        self._at = ctypes.c_void_p(address)
        if begin is not None:
            _quick.sem_init(self._at, 1, begin)
        self._sem_wait = _sleeping.sem_wait
        self._sem_trywait = _quick.sem_trywait
        self._sem_post = _quick.sem_post

    def post(self) -> None:
        """Count one up; wake one that waits."""
        self._sem_post(self._at)

    def wait(self) -> None:
        """Count one down; sleep until that is possible."""
        while self._sem_wait(self._at):  # interrupted by a signal
            pass

    def spin(self, limit_ns: int | None) -> bool:
        """Count one down, looking again and again for so long; None for as long as it takes.

        A core that is awake looks a thousand times in the time that a sleeping one takes to wake.

        Returns:
            Whether it was counted down.
        """
        look, at = self._sem_trywait, self._at
        if not look(at):
            return True
        end_ns = time.monotonic_ns() + limit_ns if limit_ns is not None else None
        while end_ns is None or time.monotonic_ns() < end_ns:
            if not look(at):
                return True
        return False

    def try_wait(self) -> bool:
        """Count one down if that is possible now."""
        return not self._sem_trywait(self._at)

    def wait_until(self, deadline_ns: int) -> bool:
        """Count one down; give up at a moment of the monotonic clock.

        Returns:
            Whether it was counted down.
        """
        if self.try_wait():
            return True
        left_ns = deadline_ns - time.monotonic_ns()
        if left_ns <= 0:
            return False
        # sem_timedwait knows only the clock of the day, and glibc before 2.30 no other function.
        until = _Timespec(*divmod(time.time_ns() + left_ns, 1_000_000_000))
        return not _sleeping.sem_timedwait(self._at, ctypes.byref(until))
