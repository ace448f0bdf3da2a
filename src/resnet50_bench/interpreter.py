"""How a child Python process is started."""

from __future__ import annotations


def plan_arguments(module: str) -> tuple[str, ...]:
    """Return the interpreter's arguments that run `main` of a module of this package.

    Unlike `-m`, they leave the working directory out of the module search, where a user's socket.py
    or numpy.py would be taken for the real one (`-P` needs Python 3.11).
    """
    code = (
        "import sys; sys.path = [path for path in sys.path if path]; "
        f"from {module} import main; main()"
    )
    return ("-c", code)
