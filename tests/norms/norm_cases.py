"""What the tests of the normalizers share: building any of them, an independent reference, checks.

Nothing here knows a normalizer by name. `build` reads constructor words, `reference` reads the
spec, so a normalizer added to `NORMALIZERS` is tested as it is.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from evenbatch.norms import NORMALIZERS

DTYPES = ("float32", "float64")

# (N, C, positions): planes done as columns or rows, and planes long enough for the plane kernels
# (`test_both_kinds_of_planes_are_tested` watches that); features > batch.
SHAPES = {"short": (5, 6, 7), "long": (3, 4, 71), "flat": (13, 6), "picture": (2, 6, 8, 9)}


def build(name: str, shape: tuple[int, ...], **options: Any) -> Any:
    """A normalizer of that name for inputs of that shape, gamma and beta not all the same."""
    cls = NORMALIZERS[name]
    groups = next((k for k in range(2, shape[1]) if shape[1] % k == 0), 1)
    words = {"channels": shape[1], "normalized_shape": shape[-1], "groups": groups}
    needed = [
        parameter
        for parameter in inspect.signature(cls).parameters.values()
        if parameter.default is parameter.empty
    ]
    norm = cls(*(words[parameter.name] for parameter in needed), **options)
    random = np.random.default_rng(7)
    if norm.gamma is not None:
        norm.gamma = random.uniform(0.5, 1.5, norm.gamma.shape).astype(norm.dtype)
    if norm.beta is not None:
        norm.beta = random.uniform(-0.5, 0.5, norm.beta.shape).astype(norm.dtype)
    return norm


def fits(name: str, shape: tuple[int, ...]) -> bool:
    """Whether this normalizer takes inputs of this shape (some need positions)."""
    return len(shape) > 2 or NORMALIZERS[name].spec.over != ("spatial",)


def sample(shape: tuple[int, ...], dtype: str = "float64", seed: int = 0) -> Any:
    """Normal numbers, each channel with its own centre and scale."""
    random = np.random.default_rng(seed)
    x = random.standard_normal(shape)
    wide = (1, shape[1], *(1,) * (len(shape) - 2))
    x = x * random.uniform(0.5, 3, wide) + random.uniform(-2, 2, wide)
    return x.astype(dtype)


class Answer(NamedTuple):
    """Everything a normalizer computes."""

    y: Any
    dx: Any
    dgamma: Any
    dbeta: Any


def run(norm: Any, x: Any, dy: Any, mask: Any = None) -> Answer:
    """Forward and backward; gradients that do not exist are zeros."""
    y = norm(x, mask)
    dx = norm.backward(dy)
    zero = np.zeros(norm._affine_shape)
    return Answer(
        y,
        dx,
        zero if norm.gamma_grad is None else norm.gamma_grad,
        zero if norm.beta_grad is None else norm.beta_grad,
    )


def labels(norm: Any, shape: tuple[int, ...]) -> tuple[Any, Any]:
    """For each element of x: which unit it is normalized with, and which gamma it meets."""
    index = np.indices(shape)
    if norm.spec.per == "feature":
        trailing = len(norm.normalized_shape)
        unit = np.ravel_multi_index(tuple(index[:-trailing]), shape[:-trailing])
        return unit, np.ravel_multi_index(tuple(index[-trailing:]), shape[-trailing:])
    axes = []
    if "batch" not in norm.spec.over:
        axes.append((index[0], shape[0]))
    if "channels" in norm.spec.over:
        axes.append((index[1] // (shape[1] // norm.groups), norm.groups))
    else:
        axes.append((index[1], shape[1]))
    unit = np.ravel_multi_index(tuple(a for a, _ in axes), tuple(size for _, size in axes))
    return unit, index[1]


def reference(
    norm: Any, x: Any, dy: Any, mask: Any = None, naive: bool = False
) -> tuple[Answer, Answer]:
    """What `norm` should compute in training, by sorting elements into their units.

    Args:
        mask: flags of x's own shape, or None.
        naive: do it as the formula is written, in x's own dtype. Otherwise in float64, and with one
            of a unit's numbers subtracted from all of them first, which changes no answer and keeps
            float64 exact enough to judge float64.

    Returns:
        The answer, and the size of the terms each part of it is a sum of: rounding is judged
        against those, because a sum may be much smaller than its terms.
    """
    dtype = x.dtype.type if naive else np.float64
    unit, slot = (a.ravel() for a in labels(norm, x.shape))
    kept = np.ones(x.size, bool) if mask is None else np.broadcast_to(mask, x.shape).ravel()
    order = np.argsort(unit, kind="stable")
    table = (len(np.unique(unit)), -1)

    def units(a: Any) -> Any:
        return a.ravel()[order].reshape(table)

    def back(a: Any) -> Any:
        flat = np.empty(x.size, dtype)
        flat[order] = a.ravel()
        return flat.reshape(x.shape)

    def slots(a: Any) -> Any:
        total = np.zeros(int(np.prod(norm._affine_shape)), dtype)
        np.add.at(total, slot, back(a).ravel())
        return total.reshape(norm._affine_shape)

    gamma = np.ones(norm._affine_shape) if norm.gamma is None else norm.gamma
    beta = np.zeros(norm._affine_shape) if norm.beta is None else norm.beta
    gamma, beta = (units(np.asarray(a, dtype).ravel()[slot]) for a in (gamma, beta))
    keep, x64, dy64 = units(kept), units(np.asarray(x, dtype)), units(np.asarray(dy, dtype))
    count = np.maximum(keep.sum(1, keepdims=True), 1).astype(dtype)
    if norm.spec.centered and not naive:
        x64 = x64 - np.take_along_axis(x64, keep.argmax(1)[:, None], 1)
    x64 = np.where(keep, x64, 0)
    mean = x64.sum(1, keepdims=True) / count if norm.spec.centered else dtype(0)
    centred = np.where(keep, x64 - mean, 0)
    rstd = dtype(1) / np.sqrt((centred**2).sum(1, keepdims=True) / count + dtype(norm.eps))
    xhat = centred * rstd
    z = gamma * xhat + beta
    let_by = keep & (z > 0) if norm.activation == "relu" else keep
    g = np.where(let_by, dy64, 0)
    h = g * gamma
    dx = h - xhat * (h * xhat).sum(1, keepdims=True) / count
    if norm.spec.centered:
        dx = dx - h.sum(1, keepdims=True) / count
    y = np.where(let_by, z, 0)
    answer = Answer(back(y), back(np.where(keep, dx * rstd, 0)), slots(g * xhat), slots(g))
    far = np.maximum(np.abs(xhat), 1)
    if x.dtype == np.float64:  # nothing is more precise than x: an offset costs what it must
        far = far + np.where(keep, np.abs(units(np.asarray(x, dtype))), 0) * rstd
    sizes = Answer(
        np.max(np.abs(gamma) * far + np.abs(beta), initial=0),
        np.max(np.abs(h) * far * rstd, initial=0),
        np.max(slots(np.abs(g) * far), initial=0),
        np.max(slots(np.abs(g)), initial=0),
    )
    return answer, sizes


def assert_as_good_as_naive(ours: Any, exact: Any, naive: Any, size: float, what: str = "") -> None:
    """|ours - exact| <= 2 |naive - exact| + 8 roundings of `size`, the largest term.

    A naive version that overflowed is no excuse: then only the roundings are allowed.
    """
    exact = np.asarray(exact, np.float64)
    error = np.max(np.abs(np.asarray(ours, np.float64) - exact), initial=0)
    excuse = np.max(np.abs(np.asarray(naive, np.float64) - exact), initial=0)
    allowed = 8 * np.finfo(ours.dtype).eps * size
    if np.isfinite(excuse):
        allowed += 2 * excuse
    assert error <= allowed, f"{what}: error {error:.3g}, allowed {allowed:.3g}"


def assert_answer(norm: Any, x: Any, dy: Any, mask: Any = None, full_mask: Any = None) -> None:
    """Forward and all gradients against `reference`, by the tolerance rule."""
    with np.errstate(all="ignore"):
        exact, sizes = reference(norm, x, dy, full_mask)
        naive, _ = reference(norm, x, dy, full_mask, naive=True)
    ours = run(norm, x, dy, mask)
    for what in Answer._fields:
        if (what == "dbeta" and norm.beta is None) or (what == "dgamma" and norm.gamma is None):
            continue
        parts = (getattr(answer, what) for answer in (ours, exact, naive, sizes))
        assert_as_good_as_naive(*parts, what=f"{norm} {what}")


def assert_gradient(loss: Callable[[Any], float], at: Any, gradient: Any, what: str) -> None:
    """A gradient against central differences of a float64 loss, element by element.

    Allowed: 2e-6 of the largest element, 500 times below a planted error of 0.1 %.
    """
    numeric = np.empty_like(at)
    step = 1e-4 * max(1.0, float(np.abs(at).max()) * 0.1)
    for i in np.ndindex(at.shape):
        before = at[i]
        slopes = []
        for h in (step, step / 2):
            at[i] = before + h
            above = loss(at)
            at[i] = before - h
            below = loss(at)
            slopes.append((above - below) / (2 * h))
        at[i] = before
        numeric[i] = (4 * slopes[1] - slopes[0]) / 3  # Richardson: the h^2 error cancels
    error = np.abs(gradient - numeric).max()
    allowed = 2e-6 * np.abs(numeric).max()
    assert error <= allowed, f"gradient of {what}: off by {error:.3g}, allowed {allowed:.3g}"
