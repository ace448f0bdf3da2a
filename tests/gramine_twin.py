"""Programs with gramine's names and arguments, which do what its manifest says without it.

They stand in for the real ones, which are no package of Debian's or PyPI's: what they show is that
a worker with the manifest's program, variables and standard streams is a whole worker. They check
every hash, as gramine does; nothing is shown of enclaves.
"""

from __future__ import annotations

import sys
from pathlib import Path

_COMMON = f"""#!{sys.executable}
import hashlib, os, sys
try:
    import tomllib
except ImportError:
    import tomli as tomllib
"""

_MANIFEST = """
text = open(sys.argv[1]).read()
for name, path in (("gramine.libos", "/gramine/libos"), ("gramine.runtimedir()", "/gramine/lib")):
    text = text.replace("{{ " + name + " }}", path)
assert "{{" not in text
tomllib.loads(text)
open(sys.argv[2], "w").write(text)
"""

_SIGN = """
options = dict(zip(sys.argv[1::2], sys.argv[2::2]))
open(options["--output"], "w").write(open(options["--manifest"]).read())
"""

_RUN = """
manifest = tomllib.loads(open(sys.argv[1] + SUFFIX).read())
for item in manifest["sgx"]["trusted_files"]:
    if isinstance(item, dict):
        path = item["uri"].removeprefix("file:")
        if hashlib.sha256(open(path, "rb").read()).hexdigest() != item["sha256"]:
            sys.exit(f"hash of {path} differs from the manifest's")
argv = manifest["loader"]["argv"]
os.closerange(3, 4096)
os.execve(argv[0], argv, manifest["loader"]["env"])
"""


def make_gramine(folder: Path) -> Path:
    """Write the programs into a folder, and return it."""
    programs = {
        "gramine-manifest": _MANIFEST,
        "gramine-sgx-sign": _SIGN,
        "gramine-direct": f"SUFFIX = '.manifest'\n{_RUN}",
        "gramine-sgx": f"SUFFIX = '.manifest.sgx'\n{_RUN}",
    }
    for name, text in programs.items():
        path = folder / name
        path.write_text(_COMMON + text)
        path.chmod(0o755)
    return folder
