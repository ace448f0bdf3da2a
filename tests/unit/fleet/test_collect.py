from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from tests.records import make_record

from resnet50_bench.config import Precision
from resnet50_bench.errors import ConfigError, RecordError
from resnet50_bench.fleet.collect import NodeRun, collect, read_nodes, require_agreement
from resnet50_bench.report.terminal.fleet import render_collection, summarize_collection
from resnet50_bench.results.files import RECORD_MARK, write_record
from resnet50_bench.results.kpi import run_kpis
from resnet50_bench.results.record import Record
from resnet50_bench.verdict.judge import judge


def node(name: str, **changes: object) -> NodeRun:
    record = make_record()
    record = replace(record, host=replace(record.host, hostname=name), run_id=name, **changes)
    return NodeRun(Path(name), record, judge(record))


def contradictions(*nodes: NodeRun) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        require_agreement(nodes)
    return list(caught.value.problems)


def save(folder: Path, record: Record) -> Path:
    folder.mkdir(parents=True)
    write_record(folder, record)
    return folder


class TestTogether:
    def test_throughput_is_the_sum_and_latency_is_of_all_queries(self):
        nodes = [node("a"), node("b"), node("c")]
        alone = run_kpis(nodes[0].record)
        kpis = collect(nodes).kpis
        assert kpis.images_per_s == pytest.approx(3 * alone.images_per_s)
        assert kpis.by_host == dict.fromkeys("abc", pytest.approx(alone.images_per_s))
        assert kpis.latency.queries == 3 * alone.latency.queries
        assert kpis.latency.mean_ns == alone.latency.mean_ns

    def test_a_node_that_failed_leaves_no_total(self):
        lost = node("b", status="lost instances")
        collection = collect([node("a"), lost])
        assert collection.kpis is None
        assert collection.exit_code == lost.verdict.exit_code != 0
        assert "failed on b: " in render_collection(collection)

    def test_a_node_that_is_missing_has_failed(self):
        collection = collect([node("a")], expected=3)
        assert (collection.missing, collection.exit_code) == (2, 3)
        assert render_collection(collection).endswith(
            "failed: 2 of the nodes did not report\nINVALID\n"
        )
        assert collect([node("a")], expected=1).missing == 0

    def test_the_report_names_each_node_and_the_total(self):
        collection = collect([node("a"), node("bb")])
        lines = render_collection(collection).splitlines()
        assert lines[0].endswith(", 2 nodes")
        assert [line.split()[0] for line in lines[1:3]] == ["a", "bb"]
        total = next(line for line in lines if line.startswith("*"))
        assert f"{collection.kpis.images_per_s:.2f}" in total
        summary = summarize_collection(collection)
        assert [item["name"] for item in summary["nodes"]] == ["a", "bb"]
        assert summary["kpis"][0]["value"] == collection.kpis.images_per_s


class TestContradictions:
    def test_the_same_run_on_different_nodes_has_none(self):
        require_agreement([node("a"), node("b")])

    def test_what_was_asked(self):
        config = make_record().config
        (problem,) = contradictions(
            node("a"), node("b"), node("c", config=replace(config, precision=Precision.AMX_INT8))
        )
        assert problem == (
            f"the nodes contradict each other: precision is {config.precision.value} on a, b; "
            "amx_int8 on c"
        )

    def test_what_changes_nothing_may_differ(self):
        config = make_record().config
        require_agreement(
            [node("a"), node("b", config=replace(config, verbose=True, timeout_s=99.0))]
        )

    def test_the_machine(self):
        host = make_record().host
        found = contradictions(
            node("a"),
            replace_host(node("b"), cpu_model="other"),
            replace_host(node("c"), cores=host.cores[:1]),
        )
        assert [text.split(" is ")[0].rpartition(": ")[2] for text in found] == [
            "CPU model",
            "usable cores",
        ]

    def test_the_model_and_the_version(self):
        record = make_record()
        prepared = replace(record.model.prepared, sha256="f" * 64)
        found = contradictions(
            node("a"), node("b", model=replace(record.model, prepared=prepared), tool_version="9")
        )
        assert len(found) == 2

    def test_a_node_twice(self):
        (problem,) = contradictions(node("a"), replace_source(node("a"), "again"))
        assert problem == "a is there 2 times: a, again; give one run of each node"

    def test_everything_at_once(self):
        assert len(contradictions(node("a"), node("a", tool_version="9", emulated=True))) == 3


def replace_host(run: NodeRun, **changes: object) -> NodeRun:
    return replace(run, record=replace(run.record, host=replace(run.record.host, **changes)))


def replace_source(run: NodeRun, source: str) -> NodeRun:
    return replace(run, source=Path(source))


class TestReading:
    def test_folders_records_and_logs(self, tmp_path):
        records = {name: node(name).record for name in "abcd"}
        save(tmp_path / "x/one", records["a"])
        save(tmp_path / "x/two", records["b"])
        path = save(tmp_path / "three", records["c"]) / "record.json"
        log = tmp_path / "pod.log"
        line = RECORD_MARK + msgspec.json.encode(records["d"]).decode()
        log.write_text(f"noise\n2026-01-01T00:00:00Z {line}\nVALID\n")
        found = read_nodes([tmp_path / "x", path, log])
        assert [run.name for run in found] == ["a", "b", "c", "d"]
        assert [run.record for run in found] == list(records.values())

    def test_a_folder_reached_twice_counts_once(self, tmp_path):
        save(tmp_path / "x/one", node("a").record)
        assert len(read_nodes([tmp_path, tmp_path / "x"])) == 1

    @pytest.mark.parametrize("text", ["", "nothing here\n"])
    def test_a_log_without_a_record_is_refused(self, tmp_path, text):
        (tmp_path / "a.log").write_text(text)
        with pytest.raises(RecordError, match="no record in"):
            read_nodes([tmp_path / "a.log"])

    def test_a_record_that_was_cut_short_is_refused(self, tmp_path):
        (tmp_path / "a.log").write_text(f'{RECORD_MARK}{{"schema_version": 1, "tool_ver')
        with pytest.raises(RecordError, match="is not the record of a run"):
            read_nodes([tmp_path / "a.log"])

    def test_what_is_not_there_is_refused(self, tmp_path):
        with pytest.raises(RecordError, match="No such file"):
            read_nodes([tmp_path / "nothing"])
