"""Published throughputs of this model, beside the computed limits of the CPUs they were reached on.

    limit in images/s = cores x operations per cycle and core x frequency / operations of an image

The frequency is the base frequency, the one that the vendor promises for all cores at once; no
publication here says at which one its CPUs ran. A CPU that ran faster had a higher limit, so the
share of it was lower than what is computed: an upper bound.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files

import msgspec
import yaml

from resnet50_bench.config import Precision
from resnet50_bench.limits.work import OPERATIONS, count_multiply_adds, plan_layers

_TABLE = "reference.yaml"
_GIGA = 1e9


class Cpu(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A CPU model.

    Attributes:
        model: its vendor's name of it.
        platform: as in `config.Platform`.
        cores: of one socket.
        base_ghz: its base frequency.
        source: of these.
    """

    model: str
    platform: str
    cores: int
    base_ghz: float
    source: str


class Figure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One published number; batch size and cores per instance where they were published, too."""

    precision: Precision
    images_per_s: float
    batch_size: int | None = None
    cores_per_instance: int | None = None


class Publication(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Numbers that were published together.

    Attributes:
        name: short.
        provenance: who measured them, how, on what; where to find that.
        cpu: name in the table of CPUs.
        sockets: that were measured together.
        figures: the numbers.
        assumed: the CPU and the sockets are a guess: the publication does not say.
    """

    name: str
    provenance: str
    cpu: str
    sockets: int
    figures: tuple[Figure, ...]
    assumed: bool = False


class References(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table of the file `reference.yaml`.

    Attributes:
        operations_per_cycle: of one core, by precision.
        operations_source: of these.
        cpus: by name.
        publications: in the order to show them.
    """

    operations_per_cycle: dict[Precision, int]
    operations_source: str
    cpus: dict[str, Cpu]
    publications: tuple[Publication, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedRow:
    """One published number, with what is computed for it.

    Attributes:
        publication: where it is from.
        figure: the number.
        cpu: it was reached on.
        cores: of all sockets.
        limit_images_per_s: the computed limit.
    """

    publication: Publication
    figure: Figure
    cpu: Cpu
    cores: int
    limit_images_per_s: float

    @property
    def share(self) -> float:
        """Of the computed limit, 0..1: at most."""
        return self.figure.images_per_s / self.limit_images_per_s


def read_references() -> References:
    """Return the table that this package holds."""
    text = files(__package__).joinpath(_TABLE).read_text(encoding="utf-8")
    return msgspec.convert(yaml.safe_load(text), References)


def plan_rows(references: References) -> tuple[PublishedRow, ...]:
    """Return one row for each published number."""
    return tuple(
        PublishedRow(
            publication=item,
            figure=figure,
            cpu=references.cpus[item.cpu],
            cores=item.sockets * references.cpus[item.cpu].cores,
            limit_images_per_s=_compute_limit(references, item, figure.precision),
        )
        for item in references.publications
        for figure in item.figures
    )


def count_operations() -> int:
    """Return the operations of one image: 8,178,372,608, those of the padding counted."""
    return OPERATIONS * count_multiply_adds(plan_layers())


def _compute_limit(references: References, item: Publication, precision: Precision) -> float:
    cpu = references.cpus[item.cpu]
    per_s = item.sockets * cpu.cores * cpu.base_ghz * _GIGA
    return per_s * references.operations_per_cycle[precision] / count_operations()
