"""A small image of the runnable one's own Dockerfile, in seconds.

It has this project's wheel and what its protocol needs. Python, its packages and the programs of a
Debian are this machine's, mounted where they are run: nothing is downloaded and nearly nothing is
copied. TensorFlow and the models are not in it.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

from .engine import PROJECT, Engine

BASE = "localhost/borrowing"
BENCHMARK = "localhost/benchmark"
MODEL = "localhost/model"
PACKAGES = "/opt/packages"
"""Where the image sees the packages of this environment; this project is not seen there."""

PYTHON = f"{sys.base_prefix}/bin/{Path(sys.executable).resolve().name}"

_SYSTEM = ("/usr", "/bin", "/lib", "/lib64", "/sbin")
_LIBRARIES = "/etc/ld.so.cache"
"""Where the system's libraries are, for those that lie in no usual folder."""

_EMPTY = ("tmp", "proc", "sys", "dev", "etc", "models")
_BENCHMARK = f"""\
FROM {BASE}
COPY dist /dist
RUN {PYTHON} -m venv --without-pip /opt/r50 \\
 && echo {PACKAGES} >/opt/r50/lib/python{sysconfig.get_python_version()}/site-packages/borrowed.pth \\
 && /opt/r50/bin/python -m pip install --quiet --no-deps --no-index --no-cache-dir /dist/*.whl
ENV PATH=/opt/r50/bin:/usr/local/bin:/usr/bin:/bin HOME=/tmp R50_CACHE_DIR=/models
USER 10001:10001
ENTRYPOINT ["/opt/r50/bin/r50"]
"""


def plan_borrower(root: Path) -> Engine:
    """Return an engine whose containers have this machine's system and packages, read-only."""
    own = [place for place in (*_SYSTEM, _LIBRARIES) if not Path(place).is_symlink()]
    if not Path(sys.base_prefix).is_relative_to("/usr"):
        own.append(sys.base_prefix)
    volumes = [f"{place}:{place}:ro" for place in own if Path(place).exists()]
    packages = f"{sysconfig.get_path('purelib')}:{PACKAGES}:ro"
    return Engine(root, root / "run", driver="vfs", volumes=(*volumes, packages), seconds=120)


def make_base(engine: Engine) -> str | None:
    """Make an image of empty folders, and run the borrowed Python in it.

    Returns:
        What keeps such containers from being run on this machine; None where they are.
    """
    files = engine.root / "base"
    for place in _EMPTY:
        (files / place).mkdir(parents=True)
    (files / "tmp").chmod(0o1777)
    for volume in engine.volumes:
        source, target, _ = volume.split(":")
        place = files / target.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.mkdir(exist_ok=True) if Path(source).is_dir() else place.touch()
    for place in map(Path, _SYSTEM):
        if place.is_symlink():
            (files / place.name).symlink_to(place.readlink())
    user = ["--user", "10001:10001", "--env", f"PYTHONPATH={PACKAGES}"]
    try:
        commit(engine, files, BASE)
        command = [BASE, PYTHON, "-c", "import msgspec, numpy"]
        engine.podman("run", "--rm", *engine.run_options(), *user, *command)
    except (AssertionError, subprocess.TimeoutExpired) as error:
        return str(error).strip().splitlines()[-1]
    return None


def build_image(engine: Engine, name: str) -> None:
    """Build the wheel, an image with it, and from that the runnable one as the project does."""
    files = engine.root / "benchmark"
    (files / "dist").mkdir(parents=True)
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", files / "dist"]
    subprocess.run(build, cwd=PROJECT, check=True, capture_output=True)
    (files / "Dockerfile").write_text(_BENCHMARK)
    engine.build(files / "Dockerfile", files, "--tag", BENCHMARK)
    (models := engine.root / "models" / "models").mkdir(parents=True)
    commit(engine, models.parent, MODEL)
    engine.build(
        PROJECT / "containers/Dockerfile.4.inference-dummy", PROJECT, "--tag", name,
        "--build-arg", f"BENCHMARK={BENCHMARK}", "--build-arg", f"MODEL={MODEL}",
        "--build-arg", "REVISION=under-test",
    )  # fmt: skip


def commit(engine: Engine, files: Path, name: str) -> None:
    """Make an image of files alone."""
    container = engine.buildah("from", "scratch").strip()
    engine.buildah("add", container, files, "/")
    engine.buildah("commit", "--rm", container, name)
