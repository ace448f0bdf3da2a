from __future__ import annotations

import gzip
import os

import pytest
from tests.labels import CLASSES, TRUTH, assert_refused, folder_of, val_name

from resnet50_bench.data.labels.classes import read_validation_labels
from resnet50_bench.data.labels.find import find_labels
from resnet50_bench.data.labels.matching import LabelSet
from resnet50_bench.data.labels.orders import read_order


class TestValMap:
    def test_names_with_and_without_folders(self, tmp_path):
        path = tmp_path / "anything"
        path.write_text("val/a.JPEG 0\r\n./b c.JPEG\t999\n\nd.JPEG  5\nunused.JPEG 1\n")
        source = folder_of(tmp_path, ["a.JPEG", "b c.JPEG", "x/y/d.JPEG"])
        found = find_labels(source, path)
        assert found == LabelSet((0, 999, 5), f"spaces, classes, 4 names, in {path}")

    def test_a_whole_name_counts_before_its_end(self, tmp_path):
        path = tmp_path / "map"
        path.write_text("x/a.JPEG 1\ny/a.JPEG 2\n")
        assert find_labels(folder_of(tmp_path, ["x/a.JPEG", "y/a.JPEG"]), path).labels == (1, 2)

    @pytest.mark.parametrize(
        ("lines", "names"),
        [
            ("a.JPEG 1", ["x/a.JPEG", "y/a.JPEG"]),
            ("x/a.JPEG 1\ny/a.JPEG 2", ["a.JPEG"]),
            ("x/a.JPEG 1", ["y/a.JPEG"]),
            ("a.JPEG 1", ["ba.JPEG"]),
        ],
    )
    def test_what_could_be_another_image_is_not_guessed(self, tmp_path, lines, names):
        (tmp_path / "map").write_text(lines)
        assert_refused(
            folder_of(tmp_path, names),
            tmp_path / "map",
            f"--labels {tmp_path / 'map'}: {len(names)} of {len(names)} images have no label of "
            f"their own there, the first: {names[0]}",
        )

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("a.JPEG 5\nb.JPEG -1\n", "line 2: class -1 is not 0..999"),
            ("a.JPEG 0\nb.JPEG 1000\n", "line 2: class 1000 is not 0..999"),
            ("a.JPEG 5\nb.JPEG 1001\n", "line 2: class 1001 is not 0..999"),
            ("a.JPEG 5\n\n 6\n", "line 3: is not a name and a class: '6'"),
            ("a.JPEG 5\nb.JPEG 5.5\n", "line 2: is not a name and a class"),
            ("a.JPEG 5\nb.JPEG ٣\n", "line 2: is not a name and a class"),
            ("a.JPEG 5\n./a.JPEG 6\n", "line 2: ./a.JPEG has another class before"),
            ("a.JPEG 5\n", "1 of 2 images have no label of their own there, the first: b.JPEG"),
        ],
    )
    def test_a_wrong_line_is_named(self, tmp_path, text, message):
        path = tmp_path / "map"
        path.write_text(text)
        source = folder_of(tmp_path, ["a.JPEG", "b.JPEG"])
        assert_refused(source, path, f"--labels {path}: {message}")

    def test_classes_counted_from_one_are_refused_with_both_orders(self, tmp_path):
        path = tmp_path / "map"
        path.write_text("".join(f"{n}.JPEG {n}\n" for n in range(1, 1001)))
        source = folder_of(tmp_path, ["1.JPEG", "1000.JPEG"])
        message = f"--labels {path}: has class 1000 and no class 0: its classes are counted from 1"
        assert_refused(source, path, message, advice="--class-order synset:1 takes them in the o")
        assert_refused(source, path, message, advice="--class-order ilsvrc2012-id as the devkit's")
        assert find_labels(source, path, order=read_order("synset:1")).labels == (0, 999)
        found = find_labels(source, path, order=read_order("ilsvrc2012-id"))
        assert [CLASSES[label] for label in found.labels] == ["n02119789", "n03255030"]

    def test_classes_that_may_be_shifted_are_accepted_when_they_are_possible(self, tmp_path):
        path = tmp_path / "map"
        path.write_text("".join(f"{val_name(n)} {n}\n" for n in range(1, 1000)))
        assert find_labels(folder_of(tmp_path, [val_name(1)]), path).labels == (1,)


