"""`python -m resnet50_bench` is `r50`."""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":
    # -m puts the working directory first: modules lying there are not ours.
    if sys.path[0] in {"", os.getcwd()}:  # noqa: PTH109 - pathlib would be imported from there
        del sys.path[0]
    from resnet50_bench.cli import main

    main()
