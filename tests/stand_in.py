"""Programs that are called on a host of a fleet, as `r50 run` or as podman, and measure nothing.

The first leaves a record that was made before, or does what a file beside its folder says. The other
runs the first as if it were in a container.
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

ENGINE = """\
#!/bin/sh
# A container is a folder, and a process that outlives who has started it.
own={folder}
printf '%s\\n' "$*" >> "$own/calls"
case $1 in
  image) [ -e "$own/image" ] ;;
  pull) [ "$2" = {image} ] || {{ echo "Error: $2: not found" >&2; exit 125; }}; : > "$own/image" ;;
  run) # --name NAME OPTIONS IMAGE run CASE ... --output DIR
    container=$own/containers/$3
    mkdir -p "$container" || exit 125
    while [ "$1" != {image} ]; do shift; done
    for word in "$@"; do last=$word; done
    setsid {program} "$@" "$container$last" &
    echo $! > "$container/pid"
    wait $! ;;
  cp) # NAME:/tmp/FOLDER -
    tar -c -f - -C "$own/containers/${{2%%:*}}/tmp" "${{2##*/}}" ;;
  rm) # --force --volumes NAME
    kill -9 "$(cat "$own/containers/$4/pid")" 2> /dev/null
    rm -r "$own/containers/$4" ;;
esac
"""
IMAGE = "registry.example/r50:1"


def write_engine(folder: Path) -> Path:
    """Return the program that stands in for podman; it can pull IMAGE."""
    program = write_stand_in(folder / "image-of-r50")
    engine = folder / "podman"
    engine.write_text(ENGINE.format(folder=folder, image=IMAGE, program=program))
    engine.chmod(0o755)
    return engine


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
