"""The queue between a load generator and the streams that answer: in memory they share.

No image goes through it. A sample is four words: the load generator's id of it, where it lies among
the images in memory and its index in the data set, when it was put, and its answer. Samples are
taken by whichever stream is idle, up to a batch at a time, in the order they were put; a batch is
given back when it is answered, in any order. One stream at a time takes: it has the turn, and the
others sleep until it has its batch.

The memory is a file without a name (`memfd_create`), so nothing is left of it when its last
process has ended, whatever that died of.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import time
from collections.abc import Sequence
from typing import NamedTuple

from resnet50_bench.instance.serving.semaphore import SEMAPHORE_BYTES, Semaphore

CAPACITY = 1 << 16
"""Samples that may be under way at once; what is put beyond that waits for answers."""

_WORD_BYTES = 8
_SLOT_WORDS = 4
_ID, _PLACE, _PUT, _ANSWER = range(_SLOT_WORDS)
_RESULT_WORDS = 2
_PLACE_SHIFT = 32
_INDEX_MASK = (1 << _PLACE_SHIFT) - 1

_SEMAPHORES = 4
_HEADER = _SEMAPHORES * SEMAPHORE_BYTES // _WORD_BYTES
_STREAMS, _TAKEN, _PUT_COUNT, _ANSWERED, _BATCHES, _ENDED, _TURN_OF = range(_HEADER, _HEADER + 7)
_SINCE = _HEADER + 8
"""Words: how many streams there are, how many samples were taken and put, how many samples and
batches were answered, whether it has ended, which stream has the turn (from 1), and, of each
stream, since when it computes."""

_MAX_STREAMS = 4096
_SLOTS = _SINCE + _MAX_STREAMS
_RESULTS = _SLOTS + CAPACITY * _SLOT_WORDS
_BYTES = (_RESULTS + CAPACITY * _RESULT_WORDS) * _WORD_BYTES


class Batch(NamedTuple):
    """Samples a stream has taken.

    Attributes:
        first: the position of the first in the order they were put.
        places: of the images in memory.
        indices: of the same images in the data set.
    """

    first: int
    places: Sequence[int]
    indices: Sequence[int]


class Answered(NamedTuple):
    """A batch that was given back.

    Attributes:
        ids: the load generator's, of each sample.
        addresses: where the eight bytes of each answer lie; they stay until the next `collect`.
    """

    ids: Sequence[int]
    addresses: Sequence[int]


class SharedMemory:
    """Memory that other processes open by `path` as long as the one that made it lives.

    Attributes:
        path: of it, for processes of the same user.
        view: of all its bytes.
    """

    def __init__(self, path: str, fd: int) -> None:
        self.path = path
        self._fd = fd
        self._map = mmap.mmap(fd, 0)
        self.view = memoryview(self._map)

    @classmethod
    def make(cls, name: str, size: int) -> SharedMemory:
        """Make it, all zeros; it takes no room before it is written."""
        fd = os.memfd_create(name, os.MFD_CLOEXEC)
        os.ftruncate(fd, size)
        return cls(f"/proc/{os.getpid()}/fd/{fd}", fd)

    @classmethod
    def open(cls, path: str) -> SharedMemory:
        """Open what another process made."""
        return cls(path, os.open(path, os.O_RDWR | os.O_CLOEXEC))

    def close(self) -> None:
        """Close the file; a mapping that is still looked at goes when nobody does any more."""
        os.close(self._fd)


class QueryQueue:
    """See the module: `put` and `collect` in the load generator, `take` and `answer` in a stream.

    Args:
        memory: of `QueryQueue.SIZE` bytes.
        streams: how many will take, of memory that was just made; None of memory that is in use.

    Attributes:
        streams: how many take. One alone needs no turn.
    """

    SIZE = _BYTES
    MAX_STREAMS = _MAX_STREAMS

    def __init__(self, memory: SharedMemory, streams: int | None = None) -> None:
        self.memory = memory
        self._words = memory.view.cast("Q")
        self._answers = memory.view.cast("q")
        self._address = ctypes.addressof(ctypes.c_char.from_buffer(memory.view))
        if streams is not None:
            self._words[_STREAMS] = streams
        self.streams = self._words[_STREAMS]
        self._alone = self.streams == 1
        begin = (1, 0, 1, 0) if streams is not None else (None,) * _SEMAPHORES
        self._turn, self._waiting, self._results, self._done = (
            Semaphore(self._address + number * SEMAPHORE_BYTES, begin=count)
            for number, count in enumerate(begin)
        )
        self._collected = 0
        self._floor = 0
        self._beyond: dict[int, int] = {}

    # The load generator's side.

    def put(self, ids: Sequence[int], places: Sequence[int], indices: Sequence[int]) -> None:
        """Put samples, at most `room` of them."""
        words, position = self._words, self._words[_PUT_COUNT]
        now_ns = time.monotonic_ns()
        for number, place, index in zip(ids, places, indices):
            slot = _find_slot(position)
            words[slot + _ID] = number
            words[slot + _PLACE] = place << _PLACE_SHIFT | index
            words[slot + _PUT] = now_ns
            position += 1
        words[_PUT_COUNT] = position
        for _ in ids:
            self._waiting.post()

    @property
    def room(self) -> int:
        """How many samples can be put before more are collected."""
        return CAPACITY - (self._words[_PUT_COUNT] - self._floor)

    def collect(self, *, awake_from_ns: int | None = None) -> Answered | None:
        """Wait for a batch that was answered; None when the queue has ended.

        Args:
            awake_from_ns: from when on not to sleep, on the monotonic clock; None to sleep.
        """
        if awake_from_ns is None:
            self._done.wait()
        elif not self._done.wait_until(awake_from_ns):
            self._done.spin(None)
        words = self._words
        if words[_BATCHES] == self._collected:  # only the end counts up without a batch
            return None
        result = _RESULTS + self._collected % CAPACITY * _RESULT_WORDS
        first, count = words[result], words[result + 1]
        self._collected += 1
        slots = [_find_slot(first + place) for place in range(count)]
        self._free(first, count)
        return Answered(
            [words[slot + _ID] for slot in slots],
            [self._address + (slot + _ANSWER) * _WORD_BYTES for slot in slots],
        )

    def _free(self, first: int, count: int) -> None:
        """The room of a batch is free when that of all before it is."""
        self._beyond[first] = count
        while self._floor in self._beyond:
            self._floor += self._beyond.pop(self._floor)

    # A stream's side.

    def take(self, stream: int, most: int, wait_ns: int, awake_ns: int = 0) -> Batch | None:
        """Wait for samples; None when the queue has ended.

        Args:
            stream: the number of who takes, from 0.
            most: samples to take.
            wait_ns: how long the first of them may wait for the others to come.
            awake_ns: how long to look for the first before going to sleep.
        """
        words, waiting = self._words, self._waiting
        if not self._alone:
            self._turn.wait()
        words[_TURN_OF] = stream + 1
        if not awake_ns or not waiting.spin(awake_ns):
            waiting.wait()
        first, count = words[_TAKEN], 1
        # Whoever puts samples may have been put off its core by the first of them; all are written.
        while count < min(most, words[_PUT_COUNT] - first) and not words[_ENDED]:
            waiting.wait()
            count += 1
        if wait_ns and count < most:
            deadline_ns = words[_find_slot(first) + _PUT] + wait_ns
            while count < most and waiting.wait_until(deadline_ns):
                count += 1
        if words[_ENDED]:
            waiting.post()  # for the next one
            self._turn.post()
            return None
        words[_TAKEN] = first + count
        words[_SINCE + stream] = time.monotonic_ns()
        words[_TURN_OF] = 0
        if not self._alone:
            self._turn.post()
        packed = [words[_find_slot(first + place) + _PLACE] for place in range(count)]
        return Batch(
            first,
            [word >> _PLACE_SHIFT for word in packed],
            [word & _INDEX_MASK for word in packed],
        )

    def answer(self, stream: int, batch: Batch, answers: Sequence[int]) -> None:
        """Give a batch back.

        Args:
            stream: whose it was.
            batch: as it was taken.
            answers: to each of its samples.
        """
        words = self._words
        for place, answer in enumerate(answers):
            self._answers[_find_slot(batch.first + place) + _ANSWER] = answer
        count = len(batch.places)
        if not self._alone:
            self._results.wait()
        batches = words[_BATCHES]
        result = _RESULTS + batches % CAPACITY * _RESULT_WORDS
        words[result], words[result + 1] = batch.first, count
        words[_BATCHES] = batches + 1
        words[_ANSWERED] += count
        words[_SINCE + stream] = 0
        if not self._alone:
            self._results.post()
        self._done.post()

    # Whoever watches.

    def end(self) -> None:
        """Have all streams and the load generator come back from waiting.

        Also from waiting for one that ended while it had the turn.
        """
        self._words[_ENDED] = 1
        for _ in range(self.streams):
            self._waiting.post()
            self._turn.post()
            self._results.post()
        self._done.post()

    @property
    def put_count(self) -> int:
        """How many samples were put."""
        return self._words[_PUT_COUNT]

    @property
    def answered(self) -> int:
        """How many samples were answered."""
        return self._words[_ANSWERED]

    @property
    def ended(self) -> bool:
        """Whether there is an end to all waiting."""
        return bool(self._words[_ENDED])

    def find_computing(self, before_ns: int) -> list[int]:
        """Return the streams that compute a batch since before a moment of the monotonic clock."""
        since = [self._words[_SINCE + stream] for stream in range(self.streams)]
        return [stream for stream, at_ns in enumerate(since) if 0 < at_ns < before_ns]

    def find_turn(self) -> list[int]:
        """Return the stream that has the turn to take samples, if one has."""
        turn_of = self._words[_TURN_OF]
        return [turn_of - 1] if turn_of else []


def _find_slot(position: int) -> int:
    """The first word of a sample's slot."""
    return _SLOTS + position % CAPACITY * _SLOT_WORDS
