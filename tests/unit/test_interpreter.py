"""What a child that cannot start is known by."""

import errno
import os
import subprocess
import sys

import pytest

from resnet50_bench.interpreter import (
    IMPORT_ADVICE,
    advise_import,
    advise_start,
    describe_refusal,
    find_error,
    plan_arguments,
)

CHAINED = """Traceback (most recent call last):
  File "a.py", line 1, in <module>
ImportError: cannot import name 'x' from 'numpy' (/other/numpy/__init__.py)

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "b.py", line 2, in <module>
ImportError:

IMPORTANT: PLEASE READ THIS FOR ADVICE ON HOW TO SOLVE THIS ISSUE!
"""


@pytest.mark.parametrize(
    ("output", "line"),
    [
        ("", None),
        ("a warning\n", None),
        ("Traceback ...\n  File\nModuleNotFoundError: No module named 'msgspec'\n",
         "ModuleNotFoundError: No module named 'msgspec'"),
        ("Fatal Python error: init_fs_encoding: failed\nKeyError: 'x'\n",
         "Fatal Python error: init_fs_encoding: failed"),
        (CHAINED, "ImportError: cannot import name 'x' from 'numpy' (/other/numpy/__init__.py)"),
        ("tensorflow.errors.InternalError: no\n", "tensorflow.errors.InternalError: no"),
    ],
)  # fmt: skip
def test_the_line_that_says_why(output, line):
    assert find_error(output) == line


def test_a_real_interpreter_without_its_library_says_so():
    done = subprocess.run(
        [sys.executable, "-c", ""], env={"PYTHONHOME": "/nowhere"}, capture_output=True, check=False
    )
    found = find_error(done.stderr.decode())
    assert found is not None
    assert found.startswith("Fatal Python error: ")
    assert advise_import(found) == IMPORT_ADVICE


@pytest.mark.parametrize(
    ("number", "word", "fewer"),
    [
        (errno.EAGAIN, "ulimit -u", True),
        (errno.EMFILE, "ulimit -n", True),
        (errno.ENOMEM, "memory", True),
        (errno.EACCES, "no right", False),
        (errno.ENOENT, "install it again", False),
        (errno.ENOEXEC, "damaged", False),
    ],
)
def test_fewer_instances_are_advised_only_where_they_help(number, word, fewer):
    advice = advise_start(OSError(number, os.strerror(number)), "use fewer instances")
    assert advice is not None
    assert word in advice
    assert ("use fewer instances" in advice) == fewer


def test_the_file_that_is_in_the_way_is_named():
    assert describe_refusal(OSError(errno.EACCES, "Permission denied", "/opt/python")) == (
        "/opt/python: Permission denied"
    )


def test_an_interrupt_ends_a_child_without_a_traceback():
    """From its first line on: here while it imports the module it is to run."""
    code = "import os, signal; os.kill(os.getpid(), signal.SIGINT); print('went on')"
    words = [word.replace("from no import main; main()", code) for word in plan_arguments("no")]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (-2, "", "")
