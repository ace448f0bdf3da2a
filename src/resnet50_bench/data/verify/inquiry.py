"""Verifies a data set: reads what is to be known of it, step by step, and remembers each step.

Nothing is ever written to the data set itself.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from functools import cached_property
from typing import TYPE_CHECKING

from resnet50_bench.data.argument import open_argument
from resnet50_bench.data.sources import ignore_listing
from resnet50_bench.data.sources.index import Opener
from resnet50_bench.data.sources.shard_names import is_range
from resnet50_bench.data.verify.bytes import check_images, hash_file
from resnet50_bench.data.verify.contents import read_contents
from resnet50_bench.data.verify.facts import Facts, Hashes, Step
from resnet50_bench.data.verify.memory import read_fingerprint
from resnet50_bench.data.verify.tfrecord import check_records, describe_shards, find_shards
from resnet50_bench.errors import DatasetError

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from resnet50_bench.data.imagenet import ImageArchive
    from resnet50_bench.data.sources import ImageSource, OnListing
    from resnet50_bench.data.verify.facts import Kind, OnProgress
    from resnet50_bench.data.verify.memory import Memory


class Inquiry:
    """What is known of one data set, and the reading of what is not.

    Args:
        path: a tar, a folder of images, or TFRecords; absolute, as it is remembered by its path.
        published: what it is compared with.
        memory: where facts are kept.
        again: do not use what is remembered.
        on_listing: is told while the images are listed.

    Attributes:
        facts: all that is known so far.
        forgetful: why nothing can be remembered; None when it can.

    Raises:
        DatasetError: there is nothing at `path`, it is no data set, or it cannot be read.

    """

    def __init__(
        self,
        path: Path,
        published: ImageArchive,
        memory: Memory,
        *,
        again: bool = False,
        on_listing: OnListing = ignore_listing,
    ) -> None:
        self.path = path
        self.forgetful: str | None = None
        self._published = published
        self._memory = memory
        self._opener = Opener(on_listing=on_listing)
        self._kind, self._shards = _look(path)
        self._fingerprint = self._read_fingerprint()
        known = None if again else memory.recall(path, self._fingerprint)
        self.facts = known or Facts(kind=self._kind)
        self._recalled_from = self.facts.read_at

    @property
    def is_recalled(self) -> bool:
        """What was read of it was remembered, not read now."""
        return self.facts.read_at is not None and self.facts.read_at == self._recalled_from

    @property
    def claims_to_be_published(self) -> bool:
        """The file has the published archive's name or its size."""
        if self._kind != "tar":
            return False
        names = self.path.name == self._published.file_name
        return names or self.path.stat().st_size == self._published.size_bytes

    def gather(self, on_progress: OnProgress, *, quick: bool = False) -> None:
        """Read all that is not known yet.

        Args:
            on_progress: see `OnProgress`.
            quick: look at names and sizes only.

        Raises:
            DatasetError: something cannot be read, or changes while it is read.

        """
        if self._kind == "tfrecord":
            self._learn(shards=describe_shards(self._shards))
            if not quick and self.facts.damage is None:
                self._learn_by_reading(damage=check_records(self._shards, on_progress))
            return
        self._list(on_progress)
        if quick:
            return
        if self.facts.size_bytes == self._published.size_bytes:
            self.read_hashes(on_progress)
        if self.facts.hashes != published_hashes(self._published):
            self._check_images(on_progress)

    def read_hashes(self, on_progress: OnProgress) -> Hashes:
        """Return the archive's hashes, reading it if they are not known."""
        hashes = self.facts.hashes
        if hashes is None:
            hashes = hash_file(self.path, on_progress)
            self.learn_hashes(hashes)
        return hashes

    def learn_hashes(self, hashes: Hashes) -> None:
        """Take the archive's hashes as known."""
        self._learn_by_reading(hashes=hashes)

    @cached_property
    def _source(self) -> ImageSource:
        return open_argument(self.path, self._opener)

    def _read_fingerprint(self) -> str:
        files = self._shards or (self.path,)
        if self._kind == "folder":
            files = tuple(self._source.containers)
        return read_fingerprint(files, self._published.sha256)

    def _list(self, on_progress: OnProgress) -> None:
        if self._kind == "tar" and (self.facts.contents or self.facts.unlistable):
            return
        on_progress(Step.LIST, 0, None)
        size_bytes = self.path.stat().st_size if self._kind == "tar" else None
        try:
            contents = read_contents(self._source, self._published)
        except DatasetError as error:
            if not self.claims_to_be_published:
                raise
            self._learn(size_bytes=size_bytes, unlistable=error.message)
        else:
            self._learn(size_bytes=size_bytes, contents=contents)

    def _check_images(self, on_progress: OnProgress) -> None:
        if self.facts.damage is None and self.facts.unlistable is None:
            self._learn_by_reading(damage=check_images(self._source, on_progress))

    def _learn_by_reading(self, **facts: Any) -> None:
        if self._read_fingerprint() != self._fingerprint:
            raise DatasetError(
                f"{self.path} was changed while it was read",
                "run the command again when nothing writes to it any more",
            )
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        self._learn(read_at=now, **facts)

    def _learn(self, **facts: Any) -> None:
        self.facts = replace(self.facts, **facts)
        try:
            self._memory.remember(self.path, self._fingerprint, self.facts)
        except OSError as error:
            self.forgetful = f"{self._memory.folder}: {error.strerror}"


def published_hashes(published: ImageArchive) -> Hashes:
    """Return what the published archive's hashes are."""
    return Hashes(published.md5, published.sha256)


def _look(path: Path) -> tuple[Kind, tuple[Path, ...]]:
    """Tell what is at a path by names alone, and which TFRecord files there are."""
    try:
        if is_range(path) and not path.exists():
            return "folder", ()
        if not path.exists():
            raise DatasetError(
                f"{path}: does not exist", "PATH is a .tar, a folder of images or one of TFRecords"
            )
        shards = find_shards(path)
        if shards:
            return "tfrecord", shards
        return ("folder" if path.is_dir() else "tar"), ()
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}") from error
