from __future__ import annotations

import pytest

from resnet50_bench.config import Attestation, Gramine
from resnet50_bench.errors import CaseError
from resnet50_bench.host import sgx
from resnet50_bench.host.sgx import PROGRAMS, read_attestation_needs, read_sgx, require_gramine


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine that has everything."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("proc/cpuinfo", "dev/sgx_enclave", ".config/gramine/enclave-key.pem"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "proc/cpuinfo").write_text("flags\t\t: fpu sgx sgx_lc\n")
    (tmp_path / "bin").mkdir()
    for name in PROGRAMS:
        (tmp_path / "bin" / name).touch(0o755)
    return tmp_path


def missing(root, kind: Gramine = Gramine.SGX) -> list[str]:
    return [need.name for need in read_sgx(root, str(root / "bin")).list_missing(kind)]


def test_a_machine_with_everything_lacks_nothing(machine):
    assert missing(machine) == []
    assert missing(machine, Gramine.DIRECT) == []
    assert all(need.fix == "" for need in read_sgx(machine, str(machine / "bin")).needs)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("dev/sgx_enclave", "device"),
        ("bin/gramine-manifest", "gramine"),
        ("bin/gramine-sgx-sign", "gramine-sgx"),
        (".config/gramine/enclave-key.pem", "signing key"),
    ],
)
def test_what_is_missing_is_named_with_how_to_get_it(machine, path, name):
    (machine / path).unlink()
    assert missing(machine) == [name]
    (need,) = read_sgx(machine, str(machine / "bin")).list_missing(Gramine.SGX)
    assert need.detail
    assert need.fix


def test_the_flag_is_a_word_of_its_own(machine):
    (machine / "proc/cpuinfo").write_text("flags\t\t: fpu sgx_lc\n")
    assert missing(machine) == ["CPU flag"]


def test_gramine_alone_needs_no_sgx(machine):
    for name in ("dev/sgx_enclave", "bin/gramine-sgx", ".config/gramine/enclave-key.pem"):
        (machine / name).unlink()
    assert missing(machine, Gramine.DIRECT) == []


def test_an_older_kernels_device_counts(machine):
    (machine / "dev/sgx_enclave").unlink()
    (machine / "dev/sgx").mkdir()
    (machine / "dev/sgx/enclave").touch()
    assert missing(machine) == []


def test_attestation_needs_more(machine):
    assert [need.name for need in read_attestation_needs(machine)] == [
        "provisioning device", "AESM service",
    ]  # fmt: skip


def test_a_run_is_refused_with_everything_that_is_missing(machine, monkeypatch):
    (machine / "dev/sgx_enclave").unlink()
    state = read_sgx(machine, "")
    monkeypatch.setattr(sgx, "read_sgx", lambda: state)
    with pytest.raises(CaseError) as caught:
        require_gramine(Gramine.SGX, Attestation.NONE)
    assert caught.value.known
    assert "there is no /dev/sgx_enclave" in caught.value.message
    assert "not installed: gramine-sgx, gramine-sgx-sign" in caught.value.message
    assert "installation.html" in (caught.value.advice or "")
    require_gramine(Gramine.OFF, Attestation.NONE)
