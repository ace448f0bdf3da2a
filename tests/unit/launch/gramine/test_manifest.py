from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from resnet50_bench.config import Attestation, Precision
from resnet50_bench.launch.gramine.manifest import (
    EnclavePlan,
    EnclaveProgram,
    TrustedFile,
    find_problems,
    hash_files,
    plan_enclave,
    read_runtime_files,
    render_manifest,
)

GIB = 1024**3
PYTHON = str(Path("/usr/bin/python3").resolve())
FILES = [TrustedFile(PYTHON, "a" * 64), TrustedFile("/models/a b.pb", "b" * 64)]


def plan(memory_bytes: int = 4 * GIB, threads: int = 8, **changes: object) -> EnclavePlan:
    asked = {"precision": Precision.AVX_FP32, "attestation": Attestation.NONE} | changes
    return plan_enclave(memory_bytes, threads, **asked)


def manifest(enclave: EnclavePlan | None = None, **environment: str) -> str:
    program = EnclaveProgram(
        title="Instance 0", argv=("/usr/bin/python3", "-c", 'print("x")', "stdio"),
        environment={"OMP_NUM_THREADS": "8"} | environment, files=FILES,
    )  # fmt: skip
    return render_manifest(enclave or plan(), program)


def as_gramine_fills_it_in(text: str) -> dict:
    return tomllib.loads(text.replace("{{ gramine.libos }}", "/g/libos").replace(
        "{{ gramine.runtimedir() }}", "/g/lib"))  # fmt: skip


class TestSize:
    @pytest.mark.parametrize(
        ("memory_bytes", "size"),
        [(1, GIB * 2), (GIB, 4 * GIB), (2 * GIB, 4 * GIB), (2 * GIB + 1, 8 * GIB), (40 * GIB, 64 * GIB)],
    )  # fmt: skip
    def test_it_is_the_next_power_of_two_above_what_is_needed(self, memory_bytes, size):
        assert plan(memory_bytes).size_bytes == size

    def test_threads_grow_with_the_engines(self):
        assert [plan(threads=count).max_threads for count in (1, 8, 56)] == [26, 40, 136]

    def test_amx_needs_its_registers(self):
        assert plan(precision=Precision.AMX_INT8).cpu_features == ("avx512", "amx")
        assert plan().cpu_features == ("avx",)


class TestManifest:
    def test_it_says_what_was_planned(self):
        enclave = plan(precision=Precision.AMX_BFLOAT16, attestation=Attestation.DCAP)
        found = as_gramine_fills_it_in(manifest(enclave))
        assert found["libos"]["entrypoint"] == PYTHON
        assert found["loader"]["argv"] == ["/usr/bin/python3", "-c", 'print("x")', "stdio"]
        assert found["sgx"]["enclave_size"] == "8192M"
        assert found["sgx"]["max_threads"] == 40
        assert found["sgx"]["remote_attestation"] == "dcap"
        assert found["sgx"]["cpu_features"] == {"avx512": "required", "amx": "required"}
        assert not found["sgx"]["debug"]

    def test_its_variables_are_the_plans_and_no_others(self):
        text = manifest(QUOTE='a "b" \\ c', LINE="x\ny")
        assert as_gramine_fills_it_in(text)["loader"]["env"] == {
            "OMP_NUM_THREADS": "8", "QUOTE": 'a "b" \\ c', "LINE": "x\ny",
        }  # fmt: skip
        assert "passthrough" not in text
        assert "insecure" not in text

    def test_files_are_trusted_by_their_hashes_and_can_be_reached(self):
        found = as_gramine_fills_it_in(manifest())
        hashed = {
            item["uri"]: item["sha256"]
            for item in found["sgx"]["trusted_files"]
            if isinstance(item, dict)
        }
        assert hashed == {f"file:{PYTHON}": "a" * 64, "file:/models/a b.pb": "b" * 64}
        mounted = [item["path"] for item in found["fs"]["mounts"]]
        assert mounted == ["/tmp", "/lib", "/models/a b.pb", "/usr/bin"]

    def test_it_has_no_problems(self):
        assert find_problems(manifest(), threads=8) == []

    @pytest.mark.parametrize(
        ("old", "new", "problem"),
        [
            (
                'sgx.enclave_size = "8192M"',
                'sgx.enclave_size = "8000M"',
                "'8000M' is no power of two",
            ),
            ('sgx.enclave_size = "8192M"', 'sgx.enclave_size = "big"', "'big' is no power of two"),
            ("sgx.max_threads = 40", "sgx.max_threads = 8", "8 is too few for 8"),
            ("sgx.debug = false", "sgx.debug = true", "readable from outside"),
            ("sgx.debug", "sgx.debugging", "sgx.debugging is no key"),
            ("loader.log_level", "loader.insecure__use_host_env", "is no key of gramine's"),
            ("a" * 64, "a" * 63, "has no SHA-256"),
            (f"file:{PYTHON}", "file:/other", "is not among the trusted files"),
            ("sgx.debug = false", "sgx.debug = ", "it is no TOML"),
        ],
    )
    def test_what_is_wrong_is_found(self, old, new, problem):
        text = manifest()
        assert old in text
        found = find_problems(text.replace(old, new), threads=8)
        assert any(problem in item for item in found), found


class TestTrustedFiles:
    def test_hashes_are_of_what_is_there_now(self, tmp_path):
        path = tmp_path / "model.pb"
        for text in (b"x" * 3_000_000, b"y" * 3_000_000, b"z"):
            path.write_bytes(text)
            expected = hashlib.sha256(text).hexdigest()
            assert hash_files([path, path]) == [TrustedFile(str(path), expected)]

    def test_a_worker_finds_its_own_modules_and_no_tests(self, monkeypatch):
        monkeypatch.setattr("resnet50_bench.launch.gramine.manifest._hash", lambda path: "0" * 64)
        paths = {file.path for file in read_runtime_files(["null"])}
        assert str(Path(sys.executable).resolve()) in paths
        assert any(path.endswith("resnet50_bench/instance/worker.py") for path in paths)
        assert any(path.endswith("/numpy/__init__.py") for path in paths)
        assert any(path.endswith("/json/decoder.py") for path in paths)
        assert not any("/numpy/tests/" in path for path in paths)

    def test_of_packages_only_those_it_needs(self, monkeypatch):
        monkeypatch.setattr("resnet50_bench.launch.gramine.manifest._hash", lambda path: "0" * 64)
        paths = {file.path for file in read_runtime_files(["null"])}
        assert not any("/site-packages/pytest/" in path for path in paths)

    def test_all_packages_where_it_cannot_be_told(self, monkeypatch):
        monkeypatch.setattr("resnet50_bench.launch.gramine.manifest._hash", lambda path: "0" * 64)
        monkeypatch.setattr(
            "resnet50_bench.launch.gramine.manifest.find_package_files", lambda extras: None
        )
        paths = {file.path for file in read_runtime_files(["null"])}
        assert any("/site-packages/pytest/" in path for path in paths)
