from __future__ import annotations

import signal
from collections.abc import Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.records import make_failure, make_instance, make_seen, make_slot

from resnet50_bench.config import Precision
from resnet50_bench.engines.base import KernelShare
from resnet50_bench.instance.job import (
    TRACE_BEGIN,
    DummyFeedRequest,
    Failed,
    Finished,
    Job,
    Ready,
    Started,
)
from resnet50_bench.launch.worker import read_tail
from resnet50_bench.results.record import ExitCause
from resnet50_bench.session.outcome import describe_instances, find_cause, read_trace

SLOT = make_slot(3)
REPORT = make_instance(SLOT, [(10, 20), (20, 31)], cpu_ns=15)


@dataclass(kw_only=True)
class FakeWorker:
    """A worker whose process ended, or goes on until it is killed (status None)."""

    status: int | None = 0
    started: Started | None = None
    ready: Ready | None = None
    finished: Finished | None = None
    failed: Failed | None = None
    lost: bool = False
    overdue: bool = False
    traced: object = None
    phase: str = "measuring"
    launched_ns: int = 100
    log_path: Path = Path("gone")
    events: list[str] = field(default_factory=list)
    pid: int | None = 77
    host: str | None = None
    loss: str | None = None
    ended_with: str | None = None
    job: Job = field(
        default_factory=lambda: Job(
            slot=SLOT,
            engine="null",
            engine_options={},
            model_path=None,
            precision=Precision.AVX_FP32,
            batch_size=1,
            steps=2,
            warmup_steps=1,
            min_time_ns=0,
            dummy=DummyFeedRequest(0),
        )
    )

    def kill(self) -> None:
        self.events.append("kill")
        self.status = -signal.SIGKILL if self.status is None else self.status

    def read_tail(self) -> str:
        return read_tail(self.log_path)

    @contextmanager
    def open_log(self):
        with self.log_path.open() as log:
            yield log

    def reap(self) -> int:
        self.events.append("reap")
        assert self.status is not None, "it would never end"
        return self.status


def finished() -> Finished:
    return Finished(
        start_ns=REPORT.start_ns,
        end_ns=REPORT.end_ns,
        cpu_ns=15,
        seen=make_seen(SLOT),
        resident_bytes=4,
        peak_resident_bytes=5,
        evidence=REPORT.evidence,
    )


def ready() -> Ready:
    return Ready(phases=REPORT.phases, warmup_query_ns=(9,), feed=REPORT.feed)


KILLED_FOR_MEMORY = ExitCause("out of memory", "the kernel killed it (SIGKILL) for want of memory")
SIGKILL = ExitCause("signal", "SIGKILL (Killed)")


class TestCause:
    @pytest.mark.parametrize(
        ("worker", "oom_killed", "cause"),
        [
            (FakeWorker(finished=finished()), False, ExitCause("ok")),
            (FakeWorker(finished=finished()), True, ExitCause("ok")),
            (FakeWorker(status=-9), True, KILLED_FOR_MEMORY),
            (FakeWorker(status=-9), False, SIGKILL),
            # Another signal is not the kernel's for want of memory.
            (FakeWorker(status=-11), True, ExitCause("signal", "SIGSEGV (Segmentation fault)")),
            (FakeWorker(status=-15), False, ExitCause("signal", "SIGTERM (Terminated)")),
            (FakeWorker(status=-99), False, ExitCause("signal", "signal 99")),
            (FakeWorker(status=5), True, ExitCause("exit code", "5")),
            # It left without a word.
            (FakeWorker(status=0), False, ExitCause("exit code", "0")),
            # Its result arrived, and then it crashed.
            (FakeWorker(status=-6, finished=finished()), False,
             ExitCause("signal", "SIGABRT (Aborted)")),
            (FakeWorker(status=1, finished=finished()), False, ExitCause("exit code", "1")),
            (FakeWorker(status=1, failed=make_failure()), False,
             ExitCause("exception", "ValueError: the graph is odd")),
            (FakeWorker(status=1, failed=make_failure(kind="MemoryError", message="no more", out_of_memory=True)),
             False, ExitCause("out of memory", "MemoryError: no more")),
            # What it said counts more than how it died then.
            (FakeWorker(status=-9, failed=make_failure()), True,
             ExitCause("exception", "ValueError: the graph is odd")),
            (FakeWorker(status=-9, overdue=True), True,
             ExitCause("deadline", "no answer in time, so r50 ended it")),
            (FakeWorker(status=-9, overdue=True, failed=make_failure()), True,
             ExitCause("deadline", "no answer in time, so r50 ended it")),
        ],
    )  # fmt: skip
    def test_by_what_is_known(self, worker, oom_killed, cause):
        assert find_cause(worker, worker.status, oom_killed=oom_killed) == cause


