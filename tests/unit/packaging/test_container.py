from __future__ import annotations

from pathlib import Path

from resnet50_bench.model.cache import lock_path
from resnet50_bench.packaging import container


def make_cache(folder: Path) -> Path:
    (folder / "models/prepared/avx_fp32-0").mkdir(parents=True)
    (folder / "models/prepared/avx_fp32-0/model.pb").write_bytes(b"graph")
    (folder / "models/sources/generated").mkdir(parents=True)
    return folder


def test_a_cache_that_can_be_written_is_used_as_it_is(tmp_path):
    environment = {"R50_CACHE_DIR": str(make_cache(tmp_path))}
    assert container._make_cache_writable(environment) == environment
    assert container._make_cache_writable({"A": "b"}) == {"A": "b"}


def test_beside_one_that_cannot_models_are_found_and_others_can_be_added(tmp_path, monkeypatch):
    image = make_cache(tmp_path / "image")
    monkeypatch.setattr(container.os, "access", lambda path, mode: False)
    monkeypatch.setattr(
        container.tempfile, "mkdtemp", lambda prefix: str(make_folder(tmp_path / "own"))
    )
    own = Path(
        container._make_cache_writable({"R50_CACHE_DIR": str(image), "A": "b"})["R50_CACHE_DIR"]
    )
    assert own == tmp_path / "own"
    assert (own / "models/prepared/avx_fp32-0/model.pb").read_bytes() == b"graph"
    with lock_path(own / "models/prepared/avx_int8-0"):
        (own / "models/prepared/avx_int8-0").mkdir()
    assert [path.name for path in (image / "models/prepared").iterdir()] == ["avx_fp32-0"]


def make_folder(path: Path) -> Path:
    path.mkdir()
    return path
