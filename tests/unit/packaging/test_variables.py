from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resnet50_bench.config import (
    Allocator,
    Attestation,
    DataType,
    Gramine,
    Mode,
    Precision,
    RunConfig,
)
from resnet50_bench.errors import ConfigError
from resnet50_bench.packaging.variables import (
    find_strict_settings,
    plan_image_settings,
    render_variables,
)
from resnet50_bench.parameters.parameter import Setting
from resnet50_bench.parameters.settings import make_config
from resnet50_bench.parameters.table import PARAMETERS

THE_SEEDS = [
    "FUNCTION",
    "MODE",
    "CASE_TYPE",
    "PRECISION",
    "DATA_TYPE",
    "BATCH_SIZE",
    "CORES_PER_INSTANCE",
    "STEPS",
    "WEIGHT_SHARING",
    "VERBOSE",
    "ONEDNN_VERBOSE",
    "MPI",
    "NUM_MPI",
    "CUSTOMER_ENV",
    "WORKLOAD",
    "PLATFORM",
    "TOPOLOGY",
    "INSTANCE_MODE",
]

OF_RUNTIMES = [
    "PATH",
    "HOME",
    "HOSTNAME",
    "TERM",
    "PWD",
    "SHLVL",
    "LANG",
    "LC_ALL",
    "TZ",
    "container",
    "HTTP_PROXY",
    "no_proxy",
    "PYTHONUNBUFFERED",
    "KUBERNETES_SERVICE_HOST",
    "KUBERNETES_PORT_443_TCP_ADDR",
    "DB_SERVICE_PORT",
    "DB_SERVICE_PORT_HTTP",
    "DB_PORT",
    "DB_PORT_5432_TCP",
    "JOB_COMPLETION_INDEX",
    "OMPI_MCA_orte_default_hostfile",
    "PMIX_RANK",
    "K_MPI_JOB_ROLE",
    "R50_POD",
    "TF_ENABLE_ONEDNN_OPTS",
    "OMP_NUM_THREADS",
    "LD_PRELOAD",
]


def refuse(**environ: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        make_config(find_strict_settings(environ))
    return list(caught.value.problems)


@pytest.mark.parametrize("name", THE_SEEDS)
def test_every_variable_of_the_seeds_table_is_a_parameter(name):
    assert name in {parameter.name for parameter in PARAMETERS}
    make_config(find_strict_settings({name: ""}))


@pytest.mark.parametrize("name", OF_RUNTIMES)
def test_what_runtimes_put_there_is_let_pass(name):
    assert make_config(find_strict_settings({name: "anything"})) == RunConfig()


@pytest.mark.parametrize(
    ("name", "nearest"), [("BATCHSIZE", "BATCH_SIZE"), ("PRECISON", "PRECISION")]
)
def test_a_name_that_is_nobodys_is_refused_with_the_nearest(name, nearest):
    assert refuse(**{name: "1"})[0].startswith(
        f"environment variable {name}: there is no parameter"
    )
    assert nearest in refuse(**{name: "1"})[0]


def test_everything_wrong_is_said_at_once():
    assert refuse(MODE="fast", STEPS="ten", FOO="1") == [
        "environment variable MODE: 'fast' must be one of throughput, latency, accuracy",
        "environment variable STEPS: 'ten' must be a whole number, 1 or more",
        refuse(FOO="1")[0],
    ]


class TestImageSettings:
    def test_nothing_is_added_where_the_image_holds_nothing(self, tmp_path):
        environ = {"R50_CACHE_DIR": str(tmp_path), "DATA_TYPE": "real"}
        assert plan_image_settings(environ, tmp_path / "dataset") == {}

    def test_published_weights_are_the_model(self, tmp_path):
        graph = tmp_path / "models/published/resnet50_v1.pb"
        graph.parent.mkdir(parents=True)
        graph.touch()
        environ = {"R50_CACHE_DIR": str(tmp_path)}
        assert plan_image_settings(environ, tmp_path / "x") == {"MODEL": str(graph)}
        assert plan_image_settings(environ | {"MODEL": "own.pb"}, tmp_path / "x") == {}

    @pytest.mark.parametrize(("files", "found"), [(["a.tar"], "a.tar"), (["a.jpg", "b.jpg"], ""),
                                                  (["a.tar", "b.tar"], "")])  # fmt: skip
    def test_the_images_are_used_for_real_data_only(self, tmp_path, files, found):
        for name in files:
            (tmp_path / name).touch()
        environ = {"R50_CACHE_DIR": "/nowhere", "DATA_TYPE": "REAL"}
        expected = str(tmp_path / found) if found else str(tmp_path)
        assert plan_image_settings(environ, tmp_path) == {"DATASET": expected}
        assert plan_image_settings(environ | {"DATA_TYPE": "dummy"}, tmp_path) == {}
        assert plan_image_settings(environ | {"DATASET": "x"}, tmp_path) == {}


CONFIGS = st.builds(
    RunConfig,
    mode=st.sampled_from([Mode.THROUGHPUT, Mode.LATENCY]),
    precision=st.sampled_from(Precision),
    batch_size=st.none() | st.integers(1, 10**6),
    min_time_s=st.none() | st.sampled_from([0.5, 20.0, 1e-9, 123456.789]),
    smt=st.booleans(),
    allocator=st.sampled_from(Allocator),
    customer_env=st.dictionaries(
        st.from_regex(r"[A-Z_][A-Z0-9_]{0,8}", fullmatch=True).filter(lambda name: name != "LD_PRELOAD"),
        st.text(st.characters(codec="ascii", min_codepoint=32, max_codepoint=126)),
        max_size=3,
    ),
)  # fmt: skip


@given(CONFIGS)
def test_the_variables_of_a_config_ask_for_it_again(config):
    variables = render_variables(config)
    settings = [Setting(name, text, name) for name, text in variables.items()]
    assert make_config(settings) == config


def test_the_variables_are_those_that_are_not_the_default():
    config = RunConfig(
        data_type=DataType.REAL, dataset="/a b.tar", gramine=Gramine.SGX,
        remote_attestation=Attestation.DCAP, weight_sharing=True, engine_options={"callers": "2"},
    )  # fmt: skip
    assert render_variables(config) == {
        "DATA_TYPE": "real", "DATASET": "/a b.tar", "GRAMINE": "sgx", "REMOTE_ATTESTATION": "dcap",
        "WEIGHT_SHARING": "True", "ENGINE_OPTION": "callers=2",
    }  # fmt: skip
