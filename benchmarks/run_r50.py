"""Runs `r50 run`, or another command that measures, and takes no result that is not valid."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

INVALID = 1
"""The exit code of a result that is there and not valid."""


def run_r50(flags: list[str], output: Path, command: str = "run") -> dict[str, Any]:
    """Run the command; return its JSON; a result that is not valid ends the benchmark."""
    done = _start(flags, output, command)
    if done.returncode != 0:
        _give_up(flags, command, done)
    return _read(done)


def repeat_until_valid(
    flags: list[str], output: Path, command: str = "run", attempts: int = 3
) -> dict[str, Any] | None:
    """Run the command until its result is valid; None where so many were not, which is told."""
    for _ in range(attempts):
        done = _start(flags, output, command)
        if done.returncode == 0:
            return _read(done)
        if done.returncode != INVALID:
            _give_up(flags, command, done)
        said = describe_failures(done.stdout).rstrip()
        print(f"again: r50 {command} {' '.join(flags)}\n{said}", file=sys.stderr)
    return None


def _start(flags: list[str], output: Path, command: str) -> subprocess.CompletedProcess[str]:
    r50 = str(Path(sys.executable).with_name("r50"))
    words = [r50, command, "--json", "--output", str(output)]
    return subprocess.run([*words, *flags], capture_output=True, text=True, check=False)


def _read(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    summary: dict[str, Any] = json.loads(done.stdout)
    return summary


def _give_up(flags: list[str], command: str, done: subprocess.CompletedProcess[str]) -> NoReturn:
    said = done.stderr + describe_failures(done.stdout)
    sys.exit(f"r50 {command} {' '.join(flags)} ended with {done.returncode}:\n{said}")


def describe_failures(output: str) -> str:
    """Return the failed checks of a result that is not valid, a line each."""
    try:
        failures = json.loads(output)["failed_checks"]
    except (ValueError, KeyError, TypeError):  # there was no result
        return ""
    return "".join(f"failed: {item['message']}\n" for item in failures)
