"""A program that is called as `r50 run` on a host of a fleet and measures nothing.

It leaves a record that was made before, or does what a file beside its folder says.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from tests.fleets import make_fleet_record

if TYPE_CHECKING:
    from collections.abc import Sequence

PROGRAM = """\
#!/bin/sh
# Called in FOLDER/RUN as `r50 run CASE ... --output DIR`.
for word in "$@"; do last=$word; done
case $(cat ../fault 2> /dev/null) in
  hang) echo $$ > ../hanging; exec sleep 600 ;;
  killed) kill -9 $$ ;;
esac
mkdir -p "$last/the-run" && cp {record} "$last/the-run/record.json"
"""


def write_stand_in(folder: Path, name: str = "r50") -> Path:
    """Return the program."""
    folder.mkdir(parents=True, exist_ok=True)
    record = folder / "record-to-leave.json"
    record.write_bytes(msgspec.json.encode(make_fleet_record("stand-in")))
    program = folder / name
    program.write_text(PROGRAM.format(record=record))
    program.chmod(0o755)
    return program


def write_inventory(path: Path, hosts: Sequence[tuple[str, dict[str, str]]], **common) -> Path:
    """Return Ansible's inventory of hosts with their variables."""
    document = {"all": {"hosts": dict(hosts), "vars": common}}
    path.write_bytes(msgspec.json.encode(document))  # which is YAML, too
    return path
