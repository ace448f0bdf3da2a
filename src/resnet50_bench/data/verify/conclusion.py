"""From what is known of a data set to what it is, and whether anything is wrong with it: pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from resnet50_bench.data.verify.facts import Found

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resnet50_bench.data.imagenet import ImageArchive
    from resnet50_bench.data.verify.facts import Contents, Damage, Facts

Status = Literal["ok", "failed", "note", "unknown"]
Verdict = Literal["published", "whole", "damaged", "differs", "not read"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: what, in a word or two.
        status: `note` is no fault; `unknown` was not looked at.
        text: the finding.
        found: what the text counts, by name; None when it counts nothing.

    """

    name: str
    status: Status
    text: str
    found: Found | None = None


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What a data set is.

    Attributes:
        verdict: `published`: the archive itself, by its hashes; `whole`: nothing is wrong with
            it; `damaged`: something is; `differs`: it has the published archive's name or size
            and is another file; `not read`: nothing is wrong with what was looked at, which is
            not everything.
        summary: the verdict in a sentence.
        checks: what it rests on.

    """

    verdict: Verdict
    summary: str
    checks: tuple[Check, ...]

    @property
    def is_bad(self) -> bool:
        """It is damaged, or not the file it seems to be."""
        return self.verdict in ("damaged", "differs")


def conclude(facts: Facts, published: ImageArchive, *, claims: bool) -> Conclusion:
    """Judge a data set by its facts.

    Args:
        facts: what is known.
        published: what it is compared with.
        claims: it has the published archive's name or size.
    """
    identity = tuple(_check_identity(facts, published)) if claims else ()
    names = tuple(_check_contents(facts, published, claims=claims))
    reading = tuple(_check_reading(facts, published))
    checks = identity + names + reading
    if any(check.status == "failed" for check in identity):
        verdict: Verdict = "differs"
    elif any(check.status == "failed" for check in checks):
        verdict = "damaged"
    elif any(check.status == "unknown" for check in checks):
        verdict = "not read"
    else:
        verdict = "published" if claims else "whole"
    failed = ", ".join(check.name for check in checks if check.status == "failed")
    summaries = {
        "published": f"WHOLE: the published {published.file_name}, proven by its SHA-256",
        "whole": f"WHOLE{_name_set(facts, published)}",
        "damaged": f"DAMAGED: look at {failed}",
        "differs": f"DIFFERS: not the published {published.file_name} that its name or size "
        f"promises; look at {failed}",
        "not read": "NOT READ, or not all of it: nothing is wrong with what was looked at",
    }
    return Conclusion(verdict, summaries[verdict], checks)


def _check_identity(facts: Facts, published: ImageArchive) -> Iterator[Check]:
    size_bytes = facts.size_bytes
    if size_bytes is None:
        yield Check("size", "unknown", "not looked at")
        return
    if size_bytes != published.size_bytes:
        gap = published.size_bytes - size_bytes
        words = f"{gap:,} are missing" if gap > 0 else f"{-gap:,} too many"
        text = f"{size_bytes:,} bytes, not the published {published.size_bytes:,}: {words}"
        yield Check("size", "failed", text)
        return  # its hashes cannot be the published ones
    yield Check("size", "ok", f"{size_bytes:,} bytes, as published")
    hashes = facts.hashes
    for name, value, wanted in (
        ("MD5", hashes and hashes.md5, published.md5),
        ("SHA-256", hashes and hashes.sha256, published.sha256),
    ):
        if value is None:
            yield Check(name, "unknown", f"not computed; published is {wanted}")
        elif value == wanted:
            yield Check(name, "ok", f"{value}, as published")
        else:
            yield Check(name, "failed", f"{value}, not the published {wanted}")


def _check_contents(facts: Facts, published: ImageArchive, *, claims: bool) -> Iterator[Check]:
    if facts.unlistable is not None:
        yield Check("names", "failed", facts.unlistable)
    if facts.contents is not None:
        yield from _check_names(facts.contents, published, claims=claims)
        yield from _check_files(facts.contents)
    if facts.shards is not None:
        missing = facts.shards.missing
        text = f"{facts.shards.files:,} files, {facts.shards.total_bytes:,} bytes"
        if missing.count:
            text += f"; {missing.count:,} missing"
        yield Check("shards", "failed" if missing.count else "ok", text, missing)


def _check_names(contents: Contents, published: ImageArchive, *, claims: bool) -> Iterator[Check]:
    if _is_complete(contents, published):
        first, last = published.name_image(1), published.name_image(published.images)
        yield Check("names", "ok", f"{published.images:,}, each once: {first} .. {last}")
        return
    status: Status = "failed" if claims else "note"
    total = f"{published.images:,} validation images"
    if contents.expected == 0:
        yield Check("names", status, f"not the {total}: {_count(contents.images, 'image')}")
        return
    yield Check("names", status, f"{contents.expected:,} of the {total}")
    for name, some in (
        ("missing", contents.missing),
        ("surplus", contents.surplus),
        ("duplicates", contents.duplicates),
    ):
        if some.count:
            yield Check(name, status, f"{some.count:,}", some)


def _check_files(contents: Contents) -> Iterator[Check]:
    if contents.empty.count:
        yield Check("empty", "failed", _count(contents.empty.count, "file"), contents.empty)
    if contents.damaged.count:
        text = f"{_count(contents.damaged.count, 'file')} cannot be used"
        yield Check("files", "failed", text, contents.damaged)
    if contents.unused.count:
        text = f"{_count(contents.unused.count, 'file')} not used"
        yield Check("unused", "note", text, contents.unused)


def _check_reading(facts: Facts, published: ImageArchive) -> Iterator[Check]:
    noun = "record" if facts.kind == "tfrecord" else "image"
    if facts.damage is not None:
        yield _check_damage(facts.damage, noun)
        if noun == "record" and facts.damage.checked != published.images:
            text = f"not the {published.images:,} of the validation set"
            yield Check("count", "note", text)
        return
    if facts.unlistable is not None:
        return
    hashes = facts.hashes
    if hashes is not None and hashes.sha256 == published.sha256:
        yield Check("images", "ok", "whole, by the archive's SHA-256")
    else:
        yield Check(f"{noun}s", "unknown", "not read")


def _check_damage(damage: Damage, noun: str) -> Check:
    bad: Found = damage.damaged
    if bad.count:
        text = f"{bad.count:,} of {_count(damage.checked, noun)} damaged"
        return Check(f"{noun}s", "failed", text, bad)
    proof = "both checksums hold" if noun == "record" else "begin and end as they should"
    return Check(f"{noun}s", "ok", f"{damage.checked:,} read: {proof}")


def _is_complete(contents: Contents, published: ImageArchive) -> bool:
    odd = contents.surplus.count + contents.duplicates.count
    return contents.expected == published.images and not odd


def _name_set(facts: Facts, published: ImageArchive) -> str:
    total = f"the {published.images:,} validation images"
    if facts.contents is None:
        records = facts.damage.checked if facts.damage is not None else 0
        return f": {_count(records, 'record')}"
    if _is_complete(facts.contents, published):
        return f": {total}"
    images, expected = facts.contents.images, facts.contents.expected
    if expected == images:
        return f", but only {expected:,} of {total}"
    part = f", {expected:,} of them validation images" if expected else ""
    return f", but not {total}: {_count(images, 'image')}{part}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
