import fcntl
from dataclasses import replace
from pathlib import Path

import pytest

from resnet50_bench.errors import HostError
from resnet50_bench.model.cache import (
    default_cache_dir,
    fill_folder,
    lock_path,
    plan_prepared_folder,
    plan_source_folder,
)
from resnet50_bench.model.calibration import CalibrationIdentity
from resnet50_bench.model.manifest import ModelSource


def test_the_environment_variable_chooses_the_cache(tmp_path):
    assert default_cache_dir({"R50_CACHE_DIR": str(tmp_path)}) == tmp_path / "models"


def test_without_it_the_cache_is_the_users():
    assert default_cache_dir({}).parts[-2:] == ("resnet50-bench", "models")


def test_the_key_changes_with_source_form_and_tensorflow():
    cache = Path("cache")
    arguments = [
        ("a" * 64, "avx_fp32", "2.21.0"),
        ("b" * 64, "avx_fp32", "2.21.0"),
        ("a" * 64, "avx_int8", "2.21.0"),
        ("a" * 64, "avx_int8-split", "2.21.0"),
        ("a" * 64, "avx_fp32", "2.20.0"),
    ]
    folders = {plan_prepared_folder(*each, cache) for each in arguments}
    assert len(folders) == 5
    assert plan_prepared_folder(*arguments[0], cache) in folders


def test_the_key_changes_with_the_calibration():
    def folder(calibration):
        return plan_prepared_folder("a" * 64, "avx_int8", "2.21.0", Path("cache"), calibration)

    identity = CalibrationIdentity(kind="dataset", images=4, seed=0, names_sha256="c" * 64)
    others = [
        None,
        replace(identity, kind="generated images"),
        replace(identity, images=5),
        replace(identity, seed=1),
        replace(identity, version=0),
        replace(identity, names_sha256="d" * 64),
    ]
    assert len({folder(each) for each in [identity, *others]}) == 7
    assert folder(replace(identity)) == folder(identity)


def test_the_generated_sources_folder_changes_with_seed_and_width():
    cache = Path("cache")
    sources = [ModelSource.generated(0), ModelSource.generated(1), ModelSource.generated(0, 8)]
    assert len({plan_source_folder(source, cache) for source in sources}) == 3


def test_a_filled_folder_replaces_the_old_one_whole(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "old").touch()
    (tmp_path / "folder.partial").mkdir()
    (tmp_path / "folder.partial" / "left by an ended process").touch()
    with fill_folder(folder) as partial:
        (partial / "new").touch()
        assert (folder / "old").exists()
    assert [path.name for path in folder.iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_failure_leaves_the_old_folder_and_nothing_else(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()

    def fail():
        with fill_folder(folder) as partial:
            (partial / "new").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
    assert list(folder.iterdir()) == []


def test_a_held_lock_keeps_others_out_until_it_is_released(tmp_path):
    path = tmp_path / "folder"
    with (tmp_path / "folder.lock").open("w") as other:
        with lock_path(path), pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_cache_that_cannot_be_written_names_the_variable(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(HostError) as caught, lock_path(tmp_path / "file" / "folder"):
        pass
    assert "cannot write to the model cache" in caught.value.message
    assert "R50_CACHE_DIR" in (caught.value.advice or "")
