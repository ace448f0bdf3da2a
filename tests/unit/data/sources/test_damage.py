"""Damaged tars and shards: every image that is still listed is one that was written, whole."""

from __future__ import annotations

import io
import tarfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.tfrecords import frame, image_example

from resnet50_bench.data.sources import open_source
from resnet50_bench.data.sources.tar_members import DamagedTar, walk_members
from resnet50_bench.data.verify import tfrecord as verify_tfrecord
from resnet50_bench.errors import DatasetError

ONE = "validation-00000-of-00001"
SETTINGS = settings(
    deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

# Runs of bytes written over a file, as (position as a share of its length, bytes), and a cut.
DAMAGE = st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=16)), max_size=4)
CUT = st.floats(0, 1)


def spoil(data: bytes, damage: list[tuple[float, bytes]], cut: float) -> bytes:
    spoiled = bytearray(data)
    for share, new in damage:
        position = int(share * len(data))
        spoiled[position : position + len(new)] = new
    # A cut in the second half of the range only, so that most examples keep their length.
    return bytes(spoiled[: int(len(data) * min(1.0, 2 * cut))])


IMAGES = {f"{number}.jpg": bytes([number]) * (40 + 7 * number) for number in range(1, 9)}
LABELS = {name: 100 * number for number, name in enumerate(IMAGES, 1)}
SHARD = b"".join(frame(image_example(image, LABELS[name], name)) for name, image in IMAGES.items())


def make_tar(tar_format: int, prefix: str = "") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tar_format) as archive:
        for name, image in IMAGES.items():
            member = tarfile.TarInfo(prefix + name)
            member.size = len(image)
            archive.addfile(member, io.BytesIO(image))
    return out.getvalue()


TARS = [make_tar(tarfile.USTAR_FORMAT), make_tar(tarfile.PAX_FORMAT, "é" * 60 + "/"),
        make_tar(tarfile.GNU_FORMAT, "d" * 120 + "/")]  # fmt: skip


def list_or_none(path):
    try:
        return open_source(path)
    except DatasetError:
        return None


@SETTINGS
@given(damage=DAMAGE, cut=CUT)
def test_a_damaged_shard_never_gives_an_image_another_label(tmp_path, damage, cut):
    spoiled = spoil(SHARD, damage, cut)
    (tmp_path / ONE).write_bytes(spoiled)
    source = list_or_none(tmp_path)
    if source is None:
        return
    records = enumerate(verify_tfrecord._read_shard(tmp_path / ONE))
    told = {number for number, record in records if record.problem is not None}
    starts, position = [], 0
    for name, image in IMAGES.items():
        starts.append(position)
        position += len(frame(image_example(image, LABELS[name], name)))
    for ref in source.refs:
        number = max(index for index, start in enumerate(starts) if start < ref.offset)
        if number in told:
            continue  # its data's checksum tells
        name = list(IMAGES)[number]
        assert (ref.name, ref.label) == (name, LABELS[name] - 1)
        assert source.read(ref) == IMAGES[name]
    if spoiled == SHARD:
        assert len(source.refs) == len(IMAGES)
    elif len(source.refs) < len(IMAGES):
        # A cut between two records leaves a whole shard behind: only that is not seen.
        assert source.skipped or len(spoiled) in starts


@SETTINGS
@given(data=st.binary(max_size=300))
def test_any_record_is_an_image_or_skipped(tmp_path, data):
    (tmp_path / ONE).write_bytes(frame(image_example(b"a", 1, "a")) + frame(data))
    source = open_source(tmp_path)
    assert len(source.refs) + len(source.skipped) == 2
    for ref in source.refs:
        assert len(source.read(ref)) == ref.size_bytes
        assert ref.label is None or 0 <= ref.label <= 999


@SETTINGS
@given(data=st.binary(max_size=200))
def test_any_bytes_for_a_shard(tmp_path, data):
    (tmp_path / ONE).write_bytes(data)
    source = list_or_none(tmp_path)
    assert source is None or source.refs


@SETTINGS
@given(number=st.integers(0, len(TARS) - 1), damage=DAMAGE, cut=CUT)
def test_a_damaged_tar_ends_and_lists_only_what_it_can_read(tmp_path, number, damage, cut):
    tar = TARS[number]
    path = tmp_path / "x.tar"
    path.write_bytes(spoil(tar, damage, cut))
    source = list_or_none(path)
    if source is None:
        return
    for ref in source.refs:
        assert len(source.read(ref)) == ref.size_bytes
    # No checksum covers the long names of the other formats, which damage can make another file's.
    if len(source.refs) < len(IMAGES) and cut < 0.5 and tar is TARS[0]:
        assert source.skipped


