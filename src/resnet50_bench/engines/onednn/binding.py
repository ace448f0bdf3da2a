"""oneDNN's C API, as far as a chain of inference needs it, called by ctypes.

Names and constants are those of oneDNN 3's dnnl.h, dnnl_types.h and dnnl_common.h; each is noted
where it stands. The library is the CPU build with OpenMP (GNU's) of the distribution
`onednn-cpu-gomp`; nothing of it is compiled here.
"""

from __future__ import annotations

import ctypes
from contextlib import ExitStack
from ctypes import POINTER, byref, c_char_p, c_float, c_int, c_int64, c_size_t, c_uint, c_void_p
from dataclasses import dataclass, field
from importlib import metadata
from typing import TYPE_CHECKING

from resnet50_bench.errors import EngineError, HostError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from resnet50_bench.engines.onednn.plan import DType

DISTRIBUTION = "onednn-cpu-gomp"

_LIBRARY = "libdnnl.so.3"
_MAJOR = 3

_CPU = 1  # dnnl_engine_kind_t
_IN_ORDER = 1  # dnnl_stream_flags_t
_ANY = 1  # dnnl_format_tag_t: the layout is the primitive's to choose
_INFERENCE = 96  # dnnl_prop_kind_t: dnnl_forward_inference
_USER = 1  # dnnl_scratchpad_mode_t: the caller gives the scratchpad, so threads share primitives
_SUCCESS, _OUT_OF_MEMORY, _UNIMPLEMENTED = 0, 1, 3  # dnnl_status_t
_QUERY_IMPLEMENTATION = 8  # dnnl_query_t: dnnl_query_impl_info_str
_NO_DILATION = (0, 0)

# dnnl_alg_kind_t
_CONVOLUTION_DIRECT = 0x1
_RELU = 0x20
_POOLING_MAX, _POOLING_AVERAGE = 0x1FF, 0x2FF
_SOFTMAX_ACCURATE = 0x30000

# DNNL_ARG_*, which tell an argument of an execution
SOURCE, RESULT, WEIGHTS, BIAS, SCRATCHPAD, SCALES = 1, 17, 33, 41, 80, 4096

_QUERY_MD = {SOURCE: 129, WEIGHTS: 131, RESULT: 133, SCRATCHPAD: 136}
"""dnnl_query_t: `src_md`, `weights_md`, `dst_md`, `scratchpad_md`; a bias is `weights_md` 1."""

ONE_SCALE, SCALE_PER_FILTER = 0, 1
"""Masks of `dnnl_primitive_attr_set_scales_mask`: all dimensions alike, or the first one's."""


class Argument(ctypes.Structure):
    """`dnnl_exec_arg_t`."""

    _fields_ = (("arg", c_int), ("memory", c_void_p))


