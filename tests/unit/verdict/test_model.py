from dataclasses import replace

import pytest
from tests.records import make_accuracy_record, make_evaluation_of_zeros, make_manifest, make_record
from tests.unit.verdict.runs import warnings

from resnet50_bench.config import RunConfig
from resnet50_bench.model import OwnProfile, Reading
from resnet50_bench.results.findings import Finding
from resnet50_bench.verdict.judge import judge
from resnet50_bench.verdict.model import warn_of_model


def keep(record, share, kind="user file"):
    manifest = make_manifest(kind)
    agreement = replace(manifest.graph.agreement, kept=share, effective_images=100.0, images=128)
    graph = replace(manifest.graph, agreement=agreement)
    return replace(record, model=replace(manifest, graph=graph))


@pytest.mark.parametrize("share", [None, 1.0, 0.97])
def test_a_model_that_keeps_its_answers_is_not_talked_about(share):
    assert list(warn_of_model(keep(make_record(), share))) == []


def test_a_possible_loss_is_told_with_its_interval_and_how_to_measure_it():
    (finding,) = warn_of_model(keep(make_record(), 0.9))
    assert finding.message == (
        "the prepared model keeps 90.0% (95 % interval 82.6% .. 94.5%) of the right answers its "
        "source expects of itself, on 128 held-out images"
    )
    assert "--mode accuracy" in (finding.advice or "")
    assert finding in judge(keep(make_record(), 0.9)).warnings


def test_an_accepted_loss_is_named_as_one():
    (finding,) = warn_of_model(keep(make_record(RunConfig(accept_loss=True)), 0.2))
    assert finding.message.endswith(", as --accept-loss allows")
    (finding,) = warn_of_model(keep(make_record(RunConfig(accept_loss=True)), 0.9))
    assert "--accept-loss" not in finding.message


def test_beside_an_accuracy_the_accuracy_tells():
    (finding,) = warn_of_model(keep(make_accuracy_record(make_evaluation_of_zeros([0] * 20)), 0.2))
    assert finding.advice == "the accuracy above tells what that means"


def test_generated_weights_have_no_right_answers_to_lose():
    (finding,) = warn_of_model(keep(make_record(), 0.2, "generated"))
    assert finding.message.startswith("generated weights: speed does not depend on")


def test_generated_weights_are_told():
    record = make_record(model=make_manifest("generated"))
    assert judge(record).warnings == (
        Finding(
            "generated weights: speed does not depend on weight values, accuracy does",
            "--model FILE uses a trained graph",
        ),
    )
    assert judge(record).exit_code == 0


def test_notes_of_the_preparation_are_told():
    notes = ("4 Pads are left", "no Softmax")
    assert warnings(make_record(model=make_manifest(notes=notes))) == [
        "the prepared model: 4 Pads are left",
        "the prepared model: no Softmax",
    ]


def read_as(record, **reading):
    facts = {"form": "frozen graph", "input_name": "x", "output_name": "y", **reading}
    return replace(record, model=replace(record.model, reading=Reading(**facts)))


def test_what_a_graph_given_in_8_bits_lost_before_is_not_known():
    record = read_as(keep(make_record(), 0.7), is_quantized=True)
    (finding,) = warn_of_model(record)
    assert finding.message == "the graph was given in 8 bits: what its rounding costs is not known"


def test_weights_whose_preprocessing_nothing_tells_are_told_beside_an_accuracy():
    record = keep(make_accuracy_record(make_evaluation_of_zeros([0] * 100)), 1.0)
    unknown = read_as(record, form="PyTorch weights (safetensors)")
    (finding,) = warn_of_model(unknown)
    assert finding.message.startswith(
        "nothing tells which preprocessing belongs to these weights: "
    )
    assert "--preprocessing" in (finding.advice or "")
    own = OwnProfile("timm-0.95", "its hash")
    known = read_as(record, form="PyTorch weights (safetensors)", preprocessing=own)
    assert list(warn_of_model(known)) == []
