from __future__ import annotations

import struct

import pytest

from resnet50_bench.instance.predictions import ROW, Prediction, pack_row, split_rows, unpack_rows

FIRST = Prediction(7, (5, 4, 3, 2, 1), (0.5, 0.25, 0.125, 0.0625, 0.03125))
SECOND = Prediction(70_000, (1000, 0, 1, 2, 3), (1.0, 0.0, 0.0, 0.0, 0.0))


def test_a_row_is_34_bytes_little_endian():
    row = pack_row(FIRST)
    assert ROW.size == len(row) == 34
    assert row[:4] == b"\x07\x00\x00\x00"
    assert row[4:14] == struct.pack("<5H", 5, 4, 3, 2, 1)
    assert row[14:] == struct.pack("<5f", *FIRST.scores)


def test_rows_come_back_as_they_were_packed():
    rows = pack_row(FIRST) + pack_row(SECOND)
    assert list(unpack_rows(rows)) == [FIRST, SECOND]
    assert list(split_rows(rows)) == [(7, pack_row(FIRST)), (70_000, pack_row(SECOND))]
    assert list(unpack_rows(b"")) == []


@pytest.mark.parametrize("read", [unpack_rows, split_rows])
def test_a_torn_row_is_an_error(read):
    with pytest.raises(ValueError, match="33 bytes are not a whole number of rows of 34"):
        list(read(pack_row(FIRST)[:-1]))
