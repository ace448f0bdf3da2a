"""The manifest of an enclave, made for one run, and its check.

The format is gramine's, release 1.9. What the enclave may read is listed file by file with its
SHA-256; it has the variables of the plan and no others.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
import site
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

import resnet50_bench
from resnet50_bench.config import Attestation, Precision
from resnet50_bench.launch.gramine.packages import find_package_files
from resnet50_bench.templates import open_templates

MIB = 1024**2

BASE_BYTES = 1024 * MIB
"""Beside the instance's own memory: gramine, the page tables of a large heap, Python's start."""

MEMORY_FACTOR = 1.5
"""An enclave cannot grow and does not overcommit: what is mapped counts, not what is touched."""

SPARE_THREADS = 24
"""Beside the engine's: Python's, TensorFlow's own pools of fixed size, gramine's helpers."""

_SYSTEM_LIBRARIES = "/lib/x86_64-linux-gnu"

_SHARED = re.compile(
    r"(ld-linux-x86-64|lib(c|m|pthread|dl|rt|util|resolv|gcc_s|stdc\+\+|gomp|z|bz2|lzma|zstd|ffi|ssl"
    r"|crypto|expat|uuid|python3[\d.]*))\.so"
)
"""The system's libraries that Python, its standard library and the packages are linked with."""

_NEVER_READ = frozenset({"site-packages", "dist-packages", "include", "test", "tests", "idlelib"})
"""Folders of a library's that a worker does not read: `site-packages` of the standard library's
folder is another environment's."""


@dataclass(frozen=True, slots=True)
class EnclavePlan:
    """How large an instance's enclave is.

    Attributes:
        size_bytes: of its memory; a power of two.
        max_threads: the most threads it can ever have at once.
        attestation: how it can prove itself to others.
        cpu_features: of gramine's names, those it must have.
    """

    size_bytes: int
    max_threads: int
    attestation: Attestation
    cpu_features: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TrustedFile:
    """A file the enclave may read, as it was when the manifest was made."""

    path: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EnclaveProgram:
    """What runs inside.

    Attributes:
        title: for people.
        argv: the program and its arguments.
        environment: all its variables.
        files: what it may read.
    """

    title: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    files: Sequence[TrustedFile]


def plan_enclave(
    memory_bytes: int, threads: int, precision: Precision, attestation: Attestation
) -> EnclavePlan:
    """Return the size of an instance's enclave.

    Args:
        memory_bytes: what the instance is expected to need outside.
        threads: the engine computes with.
        precision: decides which registers the enclave must have.
        attestation: as asked.
    """
    needed = round(memory_bytes * MEMORY_FACTOR) + BASE_BYTES
    features = ("avx512", "amx") if precision.value.startswith("amx_") else ("avx",)
    return EnclavePlan(
        size_bytes=1 << (needed - 1).bit_length(),
        # An engine may have one pool of `threads` for its operations and one between them.
        max_threads=2 * threads + SPARE_THREADS,
        attestation=attestation,
        cpu_features=features,
    )


def read_runtime_files(extras: Iterable[str]) -> list[TrustedFile]:
    """Return what a worker reads beside its model and its images, with the hashes it has now.

    Args:
        extras: of this project, whose packages the worker uses: an engine's has its name.

    Raises:
        OSError: a file cannot be read.
    """
    return hash_files(path for path in _list_runtime(extras) if path.is_file())


def hash_files(paths: Iterable[Path]) -> list[TrustedFile]:
    """Return the files, each once, with the hashes they have now.

    Raises:
        OSError: a file cannot be read.
    """
    return [TrustedFile(str(path), _hash(path)) for path in sorted(set(paths))]


def render_manifest(plan: EnclavePlan, program: EnclaveProgram) -> str:
    """Return the manifest, before gramine-manifest fills in where gramine lies."""
    templates = open_templates("resnet50_bench.launch.gramine")
    templates.filters["value"] = lambda value: json.dumps(value, ensure_ascii=False)  # TOML, too
    return templates.get_template("enclave.manifest.j2").render(
        {
            "title": program.title,
            "entrypoint": str(Path(program.argv[0]).resolve()),
            "argv": list(program.argv),
            "environment": dict(sorted(program.environment.items())),
            "mounts": _list_mounts(program.files),
            "enclave_mib": plan.size_bytes // MIB,
            "max_threads": plan.max_threads,
            "attestation": plan.attestation.value,
            "cpu_features": plan.cpu_features,
            "trusted_files": program.files,
        }
    )


