"""What this machine has for enclaves: the CPU's flag, the kernel's devices, gramine."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from resnet50_bench.config import Attestation, Gramine
from resnet50_bench.errors import CaseError
from resnet50_bench.host.kernel_files import LIVE_ROOT, read_text, search

PROGRAMS = ("gramine-sgx", "gramine-direct", "gramine-manifest", "gramine-sgx-sign")
KEY_PATH = ".config/gramine/enclave-key.pem"

_DEVICES = ("dev/sgx_enclave", "dev/sgx/enclave")
_PROVISION = ("dev/sgx_provision", "dev/sgx/provision")
_SERVICE = "var/run/aesmd/aesm.socket"

_SGX = (Gramine.SGX,)
_GET_FLAG = (
    "turn SGX on in the firmware, or use a CPU that has it; a virtual machine must be given it"
)
_GET_DEVICE = (
    "Linux 5.11 or newer with CONFIG_X86_SGX; a container needs --device /dev/sgx_enclave, a pod "
    "the SGX device plugin"
)
_GET_GRAMINE = (
    "install gramine: https://gramine.readthedocs.io/en/stable/installation.html (neither Debian "
    "nor PyPI has it)"
)


@dataclass(frozen=True, slots=True)
class Need:
    """One thing an enclave needs.

    Attributes:
        name: of it.
        found: it is here.
        detail: what was found, or what is missing.
        fix: how to get it; "" when it is here.
        kinds: the ways of running that need it.
    """

    name: str
    found: bool
    detail: str
    fix: str
    kinds: tuple[Gramine, ...] = (Gramine.SGX,)


@dataclass(frozen=True, slots=True)
class SgxState:
    """Everything a run inside gramine needs, found or not."""

    needs: tuple[Need, ...]

    def list_missing(self, kind: Gramine) -> list[Need]:
        """Return what a run of this kind lacks here."""
        return [need for need in self.needs if kind in need.kinds and not need.found]


def read_sgx(root: Path = LIVE_ROOT, search_path: str | None = None) -> SgxState:
    """Return what is here.

    Args:
        root: the folder with the machine's `/proc` and `/dev`.
        search_path: where to look for gramine; None for $PATH.
    """
    flags = (search(read_text(root / "proc/cpuinfo"), r"^flags\s*: (.+)") or "").split()
    device = _find(root, _DEVICES)
    path = os.environ.get("PATH", os.defpath) if search_path is None else search_path
    programs = {name: shutil.which(name, path=path) for name in PROGRAMS}
    tools = [name for name in PROGRAMS[1:3] if programs[name] is None]
    enclave_tools = [name for name in (PROGRAMS[0], PROGRAMS[3]) if programs[name] is None]
    key = _find(Path.home(), (KEY_PATH,))
    rows = (
        ("CPU flag", "sgx" in flags, "sgx", "the CPU has no flag sgx", _GET_FLAG, _SGX),
        ("device", device is not None, device, "there is no /dev/sgx_enclave", _GET_DEVICE, _SGX),
        ("gramine", not tools, programs["gramine-direct"], _name_missing(tools), _GET_GRAMINE,
         (Gramine.SGX, Gramine.DIRECT)),
        ("gramine-sgx", not enclave_tools, programs["gramine-sgx"], _name_missing(enclave_tools),
         _GET_GRAMINE, _SGX),
        ("signing key", key is not None, key, f"there is no ~/{KEY_PATH}",
         "gramine-sgx-gen-private-key makes it", _SGX),
    )  # fmt: skip
    return SgxState(
        tuple(
            Need(name, found, str(here) if found else missing, "" if found else fix, kinds)
            for name, found, here, missing, fix, kinds in rows
        )
    )


def _name_missing(programs: list[str]) -> str:
    return f"not installed: {', '.join(programs)}"


def require_gramine(kind: Gramine, attestation: Attestation) -> None:
    """Check that this machine can run instances inside gramine as asked.

    Raises:
        CaseError: it cannot; with everything that is missing and how to get it.
    """
    missing = read_sgx().list_missing(kind)
    if kind is Gramine.SGX and attestation is not Attestation.NONE:
        missing += read_attestation_needs()
    if missing:
        raise CaseError(
            f"instances cannot run inside gramine ({kind.value}) here: "
            + "; ".join(need.detail for need in missing),
            "; ".join(dict.fromkeys(need.fix for need in missing)),
            known=True,
        )


def read_attestation_needs(root: Path = LIVE_ROOT) -> list[Need]:
    """Return what attestation by DCAP lacks on this machine."""
    rows = (
        ("provisioning device", _PROVISION, "there is no /dev/sgx_provision",
         "a container needs --device /dev/sgx_provision"),
        ("AESM service", (_SERVICE,), "there is no /var/run/aesmd/aesm.socket",
         "install and start Intel's aesmd, and mount /var/run/aesmd into a container"),
    )  # fmt: skip
    return [Need(name, False, detail, fix) for name, paths, detail, fix in rows
            if _find(root, paths) is None]  # fmt: skip


def _find(root: Path, names: tuple[str, ...]) -> Path | None:
    return next((root / name for name in names if (root / name).exists()), None)
