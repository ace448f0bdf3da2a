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
        sys.exit(f"r50 {command} {' '.join(flags)} ended with {done.returncode}:\n{done.stderr}")
    summary: dict[str, Any] = json.loads(done.stdout)
    return summary
