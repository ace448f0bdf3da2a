import os
import sys
import textwrap
from pathlib import Path

import pytest

from resnet50_bench.errors import HostError, ModelError
from resnet50_bench.model import child
from resnet50_bench.model.manifest import ModelSource
from resnet50_bench.model.protocol import ToolchainRequest

REQUEST = ToolchainRequest(source=ModelSource(path="model.pb"))

PRELUDE = """
import os, sys, time
request = sys.stdin.read()
answers = os.fdopen(int(sys.argv[1]), "w", buffering=1)
"""


def list_descriptors():
    return sorted(path.name for path in Path("/proc/self/fd").iterdir())


def run(script, on_progress=lambda _: None):
    command = [sys.executable, "-c", PRELUDE + textwrap.dedent(script)]
    return child.run_toolchain(REQUEST, on_progress, command)


def test_progress_is_forwarded_and_the_last_answer_returned():
    seen: list[str] = []
    answer = run(
        """
        print("noise for people")
        print('{"progress": "one"}', file=answers)
        print('{"progress": "two"}', file=answers)
        print('{"finished": true, "problems": ["three"]}', file=answers)
        """,
        seen.append,
    )
    assert seen == ["one", "two"]
    assert answer.problems == ("three",)


def test_the_request_reaches_the_child():
    seen: list[str] = []
    run(
        """
        import json
        print(json.dumps({"progress": json.loads(request)["source"]["path"]}), file=answers)
        print('{"finished": true}', file=answers)
        """,
        seen.append,
    )
    assert seen == ["model.pb"]


def test_a_failure_becomes_a_model_error_with_its_advice():
    with pytest.raises(ModelError) as caught:
        run("""print('{"failure": {"message": "bad", "advice": "better"}}', file=answers)""")
    assert (caught.value.message, caught.value.advice) == ("bad", "better")


def test_a_crash_tells_the_exit_code_and_the_last_output():
    with pytest.raises(ModelError) as caught:
        run("sys.exit('the disk is on fire')")
    assert "ended with exit code 1 without an answer" in caught.value.message
    assert caught.value.output == ("the disk is on fire",)


def test_a_killed_child_tells_the_signal_even_after_half_an_answer():
    with pytest.raises(ModelError, match="was killed by signal 9 without an answer"):
        run("""answers.write('{"fini'); answers.flush(); os.kill(os.getpid(), 9)""")


@pytest.mark.parametrize(
    "end",
    [
        "os.kill(os.getpid(), 4)",  # SIGILL, as on a Nehalem
        """
        print("F cpu_feature_guard.cc:111] The TensorFlow library was compiled to use AVX "
              "instructions, but these aren't available on your machine.", file=sys.stderr)
        os.abort()
        """,
    ],
)
def test_a_cpu_that_cannot_run_tensorflow_is_named(end):
    with pytest.raises(HostError, match="TensorFlow, which cannot run on this CPU") as caught:
        run(end)
    assert "r50 doctor" in (caught.value.advice or "")


def test_an_answer_before_a_crash_does_not_count():
    with pytest.raises(ModelError, match="exit code 3"):
        run("""print('{"finished": true}', file=answers); sys.exit(3)""")


def test_missing_tensorflow_is_advised_on():
    with pytest.raises(ModelError) as caught:
        run("""raise ModuleNotFoundError("No module named 'tensorflow'")""")
    assert caught.value.advice == "pip install 'resnet50-bench[tensorflow]'"


def test_tensorflow_that_is_not_installed_is_advised_on(monkeypatch):
    monkeypatch.setattr(child, "read_versions", lambda _: {})
    with pytest.raises(ModelError) as caught:
        child.read_tensorflow_version()
    assert caught.value.advice == "pip install 'resnet50-bench[tensorflow]'"


def test_an_interrupt_ends_the_child():
    pids: list[int] = []

    def interrupt(text):
        pids.append(int(text))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(
            """
            print('{"progress": "%d"}' % os.getpid(), file=answers)
            time.sleep(600)
            """,
            interrupt,
        )
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


def test_no_file_descriptor_is_left_open():
    before = list_descriptors()
    run("""print('{"finished": true}', file=answers)""")
    assert list_descriptors() == before
