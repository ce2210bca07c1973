"""What a network is: a frozen description, checked when it is made."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

ACTIVATIONS = ("relu", "leaky_relu", "tanh", "sigmoid", "gelu", "identity")
NORMALIZERS = ("none", "batch", "layer", "rms", "group")
PLACEMENTS = ("before", "after", "input")
AFFINE = ("both", "gamma", "beta", "none")
MAX_DEPTH, MAX_WIDTH, MAX_TIME = 200, 16_384, 1000


class SettingError(ValueError):
    """A network or trial was described in a way that cannot be trained; the message says why."""


def choose(name: str, value: Any, allowed: tuple[str, ...]) -> None:
    """Raise a `SettingError` that lists what is allowed, and the nearest of it, if value is not."""
    if value in allowed:
        return
    from difflib import get_close_matches

    near = get_close_matches(str(value), allowed, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise SettingError(f"{name} is {value!r}; it must be one of {', '.join(allowed)}{hint}")


def whole(name: str, value: Any, low: int, high: int) -> int:
    """The value as an int; a `SettingError` unless it is a whole number from low to high."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise SettingError(f"{name} is {value!r}; it must be a whole number")
    if not low <= value <= high:
        raise SettingError(f"{name} is {value}; it must be from {low} to {high}")
    return int(value)


