"""What every normalizer shares: checking its input, gamma and beta, masks, modes, results."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from evenbatch.norms._buffers import empty
from evenbatch.norms._spec import NormSpec

Array = npt.NDArray[Any]

ACTIVATIONS = (None, "relu")
DTYPES = (np.dtype(np.float32), np.dtype(np.float64))


class Saved(NamedTuple):
    """What `backward` needs from the last forward call. x is the caller's array, not a copy."""

    x: Array
    valid: Array | None
    mean: Array
    var: Array
    own: bool  # the statistics came from x itself, so gradient flows through them


class Normalizer(ABC):
    """A normalization layer: call it, then `backward`.

    Attributes:
        spec: what it is, as data.
        gamma, beta: scale and shift, or None. Assign to them freely; shapes are checked when used.
        gamma_grad, beta_grad: their gradients, replaced by each `backward`; None before.
        training: set by `train` and `eval`.
    """

    spec: ClassVar[NormSpec]

    def __init__(
        self,
        affine_shape: tuple[int, ...],
        *,
        eps: float,
        affine: bool,
        activation: str | None,
        dtype: npt.DTypeLike,
    ) -> None:
        if not (eps >= 0 and np.isfinite(eps)):
            raise ValueError(f"{self._name}: eps must be a finite number >= 0, got {eps}")
        if activation not in ACTIVATIONS:
            raise ValueError(f"{self._name}: activation must be None or 'relu', got {activation!r}")
        self.dtype = np.dtype(dtype)
        if self.dtype not in DTYPES:
            raise ValueError(
                f"{self._name}: dtype must be float32 or float64, got {self.dtype}; "
                "compute in float32 and convert the result"
            )
        self.eps = float(eps)
        self.activation = activation
        self.training = True
        self.gamma: Array | None = np.ones(affine_shape, self.dtype) if affine else None
        self.beta: Array | None = None
        if affine and self.spec.centered:
            self.beta = np.zeros(affine_shape, self.dtype)
        self.gamma_grad: Array | None = None
        self.beta_grad: Array | None = None
        self._affine_shape = affine_shape
        self._saved: Saved | None = None

    def __call__(
        self, x: Array, mask: npt.ArrayLike | None = None, *, out: Array | None = None
    ) -> Array:
        """Normalize x.

        Args:
            x: the input, of this normalizer's dtype. Kept by reference for `backward`: do not
                change it before that.
            mask: True where x is valid; see the class for its shape. Masked positions enter no
                statistic, come out as 0 and get gradient 0, whatever they hold (even NaN).
            out: a C-contiguous array of x's shape and dtype to write to, apart from x.

        Raises:
            ValueError: x, mask or out does not fit, or training has a single value to normalize.
        """
        x = self._accept(x, "x")
        self._check_shape(x.shape)
        valid = None if mask is None else self._accept_mask(np.asarray(mask), x.shape)
        y = self._result(x, out, apart=(x,))
        mean, var, own = self._forward(x, valid, y)
        self._saved = Saved(x, valid, mean, var, own)
        return y

    def backward(self, dy: Array, *, out: Array | None = None) -> Array:
        """Gradient of the last call: returns dx, sets `gamma_grad` and `beta_grad`.

        Args:
            dy: gradient of the loss with respect to the output, same shape.
            out: an array to write dx to, apart from x and dy.

        Raises:
            RuntimeError: nothing was called before.
            ValueError: dy or out does not fit.
        """
        if self._saved is None:
            raise RuntimeError(f"{self._name}: backward before any call; call it on x first")
        dy = self._accept(dy, "dy")
        x = self._saved.x
        if dy.shape != x.shape:
            raise ValueError(f"{self._name}: dy has shape {dy.shape}, the output had {x.shape}")
        dx = self._result(x, out, apart=(x, dy))
        dgamma, dbeta = self._backward(self._saved, dy, dx)
        if self.gamma is not None:
            self.gamma_grad = dgamma.reshape(self._affine_shape).astype(self.dtype)
        if self.beta is not None:
            self.beta_grad = dbeta.reshape(self._affine_shape).astype(self.dtype)
        return dx

    def train(self, mode: bool = True) -> Self:
        """Training mode (or evaluation with ``mode=False``); returns the normalizer."""
        self.training = bool(mode)
        return self

    def eval(self) -> Self:
        """Evaluation mode: running statistics, where there are any, replace the batch's."""
        return self.train(False)

    def __repr__(self) -> str:
        return f"{self._name}({', '.join(f'{k}={v!r}' for k, v in self._settings().items())})"

    @abstractmethod
    def _check_shape(self, shape: tuple[int, ...]) -> None:
        """Raise ValueError unless an input of this shape can be normalized."""

    @abstractmethod
    def _accept_mask(self, mask: Array, shape: tuple[int, ...]) -> Array | None:
        """The mask as the kernels want it, None where every position is valid."""

    @abstractmethod
    def _forward(self, x: Array, valid: Array | None, y: Array) -> tuple[Array, Array, bool]:
        """Write y; return mean, biased variance, and whether they came from x."""

    @abstractmethod
    def _backward(self, saved: Saved, dy: Array, dx: Array) -> tuple[Array, Array]:
        """Write dx; return the float64 gradients of gamma and beta."""

    def _settings(self) -> dict[str, Any]:
        return {"eps": self.eps, "activation": self.activation, "dtype": self.dtype.name}

    @property
    def _name(self) -> str:
        return type(self).__name__

    @property
    def _slope(self) -> float:
        return 0.0 if self.activation == "relu" else 1.0

    def _affine(self) -> tuple[Array, Array]:
        """gamma and beta as flat arrays; ones and zeros where there is none."""
        both = []
        for name, value, neutral in (("gamma", self.gamma, 1), ("beta", self.beta, 0)):
            if value is None:
                both.append(np.full(self._affine_shape, neutral, self.dtype).ravel())
                continue
            array = np.ascontiguousarray(value, self.dtype)
            if array.shape != self._affine_shape:
                raise ValueError(
                    f"{self._name}: {name} has shape {array.shape}, must be {self._affine_shape}"
                )
            both.append(array.ravel())
        return both[0], both[1]

    def _accept(self, x: Array, name: str) -> Array:
        x = np.asarray(x)
        if x.dtype != self.dtype:
            raise ValueError(
                f"{self._name}: {name} is {x.dtype}, this normalizer holds {self.dtype}; "
                f"convert with {name}.astype(np.{self.dtype}) or construct it with another dtype"
            )
        return np.require(x, requirements=["C", "A"])

    def _result(self, x: Array, out: Array | None, apart: tuple[Array, ...]) -> Array:
        if out is None:
            return empty(x.shape, self.dtype)
        fits = out.shape == x.shape and out.dtype == self.dtype
        if not (fits and out.flags.c_contiguous and out.flags.writeable):
            raise ValueError(
                f"{self._name}: out must be a writeable C-contiguous {self.dtype} array of shape "
                f"{x.shape}, got {out.dtype} {out.shape}"
            )
        if any(np.may_share_memory(out, other) for other in apart):
            raise ValueError(f"{self._name}: out overlaps an input; backward still needs that")
        return out

    def _flags(self, mask: Array) -> Array:
        if mask.dtype != np.bool_:
            raise ValueError(
                f"{self._name}: mask is {mask.dtype}, must be bool (True = valid); "
                "compare, for example mask > 0"
            )
        return mask


