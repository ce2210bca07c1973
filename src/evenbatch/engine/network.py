"""What a network is: a frozen description, checked when it is made."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from math import prod

from evenbatch.engine.conv import Conv, Stage, layers, stages
from evenbatch.engine.settings import SettingError, choose, number, plain, whole

ACTIVATIONS = ("relu", "leaky_relu", "tanh", "sigmoid", "gelu", "identity")
NORMALIZERS = ("none", "batch", "layer", "rms", "group")
PLACEMENTS = ("before", "after", "input")
AFFINE = ("both", "gamma", "beta", "none")
MAX_DEPTH, MAX_WIDTH, MAX_TIME = 200, 16_384, 1000
CONVOLUTIONAL = {"conv": (), "shape": (), "flatten": False}
"""What is about convolutions alone, as it is in a network without any."""


@dataclass(frozen=True)
class Network:
    """A fully connected network, or one of convolutions with a fully connected end.

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

    With `conv` the first hidden layers are convolutions over an example's positions: convolution →
    normalizer → activation → pool → dropout, or with the normalizer after the activation. Then
    comes the mean of each channel over all positions (Lin et al. 2014, arXiv:1312.4400, section
    3.2), or with `flatten` all of them, and `hidden`, which may be (). Batch norm takes the
    statistics of a channel over the minibatch and all positions (Ioffe & Szegedy 2015, section
    3.2); layer and RMS norm those of an example over all its channels and positions; group norm
    over each group of channels and all positions (Wu & He 2018, arXiv:1803.08494, figure 2), so
    with as many groups as channels it is instance norm. A residual block lies among the
    convolutions or among the others, and is one where channels and positions are the same at both
    its ends.

    Args:
        inputs: features of an example; of a sequence, of one time step.
        hidden: width of each hidden layer, e.g. ``(32, 32, 32)``; 1 to 200 layers; those that are
            no convolutions.
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
        conv: the convolutions, a `Conv` each; a whole number stands for that many channels.
        shape: with `conv`, how an example's features lie: (positions, channels), or (height, width,
            channels), the last varying fastest; that of the data set.
        flatten: with `conv`: what comes after them gets each position's channels, not their means.

    Raises:
        SettingError: a field has a value that cannot be trained; the message names it.

    >>> Network(inputs=64, hidden=(32, 32), outputs=10, norm="batch").depth
    2
    >>> conv = (16, Conv(32, stride=2))
    >>> Network(inputs=64, hidden=(), outputs=10, conv=conv, shape=(8, 8, 1)).depth
    2
    >>> Network(inputs=64, hidden=(32,), outputs=10, norm="bach")
    Traceback (most recent call last):
    evenbatch.engine.settings.SettingError: norm is 'bach'; ... did you mean 'batch'?
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
    conv: tuple[Conv, ...] = ()
    shape: tuple[int, ...] = ()
    flatten: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.hidden, Iterable):
            raise SettingError(
                f"hidden is {self.hidden!r}; it must hold a width for each hidden layer: (32, 32)"
            )
        hidden, conv = tuple(self.hidden), layers(self.conv)
        whole("depth (number of hidden layers)", len(hidden) + len(conv), 1, MAX_DEPTH)
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
            conv=conv,
            shape=self._checked_shape(conv),
        )
        self._check_together()

    def _checked_shape(self, conv: tuple[Conv, ...]) -> tuple[int, ...]:
        if not isinstance(self.flatten, bool):
            raise SettingError(f"flatten is {self.flatten!r}; it must be True or False")
        if not conv:
            for name in ("shape", "flatten"):
                if getattr(self, name) not in (CONVOLUTIONAL[name], []):
                    raise SettingError(
                        f"{name} is {getattr(self, name)!r}, but there is no convolution: leave it "
                        "out, or say conv=(16, 32)"
                    )
            return ()
        if not isinstance(self.shape, (tuple, list)) or len(self.shape) not in (2, 3):
            raise SettingError(
                f"shape is {self.shape!r}; convolutions need to know how an example's features "
                "lie: shape=(positions, channels), or (height, width, channels)"
            )
        sizes = tuple(whole(f"shape[{i}]", n, 1, MAX_WIDTH) for i, n in enumerate(self.shape))
        if prod(sizes) != self.inputs:
            raise SettingError(
                f"shape is {sizes}, which is {prod(sizes)} features, but inputs is {self.inputs}"
            )
        return sizes

    def _check_together(self) -> None:
        for name, value, off in (
            ("time_steps", self.time_steps, "0"),
            ("drift", self.drift, "0"),
            ("placement", self.norm != "none" and self.placement == "input", "'before'"),
        ):
            if self.conv and value:
                raise SettingError(
                    f"{name} is {getattr(self, name)!r}, which a network with convolutions cannot "
                    f"have: use {name}={off}, or leave conv out"
                )
        _ = self.stages  # which says what does not fit
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
        return len(self.conv) + len(self.hidden)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Each convolution where it stands; () without any."""
        return stages(self.conv, self.shape) if self.conv else ()

    @property
    def multiplications(self) -> int:
        """Multiplications of a forward pass over one example, in convolutions and linear layers."""
        found, widths = 0, (self.inputs, *self.hidden, self.outputs)
        for stage in self.stages:
            found += stage.between * stage.fan_in * stage.conv.channels
            widths = (stage.features(self.flatten), *self.hidden, self.outputs)
        return found + sum(a * b for a, b in pairwise(widths))

    @property
    def normalized_widths(self) -> tuple[int, ...]:
        """Widths of what the normalizer is applied to."""
        if self.norm == "none":
            return ()
        if self.placement == "input":
            return (self.inputs,)
        return (*(layer.channels for layer in self.conv), *self.hidden)

    def has_bias(self, layer: int) -> bool:
        """Whether linear layer `layer` (0 … depth, the last being the output) has a bias."""
        dead = self.norm == "batch" and self.placement == "before" and layer < self.depth
        return not dead

    def skips(self) -> dict[int, int]:
        """Residual connections: {last layer of a block: layer whose output is added to it}."""
        found = {}
        ends = [(stage.positions, stage.conv.channels) for stage in self.stages]
        ends += [(0, width) for width in self.hidden]
        if self.residual:
            start = 0
            while start + self.residual < self.depth:
                end = start + self.residual
                if ends[start] == ends[end]:
                    found[end] = start
                start = end
        return found