class _Version(ctypes.Structure):
    """`dnnl_version_t`."""

    _fields_ = (
        ("major", c_int),
        ("minor", c_int),
        ("patch", c_int),
        ("hash", c_char_p),
        ("cpu_runtime", c_uint),
        ("gpu_runtime", c_uint),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How an array lies in memory.

    Attributes:
        sizes: of its dimensions, in oneDNN's order: images, channels, rows, columns of values;
            outputs, inputs, rows, columns of kernels.
        strides: between neighbours of each dimension, in numbers; None to let the primitive choose.
        dtype: of a number.
    """

    sizes: tuple[int, ...]
    strides: tuple[int, ...] | None
    dtype: DType


@dataclass(frozen=True, slots=True, kw_only=True)
class Fusion:
    """What a primitive does beside its operation.

    Attributes:
        scales: arguments whose numbers have a scale -> its mask.
        sum: what 1 in the memory of the result stands for, and its data type, where that is added.
        relu: whether what is below zero becomes zero, at the end.
    """

    scales: Mapping[int, int] = field(default_factory=dict)
    sum: tuple[float, DType] | None = None
    relu: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Where a convolution or pooling looks: padding is top, left, bottom, right."""

    size: int
    stride: int
    padding: tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Primitive:
    """A kernel that oneDNN has made; threads may execute it at the same time.

    Attributes:
        handle: `dnnl_primitive_t`.
        implementation: its name, e.g. `brgconv:avx512_core`.
        layouts: argument -> `dnnl_memory_desc_t`, as the kernel wants it.
    """

    handle: int
    implementation: str
    layouts: Mapping[int, int]


class OneDnn:
    """The library, and all that was made with it, which `close` gives back.

    Attributes:
        runtime: its name and release.
        execute: `dnnl_primitive_execute`: primitive, stream, number of arguments, arguments. It
            does not hold the interpreter's lock meanwhile.
        set_handle: `dnnl_memory_set_data_handle`: memory, address.

    Raises:
        EngineError: there is no such library, one of another major release, or what it needs is
            not there.
    """

    def __init__(self) -> None:
        self._library = _open(find_library())
        self._library.dnnl_version.restype = POINTER(_Version)
        version = self._library.dnnl_version().contents
        self.runtime = f"onednn {version.major}.{version.minor}.{version.patch}"
        if version.major != _MAJOR:
            raise EngineError(
                f"the onednn engine is written for oneDNN {_MAJOR}, and {DISTRIBUTION} has "
                f"{version.major}.{version.minor}",
                f"pip install '{DISTRIBUTION}>=2023.2'",
            )
        self._stack = ExitStack()
        self.execute = self._library.dnnl_primitive_execute
        self.execute.argtypes = [c_void_p, c_void_p, c_int, c_void_p]
        self.set_handle = self._library.dnnl_memory_set_data_handle
        self.set_handle.argtypes = [c_void_p, c_void_p]
        self._library.dnnl_memory_desc_get_size.restype = c_size_t
        self._library.dnnl_primitive_desc_query_md.restype = c_void_p
        self._engine = self._create("engine", c_int(_CPU), c_size_t(0))

    def close(self) -> None:
        """Destroy all that was made, the last first."""
        self._stack.close()

    def create_stream(self) -> c_void_p:
        """Return a stream, in which one thread executes (`dnnl_stream_t`)."""
        return self._create("stream", self._engine, c_uint(_IN_ORDER))

    def describe(self, layout: Layout) -> c_void_p:
        """Return a memory descriptor (`dnnl_memory_desc_t`)."""
        what = c_int(len(layout.sizes)), _dims(layout.sizes), c_int(layout.dtype)
        if layout.strides is None:
            return self._create("memory_desc", *what, c_int(_ANY), how="with_tag")
        return self._create("memory_desc", *what, _dims(layout.strides), how="with_strides")

    def count_bytes(self, descriptor: int | c_void_p) -> int:
        """Return what memory of a layout takes."""
        size: int = self._library.dnnl_memory_desc_get_size(_handle(descriptor))
        return size

    def are_equal(self, one: int, other: int) -> bool:
        """Whether two layouts are the same."""
        return bool(self._library.dnnl_memory_desc_equal(_handle(one), _handle(other)))

    def create_memory(self, descriptor: int | c_void_p, address: int) -> int:
        """Return an array at an address (`dnnl_memory_t`)."""
        made = self._create("memory", _handle(descriptor), self._engine, c_void_p(address))
        return made.value or 0

    def convolution(
        self, layouts: Mapping[int, Layout], window: Window, fusion: Fusion
    ) -> Primitive:
        """Return a convolution with a bias.

        Args:
            layouts: of `SOURCE`, `WEIGHTS`, `BIAS` and `RESULT`.
            window: where it looks.
            fusion: what else it does.
        """
        top, left, bottom, right = window.padding
        return self._make(
            "convolution_forward",
            fusion,
            c_int(_INFERENCE),
            c_int(_CONVOLUTION_DIRECT),
            *(self.describe(layouts[name]) for name in (SOURCE, WEIGHTS, BIAS, RESULT)),
            _dims((window.stride, window.stride)),
            _dims(_NO_DILATION),
            _dims((top, left)),
            _dims((bottom, right)),
        )

    def pooling(self, layouts: Mapping[int, Layout], window: Window, *, average: bool) -> Primitive:
        """Return a pooling that takes the largest of each window, or the average."""
        top, left, bottom, right = window.padding
        return self._make(
            "pooling_forward",
            Fusion(),
            c_int(_INFERENCE),
            c_int(_POOLING_AVERAGE if average else _POOLING_MAX),
            *(self.describe(layouts[name]) for name in (SOURCE, RESULT)),
            _dims((window.stride, window.stride)),
            _dims((window.size, window.size)),
            _dims(_NO_DILATION),
            _dims((top, left)),
            _dims((bottom, right)),
        )

    def inner_product(self, layouts: Mapping[int, Layout]) -> Primitive:
        """Return a product of values and weights, with a bias."""
        descriptors = (self.describe(layouts[name]) for name in (SOURCE, WEIGHTS, BIAS, RESULT))
        return self._make("inner_product_forward", Fusion(), c_int(_INFERENCE), *descriptors)

    def softmax(self, layouts: Mapping[int, Layout]) -> Primitive:
        """Return a softmax over the channels."""
        return self._make(
            "softmax_forward",
            Fusion(),
            c_int(_INFERENCE),
            c_int(_SOFTMAX_ACCURATE),
            *(self.describe(layouts[name]) for name in (SOURCE, RESULT)),
            c_int(1),
        )

    def reorder(
        self, source: c_void_p | int, result: c_void_p | int, fusion: Fusion | None = None
    ) -> Primitive:
        """Return what brings an array into another layout and data type."""
        return self._make(
            "reorder", fusion or Fusion(), _handle(source), self._engine, _handle(result),
            self._engine, has_engine=False,
        )  # fmt: skip

    def _make(
        self, name: str, fusion: Fusion, *arguments: object, has_engine: bool = True
    ) -> Primitive:
        """Make a primitive of a kind; the descriptors it tells of live as long as it does."""
        attributes = self._describe_fusion(fusion)
        description = c_void_p()
        create = getattr(self._library, f"dnnl_{name}_primitive_desc_create")
        engine = (self._engine,) if has_engine else ()
        status = create(byref(description), *engine, *arguments, attributes)
        if status == _UNIMPLEMENTED:
            raise EngineError(
                f"{self.runtime} has no {name.partition('_forward')[0]} of this kind on this CPU "
                "with the instructions that it may use",
                "choose another --precision, or --engine tensorflow",
            )
        require(status, f"{name}_primitive_desc_create")
        self._keep("primitive_desc", description)
        implementation = c_char_p()
        require(
            self._library.dnnl_primitive_desc_query(
                description, c_int(_QUERY_IMPLEMENTATION), c_int(0), byref(implementation)
            ),
            "primitive_desc_query",
        )
        layouts = {
            argument: self._library.dnnl_primitive_desc_query_md(
                description, c_int(query), c_int(0)
            )
            for argument, query in _QUERY_MD.items()
        }
        return Primitive(
            handle=self._create("primitive", description).value or 0,
            implementation=(implementation.value or b"").decode(),
            layouts={argument: found for argument, found in layouts.items() if found},
        )

    def _describe_fusion(self, fusion: Fusion) -> c_void_p:
        attributes = self._create("primitive_attr")
        library = self._library
        require(
            library.dnnl_primitive_attr_set_scratchpad_mode(attributes, c_int(_USER)),
            "primitive_attr_set_scratchpad_mode",
        )
        for argument, mask in fusion.scales.items():
            require(
                library.dnnl_primitive_attr_set_scales_mask(
                    attributes, c_int(argument), c_int(mask)
                ),
                "primitive_attr_set_scales_mask",
            )
        operations = self._create("post_ops")
        if fusion.sum is not None:
            scale, dtype = c_float(fusion.sum[0]), c_int(fusion.sum[1])
            require(
                library.dnnl_post_ops_append_sum(operations, scale, c_int(0), dtype),
                "post_ops_append_sum",
            )
        if fusion.relu:
            require(
                library.dnnl_post_ops_append_eltwise(
                    operations, c_int(_RELU), c_float(0), c_float(0)
                ),
                "post_ops_append_eltwise",
            )
        require(
            library.dnnl_primitive_attr_set_post_ops(attributes, operations),
            "primitive_attr_set_post_ops",
        )
        return attributes

    def _create(self, kind: str, *arguments: object, how: str | None = None) -> c_void_p:
        """Create an object, to be destroyed by `close`."""
        made = c_void_p()
        name = f"{kind}_create" + (f"_{how}" if how else "")
        require(getattr(self._library, f"dnnl_{name}")(byref(made), *arguments), name)
        self._keep(kind, made)
        return made

    def _keep(self, kind: str, made: c_void_p) -> None:
        self._stack.callback(getattr(self._library, f"dnnl_{kind}_destroy"), made)


def find_library() -> str:
    """Return the path of the library.

    Raises:
        EngineError: the distribution is not installed, or without it.
    """
    files = metadata.files(DISTRIBUTION) or ()
    found = next((item for item in files if item.name == _LIBRARY), None)
    if found is None:
        raise EngineError(
            f"the installed {DISTRIBUTION} has no {_LIBRARY}",
            f"pip install --force-reinstall '{DISTRIBUTION}>=2023.2'",
        )
    return str(found.locate())


def _open(path: str) -> ctypes.CDLL:
    try:
        return ctypes.CDLL(path)
    except OSError as error:
        raise EngineError(
            f"oneDNN cannot be loaded: {error}",
            "it needs GNU's OpenMP and C++ libraries: apt-get install libgomp1 libstdc++6",
        ) from error


def _dims(sizes: Sequence[int]) -> ctypes.Array[c_int64]:
    """`dnnl_dims_t`, of DNNL_MAX_NDIMS dimensions."""
    return (c_int64 * 12)(*sizes)


def _handle(pointer: int | c_void_p) -> c_void_p:
    return pointer if isinstance(pointer, c_void_p) else c_void_p(pointer)


def require(status: int, name: str) -> None:
    """Raise what a status says.

    Raises:
        HostError: it is no success.
    """
    if status == _OUT_OF_MEMORY:
        raise HostError(f"oneDNN has no memory for dnnl_{name}", "take a smaller --batch-size")
    if status != _SUCCESS:
        raise HostError(f"oneDNN's dnnl_{name} failed with status {status}")