class ChannelNormalizer(Normalizer):
    """A normalizer of (N, C, *spatial) inputs with one gamma and beta per channel.

    The mask has shape (N, *spatial): one flag per position, shared by its channels.
    """

    _least_dims = 2

    def __init__(
        self,
        channels: int,
        *,
        eps: float,
        affine: bool,
        activation: str | None,
        dtype: npt.DTypeLike,
    ) -> None:
        if channels < 1:
            raise ValueError(f"{self._name}: needs at least 1 channel, got {channels}")
        self.channels = channels
        super().__init__((channels,), eps=eps, affine=affine, activation=activation, dtype=dtype)

    def _check_shape(self, shape: tuple[int, ...]) -> None:
        if len(shape) < self._least_dims:
            layout = "(N, C, *spatial)" if self._least_dims == 2 else "(N, C, L, *more)"
            raise ValueError(
                f"{self._name}: x must have shape {layout}, got {shape}; add the missing axis"
            )
        if shape[1] != self.channels:
            raise ValueError(
                f"{self._name}: x has {shape[1]} channels on axis 1 (shape {shape}), "
                f"this normalizer has {self.channels}"
            )

    def _accept_mask(self, mask: Array, shape: tuple[int, ...]) -> Array | None:
        expected = (shape[0], *shape[2:])
        if mask.shape != expected:
            raise ValueError(
                f"{self._name}: mask has shape {mask.shape}, must be {expected}: "
                "x's shape without the channel axis"
            )
        valid = np.ascontiguousarray(self._flags(mask).reshape(shape[0], -1 if mask.size else 0))
        return None if valid.all() else valid

    @staticmethod
    def _planes(x: Array) -> Array:
        """x as (N, C, S)."""
        return x.reshape(x.shape[0], x.shape[1], math.prod(x.shape[2:]))
