from __future__ import annotations

import pytest
from tests.unit.parameters.asking import IMAGES, WEIGHTS, make, problems

from resnet50_bench.config import Allocator, DataType, RunConfig
from resnet50_bench.errors import ConfigError, MissingDataError


class TestConflicts:
    def test_a_dataset_implies_real_data(self):
        assert make(DATASET="x.tar") == RunConfig(data_type=DataType.REAL, dataset="x.tar")
        assert make(DATASET="x.tar", DATA_TYPE="real", LIMIT="5") == RunConfig(
            data_type=DataType.REAL, dataset="x.tar", limit=5
        )

    @pytest.mark.parametrize(
        ("settings", "problem"),
        [
            ({"DATA_TYPE": "real"}, "--set DATA_TYPE real needs images: add --dataset PATH, a folder or a .tar"),
            ({"DATA_TYPE": "dummy", "DATASET": "x"},
             "--set DATASET has no meaning with dummy data: leave it out, or use --data-type real"),
            ({"LIMIT": "3"},
             "--set LIMIT has no meaning with dummy data: leave it out, or use --data-type real"),
            ({"MODE": "accuracy", "MODEL": "y", "DATA_TYPE": "dummy"}, f"--set MODE accuracy: {IMAGES}"),
            ({"MODE": "accuracy", "MODEL": "y"}, f"--set MODE accuracy: {IMAGES}"),
            ({"MODE": "accuracy", "DATASET": "x"}, f"--set MODE accuracy: {WEIGHTS}"),
            ({"MODE": "accuracy", "DATASET": "x", "MODEL": "y", "CASE_TYPE": "gated"},
             "--set CASE_TYPE has no meaning in accuracy mode: leave it out"),
            ({"LABELS": "x"},
             "--set LABELS has a meaning in accuracy mode only: leave it out, or add --mode accuracy"),
            ({"MAX_UNREADABLE": "3"},
             "--set MAX_UNREADABLE has a meaning in accuracy mode only: leave it out, or add --mode "
             "accuracy"),
            ({"MAX_TIME": "60"}, "--set MAX_TIME has a meaning with --until only: leave it out"),
            ({"UNTIL": "1%", "STEPS": "50"},
             "--set UNTIL 1 decides how long is measured, and --set STEPS forbids that: it fixes how "
             "much is measured; leave one of them out"),
            ({"UNTIL": "0.5", "CASE_TYPE": "gated"},
             "--set UNTIL 0.5 decides how long is measured, and --set CASE_TYPE forbids that: a gated "
             "case is a short check; leave one of them out"),
            ({"UNTIL": "0%"}, "--set UNTIL: '0%' must be a percentage above 0, such as 1%"),
            ({"UNTIL": "1", "MAX_TIME": "10"},
             "--set MAX_TIME 10 is less than the minimum time of one run, 20 s: raise it, or lower "
             "--min-time"),
            ({"EXPECTED_TOP1": "0"},
             "--set EXPECTED_TOP1: '0' must be a percentage above 0, such as 76.46"),
        ],
    )  # fmt: skip
    def test_is_refused(self, settings, problem):
        assert problems(**settings) == (problem,)

    def test_what_accuracy_misses_is_told_from_what_is_wrong(self):
        with pytest.raises(MissingDataError) as caught:
            make(MODE="accuracy")
        assert caught.value.problems == (
            f"--set MODE accuracy: {IMAGES}",
            f"--set MODE accuracy: {WEIGHTS}",
        )
        with pytest.raises(ConfigError) as caught:
            make(MODE="accuracy", BATCH_SIZE="0")
        assert not isinstance(caught.value, MissingDataError)

    def test_accuracy_with_all_it_needs(self):
        config = make(MODE="accuracy", DATASET="x", MODEL="y", EXPECTED_TOP1="76.46", LABELS="z")
        assert (config.data_type, config.expected_top1) == (DataType.REAL, 76.46)
        assert make(MODE="accuracy", DATASET="x", ENGINE="null").model is None

    def test_a_misspelt_data_type_is_the_only_problem(self):
        assert problems(DATASET="x", DATA_TYPE="rael") == (
            "--set DATA_TYPE: 'rael' must be one of dummy, real",
        )


