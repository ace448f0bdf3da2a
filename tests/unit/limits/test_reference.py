"""The published figures, and their limits worked out by hand."""

from __future__ import annotations

import msgspec
import pytest

from resnet50_bench.config import Precision
from resnet50_bench.limits.reference import count_operations, plan_rows, read_references

REFERENCES = read_references()
ROWS = plan_rows(REFERENCES)


def test_every_figure_has_a_row_and_a_share_that_is_possible():
    assert len(ROWS) == sum(len(item.figures) for item in REFERENCES.publications)
    assert all(0 < row.share < 1 for row in ROWS)


def test_the_workloads_table_is_as_it_was_published():
    rows = [row for row in ROWS if row.publication.name == "workload README"]
    assert [
        (
            row.figure.precision.value,
            row.figure.batch_size,
            row.figure.cores_per_instance,
            row.cpu.platform,
            row.figure.images_per_s,
        )
        for row in rows
    ] == [
        ("amx_int8", 64, 14, "SPR", 13460),
        ("amx_bfloat16", 32, 14, "SPR", 7462),
        ("avx_int8", 32, 7, "SPR", 5514),
        ("avx_fp32", 128, 4, "SPR", 1451),
    ]
    assert rows[0].publication.assumed
    assert rows[0].publication.provenance.startswith("published without provenance")


@pytest.mark.parametrize(
    ("name", "system", "cores", "ghz", "images_per_s"),
    [
        ("MLPerf v3.1", "1-node-2S-SPR-PyTorch-INT8", 112, 2.0, 20565.5),
        ("MLPerf v4.1", "1-node-2S-EMR-PyTorch", 128, 1.9, 25204.5),
        ("MLPerf v4.1 preview", "1-node-2S-GNR-PyTorch", 256, 2.0, 45617.3),
    ],
)
def test_mlperfs_figures_name_their_round_and_system(name, system, cores, ghz, images_per_s):
    (row,) = (row for row in ROWS if row.publication.name == name)
    assert system in row.publication.provenance
    assert "closed division" in row.publication.provenance
    assert row.figure.images_per_s == images_per_s
    assert row.cores == cores
    by_hand = cores * 2048 * ghz * 1e9 / (2 * 4_089_186_304)
    assert row.limit_images_per_s == pytest.approx(by_hand)


def test_the_work_of_an_image():
    assert count_operations() == 8_178_372_608


def test_a_misspelt_field_of_the_table_is_refused():
    table = msgspec.to_builtins(REFERENCES) | {"sorce": "x"}
    with pytest.raises(msgspec.ValidationError, match="sorce"):
        msgspec.convert(table, type(REFERENCES))


def test_each_precision_that_is_named_has_its_operations():
    named = {row.figure.precision for row in ROWS}
    assert named <= REFERENCES.operations_per_cycle.keys()
    assert REFERENCES.operations_per_cycle[Precision.AMX_INT8] == 2048
