"""Changing the normalization of a PyTorch model: each function says what it did, and refuses what
it cannot do safely."""

from evenbatch.torch.rewrite._result import Change, Refusal, Rewrite, RewriteError
from evenbatch.torch.rewrite.accelerate import accelerate
from evenbatch.torch.rewrite.fold import fold
from evenbatch.torch.rewrite.freeze import freeze
from evenbatch.torch.rewrite.place import place
from evenbatch.torch.rewrite.refresh import refresh
from evenbatch.torch.rewrite.swap import swap
from evenbatch.torch.rewrite.sync import sync, unsync

__all__ = [
    "Change",
    "Refusal",
    "Rewrite",
    "RewriteError",
    "accelerate",
    "fold",
    "freeze",
    "place",
    "refresh",
    "swap",
    "sync",
    "unsync",
]
