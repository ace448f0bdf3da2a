"""Runs `r50 run` for the benchmarks, and takes no result that is not valid."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any


def run_r50(flags: list[str], output: Path) -> dict[str, Any]:
    """Run `r50 run`; return its JSON; a result that is not valid ends the benchmark."""
    command = [str(Path(sys.executable).with_name("r50")), "run", "--json", "--output", str(output)]
    done = subprocess.run([*command, *flags], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"r50 run {' '.join(flags)} ended with {done.returncode}:\n{done.stderr}")
    summary: dict[str, Any] = json.loads(done.stdout)
    return summary
