"""Which hosts of a fleet are slow, and what is told of them."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import pytest
from tests.fleets import make_fleet_host, make_fleet_record
from tests.records import make_accuracy_record, make_evaluation_of_zeros

from resnet50_bench.cli import r50
from resnet50_bench.config import Precision, RunConfig
from resnet50_bench.errors import RequestError
from resnet50_bench.fleet.peers import HostRun, compare_hosts, read_host_run
from resnet50_bench.fleet.state import Row, State, write_state
from resnet50_bench.host.settings import Settings
from resnet50_bench.report.peers import (
    render_fleet,
    render_fleet_csv,
    render_fleet_markdown,
    summarize_fleet,
)
from resnet50_bench.results.files import write_record
from resnet50_bench.results.record import Launch

OLD = Settings(bios="AMI 1.1", microcode="0xa1")
HOSTILE = "<script>alert(1)</script>|\x1b[2J\n=1+1\u202e"
SLOW = (0.9, 0.9)


def read(record, **options) -> HostRun:
    run = read_host_run(record, **options)
    assert isinstance(run, HostRun), run
    return run


@pytest.fixture(scope="module")
def usual() -> list[HostRun]:
    """Twelve hosts of one model."""
    return [read(make_fleet_record(f"node{number:02}")) for number in range(12)]


@pytest.fixture(scope="module")
def fleet(usual):
    """A slow host with hostile texts among them."""
    host = make_fleet_host(HOSTILE, Settings(bios=HOSTILE), governor=HOSTILE)
    slow = read(make_fleet_record("x", SLOW, host=host))
    return compare_hosts([*usual, slow], [(HOSTILE, HOSTILE)])


class TestSlow:
    def test_hosts_that_scatter_alike_are_not_slow(self, usual):
        fleet = compare_hosts(usual)
        assert len(fleet.groups) == 1
        assert fleet.slow == {}

    def test_a_slow_host_is_named_with_what_is_set_otherwise_there(self, usual):
        host = make_fleet_host("odd", OLD, governor="powersave")
        fleet = compare_hosts([*usual, read(make_fleet_record("odd", SLOW, host=host))])
        assert list(fleet.slow) == ["odd"]
        placed = fleet.groups[0].hosts[0]
        assert placed.change == pytest.approx(-0.1, abs=0.02)
        assert placed.z < -3.5
        assert {(item.what, item.value, item.usual) for item in placed.settings} == {
            ("BIOS", "AMI 1.1", "AMI 1.3"),
            ("governor", "powersave", "performance"),
        }
        assert [item.number for item in placed.instances] == [0, 1]

    def test_a_slow_instance_is_named(self, usual):
        fleet = compare_hosts([*usual, read(make_fleet_record("odd", (1.0, 0.8)))])
        (instance,) = fleet.groups[0].slow[0].instances
        assert instance.number == 1
        assert instance.change == pytest.approx(-0.2, abs=0.02)
        assert "slow are instances 1 (-" in render_fleet(fleet)

    def test_a_host_that_is_slow_in_one_precision_says_in_which_it_is_not(self, usual):
        int8 = Precision.AVX_INT8
        runs = [read(make_fleet_record(f"node{number:02}", precision=int8)) for number in range(11)]
        runs.append(read(make_fleet_record("node11", SLOW, int8)))
        fleet = compare_hosts([*usual, *runs])
        ((host, groups),) = fleet.slow.items()
        assert (host, [peers.asked["precision"] for peers in groups]) == ("node11", ["avx_int8"])
        assert "avx_fp32, batch 32, 2 x 2 cores: not slow" in render_fleet(fleet)

    def test_what_is_below_the_smallest_difference_is_not_slow(self, usual):
        runs = [*usual, read(make_fleet_record("odd", SLOW))]
        assert compare_hosts(runs, smallest=0.2).slow == {}

    def test_of_few_peers_none_is_said_to_be_slow(self, usual):
        fleet = compare_hosts([*usual[:3], read(make_fleet_record("odd", (0.5, 0.5)))])
        assert fleet.slow == {}
        assert not fleet.groups[0].are_enough

    def test_several_runs_of_a_host_count_by_their_median(self, usual):
        odd = [make_fleet_record("node00", (0.5, 0.5)), make_fleet_record("node00")]
        assert compare_hosts([*usual, *map(read, odd)]).slow == {}

    def test_a_setting_that_half_of_the_fast_ones_have_explains_nothing(self, usual):
        mixed = [
            replace(run, found={**run.found, "BIOS": "AMI 1.1"}) if number % 2 else run
            for number, run in enumerate(usual)
        ]
        slow = read(make_fleet_record("odd", SLOW, host=make_fleet_host("odd", OLD)))
        assert compare_hosts([*mixed, slow]).groups[0].slow[0].settings == ()

    def test_a_setting_that_nobody_read_explains_nothing(self, usual):
        slow = read(make_fleet_record("odd", SLOW, host=make_fleet_host("odd", settings=None)))
        assert compare_hosts([*usual, slow]).groups[0].slow[0].settings == ()


class TestApart:
    def test_another_cpu_and_another_request_are_kept_apart_and_told(self, usual):
        other = make_fleet_host("other", cpu_model="Other CPU")
        one = make_fleet_record("one", config=RunConfig(cores_per_instance=2, instances=2, seed=1))
        jemalloc = make_fleet_record(
            "two",
            config=RunConfig(cores_per_instance=2, instances=2, customer_env={"A": "1"}),
        )
        fleet = compare_hosts(
            [*usual, *map(read, [make_fleet_record("other", host=other), one, jemalloc])]
        )
        assert [len(peers.hosts) for peers in fleet.groups] == [13, 1, 1]  # a seed sways nothing
        told = {item.peers.hosts[0].host: item.differences for item in fleet.apart}
        assert told["other"] == (("CPU", "Other CPU", "Synthetic CPU"),)
        assert told["two"] == (("variables", "A=1", "none"),)

    @pytest.mark.parametrize(
        ("record", "reason"),
        [
            (make_accuracy_record(make_evaluation_of_zeros([0])), "accuracy"),
            (make_fleet_record("a", status="interrupted"), "no result"),
            (
                make_fleet_record("a", launch=Launch(environment={}, command=(), hosts=("x", "y"))),
                "several hosts",
            ),
        ],
    )
    def test_what_does_not_count_says_why(self, record, reason):
        assert reason in str(read_host_run(record))


class TestCost:
    def test_a_price_for_the_kind_of_machine_or_that_of_the_record(self):
        record = make_fleet_record("a")
        priced = replace(record, config=replace(record.config, price_per_hour=4.0))
        speed = read(record).images_per_s
        assert read(record).cost is None
        assert read(priced).cost == pytest.approx(4 * 1e6 / 3600 / speed)
        assert read(priced, prices={"SYNTH": 2.0}).cost == pytest.approx(2 * 1e6 / 3600 / speed)
        assert read(priced, prices={"EPYC": 2.0}).cost == read(priced).cost


class TestForms:
    def test_text_keeps_hostile_text_on_its_line(self, fleet):
        text = render_fleet(fleet)
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert all(line.isprintable() for line in text.splitlines())

    def test_markdown_is_no_html_and_keeps_its_columns(self, fleet):
        lines = render_fleet_markdown(fleet).splitlines()
        assert "<script>" not in "\n".join(lines)
        (row,) = [line for line in lines if line.startswith("| ") and "script" in line]
        assert row.replace("\\|", "").count("|") == 7

    def test_csv_has_a_row_a_host_and_no_formula(self, fleet):
        rows = list(csv.DictReader(io.StringIO(render_fleet_csv(fleet))))
        assert len(rows) == 13
        assert [row["slow"] for row in rows].count("true") == 1
        assert not any(cell.startswith(("=", "@")) for row in rows for cell in row.values())

    def test_json_has_all(self, fleet):
        found = json.loads(json.dumps(summarize_fleet(fleet)))
        assert found["slow"] == [HOSTILE]
        assert len(found["groups"][0]["hosts"]) == 13
        assert found["left_out"] == [{"source": HOSTILE, "reason": HOSTILE}]


class TestCommand:
    def call(self, *words: object) -> int:
        with pytest.raises(SystemExit) as end:
            r50.main(["fleet", "report", *map(str, words)], standalone_mode=False)
        return int(end.value.code or 0)

    def test_records_become_a_report_and_a_slow_host_an_exit_code(self, tmp_path, capsys):
        rows = []
        for number in range(7):
            factors = SLOW if number == 3 else (1.0, 1.0)
            folder = tmp_path / f"h{number}"
            folder.mkdir()
            # All of them call themselves the same: the fleet knows them by its own names.
            write_record(folder, make_fleet_record("localhost", factors))
            rows.append(Row(host=f"h{number}", case="c", outcome="measured", folder=folder.name))
        rows.append(Row(host="gone", case="c", outcome="lost", reason="no route"))
        write_state(tmp_path, State(rows))
        assert self.call(tmp_path) == 1
        told = capsys.readouterr().out
        assert "h3 is slow" in told
        assert "left out: gone, c: lost: no route" in told
        output = tmp_path / "out.json"
        assert self.call(tmp_path, "--format", "json", "--output", output) == 1
        assert json.loads(output.read_text())["slow"] == ["h3"]

    def test_nothing_to_compare_is_a_wrong_request(self, tmp_path):
        with pytest.raises(RequestError, match="there is none"):
            r50.main(["fleet", "report", str(tmp_path)], standalone_mode=False)
