"""A file of labels: what it holds is found out and told, or refused where it is not clear."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resnet50_bench.data.labels.classes import CLASSES, read_validation_labels
from resnet50_bench.data.labels.columns import (
    CLASS,
    SYNSET,
    Reading,
    count_named,
    list_readings,
    match_values,
    read_values,
)
from resnet50_bench.data.labels.devkit import Devkit, is_archive, read_archive, read_folder
from resnet50_bench.data.labels.documents import decode, read_document
from resnet50_bench.data.labels.matching import (
    USUAL_ORDER,
    LabelSet,
    number_by_synset,
    pick_by_number,
    pick_in_order,
    require_all,
    simplify_name,
)
from resnet50_bench.data.labels.order_files import looks_like_class_list
from resnet50_bench.data.labels.orders import read_order
from resnet50_bench.data.labels.problem import LabelProblem
from resnet50_bench.data.labels.tables import Table, cut_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from resnet50_bench.data.labels.orders import ClassOrder

DEVKIT = "devkit"
"""The word of `--labels-format` for the development kit."""

_NUMBER_ORDERS = ("synset:1", "ilsvrc2012-id", "ilsvrc2012-id:0")
"""What else numbers may be counted by, where they do not fit the usual order."""

_ENOUGH_IMAGES, _SURE = 20, 0.95


class LabelFile:
    """One file or folder of labels, to be read for given images.

    Args:
        path: the file or folder.
        where: what to call it in an error.
        form: the reading to take, as `--labels-format` says; None to find it out.
        order: what the numbers in it count by; None for 0..999 in the order of the sorted WNIDs.
    """

    def __init__(
        self, path: Path, where: str, form: str | None = None, order: ClassOrder | None = None
    ) -> None:
        self._path = path
        self._where = where
        self._form = form
        self._asked_order = order
        self._order = order or read_order(USUAL_ORDER)

    def read(self, names: Sequence[str]) -> LabelSet:
        """Return the labels of images.

        Args:
            names: of the images.

        Raises:
            LabelProblem: the file cannot be read, is none of the known kinds, can be read in two
                ways, is wrong, or lacks an image.
        """
        try:
            if self._path.is_dir():
                return self._use_devkit(read_folder(self._path, self._where), names)
        except OSError as error:
            raise LabelProblem(f"{self._where}: cannot be read: {error.strerror}") from error
        data, is_packed = read_document(self._path, self._where)
        if is_archive(data):
            return self._use_devkit(read_archive(data, self._where), names)
        tables = self._cut(data, names)
        found = self._choose(tables, names)
        steps = ("gzip, " if is_packed else "") + _describe_table(found.table)
        return (
            self._use_names(found, names, steps)
            if found.has_names
            else (self._use_lines(found, names, steps))
        )

    def _cut(self, data: bytes, names: Sequence[str]) -> list[Table]:
        if self._form == DEVKIT:
            raise LabelProblem(
                f"{self._where}: is not the devkit, which --labels-format {DEVKIT} asks for",
                "leave --labels-format out, or give --labels ILSVRC2012_devkit_t12.tar.gz",
            )
        if b"\0" in data and not data.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise self._unknown()
        try:
            return cut_text(decode(data), names)
        except LabelProblem as problem:
            raise LabelProblem(f"{self._where}: {problem}") from problem

    def _choose(self, tables: list[Table], names: Sequence[str]) -> Reading:
        """The reading that names the most images; where two do, they have to agree."""
        whole = [[row.text for row in table.rows] for table in tables if table.form == "lines"]
        if any(map(looks_like_class_list, whole)):
            raise LabelProblem(
                f"{self._where}: is a list of the {CLASSES} classes, an order, not the images' "
                "labels",
                "give it to --class-order, and the labels of the images to --labels",
            )
        readings = list_readings(tables, self._form)
        if not readings:
            raise self._unknown()
        by_name = [item for item in readings if item.has_names]
        simple = frozenset(map(simplify_name, names))
        counts = [count_named(item, simple) for item in by_name]
        most = max(counts, default=0)
        lines = [item for item in readings if not item.has_names]
        if lines and not most:
            return lines[0]
        best = [item for item, count in zip(by_name, counts) if count == most]
        return self._require_one(best, names)

    def _require_one(self, readings: list[Reading], names: Sequence[str]) -> Reading:
        """Refuse readings of one kind that differ in what they say; a synset needs no order."""
        synsets = [item for item in readings if item.kind == SYNSET]
        readings = synsets or readings
        first = readings[0]
        for other in readings[1:]:
            found = self._find_difference(first, other, names)
            if found is not None:
                raise LabelProblem(
                    f"{self._where}: can be read in two ways: as {first.format} (class {found[0]} "
                    f"for {found[2]}) or as {other.format} (class {found[1]})",
                    f"--labels-format {first.format} or --labels-format {other.format} says which",
                )
        return first

    def _find_difference(
        self, first: Reading, other: Reading, names: Sequence[str]
    ) -> tuple[int, int, str] | None:
        try:
            found = [
                match_values(read_values(item, self._order, self._where), names).values
                for item in (first, other)
            ]
        except LabelProblem:  # one of the two is no possible reading; the first tells its own fault
            return None
        pairs = zip(found[0], found[1], names, strict=True)
        return next(
            ((a, b, name) for a, b, name in pairs if a is not None and b is not None and a != b),
            None,
        )

    def _use_names(self, reading: Reading, names: Sequence[str], steps: str) -> LabelSet:
        try:
            values = read_values(reading, self._order, self._where)
        except LabelProblem:
            self._require_order(reading, names, None)
            raise
        matched = match_values(values, names)
        self._require_order(reading, names, matched.values)
        labels = require_all(matched.values, names, self._where)
        note = f", {matched.note}" if matched.note else ""
        text = f"{steps}, {self._describe_kind(reading)}, {len(values.entries):,} names{note}"
        return LabelSet(labels, f"{text}, in {self._path}", self._name_order(reading))

    def _use_lines(self, reading: Reading, names: Sequence[str], steps: str) -> LabelSet:
        """A line for each image, in the order of their names."""
        if reading.kind == CLASS and self._asked_order is None:
            raise LabelProblem(
                f"{self._where}: has numbers without names, which can be read in two ways: as the "
                "devkit's ground truth, whose numbers are not in the order of the synsets, or in "
                "that order",
                "--class-order ilsvrc2012-id or --class-order synset says which; or give --labels "
                "the whole ILSVRC2012_devkit_t12.tar.gz",
            )
        lines = read_values(reading, self._order, self._where).lines
        picked = pick_in_order([label for _, label in lines], names, self._where)
        text = f"{steps}, {self._describe_kind(reading)} in the order of the images"
        return LabelSet(tuple(picked), f"{text}, in {self._path}", self._name_order(reading))

    def _name_order(self, reading: Reading) -> str | None:
        return self._order.text if reading.kind == CLASS else None

    def _describe_kind(self, reading: Reading) -> str:
        if reading.kind == SYNSET:
            return "synsets"
        return f"classes by {self._asked_order.text}" if self._asked_order else "classes"

    def _require_order(
        self, reading: Reading, names: Sequence[str], found: Sequence[int | None] | None
    ) -> None:
        """Refuse numbers that are certainly not in the usual order, unless one was asked for.

        Args:
            reading: of the file.
            names: of the images.
            found: their labels by the usual order; None where a number is none of it.
        """
        if reading.kind != CLASS or self._asked_order is not None:
            return
        fitting = self._find_fitting(reading, names, found)
        if fitting is not None:
            raise LabelProblem(
                f"{self._where}: its numbers do not count the classes from 0 in the order of the "
                "synsets: of ILSVRC2012's validation images they fit the known labels as "
                f"{fitting}",
                f"--class-order {fitting} takes them so",
            )
        numbers = set(map(reading.find_number, reading.table.rows))
        if CLASSES in numbers and 0 not in numbers:
            raise LabelProblem(
                f"{self._where}: has class {CLASSES} and no class 0: its classes are counted from "
                "1, and in which order is not said",
                "--class-order synset:1 takes them in the order of the synsets, --class-order "
                "ilsvrc2012-id as the devkit's numbers",
            )

    def _find_fitting(
        self, reading: Reading, names: Sequence[str], found: Sequence[int | None] | None
    ) -> str | None:
        """Return the other order by which the images' own known labels come out; None mostly."""
        known = _know_labels(names)
        if len(known) - known.count(None) < _ENOUGH_IMAGES:
            return None
        if found is not None and _share(found, known) >= 1 - _SURE:
            return None
        for text in _NUMBER_ORDERS:
            try:
                values = read_values(reading, read_order(text), self._where)
            except LabelProblem:
                continue
            if _share(match_values(values, names).values, known) >= _SURE:
                return text
        return None

    def _use_devkit(self, devkit: Devkit, names: Sequence[str]) -> LabelSet:
        picked = pick_in_order([devkit.wnids[item] for item in devkit.truth], names, self._where)
        labels = number_by_synset(picked, names)
        return LabelSet(labels, f"ground truth of the devkit in {self._path}", order=None)

    def _unknown(self) -> LabelProblem:
        if self._form is not None:
            return LabelProblem(
                f"{self._where}: cannot be read as --labels-format {self._form}",
                "leave --labels-format out, or name the columns that are there",
            )
        return LabelProblem(f"{self._where}: is not a list of labels and not the devkit")


def _describe_table(table: Table) -> str:
    return f"{table.form}, header" if table.header is not None else table.form


def _know_labels(names: Sequence[str]) -> list[int | None]:
    """The class of each image named as one of ILSVRC2012's validation images."""
    known = read_validation_labels()
    return [None if number is None else known[number - 1] for number in pick_by_number(names)]


def _share(found: Sequence[int | None], known: Sequence[int | None]) -> float:
    """How many of the labels that both have are the same, 0..1."""
    pairs = [pair for pair in zip(found, known, strict=True) if None not in pair]
    return sum(first == second for first, second in pairs) / len(pairs) if pairs else 0.0
