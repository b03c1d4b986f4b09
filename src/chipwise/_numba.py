"""The one place of decorator policy for compiled kernels.

Kernels allocate nothing, so reference counting is off in them (`_nrt`): counting the arrays of every call made the
serving kernels twelve times slower. A kernel that does allocate fails to compile.

The disk cache ignores options and does not look into callees: one Python function per compiled variant, and after a
change in a callee under development the cache folder beside the module is to be cleared.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable[..., object])


_OPTIONS: dict[str, Any] = {"cache": True, "error_model": "numpy", "nogil": True, "_nrt": False}


def jit(function: F) -> F:
    """Compile `function` on first call: cached on disk, IEEE division, without the interpreter lock."""
    import numba

    return cast(F, numba.njit(**_OPTIONS)(function))


def jit_inner(function: F) -> F:
    """The same for a kernel that only kernels call: no entry from Python is built, which halves its compilation."""
    import numba

    options: dict[str, Any] = {**_OPTIONS, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    return cast(F, numba.njit(**options)(function))
