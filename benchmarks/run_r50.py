"""Runs `r50 run`, or another command that measures, and takes no result that is not valid."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any


def run_r50(flags: list[str], output: Path, command: str = "run") -> dict[str, Any]:
    """Run the command; return its JSON; a result that is not valid ends the benchmark."""
    r50 = str(Path(sys.executable).with_name("r50"))
    words = [r50, command, "--json", "--output", str(output)]
    done = subprocess.run([*words, *flags], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = done.stderr + describe_failures(done.stdout)
        sys.exit(f"r50 {command} {' '.join(flags)} ended with {done.returncode}:\n{said}")
    summary: dict[str, Any] = json.loads(done.stdout)
    return summary


def describe_failures(output: str) -> str:
    """Return the failed checks of a result that is not valid, a line each."""
    try:
        failures = json.loads(output)["failed_checks"]
    except (ValueError, KeyError, TypeError):  # there was no result
        return ""
    return "".join(f"failed: {item['message']}\n" for item in failures)
