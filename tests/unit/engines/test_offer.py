from importlib import metadata
from types import SimpleNamespace

import pytest

from resnet50_bench.config import Precision
from resnet50_bench.engines import ENGINES, Extra, Form, load_engine
from resnet50_bench.engines.offer import read_offer, read_versions, require_offered
from resnet50_bench.errors import EngineError
from resnet50_bench.parameters.table import ENGINE_NAMES

FP32 = Form(graph=Precision.AVX_FP32)
INSTALLED = {"runtime": "1.2", "numpy": "2.4.6"}


@pytest.fixture(autouse=True)
def _installed(monkeypatch):
    def version(name: str) -> str:
        if name not in INSTALLED:
            raise metadata.PackageNotFoundError(name)
        return INSTALLED[name]

    monkeypatch.setattr(metadata, "version", version)


def make_engine(*packages: tuple[str, ...], **fields: object):
    extra = Extra(name="some", packages=packages)
    shape = {"name": "some", "needs_model": True, "extra": extra,
             "forms": {Precision.AVX_FP32: FP32, Precision.AVX_INT8: FP32}}  # fmt: skip
    return SimpleNamespace(**shape | fields)


def test_every_engine_is_a_word_of_the_command_line_and_keeps_its_name():
    assert set(ENGINES) == set(ENGINE_NAMES)
    for name in ENGINES:
        engine = load_engine(name)
        assert engine.name == name
        assert bool(engine.forms) == engine.needs_model


def test_what_is_installed_under_any_of_its_names_is_offered():
    engine = make_engine(("runtime-cpu", "runtime"), ("numpy",))
    require_offered(engine, Precision.AVX_INT8)
    assert read_versions(engine) == {"runtime": "1.2", "numpy": "2.4.6"}


def test_a_precision_that_the_engine_lacks_is_refused_by_name():
    with pytest.raises(EngineError) as caught:
        require_offered(make_engine(("runtime",)), Precision.AMX_BFLOAT32)
    assert caught.value.message == (
        "the some engine has no amx_bfloat32; it has avx_fp32, avx_int8"
    )
    assert "--engine tensorflow" in (caught.value.advice or "")


@pytest.mark.parametrize(
    ("packages", "text"),
    [
        ((("absent", "missing"), ("numpy",)), "needs absent, which is not installed"),
        ((("absent",), ("gone",)), "needs absent and gone, which are not installed"),
    ],
)
def test_a_missing_extra_is_told_with_the_line_that_installs_it(packages, text):
    with pytest.raises(EngineError, match=text) as caught:
        require_offered(make_engine(*packages), Precision.AVX_FP32)
    assert caught.value.advice == "pip install 'resnet50-bench[some]'"


def test_an_offer_tells_what_is_there_or_what_is_missing():
    there = read_offer(make_engine(("runtime",), ("numpy",)))
    assert (there.installed, there.problem) == (("runtime 1.2", "numpy 2.4.6"), None)
    assert there.precisions == (Precision.AVX_FP32, Precision.AVX_INT8)
    absent = read_offer(make_engine(("absent",)))
    assert (absent.installed, absent.advice) == ((), "pip install 'resnet50-bench[some]'")


def test_an_engine_that_needs_no_model_is_always_there():
    require_offered(load_engine("null"), Precision.AMX_INT8)
