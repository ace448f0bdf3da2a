from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.parameters.asking import IMAGES, WEIGHTS, WHOLE, make, problems

from resnet50_bench.cli.run.command import run
from resnet50_bench.config import DataType, RunConfig
from resnet50_bench.errors import ConfigError, ExitCode
from resnet50_bench.parameters.parameter import Setting
from resnet50_bench.parameters.settings import make_config
from resnet50_bench.parameters.table import ENGINE_NAMES, PARAMETERS, find_environment_settings

NAMES = [parameter.name for parameter in PARAMETERS]


def test_names_may_be_in_any_case():
    assert make(batch_size="4", Steps="5") == RunConfig(batch_size=4, steps=5)


class TestMerging:
    def test_a_later_setting_wins(self):
        settings = [
            Setting("BATCH_SIZE", "1", "environment variable BATCH_SIZE"),
            Setting("STEPS", "2", "environment variable STEPS"),
            Setting("SEED", "3", "environment variable SEED"),
            Setting("batch_size", "10", "--set batch_size"),
            Setting("STEPS", "20", "--set STEPS"),
            Setting("BATCH_SIZE", "100", "--batch-size"),
        ]
        assert make_config(settings) == RunConfig(batch_size=100, steps=20, seed=3)

    def test_environment_then_set_then_flags(self):
        command = "--engine null --batch-size 100 --dry-run --json --from-env"
        given = ["--set", "BATCH_SIZE=10", "--set", "STEPS=20", *command.split()]
        environ = {"BATCH_SIZE": "1", "STEPS": "2", "SEED": "3"}
        result = CliRunner().invoke(run, given, env=environ)
        config = json.loads(result.stdout)["config"]
        assert (config["batch_size"], config["steps"], config["seed"]) == (100, 20, 3)

    def test_the_environment_counts_only_when_asked_for(self):
        given = ["--engine", "null", "--dry-run", "--json"]
        result = CliRunner().invoke(run, given, env={"BATCH_SIZE": "x"})
        assert json.loads(result.stdout)["config"]["batch_size"] is None

    def test_an_error_names_the_origin_that_holds(self):
        settings = [
            Setting("MODE", "latency", "--set MODE"),
            Setting("MODE", "accuracy", "--mode"),
        ]
        with pytest.raises(ConfigError) as caught:
            make_config(settings)
        assert caught.value.problems == (
            f"--mode accuracy: {IMAGES}",
            f"--mode accuracy: {WEIGHTS}",
        )

    def test_environment_settings_are_the_known_names_only(self):
        environ = {"BATCH_SIZE": "4", "PATH": "x", "batch_size": "5", "MODE": "latency"}
        assert find_environment_settings(environ) == [
            Setting("MODE", "latency", "environment variable MODE"),
            Setting("BATCH_SIZE", "4", "environment variable BATCH_SIZE"),
        ]

    def test_all_problems_at_once_in_the_order_given(self):
        assert problems(STEPS="x", MODES="1", SMT="2", MODE="accuracy") == (
            f"--set STEPS: 'x' must be {WHOLE}",
            "--set MODES: there is no parameter MODES; did you mean MODE?",
            "--set SMT: '2' must be True or False",
            f"--set MODE accuracy: {IMAGES}",
            f"--set MODE accuracy: {WEIGHTS}",
        )

    def test_wrong_request_is_exit_code_2(self):
        with pytest.raises(ConfigError) as caught:
            make(STEPS="x", SEED="y")
        assert caught.value.exit_code == ExitCode.WRONG_REQUEST == 2
        assert caught.value.message == (
            "--set STEPS: 'x' must be a whole number, 1 or more\n"
            "--set SEED: 'y' must be a whole number, 0 or more"
        )

    @pytest.mark.parametrize(
        ("name", "near"),
        [
            ("BATCHSIZE", "BATCH_SIZE"),
            ("batch", "BATCH_SIZE"),
            ("CORES_PER_INSTANCES", "CORES_PER_INSTANCE"),
            ("INSTANCE", "INSTANCES"),
            ("WARMUP", "WARMUP_STEPS"),
        ],
    )
    def test_unknown_name_suggests_the_nearest(self, name, near):
        expected = f"--set {name}: there is no parameter {name}; did you mean {near}?"
        assert problems(**{name: "1"}) == (expected,)

    def test_unknown_name_unlike_any_lists_all(self):
        (problem,) = problems(QQQ="1")
        assert problem.startswith("--set QQQ: there is no parameter QQQ; the names are FUNCTION, ")
        assert problem.endswith(NAMES[-1])


TEXTS = st.one_of(
    st.text(max_size=40),
    st.text("0123456789.-+ eE=AB'\"\\$_", max_size=30),
    st.sampled_from(["real", "dummy", "gated", "accuracy", "null", "1", "0", "True", "A=1"]),
)
ANY_NAMES = st.one_of(st.sampled_from(NAMES), st.sampled_from(NAMES).map(str.lower), st.text())
SETTINGS = st.lists(st.builds(Setting, ANY_NAMES, TEXTS, st.just("--set X")), max_size=6)


@given(SETTINGS)
def test_arbitrary_text_gives_a_config_or_a_config_error(settings):
    try:
        config = make_config(settings)
    except ConfigError as error:
        assert error.problems
        assert all(problem.startswith("--") for problem in error.problems)
        return
    assert config.batch_size is None or config.batch_size >= 1
    assert config.min_time_s is None or 0 < config.min_time_s < 1e9
    assert config.engine in ENGINE_NAMES
    assert (config.dataset is not None) == (config.data_type is DataType.REAL)
    assert all("=" not in name and " " not in name for name in config.customer_env)


@pytest.mark.parametrize("parameter", PARAMETERS, ids=lambda parameter: parameter.name)
def test_an_empty_value_means_the_default(parameter):
    assert make_config([Setting(parameter.name, " ", "--set")]) == RunConfig()


def test_an_empty_value_takes_back_an_earlier_one():
    settings = [
        Setting("BATCH_SIZE", "8", "environment variable BATCH_SIZE"),
        Setting("BATCH_SIZE", "", "--batch-size"),
    ]
    assert make_config(settings).batch_size is None
