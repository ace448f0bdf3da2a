"""The child process that reads the devkit's meta.mat from stdin and answers in JSON on stdout."""

from __future__ import annotations

import io
import json
import resource
import sys

_MAX_MEMORY_BYTES = 2 << 30


def read_synsets(data: bytes) -> list[tuple[int, str]]:
    """Return the id and the WNID of every synset in a meta.mat.

    Raises:
        Exception: whatever the library raises on a file that is none, or not as expected.
    """
    from scipy.io import loadmat

    synsets = loadmat(io.BytesIO(data), variable_names=["synsets"], squeeze_me=True)["synsets"]
    return [(int(item["ILSVRC2012_ID"]), str(item["WNID"])) for item in synsets]


def main() -> None:
    """Read, and end with a traceback on stderr when that fails."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    allowed = _MAX_MEMORY_BYTES if hard == resource.RLIM_INFINITY else min(hard, _MAX_MEMORY_BYTES)
    resource.setrlimit(resource.RLIMIT_AS, (allowed, hard))
    json.dump(read_synsets(sys.stdin.buffer.read()), sys.stdout)
