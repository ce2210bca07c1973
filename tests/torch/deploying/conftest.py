"""Settings of the tests of measuring."""

from support.torch_threads import one_thread

__all__ = ["one_thread"]
