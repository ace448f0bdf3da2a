"""Records whose texts are hostile, as any host may send them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
from tests.fleets import make_fleet_record

from resnet50_bench.config import Mode, Precision
from resnet50_bench.fleet.engine.incoming import Wanted
from resnet50_bench.fleet.engine.running import Event
from resnet50_bench.fleet.ledger import Ledger
from resnet50_bench.fleet.state import State, append_row, name_folder, write_state
from resnet50_bench.results.record import InstanceRecord, Record

Place = tuple["str | int", ...]
"""Where in a document something stands: names and numbers, from the outside."""

TAKEN = "document.title = 'taken'"
SCRIPT = (
    f'</script><script>{TAKEN}</script>"><img src=x onerror="{TAKEN}"><svg/onload="{TAKEN}">'
    f"'-->]]></textarea></title><a href=javascript:alert(1)>[x](javascript:alert(1))"
)
"""It breaks out of whatever it is put into that does not escape it, and renames the page."""


def list_free_texts(record: Record) -> tuple[Place, ...]:
    """The places of all texts of a record that may be any text: not names of an enum."""
    document = msgspec.to_builtins(record)
    return tuple(place for place in _find_texts(document) if _is_free(document, place))


def add_text(record: Record, places: Sequence[Place], text: str) -> Record:
    """The record with the text behind each of those at the places."""
    document = msgspec.to_builtins(record)
    texts = {place: f"{_get(document, place)}{text}" for place in places}
    return msgspec.convert(_replace(document, texts), Record)


def take_in_fleet(folder: Path, text: str) -> Path:
    """The folder that `r50 fleet run` leaves of seven hosts with the text all over what they send.

    Six of them have it in the description of their host, and one of the six is slow. The seventh has
    it in its whole record, and the eighth says it and sends none.
    """
    wanted = Wanted("throughput_avx_fp32", Mode.THROUGHPUT, Precision.AVX_FP32)
    names = [f"node{number}" for number in range(8)]
    incoming, output = folder / "incoming", folder / "fleet"
    for place in (incoming, output):
        place.mkdir(parents=True)
    folders = {name: name_folder(name) for name in names}
    ledger = Ledger((wanted,), dict.fromkeys(names, (0,)), folders, incoming, output)
    write_state(output, State())

    def tell(event: str, host: str, task: str, **said: str) -> None:
        for ended in ledger.take(Event(event=event, host=host, task=task, **said)):
            append_row(output, ended.row)

    free = list_free_texts(make_fleet_record("x"))
    for number, name in enumerate(names[:-1]):
        record = make_fleet_record(name, (0.8, 0.8) if number == 0 else (1.0, 1.0))
        if number == 0:
            record = replace(record, host=replace(record.host, governor="powersave"))
        record = replace(record, instances=tuple(map(_scatter, record.instances)))
        places = free if number == 6 else [place for place in free if place[0] == "host"]
        content = msgspec.json.encode(add_text(record, places, text))
        sha256 = hashlib.sha256(content).hexdigest()
        said = f"{text}\nr50-fleet now=0 code=0 size={len(content)} sha256={sha256}"
        tell("ok", name, "measure 0", stdout=said, stderr=text)
        (incoming / f"{folders[name]}-0.json").write_bytes(content)
        tell("ok", name, "fetch 0")
    tell("ok", names[-1], "measure 0", stdout="r50-fleet now=0 code=3", stderr=f"error: {text}")
    return output


def _scatter(instance: InstanceRecord) -> InstanceRecord:
    """Queries that end up to 6 ms earlier: a distribution to draw."""
    ends = enumerate(instance.end_ns)
    return replace(instance, end_ns=tuple(end - number % 7 * 1_000_000 for number, end in ends))


def _find_texts(value: Any) -> list[Place]:
    if isinstance(value, str):
        return [()]
    if not isinstance(value, (dict, list, tuple)):
        return []
    parts = value.items() if isinstance(value, dict) else enumerate(value)
    return [(key, *rest) for key, part in parts for rest in _find_texts(part)]


def _is_free(document: Any, place: Place) -> bool:
    try:
        msgspec.convert(_replace(document, {place: "x" * 8}), Record)
    except msgspec.ValidationError:
        return False
    # What is looked up by its name is checked where the record is read.
    return place[-1] not in {"preprocessing", "engine", "variant", "rows", "log_tail"}


def _replace(value: Any, texts: dict[Place, str]) -> Any:
    if () in texts:
        return texts[()]
    if not isinstance(value, (dict, list, tuple)):
        return value
    parts = value.items() if isinstance(value, dict) else enumerate(value)
    changed = {
        key: _replace(part, {place[1:]: text for place, text in texts.items() if place[0] == key})
        for key, part in parts
    }
    return changed if isinstance(value, dict) else list(changed.values())


def _get(value: Any, place: Place) -> Any:
    for key in place:
        value = value[key]
    return value
