from __future__ import annotations

import resource

import msgspec
import pytest

from resnet50_bench.errors import RecordError
from resnet50_bench.instance.job import Predicted
from resnet50_bench.instance.predictions import Prediction, pack_row
from resnet50_bench.session.journal import JOURNAL_FILE, Origin, open_journal

ORIGIN = Origin(
    model_sha256="a" * 64,
    engine="tensorflow",
    precision="avx_fp32",
    preprocessing="mlperf",
    batch_size=8,
    images_sha256="b" * 64,
    cpu="a CPU",
)


def row(position: int, answer: int = 1) -> bytes:
    return pack_row(Prediction(position, (answer, 0, 0, 0, 0), (1.0, 0.0, 0.0, 0.0, 0.0)))


def write(folder, *answers: Predicted) -> None:
    with open_journal(folder, ORIGIN) as journal:
        for item in answers:
            journal.add(item)


def read(folder, origin=ORIGIN):
    with open_journal(folder, origin) as journal:
        return journal.progress()


def test_answers_come_back_by_position_whoever_was_faster(tmp_path):
    write(tmp_path, Predicted("mlperf", row(9) + row(8), ((3, "is empty"),)))
    write(tmp_path, Predicted("mlperf", row(1) + row(2), ((0, "is gone"),)))
    progress = read(tmp_path)
    assert progress.rows == row(1) + row(2) + row(8) + row(9)
    assert progress.unreadable == ((0, "is gone"), (3, "is empty"))
    with open_journal(tmp_path, ORIGIN) as journal:
        assert journal.positions() == {0, 1, 2, 3, 8, 9}


def test_a_later_answer_replaces_an_earlier_one(tmp_path):
    write(tmp_path, Predicted("mlperf", row(1, answer=5), ()))
    write(tmp_path, Predicted("mlperf", row(1, answer=6), ()))
    assert read(tmp_path).rows == row(1, answer=6)


@pytest.mark.parametrize("torn", range(1, 120, 7))
def test_a_torn_last_line_is_dropped_and_the_file_goes_on_whole(tmp_path, torn):
    write(tmp_path, Predicted("mlperf", row(1), ()), Predicted("mlperf", row(2), ()))
    path = tmp_path / JOURNAL_FILE
    path.write_bytes(path.read_bytes()[:-torn])
    assert read(tmp_path).rows in {row(1), b""}
    write(tmp_path, Predicted("mlperf", row(3), ()))
    assert read(tmp_path).rows.endswith(row(3))


def test_a_journal_torn_in_its_first_line_begins_again(tmp_path):
    (tmp_path / JOURNAL_FILE).write_bytes(b'{"model_sha')
    write(tmp_path, Predicted("mlperf", row(3), ()))
    assert read(tmp_path).rows == row(3)


@pytest.mark.parametrize("field", Origin.__struct_fields__)
def test_answers_of_something_else_are_refused_by_name(tmp_path, field):
    write(tmp_path)
    other = msgspec.structs.replace(ORIGIN, **{field: 3 if field == "batch_size" else "other"})
    with pytest.raises(RecordError, match=f"{field}: .* then, .* now"):
        read(tmp_path, other)


@pytest.mark.parametrize("line", [b"{}", b'{"type":"Predicted"}', b"\xff", b"[1]"])
def test_a_damaged_line_in_the_middle_is_an_error(tmp_path, line):
    write(tmp_path, Predicted("mlperf", row(1), ()))
    with (tmp_path / JOURNAL_FILE).open("ab") as file:
        file.write(line + b"\n")
    with pytest.raises(RecordError, match="is damaged"):
        read(tmp_path)


def test_rows_that_are_not_whole_are_an_error(tmp_path):
    with (tmp_path / JOURNAL_FILE).open("ab") as file:
        file.write(msgspec.json.encode(ORIGIN) + b"\n")
        file.write(msgspec.json.encode(Predicted("mlperf", row(1)[:-1], ())) + b"\n")
    with pytest.raises(RecordError, match="33 bytes are not a whole number of rows"):
        read(tmp_path)


def test_two_at_once_are_refused(tmp_path):
    with (
        open_journal(tmp_path, ORIGIN),
        pytest.raises(RecordError, match="is being written by another r50"),
        open_journal(tmp_path, ORIGIN),
    ):
        pass


def test_a_full_disk_loses_no_answer_of_this_run(tmp_path):
    """What was written before stays readable; a line that was torn is left out."""
    with open_journal(tmp_path, ORIGIN) as journal:
        journal.add(Predicted("mlperf", row(0), ()))
        before = (tmp_path / JOURNAL_FILE).stat().st_size
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (before + 10, hard))
        try:
            journal.add(Predicted("mlperf", row(1), ()))
            journal.add(Predicted("mlperf", row(2), ()))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert journal.positions() == {0, 1, 2}
        assert journal.problem is not None
        assert "cannot be written: File too large" in journal.problem.message
    assert (tmp_path / JOURNAL_FILE).stat().st_size == before + 10
    assert read(tmp_path).rows == row(0)


class TestKindsOfCpu:
    """Of hosts of several kinds; what is left may be answered by kinds that answered before."""

    BEFORE = msgspec.structs.replace(ORIGIN, cpu="A, flags 1 | B, flags 2")

    def begin(self, folder) -> None:
        with open_journal(folder, self.BEFORE) as journal:
            journal.add(Predicted("mlperf", row(1), ()))

    @pytest.mark.parametrize("cpu", ["A, flags 1", "B, flags 2", BEFORE.cpu])
    def test_one_of_them_may_go_on(self, tmp_path, cpu):
        self.begin(tmp_path)
        assert read(tmp_path, msgspec.structs.replace(ORIGIN, cpu=cpu)).rows == row(1)

    @pytest.mark.parametrize("cpu", ["C", "A, flags 1 | C"])
    def test_another_may_not(self, tmp_path, cpu):
        self.begin(tmp_path)
        with pytest.raises(RecordError, match=r"cpu: A, flags 1 \| B, flags 2 then"):
            read(tmp_path, msgspec.structs.replace(ORIGIN, cpu=cpu))
