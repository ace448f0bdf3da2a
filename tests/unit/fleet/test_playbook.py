"""The playbook that Ansible gets, and the hosts that it may be run on."""

from __future__ import annotations

import os
import re
import select
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import yaml
from tests.stand_in import IMAGE, write_engine

from resnet50_bench.errors import ConfigError, RequestError
from resnet50_bench.fleet.conduct import Request, find_missing, read_image, read_wheel
from resnet50_bench.fleet.engine import inventory
from resnet50_bench.fleet.engine.incoming import Wanted
from resnet50_bench.fleet.engine.inventory import read_inventory
from resnet50_bench.fleet.engine.playbook import SCRIPT, Job, Wheel, read_case, render_playbook
from resnet50_bench.fleet.engine.running import plan_environment
from resnet50_bench.fleet.state import Row, State

HOSTILE = "{{ lookup('pipe', 'touch /tmp/owned') }}"


class Loader(yaml.SafeLoader):
    """Reads `!unsafe` as a text with a mark."""


Loader.add_constructor("!unsafe", lambda loader, node: f"UNSAFE {node.value}")


def make_job(tmp_path: Path, **changes) -> Job:
    fields = {
        "cases": (("throughput_avx_fp32", "--engine", "null", "--x", HOSTILE),),
        "missing": {"a": (0,)},
        "folders": {"a": "a-1"},
        "installed": "r50",
        "wheel": None,
        "image": None,
        "limit_s": 9,
        "token": "run-1",
        "incoming": tmp_path,
    }
    return Job(**(fields | changes))


def read_tasks(job: Job) -> list[dict]:
    (play,) = yaml.load(render_playbook(job), Loader)
    assert play["strategy"] == "ansible.builtin.host_pinned"
    assert play["gather_facts"] is False
    return play["tasks"]


class TestPlaybook:
    def test_what_is_not_its_own_is_never_expanded(self, tmp_path):
        text = render_playbook(make_job(tmp_path))
        (measure,) = [
            task for task in read_tasks(make_job(tmp_path)) if task["name"] == "measure 0"
        ]
        *_, words, _, _ = measure["ansible.builtin.command"]["argv"]
        # Lines, for Ansible takes a word such as null for a value.
        assert words.split("\n") == [
            "UNSAFE words", "r50", "run", "throughput_avx_fp32", "--engine", "null", "--x", HOSTILE,
        ]  # fmt: skip
        safe = re.sub(r"!unsafe\s+\"(?:[^\"\\]|\\.)*\"", "", text, flags=re.DOTALL)
        assert "lookup" not in safe

    def test_a_wheel_is_copied_and_installed_only_where_it_is_not(self, tmp_path):
        wheel = Wheel(tmp_path / "r50-1-py3-none-any.whl", "ab" * 32, "[tensorflow]")
        tasks = read_tasks(make_job(tmp_path, wheel=wheel, installed=None))
        names = [task["name"] for task in tasks]
        assert names == ["prepare", "copy the wheel", "install", "measure 0", "fetch 0", "clean"]
        assert all("have=1" in task["when"] for task in tasks[1:3])

    def test_an_image_is_pulled_and_is_run_in_place_of_r50(self, tmp_path):
        tasks = read_tasks(make_job(tmp_path, image="1e3", installed=None))
        assert [task["name"] for task in tasks] == [
            "prepare",
            "pull",
            "measure 0",
            "fetch 0",
            "clean",
        ]
        *_, engine, image = tasks[1]["ansible.builtin.command"]["argv"]
        assert (engine, image) == ("{{ r50_docker | default('') }}", "UNSAFE image 1e3")
        *_, key, words, _, options = tasks[2]["ansible.builtin.command"]["argv"]
        assert (key, options) == ("image", "{{ r50_docker_options | default('') }}")
        assert words.split("\n")[1:4] == ["1e3", "run", "throughput_avx_fp32"]

    @pytest.mark.parametrize(
        ("task", "number"),
        [("measure 3", 3), ("fetch 12", 12), ("clean", None), ("measure x", None), ("", None)],
    )
    def test_a_task_says_of_which_case_it_is(self, task, number):
        assert read_case(task) == number

    def test_ansible_gets_keys_only_and_hosts_that_are_known_only(self, tmp_path):
        asked = {"ANSIBLE_HOST_KEY_CHECKING": "false", "ANSIBLE_SSH_ARGS": "-o x", "HOME": "/h"}
        found = plan_environment(asked, tmp_path)
        assert found["ANSIBLE_HOST_KEY_CHECKING"] == "true"
        for word in ("BatchMode=yes", "StrictHostKeyChecking=yes", "PasswordAuthentication=no"):
            assert word in found["ANSIBLE_SSH_ARGS"]
        assert found["HOME"] == "/h"


