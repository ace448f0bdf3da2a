"""`r50`, and `python -m resnet50_bench`: the first line of ours that runs.

Importing the command line takes a good part of a second. A Ctrl-C in that time has nothing to tidy
up, and must not end in the traceback of an import.
"""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Import the command line and run it."""
    from resnet50_bench.signals import leave_on_interrupt

    leave_on_interrupt()
    from resnet50_bench.cli import main as run

    run()


if __name__ == "__main__":
    # -m puts the working directory first: modules lying there are not ours.
    if sys.path[0] in {"", os.getcwd()}:  # noqa: PTH109 - pathlib would be imported from there
        del sys.path[0]
    main()
