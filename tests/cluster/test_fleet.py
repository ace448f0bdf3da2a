"""A fleet of eight hosts over real ssh, most of which have something wrong with them.

The hosts are addresses of the loopback device, with one sshd that lets in by key alone.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.cluster.secure_shell import SERVER, SSHD, make_key, privilege_folder
from tests.namespaces import daemon, wait_for
from tests.stand_in import write_inventory, write_stand_in

ASKED_VARIABLE = "R50_TEST_CLUSTER"
NETWORK = "127.0.78."
_PATIENCE_S = 300

pytestmark = [
    pytest.mark.skipif(
        not os.environ.get(ASKED_VARIABLE), reason="starts an sshd: `make test-cluster` runs it"
    ),
    pytest.mark.skipif(SSHD is None, reason="no sshd: install Debian's openssh-server"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk"),
]


@contextmanager
def serving(root: Path, port: int, clock: Path) -> Iterator[None]:
    """An sshd on the addresses; at the sixth, `date` is that of `clock`."""
    listening = "".join(f"ListenAddress {NETWORK}{number}:{port}\n" for number in range(1, 9))
    more = (
        "Subsystem sftp internal-sftp\n"
        f"Match LocalAddress {NETWORK}6\n  SetEnv PATH={clock}:/usr/bin:/bin\n"
    )
    config, log = root / "sshd_config", root / "sshd.log"
    config.write_text(listening + SERVER.format(root=root) + more)
    with privilege_folder(), daemon([str(SSHD), "-D", "-e", "-f", str(config)], log):
        wait_for(lambda: is_listening(port), "sshd")
        yield


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((f"{NETWORK}8", port)) == 0


def find_port() -> int:
    with socket.socket() as probe:
        probe.bind((f"{NETWORK}1", 0))
        return int(probe.getsockname()[1])


def write_wheel(folder: Path, program: Path) -> Path:
    """A wheel whose only content is the program `r50`."""
    name, version = "resnet50_bench", "0.1.0"
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}-{version}.data/scripts/r50": program.read_bytes(),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\n"
        b"Tag: py3-none-any\n",
    }
    rows = [
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip('=')},{len(data)}"
        for path, data in files.items()
    ]
    files[f"{info}/RECORD"] = ("\n".join([*rows, f"{info}/RECORD,,"]) + "\n").encode()
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for place, data in files.items():
            member = zipfile.ZipInfo(place)
            member.external_attr = 0o100755 << 16
            archive.writestr(member, data)
    return path


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], check=False
    )
    if done.returncode:
        pytest.skip("no right to mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.usefixtures("small_disk")
def test_of_eight_hosts_those_with_a_fault_are_rows_and_the_others_are_measured(tmp_path):
    root = tmp_path / "ssh"
    root.mkdir()
    port = find_port()
    host_key, user_key, other_key = (make_key(root / f"{name}_key") for name in
                                     ("host", "user", "other"))  # fmt: skip
    shutil.copy(f"{user_key}.pub", root / "authorized_keys")
    known = [f"[{NETWORK}{number}]:{port}" for number in range(1, 8)]  # the eighth is a stranger
    (root / "known_hosts").write_text(f"{','.join(known)} {Path(f'{host_key}.pub').read_text()}")

    clock = tmp_path / "clock"
    clock.mkdir()
    (clock / "date").write_text("#!/bin/sh\necho $(($(/bin/date +%s) + 3600))\n")
    old = tmp_path / "python3.8"
    old.write_text("#!/bin/sh\ncase $2 in *print*) echo 3.8.1;; *) exit 1;; esac\n")
    for program in (clock / "date", old):
        program.chmod(0o755)

    names = ("fine", "good", "refused", "full", "killed", "clock", "python", "stranger")
    hosts = []
    for number, name in enumerate(names, 1):
        folder = tmp_path / ("small" if name == "full" else name) / "r50"
        folder.mkdir(parents=True)
        hosts.append((name, {"ansible_host": f"{NETWORK}{number}", "r50_folder": str(folder)}))
    variables = dict(hosts)
    variables["refused"]["ansible_ssh_private_key_file"] = str(other_key)
    variables["python"]["r50_python"] = str(old)
    (tmp_path / "killed" / "r50" / "fault").write_text("killed")
    inventory = write_inventory(
        tmp_path / "hosts.yaml", hosts, ansible_port=port, ansible_user="root",
        ansible_ssh_private_key_file=str(user_key), r50_python=sys.executable,
        ansible_ssh_common_args=f"-o UserKnownHostsFile={root / 'known_hosts'} "
        "-o IdentitiesOnly=yes -o IdentityAgent=none",
    )  # fmt: skip
    wheel = write_wheel(tmp_path, write_stand_in(tmp_path / "program"))
    output = tmp_path / "out"
    command = [sys.executable, "-m", "resnet50_bench", "fleet", "run", str(inventory),
               "throughput_avx_fp32", "--wheel", str(wheel), "--at-once", "4",
               "--output", str(output), "--json"]  # fmt: skip

    def call() -> tuple[int, dict[str, dict], str]:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_PATIENCE_S
        )
        assert done.stdout.startswith("{"), (done.stdout + done.stderr)[-2000:]
        rows = {row["host"]: row for row in json.loads(done.stdout)["rows"]}
        return done.returncode, rows, done.stderr

    with serving(root, port, clock):
        code, rows, progress = call()
        assert code == 3
        assert list(rows) == list(names)
        found = {name: row["reason"] for name, row in rows.items()}
        assert [name for name, why in found.items() if not why] == ["fine", "good", "clock"], found
        assert "Permission denied" in found["refused"]
        assert "KiB free" in found["full"]
        assert "signal 9" in found["killed"]
        assert "is Python 3.8.1, and r50 needs 3.10" in found["python"]
        assert "Host key verification failed" in found["stranger"]
        assert re.search(r"3[56]\d\d s ahead", rows["clock"]["notes"][0])
        assert progress.count("LOST") == 5
        for name in ("fine", "good", "clock"):
            record = (output / rows[name]["folder"] / "record.json").read_bytes()
            assert hashlib.sha256(record).hexdigest() == rows[name]["sha256"]

        (tmp_path / "killed" / "r50" / "fault").unlink()
        _, rows, progress = call()
        assert rows["killed"]["outcome"] == "measured"
        assert "5 cases on 5 hosts" in progress
        assert not list(tmp_path.glob("*/r50/run-*"))
