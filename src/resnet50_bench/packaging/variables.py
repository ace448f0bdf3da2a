"""A run by environment variables: which a container's environment may hold, and what an image adds.

A container's environment holds what the user gave, what the image says, and what the container's
own tools put there. A name that is none of the last two and no parameter is a mistake, such as
BATCHSIZE, and is refused as on the command line.
"""

from __future__ import annotations

import re
import shlex
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resnet50_bench.config import RunConfig
from resnet50_bench.model import default_cache_dir
from resnet50_bench.parameters.parameter import Setting
from resnet50_bench.parameters.table import PARAMETERS, find_environment_settings, find_parameter
from resnet50_bench.planning.environment import is_swaying

if TYPE_CHECKING:
    from collections.abc import Mapping

DATASET_FOLDER = Path("/dataset")
"""Where the image with images has them."""

_OURS = ("R50_",)

_OF_RUNTIMES = re.compile(
    r"PATH|HOME|HOSTNAME|HOST|TERM|COLORTERM|COLUMNS|LINES|PWD|OLDPWD|SHLVL|_|USER|LOGNAME|SHELL"
    r"|LANG|LANGUAGE|LC_\w+|TZ|TMPDIR|NO_COLOR|container|DEBIAN_FRONTEND|PYTHON\w+|XDG_\w+|SSL_CERT_\w+"
    r"|(?:HTTP|HTTPS|FTP|ALL|NO)_PROXY|KUBERNETES_\w+|\w+_SERVICE_(?:HOST|PORT)(?:_\w+)?"
    r"|\w+_PORT(?:_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)?|JOB_COMPLETION_INDEX"
    r"|(?:OMPI|OPAL|ORTE|PMIX|PRTE|HYDRA|PMI|MPICH|UCX)_\w+|K_MPI_JOB_ROLE|NOTIFY_SOCKET",
    re.IGNORECASE,
)
"""What docker, podman, Kubernetes, MPI and shells put there: the names of services (`X_PORT`) and
of proxies are theirs, too."""


def find_strict_settings(environ: Mapping[str, str]) -> list[Setting]:
    """Return the parameters of an environment, and with them every name that is nobody's.

    The latter are no parameters: `make_config` refuses them with the nearest name.
    """
    unknown = [
        Setting(name, text, f"environment variable {name}")
        for name, text in environ.items()
        if not _is_known(name)
    ]
    return [*find_environment_settings(environ), *unknown]


def plan_image_settings(
    environ: Mapping[str, str], dataset_folder: Path = DATASET_FOLDER
) -> dict[str, str]:
    """Return the parameters that the image itself stands for, where the user says nothing else.

    MODEL is the published graph, where the image was built with it; DATASET is what the image's
    folder of images holds, for DATA_TYPE=real.
    """
    found = {}
    published = sorted((default_cache_dir(environ) / "published").glob("*.pb"))
    if published:
        found["MODEL"] = str(published[0])
    if environ.get("DATA_TYPE", "").lower() == "real" and dataset_folder.is_dir():
        entries = sorted(item for item in dataset_folder.iterdir() if item.name[0] != ".")
        archives = [item for item in entries if item.suffix == ".tar"]
        if entries:
            found["DATASET"] = str(archives[0] if len(archives) == 1 else dataset_folder)
    return {name: text for name, text in found.items() if not environ.get(name)}


def _is_known(name: str) -> bool:
    if find_parameter(name) is not None and name == name.upper():
        return True
    if name.startswith(_OURS) or is_swaying(name):
        return True
    return _OF_RUNTIMES.fullmatch(name) is not None


def render_variables(config: RunConfig) -> dict[str, str]:
    """Return the environment variables that ask for a run: those that are not the default.

    `make_config` of them gives the config again.
    """
    default, found = RunConfig(), {}
    for parameter in PARAMETERS:
        if not parameter.field:
            continue
        value = getattr(config, parameter.field)
        if value != getattr(default, parameter.field):
            found[parameter.name] = _render_value(value)
    return found


def _render_value(value: Any) -> str:
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, dict):
        return shlex.join(f"{name}={text}" for name, text in value.items())
    return f"{value:.9f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
