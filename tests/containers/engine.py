"""A container engine of its own: buildah builds, podman runs, both in a folder of the tests."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).parents[2]
BASE = "docker.io/library/debian:bookworm-slim"
TOOLS = ("buildah", "podman", "runc")
MAKER = "debootstrap"


def find_obstacle(tools: Sequence[str] = TOOLS) -> str | None:
    """Say what keeps containers from being built and run here; None when nothing does."""
    missing = [name for name in tools if shutil.which(name) is None]
    if missing:
        return f"not installed: {', '.join(missing)} (apt install {' '.join(tools)})"
    return "images are built by root here" if os.geteuid() != 0 else None


@dataclass(frozen=True, slots=True)
class Engine:
    """Builds and runs; its images stay in `root`.

    Attributes:
        root: a folder.
        run_root: where it keeps what runs; of 50 characters at most.
        driver: how layers are stored. `vfs` copies, which works everywhere and suits small images.
        volumes: what is mounted wherever something is run, as `--volume` takes it.
        seconds: that a command may take.
    """

    root: Path
    run_root: Path
    driver: str = "overlay"
    volumes: tuple[str, ...] = ()
    seconds: float = 1800

    def buildah(self, *words: object) -> str:
        return self._call(["buildah", *self._storage(), *map(str, words)])

    def podman(self, *words: object, check: bool = True, text: str | None = None) -> str:
        command = ["podman", "--cgroup-manager", "cgroupfs", *self._storage(), *map(str, words)]
        return self._call(command, check=check, text=text)

    def podman_command(self, *words: object) -> list[str]:
        return ["podman", "--cgroup-manager", "cgroupfs", *self._storage(), *map(str, words)]

    def make_base(self) -> None:
        """Make Debian's slim image under its own name, unless it is there: there is no registry."""
        if BASE in self.buildah("images", "--format", "{{.Name}}:{{.Tag}}").split():
            return
        folder = self.root / "rootfs"
        shutil.rmtree(folder, ignore_errors=True)
        packages = "--include=ca-certificates"
        self._call(["debootstrap", "--variant=minbase", packages, "bookworm", str(folder)])
        shutil.rmtree(folder / "var/cache/apt", ignore_errors=True)
        container = self.buildah("from", "scratch").strip()
        self.buildah("add", container, folder, "/")
        self.buildah("commit", "--rm", container, BASE)
        shutil.rmtree(folder)

    def build_images(self, r50: Sequence[str]) -> str:
        """Build by the project's own command."""
        return self._call(self.plan_build(r50, arguments=[f"BASE={BASE}"]))

    def build(self, file: Path, context: Path, *words: str) -> str:
        """Build one image, for this storage and without a registry."""
        command = ["build", "--isolation", "chroot", "--pull-never", "--format", "docker"]
        return self.buildah(*command, *self._mounts(), "--file", file, *words, context)

    def plan_build(
        self,
        r50: Sequence[str],
        *names: str,
        source: Path = PROJECT,
        arguments: Sequence[str] = (),
    ) -> list[str]:
        """The project's own command, for this storage and without a registry."""
        command = [*r50, "images", "--builder", "buildah", "--source", str(source), *names]
        for text in arguments:
            command += ["--build-arg", text]
        extra = ["--isolation", "chroot", "--pull-never", *self._storage(), *self._host_trust()]
        return [*command, "--", *extra]

    def run_options(self) -> list[str]:
        """What `podman run` needs on a machine with small limits and no bridge of its own."""
        return ["--runtime", "runc", "--network", "host", "--log-driver", "k8s-file",
                "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=4096:4096",
                *self._mounts()]  # fmt: skip

    def _mounts(self) -> list[str]:
        return [word for volume in self.volumes for word in ("--volume", volume)]

    def _storage(self) -> list[str]:
        return ["--root", str(self.root / "storage"), "--runroot", str(self.run_root),
                "--storage-driver", self.driver]  # fmt: skip

    def _host_trust(self) -> list[str]:
        """The host's own certificates and pip configuration, where it has them: a mirror's."""
        pairs = [("/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/certs/ca-certificates.crt")]
        if "PIP_CERT" in os.environ or "PIP_INDEX_URL" in os.environ:
            lines = [f"{name} = {os.environ[variable]}" for name, variable in
                     (("cert", "PIP_CERT"), ("index-url", "PIP_INDEX_URL"))
                     if variable in os.environ]  # fmt: skip
            path = self.root / "pip.conf"
            path.write_text("\n".join(["[global]", *lines, ""]))
            pairs.append((str(path), "/etc/pip.conf"))
        return [word for source, target in pairs if Path(source).exists()
                for word in ("--volume", f"{source}:{target}:ro")]  # fmt: skip

    def _call(self, command: Sequence[str], *, check: bool = True, text: str | None = None) -> str:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=self.seconds, check=False, input=text
        )
        assert not check or done.returncode == 0, (
            f"{' '.join(command)}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        )
        return done.stdout