class TestInstances:
    def test_everything_a_worker_answered_is_kept(self):
        worker = FakeWorker(started=Started(77, 350), ready=ready(), finished=finished())
        (instance,) = describe_instances([worker], oom_killed=False, stopped=False)
        assert instance.slot == SLOT
        assert (instance.pid, instance.started, instance.reported) == (77, True, True)
        assert instance.exit == ExitCause("ok")
        assert instance.phase == "measuring"
        assert instance.spawn_ns == 250
        assert (instance.phases, instance.feed) == (REPORT.phases, REPORT.feed)
        assert instance.warmup_query_ns == (9,)
        assert (instance.start_ns, instance.end_ns) == ((10, 20), (20, 31))
        assert (instance.cpu_ns, instance.seen) == (15, make_seen(SLOT))
        assert (instance.resident_bytes, instance.peak_resident_bytes) == (4, 5)
        assert instance.evidence == REPORT.evidence
        assert (instance.failure, instance.log_tail) == (None, None)
        assert worker.events == ["reap"]

    def test_a_worker_that_never_answered(self, tmp_path):
        (tmp_path / "log").write_text("its last words\n")
        worker = FakeWorker(status=1, lost=True, phase="starting", log_path=tmp_path / "log")
        (instance,) = describe_instances([worker], oom_killed=False, stopped=True)
        assert (instance.started, instance.reported) == (False, False)
        assert (instance.spawn_ns, instance.phases, instance.end_ns) == (None, None, ())
        assert instance.exit == ExitCause("exit code", "1")
        assert instance.log_tail == "its last words\n"

    def test_a_result_followed_by_a_crash_is_kept_but_not_reported(self):
        worker = FakeWorker(status=-11, started=Started(77, 350), finished=finished())
        (instance,) = describe_instances([worker], oom_killed=False, stopped=False)
        assert (instance.started, instance.reported) == (True, False)
        assert instance.end_ns == (20, 31)
        assert instance.log_tail == ""

    def test_workers_still_at_work_are_ended_when_the_run_is_given_up(self):
        at_work = FakeWorker(status=None, started=Started(77, 350))
        lost = FakeWorker(status=-9, lost=True)
        done = FakeWorker(started=Started(77, 350), finished=finished())
        late = FakeWorker(status=-9, overdue=True)
        failed = FakeWorker(status=1, lost=True, failed=make_failure())
        instances = describe_instances(
            [at_work, lost, done, late, failed], oom_killed=False, stopped=True
        )
        kinds = [instance.exit.kind for instance in instances]
        assert kinds == ["stopped", "signal", "ok", "deadline", "exception"]
        assert instances[0].exit.detail == "ended by r50"
        assert [instance.reported for instance in instances] == [False, False, True, False, False]
        assert instances[4].failure == make_failure()
        assert at_work.events == ["kill", "reap"]
        for worker in (lost, done, late, failed):
            assert worker.events == ["reap"]

    def test_one_killed_by_r50_is_not_out_of_memory_when_another_was(self):
        workers = [FakeWorker(status=None), FakeWorker(status=-9, lost=True)]
        instances = describe_instances(workers, oom_killed=True, stopped=True)
        assert [instance.exit.kind for instance in instances] == ["stopped", "out of memory"]


class TestTail:
    @staticmethod
    def tail(tmp_path: Path, content: bytes) -> str:
        (tmp_path / "log").write_bytes(content)
        return read_tail(tmp_path / "log")

    @pytest.mark.parametrize(
        ("content", "tail"),
        [
            (b"", ""),
            (b"one\ntwo\n", "one\ntwo\n"),
            (b"x" * 4000, "x" * 4000),
            (b"ab\n" + b"x" * 3997, "ab\n" + "x" * 3997),
            # 4001 bytes: the first line is cut, so it is left out.
            (b"ab\n" + b"y" * 3997 + b"\n", "y" * 3997 + "\n"),
            (b"a\n" * 5000, "a\n" * 1999),
            # No line begins in the last 4000 bytes.
            (b"z" * 9000, "z" * 4000),
            (b"z" * 9000 + b"\n", "z" * 3999 + "\n"),
            (b"\xff\xfe", "\ufffd\ufffd"),
        ],
    )
    def test_ends_a_log(self, tmp_path, content, tail):
        assert self.tail(tmp_path, content) == tail

    def test_no_log(self, tmp_path):
        assert read_tail(tmp_path / "gone") == ""


class LineEngine:
    """Takes every line of a trace for a kernel."""

    @staticmethod
    def parse_trace(lines: Iterable[str]) -> tuple[KernelShare, ...]:
        found = [line.strip() for line in lines if TRACE_BEGIN not in line]
        return tuple(KernelShare(name, "f32", "avx2", 1.0, 1) for name in found)


class TestTrace:
    def test_only_what_follows_the_mark(self, tmp_path):
        (tmp_path / "log").write_text(f"warm-up\n{TRACE_BEGIN}\nconvolution\n")
        worker = FakeWorker(traced=object(), log_path=tmp_path / "log")
        kernels, failure = read_trace(worker, LineEngine())
        assert [kernel.primitive for kernel in kernels] == ["convolution"]
        assert failure is None

    @pytest.mark.parametrize("text", ["", "convolution\n", f"convolution\n{TRACE_BEGIN}\n"])
    def test_nothing_follows_the_mark(self, tmp_path, text):
        (tmp_path / "log").write_text(text)
        worker = FakeWorker(traced=object(), log_path=tmp_path / "log")
        assert read_trace(worker, LineEngine()) == ((), "the trace holds no kernel")

    def test_the_traced_batch_failed(self):
        worker = FakeWorker(status=-11, phase="loading")
        assert read_trace(worker, LineEngine()) == (
            (),
            "the traced batch failed while loading: signal: SIGSEGV (Segmentation fault)",
        )