class TestAllocator:
    @pytest.mark.parametrize("allocator", ["jemalloc", "tcmalloc", "mimalloc"])
    def test_a_preload_of_the_users_own_is_in_its_way(self, allocator):
        assert problems(ALLOCATOR=allocator, CUSTOMER_ENV="A=1 LD_PRELOAD=/x.so") == (
            f"--set ALLOCATOR {allocator} sets LD_PRELOAD, and so does --set CUSTOMER_ENV: leave "
            "one of them out",
        )

    def test_without_one_the_user_may_preload(self):
        assert make(CUSTOMER_ENV="LD_PRELOAD=/x.so").allocator is Allocator.SYSTEM
        assert make(ALLOCATOR="system", CUSTOMER_ENV="LD_PRELOAD=/x.so").customer_env
        assert make(ALLOCATOR="jemalloc", CUSTOMER_ENV="LD_LIBRARY_PATH=/x").customer_env


class TestOneDnnSwitch:
    @pytest.mark.parametrize("off", ["0", "false", "False"])
    def test_eight_bits_need_it_on(self, off):
        assert problems(PRECISION="avx_int8", CUSTOMER_ENV=f"TF_ENABLE_ONEDNN_OPTS={off}") == (
            f"--set CUSTOMER_ENV TF_ENABLE_ONEDNN_OPTS={off}: TensorFlow has 8-bit convolutions in "
            "oneDNN alone: leave it out, or use another precision",
        )

    def test_other_precisions_and_engines_and_on_are_the_users_own(self):
        off = {"CUSTOMER_ENV": "TF_ENABLE_ONEDNN_OPTS=0"}
        assert make(**off).customer_env
        assert make(PRECISION="avx_int8", ENGINE="null", **off).customer_env
        assert make(PRECISION="avx_int8", CUSTOMER_ENV="TF_ENABLE_ONEDNN_OPTS=1").customer_env


class TestMpi:
    @pytest.mark.parametrize(
        ("settings", "expected"),
        [
            (
                {"NUM_MPI": "2"},
                "--set NUM_MPI 2: without MPI there is nothing to multiply; add --mpi, leave it "
                "out, or give 1",
            ),
            (
                {"HOSTFILE": "hosts"},
                "--set HOSTFILE hosts: without MPI everything runs on this host; add --mpi, or "
                "leave it out",
            ),
            (
                {"MPI": "True", "NUM_MPI": "2", "INSTANCES": "3"},
                "--set NUM_MPI: 2 processes on each socket, and --set INSTANCES says how many each "
                "host gets: leave one of them out",
            ),
            (
                {"MPI": "True", "NUM_MPI": "2", "WEIGHT_SHARING": "True", "PRECISION": "avx_int8"},
                "--set NUM_MPI: 2 processes on each socket, and with weight sharing there is one "
                "for each socket or, by --share-per, memory node: leave one of them out",
            ),
            (
                {"MPI": "True", "SPAN_SOCKETS": "True"},
                "--set SPAN_SOCKETS: processes counted by the socket belong to one: leave it out, "
                "or give their number with --instances",
            ),
        ],
    )
    def test_what_excludes_it_or_needs_it(self, settings, expected):
        assert problems(**settings) == (expected,)

    def test_it_is_allowed_otherwise(self):
        config = make(MPI="True", NUM_MPI="4", HOSTFILE="hosts", CORES_PER_INSTANCE="2")
        assert (config.mpi, config.num_mpi, config.hostfile) == (True, 4, "hosts")

    def test_instances_and_shared_weights_are_counted_as_without_it(self):
        assert make(MPI="True", INSTANCES="3", SPAN_SOCKETS="True").instances == 3
        assert make(MPI="True", WEIGHT_SHARING="True", PRECISION="avx_int8").weight_sharing
        accuracy = make(MPI="True", MODE="accuracy", DATASET="d", MODEL="m")
        assert accuracy.mpi
