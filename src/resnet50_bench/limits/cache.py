"""Where a machine's limit is kept, and for how long it is believed.

    <cache>/limits/<key>.json      one answer: a machine, as it is set up, and the CPUs

The key changes with all that changes what the CPUs can do, so that an answer is never that of
another machine: a home folder, and the cache in it, may be one on many hosts.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import msgspec

from resnet50_bench.errors import HostError
from resnet50_bench.files.atomic import write_atomically
from resnet50_bench.host.kernel_files import LIVE_ROOT, read_text, search
from resnet50_bench.limits.roofline import METHOD_VERSION, UNSTEADY, Roofline
from resnet50_bench.model import default_cache_dir
from resnet50_bench.model.cache import CACHE_ADVICE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from resnet50_bench.host.machine import Host

MAX_AGE = timedelta(days=7)
"""What sways a limit without changing the key (cooling, power limits, neighbours of a virtual
machine) changes in weeks."""

MAX_AGE_UNSTEADY = timedelta(minutes=10)
"""Where the rounds of a peak were far apart: what disturbed them has ended by then, perhaps."""

_KEY_DIGITS = 32


@dataclass(frozen=True, slots=True)
class Place:
    """Where the answer for some CPUs of a machine lies.

    Attributes:
        path: of the file.
        cpus: one of each core.
    """

    path: Path
    cpus: tuple[int, ...]


def plan_place(
    host: Host, cpus: tuple[int, ...], environ: Mapping[str, str], root: Path = LIVE_ROOT
) -> Place:
    """Return where the answer for these CPUs of this machine lies.

    Args:
        host: this machine.
        cpus: one of each core.
        environ: the environment variables.
        root: below which `/proc` is.
    """
    cpuinfo = read_text(root / "proc/cpuinfo")
    parts = [
        METHOD_VERSION,
        host.hostname,
        host.cpu_model,
        *(search(cpuinfo, rf"^{name}\s*: (.+)") for name in ("cpu family", "model", "stepping")),
        search(cpuinfo, r"^microcode\s*: (.+)"),
        *host.cpu_flags,
        host.kernel,
        host.virtualization,
        host.governor,
        host.turbo,
        *cpus,
    ]
    key = hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:_KEY_DIGITS]
    return Place(default_cache_dir(environ).parent / "limits" / f"{key}.json", cpus)


def read_kept(place: Place, now: datetime | None = None) -> Roofline | None:
    """Return the answer that is kept; None where there is none, or none that can be believed.

    Args:
        place: where it lies.
        now: with a time zone; this moment by default.
    """
    try:
        kept = msgspec.json.decode(place.path.read_bytes(), type=Roofline)
        age = compute_age(kept, now)
    except (OSError, ValueError):  # msgspec's errors are ValueErrors, and so are those of dates
        return None
    fits = kept.version == METHOD_VERSION and kept.cpus == place.cpus
    oldest = MAX_AGE if kept.spread <= UNSTEADY else MAX_AGE_UNSTEADY
    return kept if fits and timedelta(0) <= age <= oldest and kept.peaks else None


def compute_age(roofline: Roofline, now: datetime | None = None) -> timedelta:
    """Return how long ago it was measured.

    Raises:
        ValueError: what it says of that is no time.
    """
    measured = datetime.fromisoformat(roofline.measured)
    if measured.tzinfo is None:
        raise ValueError(f"{roofline.measured} has no time zone")
    return (now or datetime.now(timezone.utc)) - measured


def keep(place: Place, roofline: Roofline) -> None:
    """Write the answer.

    Raises:
        HostError: the cache cannot be written.
    """
    try:
        place.path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(place.path, msgspec.json.encode(roofline) + b"\n")
    except OSError as error:
        raise HostError(
            f"cannot write to the cache {place.path.parent}: {error.strerror}", CACHE_ADVICE
        ) from error
