"""What every normalizer in the table must do."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest
from norm_cases import DTYPES, SHAPES, assert_answer, build, fits, labels, run, sample

import evenbatch.norms
from evenbatch.norms import NORMALIZERS, Normalizer, NormSpec, _over_batch, _over_rows

NAMES = list(NORMALIZERS)
FITTING = [
    (name, shape) for name, shape in itertools.product(NAMES, SHAPES) if fits(name, SHAPES[shape])
]


def shown(values: Any) -> Any:
    return pytest.mark.parametrize(("name", "shape"), values)


@pytest.mark.parametrize("name", NAMES)
def test_table_and_spec_agree(name: str) -> None:
    cls = NORMALIZERS[name]
    spec = cls.spec
    assert issubclass(cls, Normalizer)
    assert spec.name == name
    assert getattr(evenbatch.norms, cls.__name__) is cls
    assert cls.__name__ in evenbatch.norms.__all__
    assert spec.formula in (cls.__doc__ or "")
    assert spec.url in (cls.__doc__ or "")
    assert spec.url.startswith("https://arxiv.org/abs/")
    for other in ("PyTorch", "ONNX"):  # whose conventions are kept, and how another differs
        assert other in (cls.__doc__ or "")


def test_public_map_is_complete() -> None:
    assert sorted(evenbatch.norms.__all__) == sorted(
        name
        for name, value in vars(evenbatch.norms).items()
        if not name.startswith("_")
        and (name == "NORMALIZERS" or getattr(value, "__module__", "").startswith("evenbatch"))
    )


def test_both_kinds_of_planes_are_tested() -> None:
    for long in (SHAPES["long"], SHAPES["picture"], (2, 2, 67)):
        length = int(np.prod(long[2:]))
        assert not _over_batch.as_columns(long[0], length)
        assert not _over_rows.as_rows(long[1], length)
    batch, channels, length = SHAPES["short"]
    assert _over_batch.as_columns(batch, length)
    assert _over_rows.as_rows(channels // 2, length)
    assert _over_batch.as_columns(1024, 49)
    assert not _over_batch.as_columns(32, 49)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"over": ()}, "must name axes"),
        ({"over": ("rows",)}, "must name axes"),
        ({"per": "pixel"}, "must be 'channel' or 'feature'"),
        ({"per": "feature"}, "do not go with gamma per feature"),
        ({"running": "sometimes"}, "not kept, optional or none"),
        ({"over": ("spatial",)}, "over has none"),
        ({"centered": False}, "but the formula is"),
    ],
)
def test_spec_refuses_contradictions(change: dict[str, Any], says: str) -> None:
    fields = dataclasses.asdict(NORMALIZERS["batch"].spec)
    with pytest.raises(ValueError, match=says):
        NormSpec(**{**fields, **change})


@shown(FITTING)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", [None, "relu"])
def test_matches_reference(name: str, shape: str, dtype: str, activation: str | None) -> None:
    x, dy = sample(SHAPES[shape], dtype), sample(SHAPES[shape], dtype, seed=1)
    norm = build(name, x.shape, dtype=dtype, activation=activation)
    assert_answer(norm, x, dy)


@shown(FITTING)
@pytest.mark.parametrize("dtype", DTYPES)
def test_dtype_and_shape_are_kept(name: str, shape: str, dtype: str) -> None:
    x = sample(SHAPES[shape], dtype)
    answer = run(build(name, x.shape, dtype=dtype, affine=True), x, x)
    assert answer.y.shape == answer.dx.shape == x.shape
    assert answer.y.dtype == answer.dx.dtype == answer.dgamma.dtype == np.dtype(dtype)


@pytest.mark.parametrize("name", NAMES)
def test_affine_off_has_no_parameters(name: str) -> None:
    x = sample(SHAPES["short"])
    norm = build(name, x.shape, dtype="float64", affine=False)
    assert norm.gamma is None
    assert norm.beta is None
    assert_answer(norm, x, sample(x.shape, seed=1))
    assert norm.gamma_grad is None
    assert norm.beta_grad is None


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("missing", ["gamma", "beta"])
def test_gamma_or_beta_alone(name: str, missing: str) -> None:
    x = sample(SHAPES["long"])
    norm = build(name, x.shape, dtype="float64", affine=True)
    setattr(norm, missing, None)
    assert_answer(norm, x, sample(x.shape, seed=1))
    assert getattr(norm, f"{missing}_grad") is None


@pytest.mark.parametrize("name", NAMES)
def test_eps_is_used(name: str) -> None:
    x = sample(SHAPES["short"])
    for eps in (0.0, 0.5):
        norm = build(name, x.shape, dtype="float64", eps=eps)
        assert norm.eps == eps
        assert_answer(norm, x, sample(x.shape, seed=1))


@pytest.mark.parametrize("name", NAMES)
def test_relu_cuts_at_zero_both_ways(name: str) -> None:
    x, dy = sample(SHAPES["long"]), sample(SHAPES["long"], seed=1)
    plain, fused = (
        build(name, x.shape, dtype="float64", activation=activation)
        for activation in (None, "relu")
    )
    y = plain(x)
    np.testing.assert_array_equal(fused(x), np.maximum(y, 0))
    assert 0.1 < (y > 0).mean() < 0.9
    np.testing.assert_allclose(
        fused.backward(dy), plain.backward(np.where(y > 0, dy, 0)), rtol=1e-12, atol=1e-13
    )


@pytest.mark.parametrize("name", NAMES)
def test_training_and_evaluation(name: str) -> None:
    x = sample(SHAPES["long"])
    norm = build(name, x.shape, dtype="float64")
    assert norm.training
    assert norm.eval() is norm
    assert not norm.training
    evaluated = norm(x)
    assert norm.train() is norm
    trained = norm(x)
    if norm.spec.running == "kept":
        assert np.abs(trained - evaluated).max() > 0.1
    else:
        np.testing.assert_array_equal(trained, evaluated)


@pytest.mark.parametrize("name", NAMES)
def test_backward_may_be_called_twice_and_replaces_gradients(name: str) -> None:
    x, dy = sample(SHAPES["short"]), sample(SHAPES["short"], seed=1)
    norm = build(name, x.shape, dtype="float64", affine=True)
    norm(x)
    first = norm.backward(dy).copy(), norm.gamma_grad
    second = norm.backward(dy), norm.gamma_grad
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])


@pytest.mark.parametrize("name", NAMES)
def test_input_is_not_written(name: str) -> None:
    x = sample(SHAPES["long"])
    before, norm = x.copy(), build(name, x.shape, dtype="float64", activation="relu")
    run(norm, x, x)
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("name", NAMES)
def test_out_is_written_and_returned(name: str) -> None:
    x, dy = sample(SHAPES["long"]), sample(SHAPES["long"], seed=1)
    norm = build(name, x.shape, dtype="float64")
    expected = run(norm, x, dy)
    y, dx = np.full_like(x, 9), np.full_like(x, 9)
    assert norm(x, out=y) is y
    assert norm.backward(dy, out=dx) is dx
    np.testing.assert_array_equal(y, expected.y)
    np.testing.assert_array_equal(dx, expected.dx)


@pytest.mark.parametrize("name", NAMES)
def test_out_that_does_not_fit_is_refused(name: str) -> None:
    x = sample(SHAPES["short"])
    norm = build(name, x.shape, dtype="float64")
    for out in (x[:-1].copy(), x.astype("float32"), np.asfortranarray(x)):
        with pytest.raises(ValueError, match="out must be a writeable C-contiguous float64 array"):
            norm(x, out=out)
    with pytest.raises(ValueError, match="out overlaps an input"):
        norm(x, out=x)
    norm(x)
    dy = x.copy()
    with pytest.raises(ValueError, match="out overlaps an input"):
        norm.backward(dy, out=dy)


@pytest.mark.parametrize("name", NAMES)
def test_errors_say_what_is_wrong(name: str) -> None:
    x = sample(SHAPES["short"])
    norm = build(name, x.shape, dtype="float64")
    title = type(norm).__name__
    with pytest.raises(RuntimeError, match=f"{title}: backward before any call"):
        norm.backward(x)
    with pytest.raises(ValueError, match=r"x is float32, this normalizer holds float64.*astype"):
        norm(x.astype("float32"))
    with pytest.raises(ValueError, match=r"x is int64"):
        norm(np.ones(x.shape, "int64"))
    with pytest.raises(ValueError, match=f"{title}: x "):
        norm(np.ones((5, 9, 8)))
    with pytest.raises(ValueError, match="mask is int64, must be bool"):
        norm(x, mask=np.ones((5, 7) if norm.spec.per == "channel" else (5, 6), "int64"))
    with pytest.raises(ValueError, match=r"mask has shape \(3,\), must be"):
        norm(x, mask=np.ones(3, bool))
    norm(x)
    with pytest.raises(ValueError, match=r"dy has shape \(4, 6, 7\), the output had \(5, 6, 7\)"):
        norm.backward(x[:4])
    norm.gamma = np.ones(99) if norm.gamma is None else np.ones((*norm.gamma.shape, 2))
    with pytest.raises(ValueError, match="gamma has shape"):
        norm(x)
    with pytest.raises(ValueError, match="activation must be None or 'relu', got 'tanh'"):
        build(name, x.shape, activation="tanh")
    with pytest.raises(ValueError, match="dtype must be float32 or float64, got float16"):
        build(name, x.shape, dtype="float16")
    for eps in (-1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match="eps must be a finite number"):
            build(name, x.shape, eps=eps)
    with pytest.raises(TypeError, match="momentun"):
        build(name, x.shape, momentun=0.1)


@pytest.mark.parametrize("name", NAMES)
def test_repr_shows_how_it_was_made(name: str) -> None:
    text = repr(build(name, SHAPES["short"], eps=0.25))
    assert text.startswith(NORMALIZERS[name].__name__ + "(")
    assert "eps=0.25" in text
    assert "dtype='float32'" in text


@pytest.mark.parametrize("name", NAMES)
def test_units_do_not_see_each_other(name: str) -> None:
    """Changing one unit's numbers changes no other unit's output."""
    x = sample(SHAPES["long"])
    norm = build(name, x.shape, dtype="float64")
    unit, _ = labels(norm, x.shape)
    changed = np.where(unit == 0, x * 3 + 1, x)
    different = norm(x) != norm(changed)
    assert not different[unit != 0].any()
    assert different[unit == 0].any()


def test_channel_and_shape_arguments_are_checked() -> None:
    from evenbatch.norms import BatchNorm, GroupNorm, InstanceNorm, LayerNorm

    for wrong, says in (
        (lambda: BatchNorm(0), "needs at least 1 channel, got 0"),
        (lambda: BatchNorm(3, momentum=1.5), "momentum must be between 0 and 1, or None"),
        (lambda: GroupNorm(4, 6), "groups must divide the channels, got 4 groups for 6 channels"),
        (lambda: LayerNorm(()), "normalized_shape must name at least one axis"),
        (lambda: LayerNorm((3, 0)), "normalized_shape must name at least one axis"),
        (lambda: BatchNorm(3)(np.ones(3, "float32")), r"x must have shape \(N, C, \*spatial\)"),
        (lambda: InstanceNorm(3)(np.ones((2, 3), "float32")), r"x must have shape \(N, C, L,"),
    ):
        with pytest.raises(ValueError, match=says):
            wrong()
