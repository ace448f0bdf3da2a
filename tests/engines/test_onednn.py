import ctypes
import os
from collections import Counter

import numpy as np
import pytest
from tests.engines.conftest import THIN
from tests.engines.emulation import skip_if_emulated
from tests.engines.installed import needs_onednn
from tests.engines.thin_engine import IMAGES, make_thin_engine

from resnet50_bench.config import Precision
from resnet50_bench.engines.base import UNKNOWN_ISA, LoadRequest
from resnet50_bench.engines.onednn import ENGINE, race
from resnet50_bench.engines.onednn.binding import find_library
from resnet50_bench.engines.onednn.chain import Chain
from resnet50_bench.engines.onednn.choice import choose_all, read_kept
from resnet50_bench.engines.onednn.memory import Memory
from resnet50_bench.engines.onednn.network import NETWORK_FILE, WEIGHTS_FILE, Kind, read_network
from resnet50_bench.engines.onednn.programs import Programs
from resnet50_bench.engines.onednn.threads import Team
from resnet50_bench.engines.onednn.ways import plan_ways
from resnet50_bench.engines.onednn_trace import parse_trace
from resnet50_bench.errors import ConfigError, EngineError, HostError, ModelError
from resnet50_bench.model.graph.architecture import plan_network
from resnet50_bench.results.layers import LayerClock

pytestmark = [pytest.mark.tensorflow, needs_onednn]

PRECISIONS = (Precision.AVX_FP32, Precision.AVX_BFLOAT16, Precision.AVX_INT8)


@pytest.fixture(scope="module")
def thin(thin_path, tmp_path_factory):
    return make_thin_engine(ENGINE, thin_path, tmp_path_factory.mktemp("cache"), PRECISIONS)


def skip_if_lacking(thin, precision):
    programs = Programs(thin.models[precision], precision)
    try:
        programs.find(1, 1)
    except EngineError as error:
        pytest.skip(error.message)
    finally:
        programs.close()


def test_float32_answers_are_tensorflows_by_one_caller_by_several_and_by_streams(thin):
    thin.check_answers(5, 3)


@pytest.mark.parametrize("precision", [Precision.AVX_BFLOAT16, Precision.AVX_INT8])
def test_rounded_answers_are_tensorflows_but_for_rounding(thin, precision):
    skip_if_lacking(thin, precision)
    thin.check_rounded_answers(precision)


@pytest.mark.parametrize(
    ("threads", "options"),
    [(1, {"images": "2"}), (2, {"callers": "2", "images": "1"}), (4, {"callers": "2"})],
)
def test_threads_and_parts_of_a_batch_change_no_answer(thin, threads, options):
    one, several = thin.load(threads=1), thin.load(threads=threads, options=options)
    np.testing.assert_allclose(several.run(IMAGES), one.run(IMAGES), atol=1e-6)
    one.close()
    several.close()


@pytest.mark.parametrize("precision", PRECISIONS)
def test_values_that_share_an_arena_are_those_of_memory_apart_between_guards(thin, precision):
    """A kernel that reads or writes beyond a value would end the process here."""
    skip_if_lacking(thin, precision)
    programs = Programs(thin.models[precision], precision)
    program = programs.find(2, 1)
    apart = {life.name: Memory(life.size) for life in program.lives}
    places = {name: memory.address for name, memory in apart.items()}
    answers = []
    for chain in (programs.open_chain(2, 1), Chain(programs.library, program, places)):
        scores = Memory(2 * programs.classes * 4)
        images = Memory(IMAGES[:2].nbytes)
        images.write(IMAGES[:2].tobytes())
        chain.run(images.address, scores.address)
        answers.append(scores.read())
    assert answers[0] == answers[1]
    assert sum(memory.size for memory in apart.values()) > 2 * program.arena.size
    assert program.arena.size <= sum(life.size for life in program.lives)
    programs.close()


@pytest.fixture
def small_cache(monkeypatch):
    """A core that holds a part of the thin model's values, so that there is something to choose."""
    monkeypatch.setattr(race, "read_cache_bytes", lambda cpus: 256 * 1024)
    monkeypatch.setattr(race, "ROUNDS", 2)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("callers", ["1", "2"])