def number(name: str, value: Any, low: float, high: float, open_high: bool = False) -> float:
    """The value as a float; a `SettingError` unless it is a finite number from low to high."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise SettingError(f"{name} is {value!r}; it must be a number")
    if not math.isfinite(value) or not low <= value <= high or (open_high and value == high):
        below = "below" if open_high else "at most"
        raise SettingError(f"{name} is {value}; it must be a number from {low:g}, {below} {high:g}")
    return float(value)


def plain(settings: Any, **values: Any) -> None:
    """Put checked values into a frozen dataclass: 1 and 1.0, or NumPy's numbers, are one setting,
    and equal settings must have equal keys.
    """
    for name, value in values.items():
        object.__setattr__(settings, name, value)


@dataclass(frozen=True)
class Network:
    """A fully connected network.

    A hidden layer is linear → normalizer → activation → dropout (placement "before"), or linear →
    activation → normalizer → dropout ("after"). With "input" only the network's input is
    normalized. The output is one more linear layer. With ``residual=k`` the first hidden layer
    stands alone and then every k hidden layers form a block whose input is added to its output
    where their widths are equal: h ← h + F(h), an identity path as in He et al. 2016
    (arXiv:1603.05027).

    The linear layer right before a batch normalizer has no bias: subtracting the batch mean would
    cancel it.

    With `time_steps` the network reads sequences. The first hidden layer is then recurrent (Elman
    1990): at each time step it is linear of the input and of its own state before, added up →
    normalizer → activation; the layers after it, and dropout, get each example's state at its own
    last step. Layer, RMS and group norm treat every example and time step alone (Ba et al. 2016,
    arXiv:1607.06450, section 3.1). Batch norm takes the statistics of a time step over the examples
    that still go on, with running statistics for each time step, gamma and beta for all, as
    Cooijmans et al. 2016 (arXiv:1603.09025); unlike theirs it stands where layer norm stands: once,
    on the sum, and its gamma starts at 1, where they normalize the two summands apart and start at
    0.1. Where one example alone goes on it has no variance: that step uses the running statistics
    and leaves them as they are. Statistics of a step that was never seen in training are those of
    the last step that was.

    Args:
        inputs: features of an example; of a sequence, of one time step.
        hidden: width of each hidden layer, e.g. ``(32, 32, 32)``; 1 to 200 layers.
        outputs: classes, or targets of a regression.
        activation: "relu", "leaky_relu" (slope 0.01), "tanh", "sigmoid", "gelu" (exact form) or
            "identity" (a linear network).
        norm: "none", "batch", "layer", "rms" or "group".
        placement: "before" the activation, "after" it, or on the "input" only.
        affine: which of a normalizer's knobs learn: "both", "gamma", "beta" or "none". One that
            does not stays what it was at the start: gamma 1, beta 0.
        init: "torch" (PyTorch's default: uniform ±1/√fan-in, weights and biases), "he" (normal,
            √(2/fan-in)), "xavier" (uniform, √(6/(fan-in + fan-out))) or "gaussian" (normal,
            `sigma`);
            biases of the last three start at 0.
        sigma: standard deviation for init "gaussian".
        residual: hidden layers in a residual block; 0 for none.
        dropout: probability with which an activation is dropped in training.
        drift: strength of noise that makes the distribution of each hidden layer drift from step to
            step of training; 1 for that of Santurkar et al. 2018 (`evenbatch.kernels.engine.drift`
            has the formula). It comes right after the normalizer, or after the linear layer where
            there is none.
        groups: groups of norm "group"; must divide every normalized width.
        eps: added to the variance.
        momentum: weight of the new value in the running statistics (PyTorch's convention; ONNX and
            Keras weight the old value and call 0.9 what is 0.1 here).
        time_steps: steps of the longest sequence there is room for; 0 for data that is none.

    Raises:
        SettingError: a field has a value that cannot be trained; the message names it.

    >>> Network(inputs=64, hidden=(32, 32), outputs=10, norm="batch").depth
    2
    >>> Network(inputs=64, hidden=(32,), outputs=10, norm="bach")
    Traceback (most recent call last):
    evenbatch.engine.network.SettingError: norm is 'bach'; ... did you mean 'batch'?
    """

    inputs: int
    hidden: tuple[int, ...]
    outputs: int
    activation: str = "relu"
    norm: str = "none"
    placement: str = "before"
    affine: str = "both"
    init: str = "torch"
    sigma: float = 0.01
    residual: int = 0
    dropout: float = 0.0
    drift: float = 0.0
    groups: int = 4
    eps: float = 1e-5
    momentum: float = 0.1
    time_steps: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.hidden, Iterable):
            raise SettingError(
                f"hidden is {self.hidden!r}; it must hold a width for each hidden layer: (32, 32)"
            )
        hidden = tuple(self.hidden)
        whole("depth (number of hidden layers)", len(hidden), 1, MAX_DEPTH)
        choose("activation", self.activation, ACTIVATIONS)
        choose("norm", self.norm, NORMALIZERS)
        choose("placement", self.placement, PLACEMENTS)
        choose("affine", self.affine, AFFINE)
        choose("init", self.init, ("torch", "he", "xavier", "gaussian"))
        plain(
            self,
            inputs=whole("inputs", self.inputs, 1, MAX_WIDTH),
            hidden=tuple(whole(f"hidden[{i}]", w, 1, MAX_WIDTH) for i, w in enumerate(hidden)),
            outputs=whole("outputs", self.outputs, 1, MAX_WIDTH),
            sigma=number("sigma", self.sigma, 0.0, 1e6),
            residual=whole("residual", self.residual, 0, MAX_DEPTH),
            dropout=number("dropout", self.dropout, 0.0, 1.0, open_high=True),
            drift=number("drift", self.drift, 0.0, 100.0),
            groups=whole("groups", self.groups, 1, MAX_WIDTH),
            eps=number("eps", self.eps, 0.0, 1e3),
            momentum=number("momentum", self.momentum, 0.0, 1.0),
            time_steps=whole("time_steps", self.time_steps, 0, MAX_TIME),
        )
        if self.time_steps and self.norm != "none" and self.placement == "input":
            raise SettingError(
                f"placement is 'input' with time_steps={self.time_steps}: a recurrent network "
                "normalizes its state, not its input; use placement='before' or 'after'"
            )
        if self.time_steps and self.drift:
            raise SettingError(
                f"drift is {self.drift} with time_steps={self.time_steps}: a recurrent network "
                "cannot be made to drift; leave drift at 0"
            )
        if self.norm == "group":
            for width in self.normalized_widths:
                if width % self.groups:
                    raise SettingError(
                        f"groups is {self.groups}, which does not divide the width {width}; "
                        "choose a divisor of every normalized width"
                    )

    @property
    def depth(self) -> int:
        """Number of hidden layers."""
        return len(self.hidden)

    @property
    def normalized_widths(self) -> tuple[int, ...]:
        """Widths of what the normalizer is applied to."""
        if self.norm == "none":
            return ()
        return (self.inputs,) if self.placement == "input" else self.hidden

    def has_bias(self, layer: int) -> bool:
        """Whether linear layer `layer` (0 … depth, the last being the output) has a bias."""
        dead = self.norm == "batch" and self.placement == "before" and layer < self.depth
        return not dead

    def skips(self) -> dict[int, int]:
        """Residual connections: {last layer of a block: layer whose output is added to it}."""
        found = {}
        if self.residual:
            start = 0
            while start + self.residual < self.depth:
                end = start + self.residual
                if self.hidden[start] == self.hidden[end]:
                    found[end] = start
                start = end
        return found
