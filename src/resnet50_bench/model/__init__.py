"""Where does the graph come from, and how is it prepared for a precision?

Generated or fetched, its structure checked, rewritten once for each precision, and cached with a
manifest that says all that was done. The parent asks (`preparation`, `cache`, `manifest`); the
rewriting runs in a child process (`toolchain`) with what lies in `graph`, `quantization` and
`recipes`.

May import `data`, `engines`, and the package root.

Public names:
    `ModelSource`, `Manifest`, `PreparedModel`: the graph asked for, what was made, where it lies.
    `prepare`, `find_prepared`: make it, or find it made.
    `convert`, `find_converted`: likewise, what another engine than TensorFlow loads of it.
    `fetch`: the published weights.
"""

from resnet50_bench.model.cache import (
    CACHE_VARIABLE,
    check_cache,
    default_cache_dir,
    find_shared_caches,
)
from resnet50_bench.model.calibration import CalibrationIdentity, CalibrationRequest
from resnet50_bench.model.conversion import Wanted, convert, find_converted
from resnet50_bench.model.download import PUBLISHED_URL, Origin, fetch
from resnet50_bench.model.formats.known_weights import find_own_profile
from resnet50_bench.model.graph.structure import Structure
from resnet50_bench.model.manifest import (
    Agreement,
    Arithmetic,
    Conversion,
    FileIdentity,
    Manifest,
    ModelSource,
    OwnProfile,
    PreparedGraph,
    PreparedModel,
    Reading,
    read_manifest,
)
from resnet50_bench.model.preparation import (
    Inspection,
    find_prepared,
    inspect_model,
    is_quantized,
    list_prepared,
    prepare,
    require_precision,
    verify,
    verify_source,
)
from resnet50_bench.model.recipes import wants_split

__all__ = [
    "CACHE_VARIABLE",
    "PUBLISHED_URL",
    "Agreement",
    "Arithmetic",
    "CalibrationIdentity",
    "CalibrationRequest",
    "Conversion",
    "FileIdentity",
    "Inspection",
    "Manifest",
    "ModelSource",
    "Origin",
    "OwnProfile",
    "PreparedGraph",
    "PreparedModel",
    "Reading",
    "Structure",
    "Wanted",
    "check_cache",
    "convert",
    "default_cache_dir",
    "fetch",
    "find_converted",
    "find_own_profile",
    "find_prepared",
    "find_shared_caches",
    "inspect_model",
    "is_quantized",
    "list_prepared",
    "prepare",
    "read_manifest",
    "require_precision",
    "verify",
    "verify_source",
    "wants_split",
]
