from __future__ import annotations

import pytest

from resnet50_bench.errors import RequestError
from resnet50_bench.report.html import library


def test_without_the_package_the_command_that_brings_it_is_told(monkeypatch):
    monkeypatch.setattr(library, "find_spec", lambda _: None)
    with pytest.raises(RequestError) as told:
        library.require_library()
    assert told.value.exit_code == 2
    assert told.value.advice == "pip install 'resnet50-bench[report]'"


def test_the_script_is_bundled_once_and_kept(tmp_path):
    pytest.importorskip("vl_convert", reason="the extra `report` is not installed")
    environ = {"R50_CACHE_DIR": str(tmp_path)}
    made = library.read_library(environ)
    assert "vegaEmbed" in made
    assert "</script" not in made
    (kept,) = (tmp_path / "charts").iterdir()
    kept.write_text("kept")
    assert library.read_library(environ) == "kept"


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path, monkeypatch):
    pytest.importorskip("vl_convert", reason="the extra `report` is not installed")
    monkeypatch.setattr(library, "_bundle", lambda: "made")
    (tmp_path / "charts").write_text("a file in the way")
    assert library.read_library({"R50_CACHE_DIR": str(tmp_path)}) == "made"
