from pathlib import PurePosixPath

import pytest

from resnet50_bench.engines.onednn import binding
from resnet50_bench.engines.onednn.binding import OneDnn, require
from resnet50_bench.errors import EngineError, HostError


class Installed(PurePosixPath):
    """A file of a distribution."""

    def locate(self):
        return self


def test_a_distribution_without_the_library_is_told(monkeypatch):
    monkeypatch.setattr(binding.metadata, "files", lambda name: [Installed("lib/libother.so")])
    with pytest.raises(EngineError, match=r"the installed onednn-cpu-gomp has no libdnnl\.so\.3"):
        OneDnn()


def test_a_library_that_cannot_be_loaded_is_told_with_what_it_needs(monkeypatch, tmp_path):
    path = tmp_path / "libdnnl.so.3"
    path.write_bytes(b"nothing")
    monkeypatch.setattr(binding.metadata, "files", lambda name: [Installed(path)])
    with pytest.raises(EngineError, match=r"oneDNN cannot be loaded: .*libdnnl") as caught:
        OneDnn()
    assert "libgomp1" in str(caught.value.advice)


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (1, "oneDNN has no memory for dnnl_memory_create"),
        (2, "oneDNN's dnnl_memory_create failed with status 2"),
    ],
)
def test_a_status_that_is_no_success_is_raised(status, message):
    with pytest.raises(HostError, match=message):
        require(status, "memory_create")
    require(0, "memory_create")