def find_problems(manifest: str, threads: int) -> list[str]:
    """Say what is wrong with a manifest: its syntax, its keys, its sizes.

    Args:
        manifest: its text.
        threads: the engine computes with.
    """
    try:
        found = tomllib.loads(manifest)
    except tomllib.TOMLDecodeError as error:
        return [f"it is no TOML: {error}"]
    problems = [
        f"{key} is no key of gramine's" for key in _list_keys(found) if not _KEYS.fullmatch(key)
    ]
    sgx = found.get("sgx", {})
    size = _parse_size(sgx.get("enclave_size"))
    if size is None or size & (size - 1):
        problems.append(f"sgx.enclave_size {sgx.get('enclave_size')!r} is no power of two")
    if int(sgx.get("max_threads") or 0) < threads + 1:
        problems.append(
            f"sgx.max_threads {sgx.get('max_threads')} is too few for {threads} threads"
        )
    if sgx.get("debug"):
        problems.append("sgx.debug makes the enclave's memory readable from outside")
    hashes = [item for item in sgx.get("trusted_files", []) if isinstance(item, dict)]
    problems += [
        f"{item.get('uri')} has no SHA-256"
        for item in hashes
        if not re.fullmatch("[0-9a-f]{64}", str(item.get("sha256")))
    ]
    entry = found.get("libos", {}).get("entrypoint")
    if f"file:{entry}" not in {item.get("uri") for item in hashes}:
        problems.append(f"libos.entrypoint {entry} is not among the trusted files")
    return problems


_KEYS = re.compile(
    r"libos\.entrypoint|loader\.(entrypoint\.\w+|argv|log_level|log_file|uid|gid|env\.[A-Za-z_]\w*)"
    r"|sys\.(enable_sigterm_injection|stack\.size|brk\.max_size|enable_extra_runtime_domain_names_conf)"
    r"|fs\.(mounts|root\.\w+|start_dir)"
    r"|sgx\.(debug|edmm_enable|enclave_size|max_threads|remote_attestation|use_exinfo|trusted_files"
    r"|allowed_files|preheat_enclave|isvprodid|isvsvn|cpu_features\.(avx|avx512|amx|mpx|pkru))"
)
"""Of gramine 1.9's keys those that a run here may need; `insecure__` ones are not among them."""


def _list_keys(value: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name, item in value.items():
        if isinstance(item, dict):
            yield from _list_keys(item, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def _parse_size(text: object) -> int | None:
    match = re.fullmatch(r"([0-9]+)([KMG]?)", str(text))
    if match is None:
        return None
    return int(match[1]) * {"": 1, "K": 1024, "M": MIB, "G": 1024 * MIB}[match[2]] or None


def _list_runtime(extras: Iterable[str]) -> Iterator[Path]:
    """The interpreter, its library, the packages that are needed, and shared libraries."""
    program = Path(sys.executable)
    yield program.resolve()
    yield program.parent.parent / "pyvenv.cfg"
    for name in ("stdlib", "platstdlib"):
        yield from _walk(Path(sysconfig.get_path(name)))
    yield from _walk(Path(resnet50_bench.__file__).parent)  # where it is installed in place
    yield from _list_packages(extras)
    for place in (
        Path(_SYSTEM_LIBRARIES),
        Path(f"/usr{_SYSTEM_LIBRARIES}"),
        Path(sys.base_prefix, "lib"),
    ):
        yield from (path for path in place.glob("*.so*") if _SHARED.match(path.name))


def _list_packages(extras: Iterable[str]) -> Iterator[Path]:
    """The packages that are needed, and what Python reads of the others when it starts.

    All packages of the environment, where it cannot be told which are needed.
    """
    found = find_package_files(extras)
    for folder in map(Path, site.getsitepackages()):
        yield from (_walk(folder) if found is None else folder.glob("*.*"))
    for file in found or ():
        if _NEVER_READ.isdisjoint(file.parts):
            yield Path(os.path.normpath(file.locate()))


def _walk(top: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(top):
        folders[:] = [name for name in folders if name not in _NEVER_READ]
        yield from (Path(folder, name) for name in files)


def _list_mounts(files: Sequence[TrustedFile]) -> list[str]:
    """The folders to see inside, without those that lie in another; gramine has /lib itself."""
    tops = ("/" + "/".join(Path(file.path).parts[1:3]) for file in files)
    return sorted({top for top in tops if top not in {"/lib", "/tmp"}})  # noqa: S108


def _hash(path: Path) -> str:
    """Runs that follow one another need it again; what was written meanwhile is read again."""
    status = path.stat()
    return _hash_once(path, status.st_ino, status.st_size, status.st_mtime_ns)


@functools.cache
def _hash_once(path: Path, *_state: int) -> str:
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while chunk := file.read(MIB):
            digest.update(chunk)
    return digest.hexdigest()
