from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resnet50_bench.cases.files import read_case_config, read_testset
from resnet50_bench.errors import ConfigError, RequestError

GATED = "test_resnet50v1_5_tensorflow_xeon_public_inference_throughput_avx_fp32_gated"
PKM = GATED.replace("gated", "pkm")


def read(tmp_path, text: str):
    path = tmp_path / "test-config.yaml"
    path.write_text(text)
    return read_case_config(path)


def select(config, name: str) -> dict[str, str]:
    return {item.name: item.value for item in config.select(name)}


class TestCaseConfig:
    @pytest.mark.parametrize(
        ("pattern", "name", "matches"),
        [
            ("*_gated", GATED, True),
            ('"*_gated"', GATED, True),
            ("'*_gated'", GATED, True),
            ("*_gated", PKM, False),
            ("*", PKM, True),
            ("*_throughput_*", GATED, True),
            ("test_*_pkm", PKM, True),
            ("test_*", PKM, True),
            (GATED, GATED, True),
            (GATED.removeprefix("test_"), GATED, True),
            ("gated", GATED, False),
            ("*avx.fp32*", GATED, False),
            ("*[g]ated", GATED, False),
        ],
    )
    def test_patterns(self, tmp_path, pattern, name, matches):
        config = read(tmp_path, f"{pattern}:\n  STEPS: 5\n")
        if matches:
            assert select(config, name) == {"STEPS": "5"}
        else:
            with pytest.raises(RequestError):
                config.select(name)

    def test_values_are_text_as_written(self, tmp_path):
        config = read(
            tmp_path,
            "*:\n  BATCH_SIZE: 010\n  SMT: True\n  ENGINE: null\n  MIN_TIME: 1e3\n"
            "  CUSTOMER_ENV: A=1 B=2\n  CASE_TYPE:\n",
        )
        assert select(config, GATED) == {
            "BATCH_SIZE": "010", "SMT": "True", "ENGINE": "null", "MIN_TIME": "1e3",
            "CUSTOMER_ENV": "A=1 B=2", "CASE_TYPE": "",
        }  # fmt: skip

    def test_later_sections_come_later_and_say_where_they_stand(self, tmp_path):
        config = read(tmp_path, "*:\n  STEPS: 1\n*_gated:\n  STEPS: 2\n")
        found = config.select(GATED)
        assert [item.value for item in found] == ["1", "2"]
        assert found[1].origin == f"--config {tmp_path}/test-config.yaml, *_gated, STEPS"

    def test_no_match_says_what_there_is(self, tmp_path):
        with pytest.raises(RequestError) as caught:
            read(tmp_path, "*_pkm:\n  STEPS: 1\nx:\n  STEPS: 1\n").select(GATED)
        assert caught.value.message.endswith(f"no pattern matches {GATED}")
        assert caught.value.advice == "the file has *_pkm, x"

    def test_all_that_is_no_parameter(self, tmp_path):
        with pytest.raises(ConfigError) as caught:
            read(tmp_path, "a: 5\nb:\n  STEPS: [1, 2]\n  SEED: {x: 1}\n")
        tails = [text.partition("test-config.yaml, ")[2] for text in caught.value.problems]
        assert tails == [
            "a: put parameters beneath it, as NAME: VALUE",
            "b, STEPS: give one value",
            "b, SEED: give one value",
        ]

    @pytest.mark.parametrize("text", ["a: [1", "- a\n- b\n", "a: &x 1\nb: *y\n", "5", "\0"])
    def test_no_such_file(self, tmp_path, text):
        with pytest.raises(RequestError) as caught:
            read(tmp_path, text)
        assert caught.value.message.startswith(f"--config {tmp_path}/test-config.yaml")

    def test_a_missing_file(self, tmp_path):
        with pytest.raises(RequestError) as caught:
            read_case_config(tmp_path / "none.yaml")
        assert caught.value.message == f"--config {tmp_path}/none.yaml: No such file or directory"

    def test_no_python_is_made(self, tmp_path):
        config = read(tmp_path, "*:\n  STEPS: !!python/object/apply:os.getcwd []\n  SEED: 1\n"
                      .replace(" []", ""))  # fmt: skip
        assert select(config, GATED) == {"STEPS": "", "SEED": "1"}

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.one_of(st.text(max_size=80), st.text("*a:\n -[]{}&!|>'\"#1", max_size=60)))
    def test_arbitrary_text_is_read_or_refused(self, tmp_path, text):
        path = tmp_path / "any.yaml"
        path.write_bytes(text.encode())
        try:
            read_case_config(path)
        except RequestError as error:
            assert str(path) in error.message


def test_testset(tmp_path):
    path = tmp_path / "testset.yaml"
    path.write_text("PLATFORM: SPR\ntestcase: [a, b]\n---\n---\ntestcase: /x/\nloop: 2\n")
    assert read_testset(path) == [
        {"PLATFORM": "SPR", "testcase": ["a", "b"]},
        {"testcase": "/x/", "loop": "2"},
    ]
