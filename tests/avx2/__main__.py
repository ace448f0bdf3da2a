"""`python -m tests.avx2`: run pytest on an AVX2-only CPU, and r50 on lesser ones; `make test-avx2`.

Arguments are pytest's, and take the place of `tests/engines`: `python -m tests.avx2
tests/engines/test_split.py -x`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.avx2.machine import HASWELL, find_obstacle, make_python

ASKED_VARIABLE = "R50_TEST_AVX2"


def main() -> int:
    obstacle = find_obstacle()
    if obstacle is not None:
        print(f"skipped: {obstacle}")
        return 0
    python = make_python(Path(sys.prefix) / "avx2", HASWELL)
    environment = os.environ | {ASKED_VARIABLE: "1"}
    pytest = ["-m", "pytest", "-p", "no:cacheprovider", "--durations=10"]
    chosen = sys.argv[1:] or ["tests/engines"]
    print(f"as {HASWELL.name}: pytest {' '.join(chosen)}", flush=True)
    emulated = subprocess.run(
        [python, *pytest, "-m", "tensorflow", *chosen], check=False, env=environment
    )
    if sys.argv[1:]:
        return emulated.returncode
    outside = subprocess.run([sys.executable, *pytest, "tests/avx2"], check=False, env=environment)
    return emulated.returncode or outside.returncode


if __name__ == "__main__":
    sys.exit(main())
