import pytest

from resnet50_bench.errors import ModelError
from resnet50_bench.model.calibration import (
    HELD_OUT_IMAGES,
    CalibrationIdentity,
    CalibrationRequest,
    select_calibration,
)


@pytest.fixture
def folder(tmp_path):
    for index in range(60):
        (tmp_path / f"{index:02}.jpg").write_bytes(b"x" * (index + 1))
    return tmp_path


def names(refs):
    return [ref.name for ref in refs]


def test_generated_images_need_no_files():
    chosen = select_calibration(CalibrationRequest(images=10, seed=3))
    assert chosen.identity == CalibrationIdentity(kind="generated images", images=10, seed=3)
    assert (chosen.dataset, chosen.refs, chosen.held_out) == (None, (), ())


def test_a_datasets_images_are_shuffled_by_the_seed_and_none_is_held_out_and_used(folder):
    chosen = select_calibration(CalibrationRequest(dataset=folder, images=20))
    assert chosen.identity.kind == "dataset"
    assert chosen.identity.images == len(chosen.refs) == 20
    assert len(chosen.held_out) == 40  # all the others
    assert not set(names(chosen.refs)) & set(names(chosen.held_out))
    assert names(chosen.refs) != sorted(names(chosen.refs))
    assert select_calibration(CalibrationRequest(dataset=folder, images=20)) == chosen
    other = select_calibration(CalibrationRequest(dataset=folder, images=20, seed=1))
    assert names(other.refs) != names(chosen.refs)
    assert other.identity.names_sha256 != chosen.identity.names_sha256


def test_a_small_dataset_gives_all_it_has(folder):
    chosen = select_calibration(CalibrationRequest(dataset=folder, images=500))
    assert (len(chosen.refs), len(chosen.held_out)) == (45, 15)
    assert chosen.identity.images == 45
    assert len(chosen.held_out) <= HELD_OUT_IMAGES


def test_an_image_that_was_replaced_changes_the_identity(folder):
    request = CalibrationRequest(dataset=folder, images=20)
    before = select_calibration(request)
    (folder / before.refs[0].name).write_bytes(b"another image")
    after = select_calibration(request)
    assert names(after.refs) == names(before.refs)
    assert after.identity.names_sha256 != before.identity.names_sha256


@pytest.mark.parametrize("images", [1, 501])
def test_too_few_or_too_many_images_are_refused(images):
    with pytest.raises(ModelError, match=f"calibration images: {images}: .* 2 to 500"):
        select_calibration(CalibrationRequest(images=images))


def test_three_images_are_too_few_for_a_dataset(tmp_path):
    for index in range(3):
        (tmp_path / f"{index}.png").touch()
    with pytest.raises(ModelError) as caught:
        select_calibration(CalibrationRequest(dataset=tmp_path))
    assert caught.value.message == (
        f"--calibration {tmp_path}: holds 3 images, and calibration needs at least 4"
    )
    assert "--calibration" in (caught.value.advice or "")


def test_an_unusable_path_is_told_by_the_flag_of_calibration(tmp_path):
    (tmp_path / "file").write_text("no archive")
    with pytest.raises(ModelError) as caught:
        select_calibration(CalibrationRequest(dataset=tmp_path / "file"))
    assert caught.value.message == f"--calibration {tmp_path / 'file'}: is not a tar archive"
    assert "--dataset" not in (caught.value.advice or "")
