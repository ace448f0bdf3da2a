"""The playbook that Ansible gets, and the hosts that it may be run on."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from resnet50_bench.errors import ConfigError, RequestError
from resnet50_bench.fleet.conduct import Request, find_missing, read_wheel
from resnet50_bench.fleet.engine import inventory
from resnet50_bench.fleet.engine.incoming import Wanted
from resnet50_bench.fleet.engine.inventory import read_inventory
from resnet50_bench.fleet.engine.playbook import Job, Wheel, read_case, render_playbook
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
        *_, words = measure["ansible.builtin.command"]["argv"]
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


class TestScript:
    """What runs on a host, in a shell of its own."""

    SCRIPT = Path(inventory.__file__).with_name("host.sh")

    def run(self, *words: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", str(self.SCRIPT), *map(str, words)],
            check=False, capture_output=True, text=True, timeout=60,
        )  # fmt: skip

    def test_its_words_arrive_as_they_are(self, tmp_path):
        program = tmp_path / "r50"
        program.write_text(
            '#!/bin/sh\nfor word in "$@"; do echo "<$word>"; last=$word; done\n'
            'mkdir -p "$last/x"; echo record > "$last/x/record.json"; exit 1\n'
        )
        program.chmod(0o755)
        lines = "\n".join(["words", str(program), "run", "null", "", "a b", "$(id)", "'", "*"])
        done = self.run("run", tmp_path / "folder", "run-1", 30, "-", lines)
        assert "no folder" in done.stderr  # nobody has prepared it
        (tmp_path / "folder").mkdir()
        done = self.run("run", tmp_path / "folder", "run-1", 30, "-", lines)
        told = done.stderr.splitlines()
        assert told[:6] == ["<run>", "<null>", "<>", "<a b>", "<$(id)>", "<'>"]
        assert re.search(r"code=1 size=7 sha256=[0-9a-f]{64}$", done.stdout.strip())
        assert (tmp_path / "folder" / "run-1" / "record.json").read_text() == "record\n"

    def test_what_takes_too_long_is_ended(self, tmp_path):
        (tmp_path / "folder").mkdir()
        done = self.run("run", tmp_path / "folder", "r", 1, "-", "words\nsh\n-c\nsleep 60")
        assert "code=124" in done.stdout

    def test_a_place_without_room_is_refused(self, tmp_path):
        done = self.run("prepare", tmp_path, "python3", "-", 1 << 60)
        assert "KiB free" in done.stderr
        assert "gave-up=1" in done.stdout

    def test_an_old_python_is_refused(self, tmp_path):
        old = tmp_path / "python"
        old.write_text("#!/bin/sh\ncase $2 in *print*) echo 3.8.1;; *) exit 1;; esac\n")
        old.chmod(0o755)
        done = self.run("prepare", tmp_path, old, "key", 1)
        assert "is Python 3.8.1, and r50 needs 3.10" in done.stderr
        assert "no Python that runs" in self.run("prepare", tmp_path, "/none", "key", 1).stderr

    def test_a_wheel_that_did_not_arrive_whole_is_not_installed(self, tmp_path):
        (tmp_path / "x.whl").write_text("x")
        done = self.run("install", tmp_path, "python3", "key", "0" * 64, "x.whl", "")
        assert "did not arrive whole" in done.stderr


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
            flags=(), installed="r50", wheel=None, at_once=1, limit_s=1, output=tmp_path,
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
