"""The batch script of a run, and what sbatch answers."""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from resnet50_bench.cli import r50
from resnet50_bench.errors import ConfigError, HostError, RequestError
from resnet50_bench.packaging.slurm import SlurmRequest, render_script, submit

ONE = SlurmRequest(
    name="r50-throughput_avx_fp32",
    run=["inference_throughput_avx_fp32", "--set", "CUSTOMER_ENV=A='two words'"],
    r50=["/opt/bin/r50"],
    folder=Path("/home/me/my runs/100%"),
)
TWO = replace(ONE, nodes=2, time="2:00:00", partition="short", account="me", notice_s=30,
              options=("--constraint=a b",))  # fmt: skip


class TestScript:
    def test_one_node(self):
        script = render_script(ONE)
        assert [shlex.split(line, comments=False)[1] for line in script.splitlines()[1:7]] == [
            "--job-name=r50-throughput_avx_fp32", "--nodes=1", "--ntasks-per-node=1",
            "--exclusive", "--output=/home/me/my runs/100%%/slurm.log", "--signal=B:TERM@60",
        ]  # fmt: skip
        assert shlex.split(script.splitlines()[-1]) == [
            "exec", "/opt/bin/r50", "run", *ONE.run, "--output", "/home/me/my runs/100%",
        ]  # fmt: skip
        assert "scontrol" not in script

    def test_two_nodes(self):
        script = render_script(TWO)
        for option in ("--nodes=2", "--time=2:00:00", "--partition=short", "--account=me",
                       "--signal=B:TERM@30", '--constraint="a b"'):  # fmt: skip
            assert f"#SBATCH {option}\n" in script
        hosts = "/home/me/my runs/100%/hosts"
        assert shlex.split(script.splitlines()[-1])[-3:] == ["--mpi", "--hostfile", hosts]
        assert f"> {shlex.quote(hosts)} || exit 3\n" in script

    def test_bash_reads_it(self):
        subprocess.run(["bash", "-n"], input=render_script(TWO), text=True, check=True)

    @pytest.mark.parametrize(
        ("changes", "problem"),
        [
            ({"nodes": 0}, "--nodes 0 must be 1 or more"),
            ({"time": "soon"}, "--time 'soon' must be minutes"),
            ({"notice_s": 0}, "--notice 0 must be 1 .. 65535 seconds"),
            ({"partition": "a b"}, "--partition 'a b' must be the name of a partition"),
            ({"account": "a\nrm -r x"}, "--account 'a\\nrm -r x' must be the name of an account"),
            ({"options": ("-p x",)}, "--sbatch-option '-p x' must be as --constraint=TEXT"),
            ({"options": ("--x=1\nrm",)}, "--sbatch-option '--x=1\\nrm' must be as"),
            ({"options": ("--nodes=3",)}, "the script has an --nodes of its own"),
            ({"folder": Path("a\nrm")}, "a script cannot hold such a name"),
        ],
    )
    def test_what_cannot_be_is_refused(self, changes, problem):
        with pytest.raises(ConfigError) as caught:
            render_script(replace(ONE, **changes))
        assert problem in caught.value.message


class TestSubmission:
    @pytest.fixture
    def sbatch(self, tmp_path, monkeypatch):
        """A program in sbatch's place."""

        def place(text: str) -> None:
            path = tmp_path / "sbatch"
            path.write_text(f"#!/bin/sh\n{text}\n")
            path.chmod(0o755)
            monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

        return place

    def test_the_number_of_the_job(self, sbatch):
        sbatch("echo '17;cluster'")
        assert submit(Path("job.sh"), wait=False) == ("17", 0)

    def test_the_exit_code_of_a_job_that_was_waited_for(self, sbatch):
        sbatch('echo 17; [ "$2" = --wait ] && exit 3')
        assert submit(Path("job.sh"), wait=True) == ("17", 3)

    def test_a_refusal_is_quoted(self, sbatch):
        sbatch("echo 'sbatch: error: invalid partition' >&2; exit 1")
        with pytest.raises(HostError, match="sbatch says: sbatch: error: invalid partition"):
            submit(Path("job.sh"), wait=False)

    def test_no_sbatch(self, monkeypatch, tmp_path):
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(RequestError, match="there is no sbatch in"):
            submit(Path("job.sh"), wait=False)


class TestCommand:
    def test_all_that_is_wrong_is_told_at_once(self):
        words = ["slurm", "throughput_avx_fp32", "--nodes", "2", "--time", "x", "--set", "MPI=True"]
        error = CliRunner().invoke(r50, words).exception
        assert isinstance(error, ConfigError)
        assert len(error.problems) == 2
        error = CliRunner().invoke(r50, [*words[:4], "--set", "NUM_MPI=x"]).exception
        assert "NUM_MPI" in error.problems[0]

    def test_a_dry_run_prints_the_script(self):
        shown = CliRunner().invoke(
            r50, ["slurm", "throughput_avx_fp32", "--nodes", "2", "--dry-run"]
        )
        assert shown.exit_code == 0
        assert shown.output.startswith("#!/bin/bash\n#SBATCH --job-name=r50-throughput_avx_fp32\n")
