"""What came of each case on each host, in its file."""

from __future__ import annotations

import pytest

from resnet50_bench.errors import RecordError
from resnet50_bench.fleet.state import (
    STATE_FILE,
    Row,
    State,
    append_row,
    name_folder,
    read_state,
    write_state,
)

HEAD = '{"r50_fleet":1}\n'


def lose(host: str, reason: str = "no route") -> Row:
    return Row(host=host, case="c", outcome="lost", reason=reason)


def test_it_is_read_as_it_was_written(tmp_path):
    write_state(tmp_path, State([lose("a")], ("--steps", "5")))
    append_row(tmp_path, lose("b"))
    append_row(tmp_path, lose("a", "refused"))
    found = read_state(tmp_path)
    assert found is not None
    assert found.rows == (lose("a", "refused"), lose("b"))
    assert found.flags == ("--steps", "5")
    assert found.find("b", "c") == lose("b")
    assert found.find("c", "c") is None


def test_none_is_none(tmp_path):
    assert read_state(tmp_path) is None


def test_a_line_that_was_cut_by_a_kill_is_left_out(tmp_path):
    write_state(tmp_path, State([lose("a")]))
    with (tmp_path / STATE_FILE).open("ab") as file:
        file.write(b'{"host":"b","ca')
    found = read_state(tmp_path)
    assert found is not None
    assert found.rows == (lose("a"),)


@pytest.mark.parametrize("folder", ["../x", "/etc", "a/../../b", "a\0"])
def test_a_folder_outside_is_refused(tmp_path, folder):
    row = Row(host="a", case="c", outcome="measured", folder=folder)
    write_state(tmp_path, State([row]))
    with pytest.raises(RecordError, match="outside of its own"):
        read_state(tmp_path)


@pytest.mark.parametrize(
    "content",
    ["", "{\n", "[]\n", "[" * 100_000 + "\n", '{"r50_fleet":2}\n', "\x00\n", HEAD + "{}\n"],
)
def test_a_damaged_one_is_refused(tmp_path, content):
    (tmp_path / STATE_FILE).write_text(content)
    with pytest.raises(RecordError, match=r"fleet\.json"):
        read_state(tmp_path)


@pytest.mark.parametrize("name", ["../../etc/passwd", "/", "..", "a b\n", "x" * 5000, "\udc80"])
def test_the_name_of_a_folder_is_harmless(name):
    made = name_folder(name)
    assert made != name_folder(name + "x")
    assert len(made) < 80
    assert not set(made) & set("/.\n ")