def test_depth_first_changes_no_answer(thin, small_cache, precision, callers):
    skip_if_lacking(thin, precision)
    answers = []
    for wanted in ("on", "off"):
        options = {"depth_first": wanted, "callers": callers}
        loaded = thin.load(precision, options=options, batch_size=5)
        answers.append(loaded.run(IMAGES))
        order = loaded.evidence().order
        loaded.close()
        assert ("depth first" in order) == (wanted == "on")
    np.testing.assert_array_equal(*answers)


def test_what_is_faster_is_measured_once_by_all_callers_and_kept(
    thin, small_cache, tmp_path, monkeypatch
):
    changes = {"kept": tmp_path / "new", "options": {"callers": "2"}}
    first = thin.load(**changes)
    assert len(list((tmp_path / "new").iterdir())) == 1
    order = first.evidence().order
    first.close()
    assert "measured" in order
    assert "2 images together" in order
    (kept,) = (tmp_path / "new").iterdir()
    choice = read_kept(kept)
    assert choice.rounds == 2 * 2
    assert [trial.stretch for trial in choice.trials] == ["stem", "56x56", "28x28", "14x14", "7x7"]
    monkeypatch.setattr(race, "race", None)
    second = thin.load(**changes)
    assert second.evidence().order == order
    second.close()


@pytest.mark.parametrize(
    ("changes", "order"),
    [
        ({}, "all layer by layer (not measured: this is not about speed)"),
        ({"trace": True, "kept": "nowhere"}, "all layer by layer (not measured)"),
        ({"options": {"depth_first": "off"}}, "all layer by layer (as asked for)"),
    ],
)
def test_what_is_not_measured_goes_layer_by_layer(thin, small_cache, tmp_path, changes, order):
    if "kept" in changes:
        changes = {**changes, "kept": tmp_path / "nowhere"}
    loaded = thin.load(**changes)
    assert loaded.evidence().order == order
    loaded.close()
    assert not list(tmp_path.iterdir())


def test_what_goes_depth_first_is_traced_so(thin, small_cache, tmp_path, monkeypatch):
    def decide(steps, images, times, origin):
        return choose_all(steps, images, 256 * 1024)

    monkeypatch.setattr(race, "decide", decide)  # whatever it is by the clock
    loaded = thin.load(kept=tmp_path)
    order = loaded.evidence().order
    loaded.close()
    assert "56x56 depth first" in order
    for name, text in ENGINE.trace_environment.items():
        monkeypatch.setenv(name, text)
    traced = thin.load(kept=tmp_path, trace=True)
    assert traced.evidence().order == order
    traced.close()


def test_a_way_with_other_answers_is_left_out(thin, small_cache, monkeypatch):
    monkeypatch.setattr(race, "_is_near", lambda scores, expected: scores is expected)
    programs = Programs(thin.models[Precision.AVX_FP32], Precision.AVX_FP32)
    Team((), 1)
    ways = plan_ways(programs.steps, 2, 256 * 1024)
    times = race.race(programs, 2, 1, ways)
    programs.close()
    assert ways
    assert (len(times.whole["56x56"]), times.ways) == (2, {})


def test_a_cache_that_cannot_be_written_costs_the_answer_nothing(thin, small_cache, tmp_path):
    (tmp_path / "file").write_text("")
    loaded = thin.load(kept=tmp_path / "file" / "engines")
    assert "not kept: " in loaded.evidence().order
    loaded.close()


def test_an_unknown_cache_is_told_where_depth_first_was_asked_for(thin, monkeypatch):
    monkeypatch.setattr(race, "read_cache_bytes", lambda cpus: None)
    with pytest.raises(ConfigError, match="depth_first=on: this host does not tell how large"):
        thin.load(options={"depth_first": "on"})
    loaded = thin.load()
    assert "does not tell how large a core's L2 is" in loaded.evidence().order
    loaded.close()


def test_evidence_counts_what_is_fused_into_which_kernel(thin):
    loaded = thin.load(threads=1)
    evidence = loaded.evidence()
    loaded.close()
    assert evidence.runtime.startswith("onednn 3.")
    fused = {"Add,Relu]": 0, "Relu]": 0, "": 0}
    for name, count in evidence.fused_ops.items():
        operation, _, kernel = name.partition("[")
        if operation == Kind.CONVOLUTION.value:
            fused[kernel.partition(",")[2]] += count
    assert fused == {"Add,Relu]": 16, "Relu]": 33, "": 4}
    assert "1 chains" in evidence.notes[0]


