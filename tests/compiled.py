"""Call one kernel from Python, keeping its compiled form on disk.

Only those kernels can be called that Python calls in production; `cached` makes any kernel one.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from evenbatch.kernels import _jit


@cache
def cached(inner: Any) -> Any:
    """The same kernel, callable, cached on disk under the hash of the package's source."""
    if not _jit.jit_enabled():
        return inner
    options = inner.targetoptions
    return _jit.kernel(
        entry=True,
        reorder=options["fastmath"] == _jit.REORDERED,
        allocates=options.get("_nrt", True),
    )(inner.py_func)