class TestSynsetLabels:
    def test_lines_of_all_images_are_found_by_number(self, tmp_path):
        path = tmp_path / "list"
        path.write_text("".join(f"{CLASSES[n]}\n" for n in TRUTH))
        source = folder_of(tmp_path, [val_name(50), f"x/{val_name(3)}"])
        found = find_labels(source, path)
        assert found == LabelSet(
            (TRUTH[49], TRUTH[2]),
            f"lines, synsets in the order of the images, in {path}",
            order=None,
        )

    def test_lines_in_the_order_of_file_names_whatever_the_folders(self, tmp_path):
        path = tmp_path / "list"
        path.write_text("".join(f"{CLASSES[n]}\n" for n in (5, 6, 7)))
        source = folder_of(tmp_path, ["x/3.JPEG", "y/1.JPEG", "z/2.JPEG"])
        assert find_labels(source, path).labels == (7, 5, 6)

    @pytest.mark.parametrize(
        ("lines", "message"),
        [
            ([CLASSES[5]], "has 1 lines, but the dataset has 2 images"),
            ([CLASSES[5]] * 3, "has 3 lines, but the dataset has 2 images"),
            ([CLASSES[5], "tench"], "line 2: is not a synset (WNID): 'tench'"),
            (["synset", CLASSES[5]], "line 1: is not a synset (WNID): 'synset'"),
            ([CLASSES[5], "n00000000"], "line 2: n00000000 is none of the 1000 classes"),
        ],
    )
    def test_a_wrong_list_is_refused(self, tmp_path, lines, message):
        path = tmp_path / "list"
        path.write_text("\n".join(lines) + "\n")
        source = folder_of(tmp_path, ["a.JPEG", "b.JPEG"])
        assert_refused(source, path, f"--labels {path}: {message}")

    def test_two_images_of_one_file_name_have_no_order(self, tmp_path):
        path = tmp_path / "list"
        path.write_text(f"{CLASSES[5]}\n{CLASSES[6]}\n")
        source = folder_of(tmp_path, ["x/a.JPEG", "y/a.JPEG"])
        assert_refused(source, path, "several images are named a.JPEG")

    def test_the_list_of_the_classes_is_not_taken_for_labels(self, tmp_path):
        path = tmp_path / "list"
        path.write_text("\n".join(CLASSES))
        source = folder_of(tmp_path, [f"{n:04d}.JPEG" for n in range(1000)])
        assert_refused(
            source, path, "is a list of the 1000 classes, an order", advice="--class-order"
        )


class TestOtherPaths:
    @pytest.mark.parametrize(
        ("data", "message"),
        [
            (b"", "is not a list of labels"),
            (b"\x89PNG\0\0\0", "is not a list of labels"),
            (b"hello\nworld\n", "is not a list of labels"),
            (b"{", "begins as JSON and cannot be read as such"),
        ],
    )
    def test_files_of_other_kinds(self, tmp_path, data, message):
        path = tmp_path / "val_map.txt"
        path.write_bytes(data)
        assert_refused(folder_of(tmp_path, ["a.JPEG"]), path, f"--labels {path}: {message}")

    def test_what_is_not_there(self, tmp_path):
        source = folder_of(tmp_path, ["a.JPEG"])
        assert_refused(source, tmp_path / "no", f"--labels {tmp_path / 'no'}: does not exist")
        assert_refused(source, tmp_path, "is a folder without data/ILSVRC2012_validation_ground_")

    def test_an_endless_file_is_not_read(self, tmp_path):
        os.mkfifo(tmp_path / "pipe")
        source = folder_of(tmp_path, ["a.JPEG"])
        assert_refused(source, tmp_path / "pipe", "is not a regular file")
        with (tmp_path / "huge").open("wb") as file:
            file.truncate(65 << 20)
        assert_refused(source, tmp_path / "huge", "is larger than 64 MiB")


