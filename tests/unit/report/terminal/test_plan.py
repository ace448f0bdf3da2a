"""What a dry run says of the images that calibrate int8."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from tests.graphs import encode_model
from tests.hosts.synthetic import Machine

from resnet50_bench.config import Mode, Precision, RunConfig
from resnet50_bench.planning import hosts as hosts_module
from resnet50_bench.planning import model as model_plan
from resnet50_bench.planning import plan as plan_module
from resnet50_bench.planning.plan import plan_run
from resnet50_bench.report.terminal.plan import print_plan


@pytest.fixture(autouse=True)
def _no_model(monkeypatch):
    """Nothing is prepared, and this machine is one that runs int8."""
    host = Machine(nodes=(4,)).host()
    monkeypatch.setattr(plan_module, "read_host", lambda: host)
    monkeypatch.setattr(hosts_module, "require_precision", lambda *_: True)
    monkeypatch.setattr(model_plan, "find_prepared", lambda *_: None)


@pytest.fixture
def images(tmp_path):
    """200 files that look like images, and their labels; planning opens no image."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(200):
        (folder / f"{number:03}.jpg").write_bytes(b"x" * number)
    lines = (f"{number:03}.jpg {number}\n" for number in range(200))
    (tmp_path / "val_map.txt").write_text("".join(lines))
    return folder


def show(precision=Precision.AVX_INT8, **asked) -> str:
    """The plan on one line, however it was wrapped."""
    plan = plan_run(RunConfig(precision=precision, **asked), {})
    text = io.StringIO()
    print_plan(Console(file=text, width=1000), plan)
    return text.getvalue()


def find_calibration(text: str) -> str | None:
    found = [line for line in text.splitlines() if line.startswith("Calibration")]
    return found[0].removeprefix("Calibration").strip() if found else None


def evaluate(images, **asked):
    (model := images.parent / "model.pb").write_bytes(encode_model())
    return show(
        mode=Mode.ACCURACY,
        dataset=str(images),
        labels=str(images.parent / "val_map.txt"),
        model=str(model),
        **asked,
    )


def test_what_is_not_calibrated_has_no_row(images):
    assert find_calibration(show(Precision.AVX_BFLOAT16, dataset=str(images))) is None
    assert find_calibration(show(engine="null", dataset=str(images))) is None


def test_generated_images():
    assert find_calibration(show()) == "128 generated images"


def test_images_of_the_run(images):
    text = find_calibration(show(dataset=str(images), seed=3))
    assert text == f"128 images of {images}, drawn with seed 3"


def test_generated_images_where_they_are_asked_for(images):
    text = find_calibration(show(dataset=str(images), calibration="generated"))
    assert text == "128 generated images"


@pytest.mark.parametrize(
    ("left_out", "how"),
    [(False, "counted, and the others by themselves"), (True, "left out of the accuracy")],
)
def test_an_accuracy_run_says_whether_they_count(images, left_out, how):
    text = find_calibration(evaluate(images, leave_out_calibration=left_out))
    assert text == (f"128 images of {images}, drawn with seed 0; 128 of them are evaluated: {how}")


def test_of_a_sample_only_those_that_are_evaluated_are_counted(images):
    text = find_calibration(evaluate(images, limit=50))
    assert text is not None
    seen = int(text.partition("; ")[2].split()[0])
    assert 0 < seen < 50


def test_other_images_are_none_of_those_that_are_evaluated(images):
    text = find_calibration(evaluate(images, calibration="generated"))
    assert text == "128 generated images"