def run_script(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", str(SCRIPT), *map(str, words)],
        check=False, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


class TestScript:
    """What runs on a host, in a shell of its own."""

    def test_its_words_arrive_as_they_are(self, tmp_path):
        program = tmp_path / "r50"
        program.write_text(
            '#!/bin/sh\nfor word in "$@"; do echo "<$word>"; last=$word; done\n'
            'mkdir -p "$last/x"; echo record > "$last/x/record.json"; exit 1\n'
        )
        program.chmod(0o755)
        lines = "\n".join(["words", str(program), "run", "null", "", "a b", "$(id)", "'", "*"])
        done = run_script("run", tmp_path / "folder", "run-1", 30, "-", lines, "", "")
        assert "no folder" in done.stderr  # nobody has prepared it
        (tmp_path / "folder").mkdir()
        done = run_script("run", tmp_path / "folder", "run-1", 30, "-", lines, "", "")
        told = done.stderr.splitlines()
        assert told[:6] == ["<run>", "<null>", "<>", "<a b>", "<$(id)>", "<'>"]
        assert re.search(r"code=1 size=7 sha256=[0-9a-f]{64}$", done.stdout.strip())
        assert (tmp_path / "folder" / "run-1" / "record.json").read_text() == "record\n"

    def test_what_takes_too_long_is_ended(self, tmp_path):
        (tmp_path / "folder").mkdir()
        done = run_script(
            "run", tmp_path / "folder", "r", 1, "-", "words\nsh\n-c\nsleep 60", "", ""
        )
        assert "code=124" in done.stdout

    def test_a_place_without_room_is_refused(self, tmp_path):
        done = run_script("prepare", tmp_path, "python3", "-", 1 << 60)
        assert "KiB free" in done.stderr
        assert "gave-up=1" in done.stdout

    def test_an_old_python_is_refused(self, tmp_path):
        old = tmp_path / "python"
        old.write_text("#!/bin/sh\ncase $2 in *print*) echo 3.8.1;; *) exit 1;; esac\n")
        old.chmod(0o755)
        done = run_script("prepare", tmp_path, old, "key", 1)
        assert "is Python 3.8.1, and r50 needs 3.10" in done.stderr
        assert "no Python that runs" in run_script("prepare", tmp_path, "/none", "key", 1).stderr

    def test_a_wheel_that_did_not_arrive_whole_is_not_installed(self, tmp_path):
        (tmp_path / "x.whl").write_text("x")
        done = run_script("install", tmp_path, "python3", "key", "0" * 64, "x.whl", "")
        assert "did not arrive whole" in done.stderr


class TestImage:
    """The same script, where r50 is in an image."""

    WORDS = f"words\n{IMAGE}\nrun\nthroughput_avx_fp32\na b"

    @pytest.fixture
    def host(self, tmp_path) -> Path:
        (tmp_path / "host").mkdir()
        return tmp_path / "host"

    def test_a_record_comes_out_of_the_container_and_the_container_goes(self, host, tmp_path):
        engine = write_engine(tmp_path)
        options = f"--cap-add SYS_NICE --env X={tmp_path}/*"
        done = run_script("run", host, "run-1-0", 30, "image", self.WORDS, engine, options)
        assert re.search(r"code=0 size=\d+ sha256=[0-9a-f]{64}$", done.stdout.strip()), done
        record = (tmp_path / "image-of-r50" / "record-to-leave.json").read_bytes()
        assert (host / "run-1-0" / "record.json").read_bytes() == record
        run, copied, removed = (tmp_path / "calls").read_text().splitlines()
        assert run == (
            f"run --name r50-fleet-run-1-0 --label r50={host}/run-1-0/runs {options} {IMAGE} "
            "run throughput_avx_fp32 a b --output /tmp/r50-fleet"
        )
        assert copied == "cp r50-fleet-run-1-0:/tmp/r50-fleet -"
        assert removed == "rm --force --volumes r50-fleet-run-1-0"

    def test_an_image_is_pulled_where_it_is_not_there(self, host, tmp_path):
        engine = write_engine(tmp_path)
        for _ in range(2):
            assert "pulled=1" in run_script("pull", host, engine, f"image {IMAGE}").stdout
        assert (tmp_path / "calls").read_text().count("pull ") == 1
        (tmp_path / "image").unlink()
        done = run_script("pull", host, engine, "image other:1")
        assert "Error: other:1: not found" in done.stderr
        assert "gave-up=1" in done.stdout

    def test_a_run_that_ends_without_a_record_says_why_and_leaves_no_container(
        self, host, tmp_path
    ):
        engine = write_engine(tmp_path)
        (host / "fault").write_text("killed")
        done = run_script("run", host, "run-1-0", 30, "image", self.WORDS, engine, "")
        assert "code=137" in done.stdout
        assert "No such file" not in done.stderr
        assert list((tmp_path / "containers").iterdir()) == []

    def test_a_host_without_an_engine_says_so(self, host, monkeypatch, tmp_path):
        done = run_script("pull", host, "/none/podman --root x", f"image {IMAGE}")
        assert "there is no /none/podman --root x: install it" in done.stderr
        for tool in ("mkdir", "date"):
            (tmp_path / tool).symlink_to(shutil.which(tool))
        shell = shutil.which("sh")
        monkeypatch.setenv("PATH", str(tmp_path))
        (tmp_path / "sh").symlink_to(shell)
        done = run_script("pull", host, "", f"image {IMAGE}")
        assert "there is no docker or podman: install it" in done.stderr
        assert "gave-up=1" in done.stdout

    def test_stop_ends_a_container_that_outlives_its_engine(self, host, tmp_path):
        engine = write_engine(tmp_path)
        (host / "fault").write_text("hang")
        words = ("run", host, "run-1-0", 600, "image", self.WORDS, engine, "")
        running = subprocess.Popen(
            ["sh", str(SCRIPT), *map(str, words)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        container = tmp_path / "containers" / "r50-fleet-run-1-0"
        begun = (host / "hanging", host / "run-1-0" / "pid", container / "pid")
        while not all(path.exists() and path.read_text().endswith("\n") for path in begun):
            assert running.poll() is None
            time.sleep(0.01)
        inside = os.pidfd_open(int((host / "hanging").read_text()))
        assert "stopped=1" in run_script("stop", host, "run-1").stdout
        running.wait(60)
        assert select.select([inside], [], [], 60)[0] == [inside]  # it has ended
        os.close(inside)
        assert list((tmp_path / "containers").iterdir()) == []
        assert not list(host.glob("run-*"))


class TestInventory:
    def read(self, monkeypatch, tmp_path, variables: dict, group: str = "all"):
        document = {"_meta": {"hostvars": {"a": variables}}, "all": {"children": ["g"]},
                    "g": {"hosts": ["a"]}, "empty": {}}  # fmt: skip
        monkeypatch.setattr(inventory, "_ask_ansible", lambda path: document)
        (tmp_path / "hosts.yaml").write_text("all:")
        return read_inventory(tmp_path / "hosts.yaml", group)

    def test_hosts_of_a_group_and_those_below_it(self, monkeypatch, tmp_path):
        (host,) = self.read(monkeypatch, tmp_path, {"ansible_user": "u"})
        assert (host.name, host.variables["ansible_user"]) == ("a", "u")

    @pytest.mark.parametrize("group", ["none", "empty"])
    def test_a_group_without_hosts_is_refused(self, monkeypatch, tmp_path, group):
        with pytest.raises(RequestError, match=group):
            self.read(monkeypatch, tmp_path, {}, group)

    @pytest.mark.parametrize(
        ("variables", "problem"),
        [
            ({"ansible_password": "x"}, "ansible_password"),
            ({"ansible_ssh_pass": "x"}, "ssh keys alone"),
            ({"ansible_become_password": "x"}, "ansible_become_password"),
            ({"ansible_connection": "winrm"}, "winrm"),
            ({"ansible_ssh_common_args": "-o StrictHostKeyChecking=no"}, "pass for it"),
            ({"ansible_ssh_extra_args": "-oUserKnownHostsFile=/dev/null"}, "pass for it"),
        ],
    )
    def test_unsafe_ways_to_a_host_are_refused(self, monkeypatch, tmp_path, variables, problem):
        with pytest.raises(ConfigError, match=problem):
            self.read(monkeypatch, tmp_path, variables)

    def test_no_file_and_no_ansible_are_told(self, monkeypatch, tmp_path):
        with pytest.raises(RequestError, match="no inventory"):
            read_inventory(tmp_path / "none")
        monkeypatch.setattr(inventory.shutil, "which", lambda name: None)
        monkeypatch.setattr(inventory.sys, "executable", str(tmp_path / "python"))
        (tmp_path / "hosts").write_text("a")
        with pytest.raises(RequestError, match="needs Ansible") as caught:
            read_inventory(tmp_path / "hosts")
        assert caught.value.advice == "pip install 'resnet50-bench[fleet]'"


class TestRequest:
    def test_what_is_there_with_its_checksum_is_not_run_again(self, tmp_path):
        import hashlib

        for host in "ab":
            (tmp_path / host).mkdir()
            (tmp_path / host / "record.json").write_text(host)
        rows = [
            Row(host=host, case="c", outcome="measured", folder=host,
                sha256=hashlib.sha256(host.encode()).hexdigest())
            for host in "ab"
        ]  # fmt: skip
        (tmp_path / "b" / "record.json").write_text("changed")
        rows.append(Row(host="l", case="c", outcome="lost", reason="x"))
        request = Request(
            inventory=tmp_path, hosts=["a", "b", "l", "new"], cases=[Wanted("c", None, None)],
            flags=(), installed="r50", wheel=None, image=None, at_once=1, limit_s=1, output=tmp_path,
        )  # fmt: skip
        assert find_missing(request, State(rows)) == {"b": (0,), "l": (0,), "new": (0,)}

    def test_a_wheel_is_one_by_its_name_and_is_there(self, tmp_path):
        name = "resnet50_bench-0.1.0-py3-none-any.whl"
        with pytest.raises(RequestError, match="No such file"):
            read_wheel(tmp_path / name)
        (tmp_path / name).write_bytes(b"x")
        assert read_wheel(tmp_path / name, "tensorflow").extras == "[tensorflow]"
        for bad in ("x.whl", "a b-1-py3-none-any.whl", f"{HOSTILE}.whl"):
            with pytest.raises(RequestError, match="not named as a wheel"):
                read_wheel(tmp_path / bad)
        with pytest.raises(RequestError, match="no names"):
            read_wheel(tmp_path / name, "x; id")

    def test_an_image_has_a_name(self):
        name = "registry.example:5000/team/r50@sha256:" + "a" * 64
        assert read_image(name) == name
        for bad in ("", "--privileged", "a b", "a\n", HOSTILE):
            with pytest.raises(RequestError, match="not the name of an image"):
                read_image(bad)
