"""The process in which LoadGen lives; its argument is its socket's file descriptor.

Queries of SingleStream, MultiStream and Offline come one after the other, so the thread in which
LoadGen issues one collects its answers, too: no thread has to be woken but the instance's. Server's
come at any time, and a second thread collects. On a core of its own LoadGen is awake when an answer
comes: a core that sleeps takes longer to wake than the queue takes for everything else.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resnet50_bench.errors import R50Error, RequestError
from resnet50_bench.instance.serving.queue import QueryQueue, SharedMemory
from resnet50_bench.instance.serving.serve import open_library
from resnet50_bench.scenarios.library import Library
from resnet50_bench.scenarios.messages import (
    Ended,
    IssuerFailed,
    Issuing,
    Loading,
    decode_begin,
    decode_job,
    encode,
)
from resnet50_bench.scenarios.request import Scenario
from resnet50_bench.scenarios.rest import Rest
from resnet50_bench.scenarios.settings import (
    make_log_settings,
    make_settings,
    set_expected,
    settle,
)
from resnet50_bench.signals import end_with_parent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from resnet50_bench.scenarios.messages import Begin, IssuerAnswer, IssuerJob

_ANSWER_BYTES = 8
_FULL_S = 0.001
_LAST_WORDS_S = 0.3
"""LoadGen's own thread writes what it has to say now and then; see `_give_up`."""


class _Channel:
    """The socket to the parent."""

    def __init__(self, fd: int) -> None:
        self._socket = socket.socket(fileno=fd)
        self._lines = self._socket.makefile("rb")

    def send(self, answer: IssuerAnswer) -> None:
        """Send one answer; a parent that is gone has the kernel end this process."""
        self._socket.sendall(encode(answer))

    def receive(self) -> bytes:
        """Wait for the parent's next line; end quietly when the parent is gone."""
        line = self._lines.readline()
        if not line.endswith(b"\n"):
            raise SystemExit(0)
        return line


def main() -> None:
    """Do one job and answer for it."""
    end_with_parent()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
    channel = _Channel(int(sys.argv[1]))
    try:
        _work(channel, decode_job(channel.receive()))
    except Exception as error:  # noqa: BLE001 - everything is the parent's to know
        channel.send(_describe_failure(error))
        sys.exit(1)


def _work(channel: _Channel, job: IssuerJob) -> None:
    import mlperf_loadgen as loadgen

    settings = make_settings(loadgen, job)
    channel.send(settle(settings, job, _read_version()))
    begin = decode_begin(channel.receive())
    set_expected(settings, begin, job.request)
    desk = _Desk(loadgen, channel, job, begin)
    system = loadgen.ConstructFastSUT(desk.guard(desk.issue), desk.flush)
    samples = desk.samples
    images = loadgen.ConstructQSL(
        job.total, samples, desk.guard(desk.load), desk.guard(desk.unload)
    )
    settings.performance_sample_count_override = samples
    audit = str(Path(job.folder) / "audit.config")  # one in the working directory is not meant
    log_settings = make_log_settings(loadgen, Path(job.folder))
    os.sched_setaffinity(0, job.cpus)  # LoadGen's threads inherit it
    loadgen.StartTestWithLogSettings(system, images, settings, log_settings, audit)
    desk.close()
    channel.send(Ended())


def _read_version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("mlcommons-loadgen")
    except PackageNotFoundError:  # built from its source
        return "of unknown version"


class _Desk:
    """What LoadGen calls: it takes queries in and gives answers back.

    Attributes:
        samples: how many images are in memory at a time.
    """

    def __init__(self, loadgen: Any, channel: _Channel, job: IssuerJob, begin: Begin) -> None:
        self._loadgen = loadgen
        self._channel = channel
        self._job = job
        self._queue = QueryQueue(SharedMemory.open(job.queue))
        images = open_library(SharedMemory.open(begin.library))
        self.samples = len(images)
        self._library = Library(images, job)
        closed_loop = {Scenario.SINGLE_STREAM, Scenario.MULTI_STREAM}
        self._rest = Rest(own_core=job.own_core and job.request.scenario in closed_loop)
        self._collector: threading.Thread | None = None
        self._closed = False
        if job.request.scenario is Scenario.SERVER:
            self._collector = threading.Thread(target=self.guard(self._collect_all), daemon=True)
            self._collector.start()

    def load(self, indices: Sequence[int]) -> None:
        """Load images, on all CPUs of the run: nothing is measured meanwhile."""
        self._channel.send(Loading(len(indices)))
        os.sched_setaffinity(0, self._job.loading_cpus)
        self._library.load(indices)
        os.sched_setaffinity(0, self._job.cpus)
        self._channel.send(Issuing())

    def unload(self, indices: Sequence[int]) -> None:
        """The next ones take their places."""

    def flush(self) -> None:
        """No query waits for another one to come."""

    def issue(self, ids: Sequence[int], indices: Sequence[int]) -> None:
        """Take a query in; where no other can come meanwhile, answer it."""
        queue, places = self._queue, self._library.places
        if self._collector is not None:
            while queue.room < len(ids):
                time.sleep(_FULL_S)
            queue.put(ids, [places[index] for index in indices], indices)
            return
        awake_from_ns = self._rest.begin()
        first = waiting = 0
        while first < len(ids) or waiting:
            part = slice(first, first + queue.room)
            queue.put(ids[part], [places[index] for index in indices[part]], indices[part])
            put = min(len(ids), part.stop) - first
            first += put
            waiting += put
            waiting -= self._collect(awake_from_ns)
            self._rest.end()

    def _collect(self, awake_from_ns: int | None = None) -> int:
        """Give one batch of answers to LoadGen; return how many they were."""
        answered = self._queue.collect(awake_from_ns=awake_from_ns)
        if answered is None:
            if not self._closed:
                self._give_up()
            return 0
        response = self._loadgen.QuerySampleResponse
        self._loadgen.QuerySamplesComplete(
            [
                response(number, address, _ANSWER_BYTES)
                for number, address in zip(answered.ids, answered.addresses)
            ]
        )
        return len(answered.ids)

    def _collect_all(self) -> None:
        os.sched_setaffinity(0, self._job.cpus)
        while not self._closed:
            self._collect()

    def _give_up(self) -> None:
        """The parent ends the run: LoadGen cannot be told, but its logs so far are written."""
        time.sleep(_LAST_WORDS_S)
        os._exit(1)

    def guard(self, call: Callable[..., None]) -> Callable[..., None]:
        """An error in a call from LoadGen ends this process: it cannot pass through LoadGen."""

        def guarded(*arguments: Any) -> None:
            try:
                call(*arguments)
            except BaseException as error:  # noqa: BLE001 - see above
                self._channel.send(_describe_failure(error))
                time.sleep(_LAST_WORDS_S)
                os._exit(1)

        return guarded

    def close(self) -> None:
        """LoadGen has all its answers: the streams may go."""
        self._closed = True
        self._queue.end()


def _describe_failure(error: BaseException) -> IssuerFailed:
    if not isinstance(error, RequestError):
        traceback.print_exception(error)
    text = str(error).strip().replace("\n", "; ") or type(error).__name__
    known = isinstance(error, R50Error)
    return IssuerFailed(
        message=text if known else f"{type(error).__name__}: {text}",
        advice=error.advice if isinstance(error, R50Error) else None,
        wrong_request=isinstance(error, RequestError),
    )
