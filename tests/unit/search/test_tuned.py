from __future__ import annotations

import msgspec
import pytest

from resnet50_bench.config import Allocator, Precision, RunConfig
from resnet50_bench.errors import HostError, ModelError, RequestError
from resnet50_bench.host.machine import read_host
from resnet50_bench.parameters.parameter import Setting
from resnet50_bench.search.tuned.answers import (
    Asked,
    Basis,
    Tuned,
    describe_basis,
    find_changes,
    plan_folder,
    read_all,
    render_flags,
    select_tuned,
    write_tuned,
)
from resnet50_bench.search.tuned.settings import list_settings, select_settings

BASIS = Basis(
    host={"name": "here", "CPU": "A CPU"}, model={"model": "generated"}, versions={"r50": "1"}
)
FOUND = Tuned(
    found="2026-01-01T00:00:00+00:00",
    question="throughput",
    mode="throughput",
    precision="avx_int8",
    engine="tensorflow",
    basis=BASIS,
    settings={"BATCH_SIZE": "8", "CORES_PER_INSTANCE": "2", "INSTANCES": "1"},
    value=100.0,
    low=98.0,
    high=102.0,
    unit="images/s",
    reason="decided",
    entrants=24,
    tried=24,
    close=(),
    folder="runs/x",
)
ASKED = Asked("throughput", "throughput", "avx_int8", None)


def change(tuned: Tuned = FOUND, **changes) -> Tuned:
    return msgspec.structs.replace(tuned, **changes)


def select(*answers: Tuned, now: Basis = BASIS, asked: Asked = ASKED) -> Tuned:
    return select_tuned(answers, asked, lambda _: now)


def test_an_answer_is_kept_and_read_again(tmp_path) -> None:
    path = write_tuned(tmp_path / "new", FOUND)
    assert read_all(path.parent) == (FOUND,)
    assert read_all(tmp_path / "nothing here") == ()


def test_a_newer_answer_to_the_same_question_takes_the_place_of_the_old_one(tmp_path) -> None:
    write_tuned(tmp_path, FOUND)
    newer = change(found="2026-02-01T00:00:00+00:00", value=101.0)
    other = change(precision="avx_fp32")
    write_tuned(tmp_path, newer)
    write_tuned(tmp_path, other)
    assert read_all(tmp_path) == (newer, other)


def test_what_cannot_be_read_is_no_answer(tmp_path) -> None:
    (tmp_path / "broken.json").write_text("{")
    write_tuned(tmp_path, change(schema_version=99))
    assert read_all(tmp_path) == ()


def test_an_answer_that_cannot_be_written_says_where(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HostError, match=r"cannot be kept in .*file"):
        write_tuned(tmp_path / "file", FOUND)


def test_an_answer_found_on_just_this_is_used() -> None:
    assert select(FOUND) is FOUND


@pytest.mark.parametrize(
    ("field", "now", "words"),
    [
        ("host", {"name": "here", "CPU": "Another"}, "CPU A CPU, now Another"),
        ("model", {"model": "sha256 1"}, "model generated, now sha256 1"),
        ("versions", {"r50": "2"}, "r50 1, now 2"),
        ("versions", {"r50": "1", "tensorflow": "3"}, "tensorflow none, now 3"),
    ],
)
def test_an_answer_is_stale_when_host_model_or_versions_changed(field, now, words) -> None:
    with pytest.raises(RequestError, match="stale") as caught:
        select(FOUND, now=msgspec.structs.replace(BASIS, **{field: now}))
    assert words in caught.value.message
    assert "r50 tune --precision avx_int8 --objective throughput" in caught.value.advice
    assert "--batch-size 8 --cores-per-instance 2 --instances 1" in caught.value.advice


def test_of_several_answers_the_one_that_holds_is_used() -> None:
    elsewhere = change(basis=msgspec.structs.replace(BASIS, host={"name": "there"}))
    assert select(elsewhere, FOUND) is FOUND


@pytest.mark.parametrize(
    "other",
    [
        {"precision": "avx_fp32"},
        {"question": "throughput with p99 <= 20 ms"},
        {"mode": "latency", "question": "latency"},
        {"engine": "null"},
    ],
)
def test_an_answer_to_another_question_is_none(other) -> None:
    with pytest.raises(RequestError, match="nothing was tuned yet for throughput in avx_int8"):
        select(change(**other))


def test_the_engine_counts_where_it_is_named() -> None:
    null = change(engine="null")
    named = msgspec.structs.replace(ASKED, engine="null")
    assert select(FOUND, null, asked=named) is null
    with pytest.raises(RequestError, match="with the null engine"):
        select(FOUND, asked=named)


def test_the_search_for_a_limit_is_named_as_it_is_typed() -> None:
    asked = Asked("throughput with p99 <= 20 ms", "throughput", "avx_int8", "tensorflow")
    with pytest.raises(RequestError) as caught:
        select(asked=asked)
    assert "--objective throughput --sla p99=20ms`" in caught.value.advice


def test_the_basis_of_now_differs_from_itself_in_nothing(tmp_path) -> None:
    host = read_host()
    config = RunConfig(engine="tensorflow", precision=Precision.AVX_FP32)
    assert find_changes(describe_basis(config, host), describe_basis(config, host)) == ()
    model = tmp_path / "m.pb"
    model.write_bytes(b"1")
    first = describe_basis(RunConfig(model=str(model)), host)
    model.write_bytes(b"2")
    assert "model" in find_changes(first, describe_basis(RunConfig(model=str(model)), host))[0]
    with pytest.raises(ModelError):
        describe_basis(RunConfig(model=str(tmp_path / "gone.pb")), host)


def test_answers_lie_where_the_models_do(tmp_path) -> None:
    assert plan_folder({"R50_CACHE_DIR": str(tmp_path)}) == tmp_path / "tuned"


def test_a_configuration_becomes_its_flags() -> None:
    config = RunConfig(
        batch_size=8, cores_per_instance=2, instances=1, weight_sharing=True,
        engine_options={"b": "2", "a": "1"}, allocator=Allocator.JEMALLOC,
    )  # fmt: skip
    assert render_flags(list_settings(config)) == (
        "--batch-size 8 --cores-per-instance 2 --instances 1 --weight-sharing "
        "--engine-option 'a=1 b=2' --allocator jemalloc"
    )


def test_a_flag_wins_over_the_tuned_value() -> None:
    used, left_out = select_settings(FOUND.settings, [Setting("batch_size", "4", "--batch-size")])
    assert {item.name for item in used} == {"CORES_PER_INSTANCE", "INSTANCES"}
    assert left_out == {"BATCH_SIZE": "--batch-size"}


def test_a_layout_is_taken_whole_or_not_at_all() -> None:
    given = [Setting("CORES_PER_INSTANCE", "1", "--cores-per-instance")]
    used, left_out = select_settings({**FOUND.settings, "ENGINE_OPTION": "callers=2"}, given)
    assert [(item.name, item.value) for item in used] == [("BATCH_SIZE", "8")]
    assert set(left_out.values()) == {"--cores-per-instance"}
