"""The server on a port of its own, asked as a browser would, and as nobody should."""

from __future__ import annotations

import os
import threading
from dataclasses import replace

import httpx
import pytest
from tests.records import make_record
from tests.showcase import write_run

from resnet50_bench.cli.serve.server import ADDRESS, open_server
from resnet50_bench.cli.serve.watch import Watch
from resnet50_bench.config import RunConfig
from resnet50_bench.errors import RecordError, RequestError
from resnet50_bench.results.files import write_record
from resnet50_bench.search.folder import Sweep, write_sweep
from resnet50_bench.search.grid import Candidate
from resnet50_bench.search.identity import identify_machine


@pytest.fixture
def folder(tmp_path):
    write_run(tmp_path / "sweep", make_record(run_id="one"))
    return tmp_path / "sweep"


@pytest.fixture
def ask(folder):
    """Ask the server of the folder; a path, and the name that one comes by."""
    with open_server(Watch(folder, "const vegaEmbed = 1;"), 0) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        address = f"http://{ADDRESS}:{server.server_port}"
        assert server.server_address[0] == "127.0.0.1"
        with httpx.Client(base_url=address, trust_env=False) as client:
            yield lambda path="/", method="GET", **headers: client.request(
                method, path, headers=headers
            )
        server.shutdown()


def test_the_page_is_served_with_the_runs(ask):
    answer = ask()
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "128.00 images/s" in answer.text
    assert "data-live" in answer.text


def test_a_record_is_served_as_it_is(ask, folder):
    assert ask("/one/record.json").content == (folder / "one" / "record.json").read_bytes()


def test_a_record_in_a_folder_of_any_name_is_served(ask, folder):
    odd = (folder / "one").rename(os.fsdecode(os.fsencode(folder / "a b#") + b"\xff"))
    assert ask("/a%20b%23%FF/record.json").content == (odd / "record.json").read_bytes()


@pytest.mark.parametrize(
    "path",
    ["/one/../../secret/record.json", "/%2e%2e/secret/record.json", "//secret/record.json",
     "/one/other.json", "/one", "/none/record.json", "/one/record.json/record.json"],
)  # fmt: skip
def test_nothing_else_is_served(ask, folder, path):
    write_run(folder.parent, make_record(run_id="secret"))
    (folder / "one" / "other.json").write_text("{}")
    assert ask(path).status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_it_only_reads(ask, method):
    assert ask("/", method).status_code == 501


def test_head_has_no_content(ask):
    answer = ask("/", "HEAD")
    assert answer.status_code == 200
    assert answer.content == b""


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8050", "127.0.0.1.evil.example", "[", ""]
)
def test_who_comes_by_another_name_is_refused(ask, host):
    assert ask("/", Host=host).status_code in {400, 403}
    assert ask("/state.json", Host=host).status_code in {400, 403}


def test_localhost_is_a_name_of_this_machine(ask):
    assert ask("/state.json", Host="localhost:1").status_code == 200


def test_the_state_changes_when_a_run_has_ended_and_not_when_one_begins(ask, folder):
    before = ask("/state.json").json()
    assert (before["done"], before["total"]) == (1, None)
    assert before["running"].startswith("Best so far: 128.00 images/s")
    later = "2026-01-02T04:00:00+00:00"
    begun = make_record(run_id="two", status="running", instances=[], created=later)
    place = write_run(folder, begun)
    running = ask("/state.json").json()
    assert running["running"].startswith("Now: avx_fp32, batches of 32 on 2 cores. Best so far")
    assert (running["done"], running["revision"]) == (1, before["revision"])
    write_record(place, make_record(run_id="two", created=later))
    os.utime(place / "record.json", ns=(1, 1))
    ended = ask("/state.json").json()
    assert ended["done"] == 2
    assert ended["revision"] != before["revision"]
    assert "two" in ask().text


def test_a_sweep_tells_how_many_runs_are_planned(ask, folder):
    record = make_record()
    sweep = Sweep(
        tool_version="0.1.0",
        created=record.created,
        command=("r50", "sweep"),
        machine=identify_machine(record.host),
        rounds=3,
        seed=0,
        candidates=tuple(Candidate((), replace(RunConfig(), batch_size=size)) for size in (1, 2)),
    )
    write_sweep(folder, sweep, [])
    assert ask("/state.json").json()["total"] == 6


def test_a_folder_that_went_away_is_told(ask, folder):
    for name in ("one/record.json", "one", ""):
        place = folder / name
        place.unlink() if place.is_file() else place.rmdir()
    assert ask("/state.json").status_code == 503


def test_a_port_that_is_taken_is_a_wrong_request(folder):
    with open_server(Watch(folder, ""), 0) as server, pytest.raises(RequestError) as told:
        open_server(Watch(folder, ""), server.server_port)
    assert "--port" in told.value.message


def test_a_folder_that_is_not_there_is_told_at_once(tmp_path):
    with pytest.raises(RecordError):
        Watch(tmp_path / "none", "").look()
