"""What cannot be compared is refused, by name, before anything is trained."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from evenbatch.torch import CompareError, compare

X = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
Y = (X[:, 0] > 0).long()
DATA = ((X, Y), (X, Y))


def network(arm: str) -> nn.Module:
    return nn.Linear(4, 2)


def fails_forward(arm: str) -> nn.Module:
    return nn.Linear(5, 2) if arm == "b" else nn.Linear(4, 2)


def fails(arm: str) -> nn.Module:
    raise KeyError("depth")


def frozen(arm: str) -> nn.Module:
    return nn.Linear(4, 2).requires_grad_(False)


def attempt(**changes: Any) -> None:
    asked: dict[str, Any] = {
        "make_model": network, "data": DATA, "arms": ["a", "b"], "metric": "accuracy",
        "budget": 20, "rates": [0.1], "progress": False,
    }  # fmt: skip
    compare(**{**asked, **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"make_model": nn.Linear(4, 2).eval}, r"make_model\('a'\) fails: TypeError"),
        ({"make_model": 3}, "make_model is a int; give a function"),
        ({"make_model": lambda arm: None}, r"make_model\('a'\) gives a NoneType.*return its model"),
        ({"make_model": fails}, r"make_model\('a'\) fails: KeyError: 'depth'"),
        ({"make_model": fails_forward}, r"arm 'b' fails on a training batch: RuntimeError: mat1"),
        ({"make_model": lambda arm: nn.LazyLinear(2)}, "weight is lazy"),
        ({"make_model": frozen}, "the model of 'a' has no parameters that can be trained"),
        ({"make_model": lambda arm: nn.LSTM(4, 2)}, "gives a tuple, not a tensor; give loss="),
        ({"arms": ["a", None]}, "an arm is None; arms are names"),
        ({"arms": "ab"}, "arms is 'ab'; give a list of names"),
        ({"arms": ["a"]}, r"arms are \['a'\]; at least two"),
        ({"arms": ["a", "a"]}, "each another name"),
        ({"metric": "f1"}, 'metric is \'f1\'; it must be "accuracy", "loss" or a function'),
        ({"metric": lambda m, b: m(b[0])}, r"arm 'a', in testing: metric <lambda>\(model, batch\) "
         r"gave a Tensor of shape \(64, 2\), not a number"),
        ({"metric": lambda m, b: "good"}, "gave a str, not a number"),
        ({"loss": lambda m, b: 0.5}, "the loss is a plain number"),
        ({"loss": lambda m, b: torch.tensor(0.5)}, "does not depend on any parameter"),
        ({"seeds": 3}, "seeds is 3; it must be a whole number from 5, since on fewer seeds no"),
        ({"tuning_seeds": 0}, "tuning_seeds is 0"),
        ({"budget": 1.5}, "budget is 1.5; it must be a whole number from 10 steps, or a timedelta"),
        ({"rates": []}, r"rates of 'a' are \[\]; each must be a number above 0"),
        ({"rates": {"a": [0.1]}}, r"rates by arm must name each arm; \['b'\]"),
        ({"rates": [0.1, -1]}, "must be a number above 0"),
        ({"optimizer": "lion"}, "optimizer is 'lion'; it must be one of sgd, momentum, adam"),
        ({"optimizer": lambda p, r: None}, "gives a NoneType, no optimizer"),
        ({"better": "up"}, "better is 'up'"),
        ({"device": "cuda"}, "device is 'cuda', but PyTorch sees no CUDA device"),
        ({"device": "toaster"}, "device is 'toaster', which PyTorch does not know"),
        ({"batch_size": 65}, "batch_size is 65, but there are 64 training rows"),
        ({"data": 5}, r"data is a int; give \(training, test\)"),
        ({"data": (X, Y, X)}, "data is a tuple of 3"),
        ({"data": ((X, Y[:9]), (X, Y))}, r"the training data are tensors of \[9, 64\] rows"),
        ({"data": lambda seed: 5}, r"data\(0\) must give two loaders"),
        ({"data": ((X, Y.float()), (X, Y.float()))}, r"shape \(32, 2\) and the targets \(32,\); "
         "the mean squared error needs equal shapes"),
        ({"data": ((X, X[:, :2]), (X, X[:, :2]))}, 'metric is "accuracy", but the targets are'),
        ({"store": "file"}, "store is a str"),
        ({"matters": 0.5}, "matters is 0.5"),
    ],
)  # fmt: skip
def test_a_mistake_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(CompareError, match=message):
        attempt(**changes)


def test_a_store_needs_name_and_version(tmp_path: Any) -> None:
    from evenbatch.store import Store

    with Store(tmp_path / "my.store") as store, pytest.raises(CompareError, match="name= and ver"):
        attempt(store=store)
