from __future__ import annotations

import pytest

from resnet50_bench.cli.progress import (
    ListingProgress,
    StepProgress,
    describe_amount,
    describe_seconds,
)
from resnet50_bench.data.verify.facts import Step


class Observer:
    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, text: str) -> None:
        self.said.append(text)

    def waiting(self, text: str, share: float | None) -> None:
        self.said.append(f"{text} | {share}")


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_the_line_is_drawn_once_a_second_and_a_resumed_download_starts_at_no_rate():
    observer, clock = Observer(), Clock()
    progress = StepProgress(observer, clock)
    for now_s, done in ((100.0, 600), (100.5, 700), (101.0, 600), (101.5, 900), (104.0, 800)):
        clock.now_s = now_s
        progress(Step.DOWNLOAD, done * 10**6, 10**9)
    assert observer.said == [
        "download",
        "600.0 of 1,000.0 MB | 0.6",
        "800.0 of 1,000.0 MB, 50.0 MB/s, 4 s left | 0.8",
    ]


def test_each_step_has_its_line_and_its_own_rate():
    observer, clock = Observer(), Clock()
    progress = StepProgress(observer, clock)
    progress(Step.HASH, 0, 10**7)
    clock.now_s += 10
    progress(Step.IMAGES, 0, 50_000)
    clock.now_s += 2
    progress(Step.IMAGES, 5000, 50_000)
    assert observer.said == [
        "compute MD5 and SHA-256",
        "read every image",
        "5,000 of 50,000 images, 2,500/s, 18 s left | 0.1",
    ]
    assert progress.step is Step.IMAGES
    assert progress.done == "5,000 of 50,000 images"


def test_a_download_of_unknown_length():
    observer, clock = Observer(), Clock()
    progress = StepProgress(observer, clock)
    progress(Step.DOWNLOAD, 0, None)
    clock.now_s += 2
    progress(Step.DOWNLOAD, 3_000_000, None)
    assert observer.said == ["download", "3.0 MB, 1.5 MB/s | None"]


def test_listing_has_no_amount():
    assert describe_amount(Step.LIST, 0, None) == "the list was begun"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (99, "99 s"), (100, "2 min"), (5999, "100 min"), (9000, "2.5 h")],
)
def test_seconds(seconds, text):
    assert describe_seconds(seconds) == text


class TestListing:
    def test_what_takes_less_than_two_seconds_is_silent(self):
        observer, clock = Observer(), Clock()
        progress = ListingProgress(observer, clock)
        for images in range(1, 20):
            clock.now_s += 0.1
            progress(images, images / 20)
        assert observer.said == []

    def test_what_takes_longer_is_shown_once_a_second_with_the_time_left(self):
        observer, clock = Observer(), Clock()
        progress = ListingProgress(observer, clock)
        for second in range(1, 5):
            clock.now_s = 100.0 + second
            progress(second * 10_000, second / 16)
            progress(second * 10_000 + 1, second / 16)
        assert observer.said == [
            "list the images, which takes a while",
            "20,000 images, 10,000/s, 14 s left | 0.125",
            "30,000 images, 10,000/s, 13 s left | 0.1875",
            "40,000 images, 10,000/s, 12 s left | 0.25",
        ]

    def test_a_folder_has_no_time_left(self):
        observer, clock = Observer(), Clock()
        progress = ListingProgress(observer, clock)
        clock.now_s += 2
        progress(1_200_000, None)
        assert observer.said[1:] == ["1,200,000 images, 600,000/s | None"]