@pytest.mark.parametrize(
    ("precision", "dtypes"),
    [
        (Precision.AVX_FP32, {"f32": 53}),
        (Precision.AVX_BFLOAT16, {"bf16": 53}),
        (Precision.AVX_INT8, {"s8s8": 1, "u8s8": 52}),
    ],
)
def test_a_traced_query_of_callers_tells_each_layer_and_is_borne_out_by_the_code(
    thin, capfd, precision, dtypes
):
    skip_if_emulated("what the emulator executes is not what it emulates")
    skip_if_lacking(thin, precision)
    loaded = thin.load(precision, trace=True, options={"callers": "2"})
    loaded.run(IMAGES[:4])
    set_verbose = ctypes.CDLL(find_library()).dnnl_set_verbose
    set_verbose(1)
    loaded.run(IMAGES[:4])
    set_verbose(0)
    ctypes.CDLL(None).fflush(None)
    lines = [*capfd.readouterr().out.splitlines(), *loaded.list_kernels()]
    loaded.close()
    kernels = [item for item in ENGINE.parse_trace(lines) if item.primitive == "convolution"]
    found = Counter()
    for kernel in kernels:
        found[kernel.dtype] += kernel.calls
    assert found == dtypes
    assert UNKNOWN_ISA not in {kernel.isa for kernel in kernels}
    clock = LayerClock(plan_network(THIN))
    parse_trace(lines, clock.add)
    times = clock.finish()
    assert (times.queries, times.shared, times.problem) == (1, frozenset(), None)
    assert sum(item.added_images for item in times.layers) == 4 * 16


def test_weights_are_placed_once_for_all_chains(thin):
    loaded = thin.load(batch_size=5, options={"callers": "2", "images": "2"})
    loaded.run(IMAGES)  # parts of two and three images: two chains of two and one of one
    alone = thin.load(batch_size=5, threads=1)
    (note,), (single,) = loaded.evidence().notes, alone.evidence().notes
    loaded.close()
    alone.close()
    assert note.partition(", the")[0] == single.partition(", the")[0]
    assert "3 chains" in note


def test_a_team_of_openmp_has_its_threads_where_they_should_be():
    own = os.sched_getaffinity(0)
    Team(sorted(own)[:2], 2)
    assert os.sched_getaffinity(0) == own
    Team((), 1)


def test_threads_that_openmp_does_not_give_are_told(monkeypatch):
    monkeypatch.setattr(Team, "_do", lambda self, count, work: work(0))
    with pytest.raises(HostError, match="told to compute with 2 threads on CPUs 0, 1"):
        Team((0, 1), 2)


@pytest.mark.parametrize("content", [b"", b"nothing", b"PK\x03\x04"])
def test_a_folder_that_holds_no_network_is_told(thin, tmp_path, content):
    request = LoadRequest(tmp_path, Precision.AVX_FP32, threads=1, batch_size=1)
    with pytest.raises(ModelError, match="the onednn engine cannot load"):
        ENGINE.load(request)
    network = thin.models[Precision.AVX_FP32] / NETWORK_FILE
    (tmp_path / NETWORK_FILE).write_bytes(network.read_bytes())
    (tmp_path / WEIGHTS_FILE).write_bytes(content)
    with pytest.raises(ModelError, match="the onednn engine cannot load"):
        ENGINE.load(request)


def test_the_network_has_each_sum_in_the_convolution_computed_last(thin):
    network, _ = read_network(thin.models[Precision.AVX_INT8])
    kinds = [operation.kind for operation in network.operations]
    assert [kinds.count(kind) for kind in Kind] == [53, 1, 1, 1, 1]
    sums = [item for item in network.operations if item.adds is not None]
    assert len(sums) == 16
    assert all(item.relu and item.window == 1 for item in sums)
    assert {item.adds for item in sums} < {item.name for item in network.operations}
    assert len(network.limits) == 54
