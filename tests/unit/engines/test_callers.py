"""Who calls a program with how many images; a program that adds up stands in for the runtime."""

import threading

import numpy as np
import pytest

from resnet50_bench.config import Precision
from resnet50_bench.engines import Evidence, LoadRequest
from resnet50_bench.engines.callers import CalledModel, Calls, SplittingEngine, plan_calls
from resnet50_bench.errors import ConfigError


class Adding:
    """Answers each image with its sum, and notes who asked for what."""

    def __init__(self):
        self.found = []
        self.threads = set()
        self.closed = False

    def find(self, images):
        self.found.append(images)

        def call(batch):
            assert len(batch) == images
            self.threads.add(threading.get_ident())
            return batch.sum(axis=(1, 2, 3))[:, None]

        return call

    def evidence(self, images):
        return Evidence(runtime=f"adding {images}")

    def list_kernels(self):
        return ("a line",)

    def close(self):
        self.closed = True


class SomeEngine(SplittingEngine):
    name = "some"


def load(threads, batch_size, streams=0, **options):
    return LoadRequest(None, Precision.AVX_FP32, threads, batch_size, streams, options=options)


def make_images(count):
    return np.arange(count * 2 * 2 * 3, dtype=np.float32).reshape(count, 2, 2, 3)


@pytest.mark.parametrize("callers", [1, 2, 3])
@pytest.mark.parametrize("count", [1, 2, 6, 7])
def test_the_answers_are_those_of_one_caller_in_the_order_of_the_images(callers, count):
    model, images = CalledModel(Adding(), Calls(callers, callers, 2)), make_images(count)
    expected = images.sum(axis=(1, 2, 3))[:, None]
    np.testing.assert_array_equal(model.run(images), expected)
    for threads in (1, 2):
        np.testing.assert_array_equal(model.open_stream(threads)(images), expected)
    model.close()


def test_it_is_ready_for_a_call_once_it_is_made_and_asks_for_each_number_once_a_caller():
    program = Adding()
    model = CalledModel(program, Calls(2, 2, 4))
    assert program.found == [4]
    for _ in range(3):
        model.run(make_images(8))
    assert program.found == [4, 4]  # the other caller's
    model.run(make_images(6))
    assert program.found == [4, 4, 3, 3]
    model.close()


def test_callers_are_threads_and_the_first_of_them_is_the_one_that_asks():
    program = Adding()
    model = CalledModel(program, Calls(1, 1, 4))
    model.run(make_images(4))
    assert program.threads == {threading.get_ident()}
    split = CalledModel(program, Calls(2, 2, 2))
    split.run(make_images(4))
    assert len(program.threads) == 2
    split.close()


def test_what_really_runs_is_read_for_the_images_of_a_call():
    model = CalledModel(Adding(), Calls(2, 2, 4))
    assert model.evidence().runtime == "adding 4"
    assert tuple(model.list_kernels()) == ("a line",)
    model.close()


def test_closed_it_has_released_the_program_and_answers_no_split_query():
    program = Adding()
    model = CalledModel(program, Calls(2, 2, 2))
    stream = model.open_stream(2)
    model.close()
    assert program.closed
    for query in (model.run, stream):
        with pytest.raises(RuntimeError, match="after shutdown"):
            query(make_images(4))


@pytest.mark.parametrize(
    ("threads", "streams", "callers", "planned", "alone"),
    [
        (1, 0, 1, Calls(1, 1, 32), 32),  # an instance of one core
        (4, 0, 1, Calls(1, 1, 32), 0),  # four threads share each operation
        (4, 0, 2, Calls(2, 2, 16), 0),  # so they do with fewer callers than threads
        (4, 0, 4, Calls(4, 4, 8), 8),  # a caller each
        (4, 4, 1, Calls(1, 4, 32), 32),  # a stream each
        (4, 2, 1, Calls(1, 4, 16), 16),  # two threads to a stream, each with its part of the batch
    ],
)
def test_calls_are_planned_by_callers_or_streams(threads, streams, callers, planned, alone):
    options = {"callers": str(callers)} if callers > 1 else {}
    request = load(threads, 32, streams, **options)
    assert plan_calls(request) == planned
    assert SomeEngine().images_alone(request) == alone


def test_a_stream_of_more_threads_than_images_calls_with_one():
    assert plan_calls(load(4, 1, streams=2)) == Calls(1, 4, 1)


@pytest.mark.parametrize(
    ("request_", "problems"),
    [
        (
            load(2, 2, callers="3"),
            (
                "--engine-option callers=3: it must divide the 2 threads of an instance",
                "--engine-option callers=3: more callers than images in a query (batch size 2)",
            ),
        ),
        (
            load(2, 2, 2, callers="2"),
            (
                "--engine-option callers=2: the streams of an instance already split their queries "
                "by image: leave it out",
            ),
        ),
    ],
)
def test_callers_that_do_not_fit_are_all_reported(request_, problems):
    with pytest.raises(ConfigError) as caught:
        SomeEngine().images_alone(request_)
    assert caught.value.problems == problems


@pytest.mark.parametrize(
    ("options", "problems"),
    [
        ({}, []),
        ({"callers": "4"}, []),
        ({"callers": "0"}, ["--engine-option callers=0: it must be a whole number, 1 or more"]),
        ({"callers": "two"}, ["--engine-option callers=two: it must be a whole number, 1 or more"]),
        ({"streams": "2"}, ["--engine-option streams: the some engine has only callers=N"]),
    ],
)
def test_option_problems_name_the_option(options, problems):
    assert SomeEngine().option_problems(options) == problems
