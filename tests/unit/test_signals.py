"""Ctrl-C outside of a run, sent at chosen moments by the process to itself."""

import subprocess
import sys

import pytest

INTERRUPT = "os.kill(os.getpid(), signal.SIGINT)"
MOMENTS = {
    "before the command line is imported": "import resnet50_bench.__main__\n" + INTERRUPT,
    "while a module is imported": (
        "import resnet50_bench.signals as s; s.raise_on_interrupt()\nimport hook"
    ),
    "a second one, while the first is tidied up": (
        "import resnet50_bench.signals as s; s.raise_on_interrupt()\n"
        f"try: {INTERRUPT}\nexcept KeyboardInterrupt: {INTERRUPT}"
    ),
}


def run(code: str, folder) -> tuple[int, str, str]:
    (folder / "hook.py").write_text(f"import os, signal\n{INTERRUPT}\n")
    done = subprocess.run(
        [sys.executable, "-c", f"import os, signal, sys\nsys.path.append({str(folder)!r})\n{code}\n"
         "print('went on')"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("moment", MOMENTS)
def test_it_ends_at_once(tmp_path, moment):
    assert run(MOMENTS[moment], tmp_path) == (130, "", "interrupted\n")


def test_in_a_command_it_is_an_exception(tmp_path):
    code = "import resnet50_bench.signals as s; s.raise_on_interrupt()\n"
    code += f"try: {INTERRUPT}\nexcept KeyboardInterrupt: print('tidied up')"
    assert run(code, tmp_path) == (0, "tidied up\nwent on\n", "")


def test_when_all_is_done_it_does_nothing(tmp_path):
    code = f"import resnet50_bench.signals as s; s.ignore_interrupts()\n{INTERRUPT}"
    assert run(code, tmp_path) == (0, "went on\n", "")


def test_nohup_is_respected(tmp_path):
    code = "signal.signal(signal.SIGINT, signal.SIG_IGN)\nimport resnet50_bench.__main__\n"
    code += f"import resnet50_bench.signals as s; s.raise_on_interrupt()\n{INTERRUPT}"
    assert run(code, tmp_path) == (0, "went on\n", "")
