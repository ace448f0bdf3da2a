"""Orders of the classes, by a word or a file, as people have them."""

from __future__ import annotations

import hashlib
import json

import pytest
from tests.labels import CLASSES

from resnet50_bench.data.labels.classes import (
    find_by_name,
    read_classes,
    read_validation_labels,
)
from resnet50_bench.data.labels.orders import read_order
from resnet50_bench.data.labels.problem import LabelProblem

NAMES = [item.names[0] for item in read_classes()]
BY_ID = sorted(range(1000), key=lambda label: read_classes()[label].ilsvrc2012_id)


def test_the_tables_are_those_of_tensorflow_datasets():
    """SHA-256 of labels.txt and validation_labels.txt in tensorflow-datasets 4.9.10."""
    classes = "".join(f"{wnid}\n" for wnid in CLASSES).encode()
    assert hashlib.sha256("\n".join(CLASSES).encode()).hexdigest() == (
        "385e0240499426c022b773be1ae4da780f057b89c9694c7f47199f62746b6edd"
    )
    assert len(classes) == 10_000
    validation = "".join(f"{CLASSES[label]}\n" for label in read_validation_labels()).encode()
    assert hashlib.sha256(validation).hexdigest() == (
        "313fc3f23c864dde9183c9a368809065765dd1b657a6904fded44e3e46d34604"
    )


def test_the_devkit_numbers_its_classes_1_to_1000_and_some_are_known():
    ids = {item.ilsvrc2012_id: item.wnid for item in read_classes()}
    assert sorted(ids) == list(range(1, 1001))
    # The ground truth begins with these numbers, of images whose WNIDs are known.
    first = [CLASSES[label] for label in read_validation_labels()[:5]]
    assert [ids[number] for number in (490, 361, 171, 822, 297)] == first


@pytest.mark.parametrize(
    ("text", "number", "wnid"),
    [
        ("synset", 0, "n01440764"),
        ("synset:1", 1, "n01440764"),
        ("synset:-1", -1, "n01440764"),
        ("SYNSET", 999, "n15075141"),
        ("ilsvrc2012-id", 1, "n02119789"),
        ("ilsvrc2012-id:0", 0, "n02119789"),
        ("ilsvrc2012-id", 1000, "n03255030"),
    ],
)
def test_a_word_numbers_the_classes(text, number, wnid):
    order = read_order(text)
    label = order.find_class(number)
    assert CLASSES[label] == wnid
    assert order.find_number(label) == number
    assert not order.is_outputs
    low, high = order.bounds
    assert high - low == 999
    assert order.find_class(low - 1) is None
    assert order.find_class(high + 1) is None


def test_outputs_leave_the_first_to_the_model_unless_it_is_said():
    assert read_order("outputs:ilsvrc2012-id").first is None
    assert read_order("outputs:synset:0").first == 0
    assert read_order("outputs:synset:0").is_outputs


@pytest.mark.parametrize("order", [range(1000), BY_ID], ids=["synset", "ilsvrc2012-id"])
@pytest.mark.parametrize(
    "render",
    [
        lambda order: "\n".join(CLASSES[label] for label in order),
        lambda order: "\n".join(NAMES[label] for label in order),
        lambda order: "\n".join(f"{CLASSES[label]} {NAMES[label]}, x" for label in order),
        lambda order: "\n".join(", ".join(read_classes()[label].names) for label in order),
        lambda order: "from Keras\n\n" + "\n".join(
            f"{n}, {NAMES[label].replace(' ', '_')}" for n, label in enumerate(order)),
        lambda order: json.dumps({n: [CLASSES[label], NAMES[label]] for n, label in enumerate(order)}),
        lambda order: json.dumps([NAMES[label].upper() for label in order]),
        lambda order: "{" + ",\n".join(
            f" {n}: '{NAMES[label]}'" for n, label in enumerate(order)) + "}",
    ],
    ids=["wnids", "names", "synset_words", "all_names", "keras", "class_index", "list", "dict"],
)  # fmt: skip
def test_a_file_with_a_class_on_each_line(tmp_path, order, render):
    path = tmp_path / "imagenet_classes.txt"
    path.write_text(render(order))
    found = read_order(str(path))
    assert found.classes == tuple(order)
    assert found.first is None
    assert found.find_class(5) == order[5]


def test_names_made_nicer_are_told_by_the_others(tmp_path):
    path = tmp_path / "classes"
    lines = [f"my {name}" if number % 3 == 0 else name for number, name in enumerate(NAMES)]
    path.write_text("\n".join(lines))
    assert read_order(str(path)).classes == tuple(range(1000))


@pytest.mark.parametrize(("place", "first"), [(0, 1), (1000, 0)])
def test_a_background_class_leaves_the_others_their_numbers(tmp_path, place, first):
    lines = [*NAMES]
    lines.insert(place, "background")
    path = tmp_path / "ImageNetLabels.txt"
    path.write_text("\n".join(lines))
    found = read_order(f"outputs:{path}")
    assert found.first == first
    assert found.classes == tuple(range(1000))


def test_any_order_of_wnids_is_taken_and_of_names_where_each_is_clear(tmp_path):
    path = tmp_path / "classes"
    turned = [*range(999, -1, -1)]
    path.write_text("\n".join(CLASSES[label] for label in turned))
    assert read_order(str(path)).classes == tuple(turned)
    assert find_by_name("Crane") == {134, 517}
    path.write_text("\n".join(NAMES[label] for label in turned))
    with pytest.raises(LabelProblem, match=r"'(crane|maillot)' may be any of several classes"):
        read_order(str(path))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (CLASSES[:999], "lists 999 classes, not 1000"),
        ((*CLASSES[1:500], "n00000000", *CLASSES[500:]), "'n00000000' is the name of no class"),
        ((*CLASSES[500:], *CLASSES[1:500], CLASSES[1]), "'n01443537' stands there twice"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path, lines, message):
    path = tmp_path / "classes"
    path.write_text("\n".join(lines))
    with pytest.raises(LabelProblem) as caught:
        read_order(str(path))
    assert str(caught.value) == f"--class-order {path}: {message}"


def test_what_is_neither_a_word_nor_a_file():
    with pytest.raises(LabelProblem, match="sorted: is no order, and there is no such file"):
        read_order("sorted")
