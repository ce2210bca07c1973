"""One table of hazards, run on every normalizer."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from norm_cases import DTYPES, assert_answer, build, labels, reference, run, sample

from evenbatch.norms import NORMALIZERS

NAMES = list(NORMALIZERS)
BASE = {"short": (5, 6, 7), "long": (3, 4, 71)}


def _constant_channel(x: Any) -> Any:
    x = x.copy()
    x[:, 0] = 3
    return x


# Numbers that are hard to normalize: compared with float64 by the tolerance rule.
VALUES: dict[str, Callable[[Any], Any]] = {
    "offset 1e6": lambda x: x + x.dtype.type(1e6),
    "offset -1e6, small spread": lambda x: x * x.dtype.type(0.3) - x.dtype.type(1e6),
    "constant feature": _constant_channel,
    "constant everywhere": lambda x: np.full_like(x, 3),
    "zero everywhere": np.zeros_like,
    "huge scale": lambda x: x * x.dtype.type(1e30),
    "tiny scale": lambda x: x * x.dtype.type(1e-30),
    "subnormal": lambda x: x * x.dtype.type(np.finfo(x.dtype).tiny / 8),
    "one outlier": lambda x: np.where(np.arange(x.size).reshape(x.shape) == 5, x * 10_000, x),
}

# The same numbers laid out differently: compared with the plain layout, to the bit.
LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "Fortran order": np.asfortranarray,
    "every other element": lambda x: np.repeat(x, 2, axis=-1)[..., ::2],
    "transposed memory": lambda x: np.ascontiguousarray(x.swapaxes(0, -1)).swapaxes(0, -1),
    "backwards": lambda x: np.ascontiguousarray(x[::-1])[::-1],
    "off its alignment": lambda x: np.frombuffer(b"\0" + x.tobytes(), x.dtype, offset=1).reshape(
        x.shape
    ),
}

PRIMES = {"features > batch": (3, 7, 11), "positions > features": (2, 5, 67), "batch": (31, 7, 2)}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("hazard", VALUES)
@pytest.mark.parametrize(("dtype", "shape"), list(itertools.product(DTYPES, BASE)))
def test_values(name: str, hazard: str, dtype: str, shape: str) -> None:
    x = VALUES[hazard](sample(BASE[shape], dtype)).astype(dtype)
    dy = sample(BASE[shape], dtype, seed=1)
    norm = build(name, x.shape, dtype=dtype, activation="relu", affine=True)
    assert_answer(norm, x, dy)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", BASE)
def test_an_offset_costs_nothing(name: str, shape: str) -> None:
    """float32 at a million, against float64 on the same numbers: as good as without the offset."""
    if not NORMALIZERS[name].spec.centered:
        return  # nothing is subtracted
    x = sample(BASE[shape], "float32") * np.float32(100) + np.float32(1e6)
    dy = sample(BASE[shape], "float32", seed=1) + np.float32(2)
    norm = build(name, x.shape, dtype="float32", affine=True)
    exact, sizes = reference(norm, x, dy)
    for what, a, b, size in zip(exact._fields, run(norm, x, dy), exact, sizes, strict=True):
        assert np.abs(a - b).max() < 1e-6 * size, what


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", BASE)
def test_layouts(name: str, layout: str, shape: str) -> None:
    x, dy = sample(BASE[shape]), sample(BASE[shape], seed=1)
    plain = run(build(name, x.shape, dtype="float64"), x, dy)
    laid = run(build(name, x.shape, dtype="float64"), LAYOUTS[layout](x), LAYOUTS[layout](dy))
    for a, b in zip(plain, laid, strict=True):
        np.testing.assert_array_equal(a, b)
    assert laid.y.flags.c_contiguous


@pytest.mark.parametrize("name", NAMES)
def test_read_only_input(name: str) -> None:
    x = sample(BASE["short"])
    plain = run(build(name, x.shape, dtype="float64"), x, x)
    x.flags.writeable = False
    for a, b in zip(plain, run(build(name, x.shape, dtype="float64"), x, x), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", PRIMES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_prime_sizes(name: str, shape: str, dtype: str) -> None:
    x, dy = sample(PRIMES[shape], dtype), sample(PRIMES[shape], dtype, seed=1)
    assert_answer(build(name, x.shape, dtype=dtype, affine=True), x, dy)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", BASE)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("activation", [None, "relu"])
def test_not_a_number_spreads_over_its_unit_only(
    name: str, shape: str, bad: float, activation: str | None
) -> None:
    """A unit with NaN or infinity comes out NaN (as in PyTorch), all others untouched.

    Where nothing is subtracted, infinity over infinity is NaN and the rest is 0.
    """
    x, dy = sample(BASE[shape]), sample(BASE[shape], seed=1)
    norm = build(name, x.shape, dtype="float64", activation=activation)
    clean = run(norm, x, dy)
    at = (1, 2, 3)
    x = x.copy()
    x[at] = bad
    unit, _ = labels(norm, x.shape)
    hit = unit == unit[at]
    dirty = run(norm, x, dy)
    for a, b in ((clean.y, dirty.y), (clean.dx, dirty.dx)):
        np.testing.assert_array_equal(a[~hit], b[~hit])
    assert np.isnan(dirty.y[at])
    if norm.spec.centered or np.isnan(bad):
        assert np.isnan(dirty.y[hit]).all()
    assert np.isnan(dirty.dx[hit]).any()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(0, 6, 7), (4, 6, 0), (0, 6, 70)])
def test_empty_batch(name: str, shape: tuple[int, ...]) -> None:
    """Nothing in, nothing out; gradients are zero and running statistics stay."""
    if NORMALIZERS[name].spec.per == "feature" and shape[-1] == 0:
        with pytest.raises(ValueError, match="at least one axis, each of size 1 or more"):
            build(name, shape)
        return
    norm = build(name, shape, dtype="float64", affine=True)
    answer = run(norm, np.empty(shape), np.empty(shape))
    assert answer.y.shape == answer.dx.shape == shape
    assert not answer.dgamma.any()
    assert not answer.dbeta.any()
    if norm.spec.running == "kept":
        np.testing.assert_array_equal(norm.running_mean, 0)
        np.testing.assert_array_equal(norm.running_var, 1)
        assert norm.num_batches_tracked == 0
        assert norm.eval()(np.empty(shape)).shape == shape


def _one_value_per_unit(name: str) -> tuple[int, ...]:
    """The smallest input this normalizer could be given: one value in each unit."""
    return (1, 2) if NORMALIZERS[name].spec.over != ("spatial",) else (1, 2, 1)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("batch", r"BatchNorm: training needs more than 1 value per channel.*shape \(1, 2\).*eval"),
        ("instance", r"InstanceNorm: needs more than 1 position per channel.*shape \(1, 2, 1\)"),
        ("group", r"GroupNorm: needs more than 1 value per group.*shape \(1, 2\).*fewer groups"),
    ],
)
def test_one_value_to_normalize_is_refused(name: str, says: str) -> None:
    from evenbatch.norms import GroupNorm

    shape = _one_value_per_unit(name)
    norm = GroupNorm(2, 2) if name == "group" else build(name, shape)
    with pytest.raises(ValueError, match=says):
        norm(np.ones(shape, "float32"))


def test_one_value_is_fine_in_evaluation() -> None:
    for name, shape in (("batch", (1, 2)), ("instance", (1, 2, 1))):
        norm = build(name, shape, track_running_stats=True, affine=True).eval()
        y = norm(np.ones(shape, "float32"))
        expected = norm.gamma / np.sqrt(1 + norm.eps) + norm.beta
        np.testing.assert_allclose(y.ravel(), expected, rtol=1e-6)


@pytest.mark.parametrize("name", ["layer", "rms"])
def test_one_feature(name: str) -> None:
    """As in PyTorch no error: layer normalization gives beta, RMS gives the sign."""
    norm = NORMALIZERS[name](1, dtype="float64")
    y = norm(np.array([[2.0], [-3.0]]))
    np.testing.assert_allclose(y, [[0], [0]] if name == "layer" else [[1], [-1]], atol=1e-12)
    assert norm.backward(np.ones((2, 1))) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_single_sample_with_positions(name: str) -> None:
    """A batch of one is no hazard where there are positions."""
    x = sample((1, 6, 70))
    assert_answer(build(name, x.shape, dtype="float64"), x, sample(x.shape, seed=1))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", BASE)
def test_all_masked(name: str, shape: str) -> None:
    """No valid position: zeros, no gradient, running statistics stay, whatever x holds."""
    x = np.full(BASE[shape], np.nan)
    norm = build(name, x.shape, dtype="float64", affine=True)
    flags = np.zeros(
        (x.shape[0], *x.shape[2:]) if norm.spec.per == "channel" else x.shape[:2], bool
    )
    answer = run(norm, x, np.full(x.shape, np.nan), flags)
    for part in answer:
        np.testing.assert_array_equal(part, 0)
    if norm.spec.running == "kept":
        np.testing.assert_array_equal(norm.running_mean, 0)
        assert norm.num_batches_tracked == 0


@pytest.mark.parametrize("name", ["layer", "rms", "group", "instance"])
def test_eps_zero_and_constant_is_not_a_number(name: str) -> None:
    """0 / 0, as in the formula and in PyTorch, rather than a silent 0 or an exception."""
    x = np.zeros((2, 6, 70))
    assert np.isnan(build(name, x.shape, dtype="float64", eps=0.0)(x)).all()
