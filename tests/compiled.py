"""Call one kernel from Python, keeping its compiled form on disk.

Only the kernels Python calls in production are cached. A test that calls an inner kernel would
compile it again in every run; `cached` gives it the same cache as an entry.
"""

from __future__ import annotations

from typing import Any

from evenbatch.kernels import _jit


def cached(dispatcher: Any) -> Any:
    """The same kernel, cached on disk under the hash of the package's source."""
    if _jit.jit_enabled() and not dispatcher.signatures:
        return _jit.keep(dispatcher)
    return dispatcher
