"""The model: its generation, download, structure check and preparation, each done once."""

from resnet50_bench.model.cache import CACHE_VARIABLE, check_cache, default_cache_dir
from resnet50_bench.model.calibration import CalibrationIdentity, CalibrationRequest
from resnet50_bench.model.download import PUBLISHED_URL, fetch
from resnet50_bench.model.graph.structure import Structure
from resnet50_bench.model.manifest import (
    Agreement,
    Arithmetic,
    FileIdentity,
    Manifest,
    ModelSource,
    PreparedGraph,
    PreparedModel,
    read_manifest,
)
from resnet50_bench.model.preparation import (
    Inspection,
    find_prepared,
    list_prepared,
    prepare,
    verify,
)
from resnet50_bench.model.recipes import wants_split

__all__ = [
    "CACHE_VARIABLE",
    "PUBLISHED_URL",
    "Agreement",
    "Arithmetic",
    "CalibrationIdentity",
    "CalibrationRequest",
    "FileIdentity",
    "Inspection",
    "Manifest",
    "ModelSource",
    "PreparedGraph",
    "PreparedModel",
    "Structure",
    "check_cache",
    "default_cache_dir",
    "fetch",
    "find_prepared",
    "list_prepared",
    "prepare",
    "read_manifest",
    "verify",
    "wants_split",
]
