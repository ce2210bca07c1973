"""Settings of the tests of the audit."""

from support.torch_threads import one_thread

__all__ = ["one_thread"]
