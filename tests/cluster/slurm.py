"""A Slurm of the test's own: a controller where the user sits, and a node on each host."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.namespaces import SWITCH, Network, daemon, wait_for

FOLDERS = "/usr/sbin:/usr/local/sbin:/sbin:" + os.environ.get("PATH", "")
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "scancel")

_CONFIG = """\
ClusterName=test
SlurmctldHost={controller}({address})
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={root}/munge.socket
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool-%n
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/slurmd-%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
ReturnToService=2
SelectType=select/linear
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0
KillWait=20
MailProg=/bin/true
{nodes}
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


class Slurm:
    """What the tests ask of it, from where the user sits."""

    def __init__(self, root: Path, network: Network) -> None:
        self.root = root
        self.network = network
        self.config = root / "slurm.conf"
        self.hosts = [name for name in network.addresses if name != SWITCH]

    def environment(self) -> dict[str, str]:
        return {"SLURM_CONF": str(self.config)}

    def call(self, *command: str) -> str:
        done = subprocess.run(
            self.network.enter(SWITCH, *command),
            env={**os.environ, **self.environment()},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def read_job(self, job: str) -> dict[str, str]:
        """What the controller says of a job."""
        return dict(re.findall(r"(\w+)=(\S+)", self.call("scontrol", "show", "job", job)))

    def wait_for_end(self, job: str) -> dict[str, str]:
        """Its last state, once nothing of it runs any more."""
        alive = {"PENDING", "RUNNING", "COMPLETING", "CONFIGURING", "SUSPENDED"}
        wait_for(lambda: self.read_job(job)["JobState"] not in alive, f"job {job}", 120)
        return self.read_job(job)

    @contextmanager
    def serving(self) -> Iterator[None]:
        """munged, the controller, and a slurmd on each host."""
        self._configure()
        munged = [str(find_program("munged")), "--foreground", "--force",
                  f"--key-file={self.root}/munge.key", f"--socket={self.root}/munge.socket",
                  f"--pid-file={self.root}/munge.pid", f"--seed-file={self.root}/munge.seed",
                  f"--log-file={self.root}/munged.log"]  # fmt: skip
        settings = {"env": {**os.environ, **self.environment()}}
        with ExitStack() as stack:
            stack.enter_context(daemon(munged, self.root / "munged.out"))
            wait_for((self.root / "munge.socket").exists, "munged")
            control = [str(find_program("slurmctld")), "-D", "-f", str(self.config)]
            command = self.network.enter(SWITCH, *control)
            stack.enter_context(daemon(command, self.root / "slurmctld.log", **settings))
            for name in self.hosts:
                node = [str(find_program("slurmd")), "-D", "-f", str(self.config)]
                command = self.network.enter(name, *node)
                stack.enter_context(daemon(command, self.root / f"slurmd-{name}.log", **settings))
            wait_for(self._is_up, "the nodes")
            yield

    def _configure(self) -> None:
        (self.root / "state").mkdir()
        for name in self.hosts:
            (self.root / f"spool-{name}").mkdir()
        (self.root / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
        key = self.root / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o400)
        count = len(os.sched_getaffinity(0))
        nodes = "\n".join(
            f"NodeName={name} NodeAddr={self.network.addresses[name]} CPUs={count} State=UNKNOWN"
            for name in self.hosts
        )
        address = self.network.addresses[SWITCH]
        self.config.write_text(
            _CONFIG.format(controller=SWITCH, address=address, root=self.root, nodes=nodes)
        )

    def _is_up(self) -> bool:
        done = subprocess.run(
            self.network.enter(SWITCH, "sinfo", "--noheader", "--format=%T %D"),
            env={**os.environ, **self.environment()}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.stdout.split() == ["idle", str(len(self.hosts))]


def find_program(name: str) -> str | None:
    return shutil.which(name, path=FOLDERS)


def find_obstacle() -> str | None:
    """Why there cannot be a Slurm here; None where there can."""
    missing = [name for name in PROGRAMS if find_program(name) is None]
    if missing:
        return (
            f"no {', '.join(missing)}: install Debian's slurmctld, slurmd, slurm-client and munge"
        )
    return None