@SETTINGS
@given(
    tar=st.sampled_from(TARS), number=st.integers(0, 7), size=st.binary(min_size=12, max_size=12)
)
def test_a_header_with_any_size_and_a_right_checksum_never_leads_back(tar, number, size):
    blocks = [tar[at : at + 512] for at in range(0, len(tar), 512)]
    header = blocks[number][:124] + size + blocks[number][136:]
    total = sum(header[:148]) + sum(header[156:]) + 8 * 32
    blocks[number] = header[:148] + b"%06o\0 " % total + header[156:]
    spoiled = b"".join(blocks)
    offsets = []
    try:
        for member in walk_members(lambda at, count: spoiled[at : at + count]):
            offsets.append(member.offset)
    except DamagedTar:
        pass
    assert offsets == sorted(set(offsets))
    assert len(offsets) <= len(blocks)


def header(kind: bytes, size: int, name: str = "x") -> bytes:
    member = tarfile.TarInfo(name)
    member.type, member.size = kind, size
    return member.tobuf(tarfile.GNU_FORMAT)


def members_of(data: bytes) -> list:
    return list(walk_members(lambda at, count: data[at : at + count]))


END = bytes(1024)


@pytest.mark.parametrize(
    "data",
    [
        header(tarfile.REGTYPE, -512) + END,
        header(tarfile.XHDTYPE, 1 << 40) + END,
        header(tarfile.GNUTYPE_LONGNAME, 1 << 21) + END,
        header(tarfile.XHDTYPE, 10) + b"5 a=\n5 a=\n".ljust(512, b"\0") + header(b"0", 0)[:100],
        *(
            header(tarfile.XHDTYPE, len(text)) + text.ljust(512, b"\0") + header(b"0", 0) + END
            for text in (b"0 a=b\n", b"-1 a=b\n", b"99 a=b\n", b"nonsense", b"2 ", b"1" * 40,
                         b"12 size=-99\n", b"13 size=\xd9\xa1x\n", b"33 size=99999999999999999999999\n")
        ),
        header(tarfile.GNUTYPE_SPARSE, 0)[:482] + b"\1" + header(tarfile.GNUTYPE_SPARSE, 0)[483:],
    ],
)  # fmt: skip
def test_headers_that_lie_end_the_walk(data):
    with pytest.raises(DamagedTar):
        members_of(data)


def test_ten_thousand_long_names_in_a_row_need_no_stack():
    long_name = header(tarfile.GNUTYPE_LONGNAME, 6) + b"a.jpg\0".ljust(512, b"\0")
    (member,) = members_of(long_name * 10_000 + header(tarfile.REGTYPE, 0) + END)
    assert member.name == "a.jpg"


def test_a_size_in_a_pax_header_counts():
    text = b"12 size=513\n"
    data = header(tarfile.XHDTYPE, len(text)) + text.ljust(512, b"\0")
    data += header(tarfile.REGTYPE, 0, "big") + bytes(1024) + header(tarfile.REGTYPE, 1, "next")
    assert [(m.name, m.size_bytes) for m in members_of(data + bytes(512) + END)] == [
        ("big", 513),
        ("next", 1),
    ]


def test_a_global_pax_header_holds_for_all_members_after_it():
    text = b"20 GNU.sparse.map=0\n"
    data = header(tarfile.XGLTYPE, len(text)) + text.ljust(512, b"\0")
    data += header(tarfile.REGTYPE, 0, "a") + header(tarfile.REGTYPE, 0, "b") + END
    assert [member.is_sparse for member in members_of(data)] == [True, True]


def test_the_map_of_a_gnu_sparse_member_is_passed_over():
    sparse = bytearray(header(tarfile.GNUTYPE_SPARSE, 1))
    sparse[482] = 1
    sparse[148:156] = b"%06o\0 " % (sum(sparse[:148]) + sum(sparse[156:]) + 8 * 32)
    more = bytes(504) + b"\1" + bytes(7)
    data = bytes(sparse) + more + bytes(512) + b"x".ljust(512, b"\0") + header(b"0", 0, "next")
    first, second = members_of(data + END)
    assert (first.is_sparse, first.offset, second.name) == (True, 3 * 512, "next")


@pytest.mark.parametrize(
    "rest",
    [bytes(512) + header(b"0", 0, "b.jpg") + END, bytes(2 << 20)],
    ids=["zeros over a header", "a download that is zeros from here on"],
)
def test_an_end_mark_before_the_end_is_told(tmp_path, rest):
    path = tmp_path / "x.tar"
    path.write_bytes(header(b"0", 0, "a.jpg") + bytes(512) + rest)
    source = open_source(path)
    assert [ref.name for ref in source.refs] == ["a.jpg"]
    (skipped,) = source.skipped
    assert skipped.name == "x.tar"
    assert "is damaged at byte 512" in skipped.reason


def test_an_end_filled_up_with_zeros_is_none(tmp_path):
    path = tmp_path / "x.tar"
    path.write_bytes(header(b"0", 0, "a.jpg") + bytes(1 << 19))
    assert open_source(path).skipped == ()
