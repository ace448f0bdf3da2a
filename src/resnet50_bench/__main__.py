"""`r50`, and `python -m resnet50_bench`: the first line of ours that runs.

Importing the command line takes a good part of a second, and a Ctrl-C in that time must not end in
the traceback of an import.
"""

from resnet50_bench.interrupt import leave_on_interrupt

leave_on_interrupt()


def main() -> None:
    """Import the command line and run it."""
    from resnet50_bench.cli import main as run

    run()


if __name__ == "__main__":
    import os
    import sys

    # -m puts the working directory first: modules lying there are not ours.
    if sys.path[0] in {"", os.getcwd()}:  # noqa: PTH109 - pathlib would be imported from there
        del sys.path[0]
    main()
