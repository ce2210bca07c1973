"""swap and place: what comes out, with how many values, and what is refused."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from rewrite_cases import Model, changed, reasons, small_mobilenet, small_resnet
from torch import nn
from torch.nn import functional as F

import evenbatch.torch as eb
from evenbatch.torch import RewriteError, place, swap

# ---- swap ----------------------------------------------------------------------------------------


def network(norm: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 64, 3), norm, nn.ReLU())


@pytest.mark.parametrize(
    ("old", "new", "becomes", "values"),
    [
        (nn.BatchNorm2d(64), "group", "GroupNorm(32, 64", "72 values per group"),
        (nn.BatchNorm2d(64), "layer", "GroupNorm(1, 64", "one group is layer norm, 2304 values"),
        (nn.BatchNorm2d(64), "instance", "InstanceNorm2d(64", "36 values per channel of a sample"),
        (nn.GroupNorm(8, 64), "batch", "BatchNorm2d(64", "72 values per channel"),
        (nn.InstanceNorm2d(64), "batch", "BatchNorm2d(64", "72 values per channel"),
        (nn.SyncBatchNorm(64), "group", "GroupNorm(32, 64", "72 values per group"),
        (eb.BatchNorm2d(64), "group", "GroupNorm(32, 64", "72 values per group"),
    ],
)
def test_kinds_over_channels(old: Any, new: str, becomes: str, values: str) -> None:
    model = network(copy.deepcopy(old))
    eps = model[1].eps = 0.003
    kind = next(k for k in ("batch", "group", "instance") if k in type(old).__name__.lower())
    done = swap(model, kind, new, batch=torch.randn(2, 3, 8, 8))
    assert changed(done) == ["1"]
    assert repr(model[1]).startswith(becomes)
    assert values in done.changes[0].evidence
    assert model[1].eps == eps
    assert (model[1].weight is None) == (old.weight is None)


def test_gamma_and_beta_are_the_same_parameters() -> None:
    model = network(nn.BatchNorm2d(64))
    weight, bias = model[1].weight, model[1].bias
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    done = swap(model, "batch", "group", batch=torch.randn(2, 3, 8, 8))
    assert model[1].weight is weight
    assert model[1].bias is bias
    assert {id(p) for p in model.parameters()} == {
        id(p) for group in optimizer.param_groups for p in group["params"]
    }
    done.undo()
    assert isinstance(model[1], nn.BatchNorm2d)
    assert model[1].weight is weight


@pytest.mark.parametrize(("groups", "expected"), [(None, 32), (4, 4), (64, 64)])
def test_the_number_of_groups(groups: int | None, expected: int) -> None:
    model = network(nn.BatchNorm2d(64))
    swap(model, "batch", "group", batch=torch.randn(2, 3, 8, 8), groups=groups)
    assert model[1].num_groups == expected


def test_few_values_get_fewer_groups() -> None:
    """gcd(32, C) would take 32 groups of 2 values, whose results are 1 and -1 whatever they are."""
    model = nn.Sequential(nn.Linear(3, 64), nn.BatchNorm1d(64))
    done = swap(model, "batch", "group", batch=torch.randn(5, 3))
    assert model[1].num_groups == 4
    assert "16 values per group" in done.changes[0].evidence


def test_features_on_the_last_axis() -> None:
    model = nn.Sequential(nn.Linear(3, 8), nn.LayerNorm(8))
    weight = model[1].weight
    done = swap(model, "layer", "rms", batch=torch.randn(5, 7, 3))
    assert isinstance(model[1], nn.RMSNorm)
    assert model[1].weight is weight
    assert "bias dropped" in done.changes[0].evidence
    swap(model, "rms", "layer", batch=torch.randn(5, 7, 3))
    assert isinstance(model[1], nn.LayerNorm)
    assert model[1].weight is weight
    swap(model, "layer", "batch", batch=torch.randn(5, 3))
    assert isinstance(model[1], nn.BatchNorm1d)


class Odd(nn.BatchNorm2d):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) + 1


def hooked() -> nn.Sequential:
    model = network(nn.BatchNorm2d(64))
    model[1].register_forward_pre_hook(lambda module, args: None)
    return model


PLANTED: dict[str, tuple[Any, tuple[str, str], dict[str, Any], tuple[int, ...], str]] = {
    "group of 1 value": (
        lambda: nn.Sequential(nn.Linear(3, 64), nn.BatchNorm1d(64)), ("batch", "group"),
        {"groups": 64}, (5, 3), "1 value per group for an input of shape (5, 64)",
    ),
    "groups that do not divide": (
        lambda: network(nn.BatchNorm2d(64)), ("batch", "group"), {"groups": 7}, (2, 3, 8, 8),
        "7 groups do not divide its 64 channels",
    ),
    "instance of 1 position": (
        lambda: network(nn.BatchNorm2d(64)), ("batch", "instance"), {}, (2, 3, 3, 3),
        "1 value per channel of a sample for an input of shape (2, 64, 1, 1)",
    ),
    "batch of 1 value": (
        lambda: network(nn.GroupNorm(1, 64)), ("group", "batch"), {}, (1, 3, 3, 3),
        "1 value per channel for an input of shape (1, 64, 1, 1)",
    ),
    "one batch norm for two places": (
        lambda: Model(lambda m, x: m.norm(m.norm(x)), norm=nn.GroupNorm(1, 3)),
        ("group", "batch"), {}, (2, 3, 4, 4), "called 2 times, and one batch norm would mix",
    ),
    "features last": (
        lambda: nn.Sequential(nn.LayerNorm(8)), ("layer", "batch"), {}, (2, 5, 8),
        "it normalizes the last axes (8,) of an input of shape (2, 5, 8), and batch norm works on",
    ),
    "rms over channels": (
        lambda: network(nn.BatchNorm2d(64)), ("batch", "rms"), {}, (2, 3, 8, 8),
        "RMS norm works on the last axis, and the channels of (2, 64, 6, 6) are on axis 1",
    ),
    "a class of its own": (
        lambda: nn.Sequential(Odd(3)), ("batch", "group"), {}, (2, 3, 8, 8),
        "Odd is a class of its own, not torch.nn's",
    ),
    "a hook": (hooked, ("batch", "group"), {}, (2, 3, 8, 8), "hooks are registered on it"),
    "never called": (
        lambda: Model(lambda m, x: x, norm=nn.BatchNorm2d(3)), ("batch", "group"), {},
        (2, 3, 8, 8), "it is not called in the forward pass",
    ),
    "relu fused in": (
        lambda: nn.Sequential(eb.BatchNorm2d(3, activation="relu")), ("batch", "group"), {},
        (2, 3, 8, 8), "it has activation='relu' fused in",
    ),
    "unbatched": (
        lambda: nn.Sequential(nn.InstanceNorm2d(3)), ("instance", "group"), {}, (3, 8, 8),
        "its input (3, 8, 8) has no batch axis",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_hazard_is_refused(name: str) -> None:
    build, kinds, words, shape, expected = PLANTED[name]
    model = build()
    before = repr(model)
    done = swap(model, *kinds, batch=torch.randn(shape), **words)
    (reason,) = reasons(done).values()
    assert expected in reason
    assert repr(model) == before


def test_a_fast_path_that_reads_the_norms_weights() -> None:
    """torch.nn.TransformerEncoderLayer computes layer norm with norm1.weight, whatever norm1 is."""
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
    done = swap(layer, "layer", "rms", batch=torch.randn(2, 5, 8))
    assert not done
    assert set(reasons(done)) == {"norm1", "norm2"}
    assert "fast path" in reasons(done)["norm1"]


def test_a_model_that_reads_its_norm_is_put_back() -> None:
    model = Model(lambda m, x: m.norm(x) * m.norm.num_features, norm=nn.BatchNorm2d(4))
    with pytest.raises(RewriteError, match="rewritten model fails on the batch, so nothing was"):
        swap(model, "batch", "group", batch=torch.randn(2, 4, 5, 5))
    assert isinstance(model.norm, nn.BatchNorm2d)


def test_shared_norms_and_a_model_that_is_a_norm() -> None:
    norm = nn.BatchNorm2d(4)
    model = nn.Sequential(norm, nn.ReLU(), norm)
    done = swap(model, "batch", "group", batch=torch.randn(2, 4, 5, 5))
    assert changed(done) == ["0"]
    assert model[0] is model[2]
    assert isinstance(model[0], nn.GroupNorm)
    done = swap(norm, "batch", "group", batch=torch.randn(2, 4, 5, 5))
    assert isinstance(done.model, nn.GroupNorm)


def test_wrong_words() -> None:
    x = torch.randn(2, 3, 8, 8)
    with pytest.raises(RewriteError, match=r"swap: new must be one of batch, .*, got 'weight'"):
        swap(network(nn.BatchNorm2d(64)), "batch", "weight", batch=x)
    with pytest.raises(RewriteError, match="old and new are both 'batch'"):
        swap(network(nn.BatchNorm2d(64)), "batch", "batch", batch=x)
    with pytest.raises(RewriteError, match="groups is for new=\"group\", not for new='layer'"):
        swap(network(nn.BatchNorm2d(64)), "batch", "layer", batch=x, groups=2)
    with pytest.raises(RewriteError, match=r"place: norm must be one of batch, .*, got 'none'"):
        place(nn.Linear(3, 3), "none")
    with pytest.raises(RewriteError, match="place: groups is for norm"):
        place(nn.Linear(3, 3), "batch", groups=2)


@pytest.mark.parametrize("build", [small_resnet, small_mobilenet])
def test_real_models_swap_whole(build: Any) -> None:
    model, batch = build()
    count = sum(isinstance(m, nn.BatchNorm2d) for m in model.modules())
    done = swap(model, "batch", "group", batch=batch)
    assert len(done) + len(done.refused) == count
    assert len(done) > 5
    assert all("value per group" in reason for reason in reasons(done).values())
    model.train()(**batch).logits.sum().backward()


# ---- place ---------------------------------------------------------------------------------------


def lenet() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 6, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 8, 3), nn.Tanh(),
        nn.Flatten(), nn.Linear(32, 16), nn.GELU(), nn.Linear(16, 4),
    )  # fmt: skip


@pytest.mark.parametrize("norm", ["batch", "instance", "group", "layer"])
def test_a_norm_after_each_layer_with_an_activation(norm: str) -> None:
    model = lenet()
    x = torch.randn(5, 1, 10, 10)
    state = copy.deepcopy(model.state_dict())
    done = place(model, norm, batch=x)
    assert changed(done) == (["0", "3"] if norm == "instance" else ["0", "3", "6"])
    assert "it is an output of the model" in reasons(done)["8"]
    kind = {"batch": "BatchNorm2d", "instance": "InstanceNorm2d"}.get(norm, "GroupNorm")
    assert [type(m).__name__ for m in model[0]] == ["Conv2d", kind]
    assert (model[0][0].bias is None) == (norm in ("batch", "instance"))
    model(x).sum().backward()
    hidden = model[0](x)  # the norm stands before the activation
    assert abs(float(hidden.detach().mean())) < 1e-5
    assert float(hidden.detach().min()) < -0.5
    done.undo()
    assert list(model.state_dict()) == list(state)
    assert torch.equal(model.state_dict()["0.bias"], state["0.bias"])


def test_functional_activations_are_seen() -> None:
    model = Model(
        lambda m, x: m.head(F.leaky_relu(m.body(x), 0.1)),
        body=nn.Linear(3, 8),
        head=nn.Linear(8, 2),
    )
    for batch in (None, torch.randn(4, 3)):
        done = place(model, "layer", batch=batch)
        assert changed(done) == ["body"]
        done.undo()


NOWHERE: dict[str, tuple[Any, str, str]] = {
    "already normalized": (
        lambda: nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Flatten()), "batch",
        "no activation reads its output: ",
    ),
    "the output's own activation": (
        lambda: nn.Sequential(nn.Linear(3, 8), nn.Sigmoid()), "batch",
        "its activation, sigmoid in 1, gives an output of the model",
    ),
    "read twice": (
        lambda: Model(lambda m, x: (h := m.body(x), F.relu(h) + F.relu(h))[1],
                      body=nn.Linear(3, 8)), "batch", "its output is read 2 times",
    ),
    "called twice": (
        lambda: Model(lambda m, x: F.relu(m.body(F.relu(m.body(x)))) + 0, body=nn.Linear(3, 3)),
        "batch", "it is called 2 times, and one batch norm would mix their statistics",
    ),
    "one value": (
        lambda: nn.Sequential(nn.Linear(3, 1), nn.ReLU(), nn.Linear(1, 2)), "layer",
        "1 value per row for an input of shape (1,)",
    ),
    "not called as a module": (
        lambda: Model(lambda m, x: F.relu(F.linear(x, m.body.weight)), body=nn.Linear(3, 8)),
        "batch", "it is not called as a module",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NOWHERE)
def test_where_no_norm_belongs(name: str) -> None:
    build, norm, expected = NOWHERE[name]
    model = build()
    before = repr(model)
    done = place(model, norm, batch=torch.randn(4, 3))
    assert expected in reasons(done)["body" if isinstance(model, Model) else "0"]
    assert repr(model) == before


def test_sequences_get_no_batch_norm_by_mistake() -> None:
    """BatchNorm1d on (N, L, C) is silent where L = C."""
    model = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2))
    done = place(model, "batch", batch=torch.randn(4, 8, 3))
    assert "its output (4, 8, 8) has the features on the last axis" in reasons(done)["0"]
    assert "decides whether batch norm fits; give a batch" in reasons(place(model, "batch"))["0"]
    assert changed(place(model, "rms", batch=torch.randn(4, 8, 3))) == ["0"]


def test_convolutions_without_a_batch() -> None:
    model = lenet()
    done = place(model, "batch")
    assert changed(done) == ["0", "3"]
    assert done.changes[0].evidence == "shape not checked, bias removed"
    model(torch.randn(5, 1, 10, 10))


def test_a_network_that_did_not_train_trains() -> None:
    """What all this is for: 10 sigmoid layers from PyTorch's default initialization."""
    torch.manual_seed(0)
    x = torch.randn(64, 10)
    y = (x[:, 0] * x[:, 1] > 0).long()
    losses = []
    for norm in (None, "batch"):
        torch.manual_seed(1)
        layers = [m for _ in range(10) for m in (nn.Linear(10, 10), nn.Sigmoid())]
        model = nn.Sequential(*layers, nn.Linear(10, 2))
        if norm is not None:
            assert len(place(model, norm, batch=x)) == 10
        optimizer = torch.optim.Adam(model.parameters(), 0.01)
        for _ in range(40):
            loss = F.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[1] < 0.5 * losses[0]
