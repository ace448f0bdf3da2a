"""The notebook in `examples/` runs from its first cell to its last, and says what the records say."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.records import make_instance, make_lost, make_record, make_roofline

from resnet50_bench.results.files import write_record

NOTEBOOK = Path(__file__).parents[2] / "examples" / "questions.ipynb"


@pytest.mark.filterwarnings("default")  # Jupyter's own
def test_the_notebook_runs(tmp_path):
    for name in ("nbformat", "nbclient", "ipykernel", "polars", "duckdb"):
        pytest.importorskip(name, reason=f"{name} is not installed")
    import nbformat
    from nbclient import NotebookClient

    lost = make_record(instances=[make_instance(0), make_lost(1)], status="lost instances")
    for name, record in {"good": make_record(roofline=make_roofline()), "lost": lost}.items():
        (tmp_path / "runs" / name).mkdir(parents=True)
        write_record(tmp_path / "runs" / name, record)
    book = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(book)
    NotebookClient(book, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [
        "".join(output.data["text/plain"] for output in cell.outputs)
        for cell in book.cells
        if cell.cell_type == "code"
    ]
    assert "runs/good" in shown[0]
    assert "runs/lost" in shown[1]
    assert "runs/good" not in shown[1]
    assert "0.65427" in shown[2]
    assert "500.0" in shown[3]
    assert "images_per_s=128.0" in shown[4]
