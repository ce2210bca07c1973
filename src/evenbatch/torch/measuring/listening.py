"""Listening to a forward pass: which modules are entered and left, and which of torch's functions
that normalize are called between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

FUNCTIONS: dict[Any, str] = {
    function: name
    for name in ("batch_norm", "instance_norm", "group_norm", "layer_norm", "rms_norm", "normalize")
    for function in (getattr(F, name), getattr(torch, name, None))
    if function is not None
}
"""torch's own functions that normalize."""

Enter = Callable[[str, Any, Any, Any], None]
Leave = Callable[[str, Any, Any, Any, Any], None]
Called = Callable[[str, Any, Any, Any, Any], None]


class Listening(TorchFunctionMode):
    """Put it around a forward pass.

    Args:
        model: listened to by hooks on all its modules.
        enter: given the module's path, the module, and its arguments.
        leave: the same, and the output.
        called: given a name for the call ("path:function", "path:function:2" for a second one), the
            function, its arguments, and the output.
    """

    def __init__(
        self,
        model: nn.Module,
        enter: Enter | None = None,
        leave: Leave | None = None,
        called: Called | None = None,
    ) -> None:
        super().__init__()
        self.model, self.enter, self.leave, self.called = model, enter, leave, called
        self.inside: list[str] = []  # paths of the modules whose forward has begun and not ended
        self.counts: Counter[str] = Counter()
        self.hooks: list[Any] = []

    def __enter__(self) -> Listening:
        for path, module in self.model.named_modules():
            pre, post = partial(self._entered, path), partial(self._left, path)
            self.hooks.append(module.register_forward_pre_hook(pre, with_kwargs=True))
            self.hooks.append(module.register_forward_hook(post, with_kwargs=True))
        super().__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        for hook in self.hooks:
            hook.remove()

    def _entered(self, path: str, module: Any, args: Any, kwargs: Any) -> None:
        self.inside.append(path)
        if self.enter is not None:
            self.enter(path, module, args, kwargs)

    def _left(self, path: str, module: Any, args: Any, kwargs: Any, output: Any) -> None:
        self.inside.pop()
        if self.leave is not None:
            self.leave(path, module, args, kwargs, output)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        if self.called is not None and func in FUNCTIONS:
            key = f"{self.inside[-1] if self.inside else ''}:{FUNCTIONS[func]}"
            self.counts[key] += 1
            number = self.counts[key]
            self.called(key if number == 1 else f"{key}:{number}", func, args, kwargs or {}, output)
        return output