def write(tmp_path, text, name="labels"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


FOX, ENGLISH_SETTER = CLASSES.index("n02119789"), CLASSES.index("n02100735")
FIRST, SECOND = val_name(1), val_name(2)


class TestForms:
    """The forms that people have, each with two images: classes 5 and 999 (WNIDs alike)."""

    A, B = CLASSES[5], CLASSES[999]

    @pytest.mark.parametrize(
        ("text", "understood"),
        [
            ("{0} 5\n{1} 999\n", "spaces, classes, 2 names"),
            ("{0}\t5\r\n{1}\t999\r\n", "tabs, classes, 2 names"),
            ("{0},5\n{1},999\n", "CSV, classes, 2 names"),
            ("{0}; 5\n{1}; 999\n", "semicolons, classes, 2 names"),
            ("image,label\n{0},5\n{1},999\n", "CSV, header, classes, 2 names"),
            ('"image","label"\n"{0}","5"\n"{1}","999"\n', "CSV, header, classes, 2 names"),
            ("label,image\n5,{0}\n999,{1}\n", "CSV, header, classes, 2 names"),
            ("{0},5.0\n{1},999.0\n", "CSV, classes, 2 names"),
            ("{0} {A}\n{1} {B}\n", "spaces, synsets, 2 names"),
            ("{A} {0}\n{B} {1}\n", "spaces, synsets, 2 names"),
            ('file,wnid,words\n{0},{A},"x, y"\n{1},{B},z\n', "CSV, header, synsets, 2 names"),
            (
                "ImageId,PredictionString\n{s0},{A} 1 2 3 4 {A} 5 6 7 8 \n{s1},{B} 11 22 33 44\n",
                "CSV, header, synsets, 2 names, extension added",
            ),
            ("{s0} 5\n{s1} 999\n", "spaces, classes, 2 names, extension added"),
            ("{s0}.jpg 5\n{s1}.jpg 999\n", "spaces, classes, 2 names, extension ignored"),
            ("val/{l0} 5\nval/{l1} 999\n", "spaces, classes, 2 names, letter case ignored"),
            ("# made by hand\n\n{0} 5  # five\n\n{1} 999\n\n# end\n\n", "spaces, classes, 2 names"),
            ('{{"{0}": 5, "{1}": 999}}', "JSON, classes, 2 names"),
            ('{{"{0}": "{A}", "{1}": ["{B}"]}}', "JSON, synsets, 2 names"),
            (
                '[{{"file": "{0}", "label": 5}}, {{"label": 999, "file": "{1}"}}]',
                "JSON, header, classes, 2 names",
            ),
            ('[["{0}", 5], ["{1}", 999]]', "JSON, classes, 2 names"),
            ('["{A}", "{B}"]', "JSON, synsets in the order of the images"),
            ("{A}\n{B}\n", "lines, synsets in the order of the images"),
        ],
    )  # fmt: skip
    @pytest.mark.parametrize("packed", [False, True])
    def test_each_is_understood_and_told(self, tmp_path, text, understood, packed):
        stems = {"s0": FIRST[:-5], "s1": SECOND[:-5], "l0": FIRST.lower(), "l1": SECOND.lower()}
        data = text.format(FIRST, SECOND, A=self.A, B=self.B, **stems).encode()
        path = write(tmp_path, gzip.compress(data) if packed else data)
        found = find_labels(folder_of(tmp_path, [FIRST, SECOND]), path)
        assert found.labels == (5, 999)
        assert found.origin == f"{'gzip, ' * packed}{understood}, in {path}"
        assert found.order == (None if "synset" in understood else "synset")

    @pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
    def test_marks_of_the_encoding(self, tmp_path, encoding):
        path = write(tmp_path, f"{FIRST},5\n".encode(encoding))
        assert find_labels(folder_of(tmp_path, [FIRST]), path).labels == (5,)

    def test_a_comment_sign_in_a_name_begins_no_comment(self, tmp_path):
        path = write(tmp_path, "# all of them\na #1.jpg 5\na #2.jpg 6\n")
        assert find_labels(folder_of(tmp_path, ["a #1.jpg", "a #2.jpg"]), path).labels == (5, 6)

    def test_a_name_with_spaces_and_commas(self, tmp_path):
        path = write(tmp_path, "a, b 1.jpg 5\n")
        assert find_labels(folder_of(tmp_path, ["a, b 1.jpg"]), path).labels == (5,)

    def test_a_wnid_behind_the_image_s_name_is_not_needed_in_the_file(self, tmp_path):
        name = f"ILSVRC2012_val_00000001_{CLASSES[5]}.JPEG"
        path = write(tmp_path, f"{FIRST} 5\n")
        assert find_labels(folder_of(tmp_path, [name]), path).labels == (5,)

    def test_two_images_that_differ_in_what_is_overlooked_are_not_guessed(self, tmp_path):
        path = write(tmp_path, "a 5\n")
        assert_refused(folder_of(tmp_path, ["a.jpg", "a.png"]), path, "2 of 2 images have no label")

    def test_two_synsets_for_one_image(self, tmp_path):
        path = write(tmp_path, f"{FIRST},{self.A} 1 2 3 4 {self.B} 1 2 3 4\n")
        message = f"line 1: names two synsets: {self.A} and {self.B}"
        assert_refused(folder_of(tmp_path, [FIRST]), path, message)


class TestAmbiguous:
    def test_two_columns_of_numbers(self, tmp_path):
        path = write(tmp_path, f"{FIRST},12,345\n{SECOND},13,346\n")
        source = folder_of(tmp_path, [FIRST, SECOND])
        assert_refused(
            source,
            path,
            f"can be read in two ways: as name,class,- (class 12 for {FIRST}) or as name,-,class "
            "(class 345)",
            advice="--labels-format name,class,- or --labels-format name,-,class says which",
        )
        assert find_labels(source, path, "name,class,-").labels == (12, 13)
        assert find_labels(source, path, "name,-,class").labels == (345, 346)

    def test_a_header_that_says_which_column_is_the_class_settles_it(self, tmp_path):
        path = write(tmp_path, f"name,width,label\n{FIRST},12,345\n")
        assert find_labels(folder_of(tmp_path, [FIRST]), path).labels == (345,)

    def test_names_that_are_numbers_like_the_classes(self, tmp_path):
        path = write(tmp_path, "1,2\n2,1\n3,3\n")
        source = folder_of(tmp_path, ["1.jpg", "2.jpg", "3.jpg"])
        assert find_labels(source, path).labels == (2, 1, 3)  # both ways say the same
        path = write(tmp_path, "1,2\n2,3\n3,1\n")
        assert_refused(source, path, "as name,class (class 2 for 1.jpg) or as class,name (class 3)")
        assert find_labels(source, path, "class,name").labels == (3, 1, 2)

    def test_a_synset_beside_a_number_needs_no_order(self, tmp_path):
        path = write(tmp_path, f"{FIRST},{CLASSES[5]},1\n{SECOND},{CLASSES[6]},2\n")
        assert find_labels(folder_of(tmp_path, [FIRST, SECOND]), path).labels == (5, 6)

    def test_numbers_without_names(self, tmp_path):
        path, source = write(tmp_path, "1\n2\n"), folder_of(tmp_path, ["a.jpg", "b.jpg"])
        assert_refused(source, path, "has numbers without names", advice="--class-order ilsvrc2012")
        assert find_labels(source, path, order=read_order("synset")).labels == (1, 2)
        found = find_labels(source, path, order=read_order("ilsvrc2012-id"))
        assert found == LabelSet(
            (FOX, ENGLISH_SETTER),
            f"lines, classes by ilsvrc2012-id in the order of the images, in {path}",
            "ilsvrc2012-id",
        )

    def test_a_format_that_the_file_has_not(self, tmp_path):
        path, source = write(tmp_path, f"{FIRST} 5\n"), folder_of(tmp_path, [FIRST])
        for form in ("name,synset", "name,-,class", "synset"):
            message = f"cannot be read as --labels-format {form}"
            assert_refused(source, path, message, form=form)
        assert_refused(source, path, "is not the devkit, which", form="devkit")


class TestKnownLabels:
    """Numbers beside the names of validation images tell what they count by."""

    COUNT = 40

    def write(self, tmp_path, number):
        known = read_validation_labels()
        rows = (f"{val_name(n + 1)} {number(known[n])}\n" for n in range(self.COUNT))
        return write(tmp_path, "".join(rows))

    def source(self, tmp_path):
        return folder_of(tmp_path, [val_name(n + 1) for n in range(self.COUNT)])

    @pytest.mark.parametrize("text", ["synset:1", "ilsvrc2012-id", "ilsvrc2012-id:0"])
    def test_another_order_is_named_and_taken(self, tmp_path, text):
        path, source = self.write(tmp_path, read_order(text).find_number), self.source(tmp_path)
        assert_refused(
            source,
            path,
            f"of ILSVRC2012's validation images they fit the known labels as {text}",
            advice=f"--class-order {text} takes them so",
        )
        found = find_labels(source, path, order=read_order(text))
        assert found.labels == read_validation_labels()[: self.COUNT]

    def test_the_usual_order_and_labels_of_another_kind_pass(self, tmp_path):
        source = self.source(tmp_path)
        assert (
            find_labels(source, self.write(tmp_path, int)).labels
            == read_validation_labels()[: self.COUNT]
        )
        other = find_labels(source, self.write(tmp_path, lambda label: label * 7 % 1000))
        assert other.labels == tuple(label * 7 % 1000 for label in read_validation_labels()[:40])
