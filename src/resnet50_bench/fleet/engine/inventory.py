"""The hosts of an inventory, as Ansible understands it, and whether each is reached safely."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from resnet50_bench.errors import ConfigError, HostError, RequestError
from resnet50_bench.files.paths import is_file

EXTRA = "pip install 'resnet50-bench[fleet]'"
_CONNECTIONS = frozenset({"ssh", "local"})
_SECRETS = re.compile(r"ansible_(\w+_)?(pass|password)$")
_BLIND = re.compile(r"StrictHostKeyChecking\W*(no|off|accept-new)|UserKnownHostsFile\W*/dev/null",
                    re.IGNORECASE)  # fmt: skip
_ARGUMENTS = ("ansible_ssh_args", "ansible_ssh_common_args", "ansible_ssh_extra_args")
_ALL = "all"


@dataclass(frozen=True, slots=True)
class InventoryHost:
    """A host.

    Attributes:
        name: in the inventory.
        variables: that the inventory gives it.
    """

    name: str
    variables: Mapping[str, Any]


def find_ansible(name: str) -> str:
    """Return one of Ansible's programs: that beside this Python, else that of PATH.

    Raises:
        RequestError: it is not installed.
    """
    beside = Path(sys.executable).parent / name
    found = str(beside) if is_file(beside) else shutil.which(name)
    if found is None:
        raise RequestError(f"running on a fleet needs Ansible, and there is no {name}", EXTRA)
    return found


def read_inventory(path: Path, group: str = _ALL) -> list[InventoryHost]:
    """Return the hosts of a group, in the order of the inventory.

    Raises:
        RequestError: Ansible is not installed; there is no such file or group, or it has no host.
        ConfigError: hosts would be reached with a password, by another connection than ssh, or
            without checking who they are.
    """
    if not is_file(path):
        raise RequestError(f"no inventory at {path}", "write one: docs/fleet.md shows its form")
    document = _ask_ansible(path)
    hosts = document.get("_meta", {}).get("hostvars", {})
    names = _list_group(document, group, frozenset())
    if names is None:
        raise RequestError(f"{path} has no group {group!r}", "leave --group out to take all hosts")
    found = [InventoryHost(name, hosts.get(name, {})) for name in dict.fromkeys(names)]
    if not found:
        raise RequestError(f"{path} has no host in group {group!r}", "docs/fleet.md shows its form")
    problems = [problem for host in found for problem in _find_problems(host)]
    if problems:
        raise ConfigError(problems)
    return found


def _ask_ansible(path: Path) -> dict[str, Any]:
    command = [find_ansible("ansible-inventory"), "-i", str(path.absolute()), "--list"]
    environment = {**os.environ, "ANSIBLE_INVENTORY_UNPARSED_FAILED": "true"}
    done = subprocess.run(
        command, capture_output=True, env=environment, check=False, stdin=subprocess.DEVNULL
    )
    said = tuple(done.stderr.decode(errors="replace").splitlines()[-6:])
    if done.returncode:
        raise RequestError(
            f"Ansible cannot read the inventory {path}", "docs/fleet.md shows its form", said
        )
    try:
        document = msgspec.json.decode(done.stdout, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError) as error:
        raise HostError(f"{command[0]} told no JSON of {path}: {error}", None, said) from error
    return document


def _list_group(document: Mapping[str, Any], group: str, seen: frozenset[str]) -> list[str] | None:
    """The hosts of a group and of those below it; None where there is no such group."""
    found = document.get(group)
    if not isinstance(found, dict) or group in seen:
        return None
    names = list(found.get("hosts", []))
    for child in found.get("children", []):
        names += _list_group(document, child, seen | {group}) or []
    return names


def _find_problems(host: InventoryHost) -> list[str]:
    connection = host.variables.get("ansible_connection", "ssh")
    problems = []
    if connection not in _CONNECTIONS:
        problems.append(
            f"{host.name}: ansible_connection is {connection!r}; it is ssh, or local for this host"
        )
    secrets = sorted(name for name in host.variables if _SECRETS.match(name))
    if secrets:
        problems.append(
            f"{host.name}: {', '.join(secrets)} in the inventory; hosts are reached by ssh keys "
            "alone: ssh-agent, or ansible_ssh_private_key_file"
        )
    blind = [name for name in _ARGUMENTS if _BLIND.search(str(host.variables.get(name, "")))]
    if blind:
        problems.append(
            f"{host.name}: {', '.join(blind)} lets any machine pass for it; put its key into "
            "known_hosts (ssh-keyscan)"
        )
    return problems
